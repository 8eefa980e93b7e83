"""Clips made on the spot with the same ffmpeg binary that the package uses."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.media.ffmpeg import locate_ffmpeg

type FfmpegClip = Callable[..., Path]
type RawFrames = Callable[..., NDArray[np.uint8]]


def run_tool(*arguments: str | Path) -> bytes:
    done = subprocess.run(
        [locate_ffmpeg().path, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.stdout


@pytest.fixture
def ffmpeg_clip(tmp_path: Path) -> FfmpegClip:
    """Makes a test card with noise: every frame differs from every other."""

    def make(
        name: str,
        *options: str,
        size: str = "64x48",
        rate: str = "25",
        frames: int = 20,
        source: str | None = None,
    ) -> Path:
        path = tmp_path / name
        # In RGB, since a YUV card would round odd sizes to even ones.
        card = source or f"testsrc2=size={size}:rate={rate},format=gbrp,noise=alls=20"
        chroma = () if "-pix_fmt" in options else ("-pix_fmt", "yuv420p")
        run_tool("-f", "lavfi", "-i", card, "-frames:v", str(frames), *chroma, *options, path)
        return path

    return make


@pytest.fixture
def tool() -> Callable[..., bytes]:
    """Runs ffmpeg with the given arguments and returns what it printed to stdout."""
    return run_tool


@pytest.fixture
def raw_frames() -> RawFrames:
    """What ffmpeg itself decodes a file to: ``[N, H, W * C]`` values of a pixel format."""

    def decode(path: Path, height: int, pixel_format: str = "rgb24") -> NDArray[np.uint8]:
        wanted = ("-pix_fmt", pixel_format, "-f", "rawvideo", "-")
        data = run_tool("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", *wanted)
        dtype: Any = np.uint16 if "48" in pixel_format or "64" in pixel_format else np.uint8
        channels = 4 if "a" in pixel_format else 3
        values: NDArray[Any] = np.frombuffer(data, dtype)
        width = _width(path)
        return values.reshape(-1, height, width, channels)

    return decode


def _width(path: Path) -> int:
    from imf_plugin.media.probe import probe

    return probe(path).width


@pytest.fixture
def click_onsets() -> Callable[[Path], list[float]]:
    """The moments at which sound begins after silence, in seconds of the file's own clock."""

    def find(path: Path) -> list[float]:
        wanted = ("-af", "aresample=48000:first_pts=0", "-ac", "1", "-f", "f32le", "-")
        data = run_tool("-i", path, "-map", "0:a:0", *wanted)
        loud = np.nonzero(np.abs(np.frombuffer(data, np.float32)) > 0.25)[0]
        starts = loud[np.diff(loud, prepend=-48000) > 4800]
        return [float(start) / 48000 for start in starts]

    return find
