"""Time the kernels: ``PYTHONPATH=kernels python -m kernels.benchmarks [--device cuda]``.

Needs torch, and Triton on a GPU; nothing else. Run it from the root of the repository.
"""

import argparse
import platform
import sys

import torch

from kernels.benchmarks import gate
from kernels.benchmarks.cases import CASES, Case
from kernels.benchmarks.timing import copy_bandwidth, medians, peak_bytes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kernels.benchmarks")
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=best, type=torch.device)
    parser.add_argument("--runs", default=21, type=int, help="timed runs of each (median)")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    options = parser.parse_args()
    device: torch.device = options.device
    ceiling = copy_bandwidth(device)
    print(f"{_machine(device)}; torch {torch.__version__}; copies {ceiling / 1e9:.0f} GB/s")
    red: dict[str, str | None] = {}
    for make in CASES:
        case = make(device)
        if options.only not in case.name:
            continue
        if case.operation not in red:
            red[case.operation] = gate.trouble(case.operation, device)
        reason = red[case.operation]
        print(f"\n{case.name}")
        if reason is not None:
            print(f"  no figures: {reason}")
            continue
        with torch.inference_mode():
            _report(case, device, ceiling, options.runs)
    return 1 if any(red.values()) else 0


def _report(case: Case, device: torch.device, ceiling: float, runs: int) -> None:
    seconds = medians(case.works, device, runs)
    ours = next(iter(seconds.values()))
    for name, taken in seconds.items():
        peak = peak_bytes(case.works[name], device)
        memory = "" if peak is None else f"  peak {peak / 1e6:8.1f} MB"
        share = case.moved_bytes / taken / ceiling
        print(
            f"  {name:22s}{taken * 1e3:10.3f} ms  {taken / ours:6.2f}x ours  "
            f"{case.moved_bytes / 1e6:8.1f} MB  {share:6.1%} of copy{memory}"
        )


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    sys.exit(main())
