import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED_BYTES = {80: 163 * 1024, 90: 227 * 1024}
"""What one program may use at most on each target."""


@pytest.fixture(scope="module")
def reports() -> list[dict[str, int | str]]:
    """What the assembler says of every kernel; in a process without Triton's interpreter."""
    pytest.importorskip("triton")
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(ROOT / "kernels")
    script = Path(__file__).with_name("compile_kernels.py")
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_kernel_compiles_for_both_targets(reports: list[dict[str, int | str]]) -> None:
    sources = [path.read_text() for path in ROOT.glob("kernels/imf_kernels/*/kernel.py")]
    kernels = {
        line.split("(")[0].removeprefix("def ").removesuffix("_kernel")
        for source in sources
        for line in source.splitlines()
        if line.startswith("def ") and "_kernel(" in line
    }
    assert len(kernels) == 11
    for arch in (80, 90):
        built = [str(report["kernel"]) for report in reports if report["arch"] == arch]
        missing = {name for name in kernels if not any(one.startswith(name) for one in built)}
        assert not missing


def test_forward_kernels_keep_everything_in_registers(
    reports: list[dict[str, int | str]],
) -> None:
    forward = [one for one in reports if "_bwd" not in str(one["kernel"])]
    assert len(forward) > 20
    assert [one for one in forward if one["spill stores"] or one["spill loads"]] == []


def test_no_kernel_wants_more_shared_memory_than_there_is(
    reports: list[dict[str, int | str]],
) -> None:
    assert [one for one in reports if int(one["shared"]) > SHARED_BYTES[int(one["arch"])]] == []
