"""On what a benchmark ran: without it, seconds mean nothing."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine and the versions that decide about speed and pixels."""

    system: str
    cpu: str
    cores: int
    """Logical cores that this process may use."""
    threads: int
    """Threads that PyTorch uses."""
    gpu: str
    """Name of the GPU that PyTorch sees, ``none`` without."""
    versions: dict[str, str]
    """imf, python, torch, opencv and, where used, ffmpeg."""


def describe_machine(ffmpeg_version: str | None = None) -> Machine:
    """Return what this process runs on.

    Args:
        ffmpeg_version: The version of the ffmpeg in use, if any is.
    """
    import cv2
    import torch

    from imf_plugin import __version__

    versions = {
        "imf": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
    }
    if ffmpeg_version is not None:
        versions["ffmpeg"] = ffmpeg_version
    return Machine(
        system=platform.platform(terse=True),
        cpu=_cpu_name(),
        cores=_usable_cores(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        versions=versions,
    )


def _cpu_name() -> str:
    try:
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
