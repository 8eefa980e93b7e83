"""Medians of interleaved runs, peak memory, and the chip's copy bandwidth."""

import statistics
import time
from collections.abc import Callable

import torch

Work = Callable[[], object]


def once(work: Work, device: torch.device) -> float:
    """Seconds of one run; on a GPU between two events, so that launching is not counted."""
    if device.type != "cuda":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def medians(works: dict[str, Work], device: torch.device, runs: int) -> dict[str, float]:
    """Median seconds of each, taken in turns: noise of the machine hits all alike."""
    for work in works.values():
        for _ in range(3):
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            seconds[name].append(once(work, device))
    return {name: statistics.median(found) for name, found in seconds.items()}


def peak_bytes(work: Work, device: torch.device) -> int | None:
    """Memory that a run needs on top of its inputs; None where torch does not count it."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second of a large copy, read plus written."""
    count = 1 << (30 if device.type == "cuda" else 26)
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = medians({"copy": lambda: target.copy_(source)}, device, 11)["copy"]
    return 2 * count / seconds
