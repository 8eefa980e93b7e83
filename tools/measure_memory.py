"""Measure the peak memory of a render, ffmpeg included, on clips painted for the purpose.

    python tools/measure_memory.py                   500 and 5,000 frames of 854x480, and 4K
    python tools/measure_memory.py 854x480:500 ...   WIDTHxHEIGHT:FRAMES of your choice

Prints the peak of the resident memory of `imf slowmo -x 2` and its ffmpeg together, sampled
twenty times a second, and the time for each new frame.
"""

import re
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

DEFAULT = ("854x480:500", "854x480:5000", "3840x2160:12")
_LOOP_FRAMES = 50


def paint(path: Path, width: int, height: int, count: int) -> None:
    """Write a clip of a texture that swings from side to side."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), dtype=np.uint8)
    canvas = cv2.resize(coarse, (width + 120, height), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            shift = 60 + round(50 * np.sin(2 * np.pi * number / _LOOP_FRAMES))
            view = np.ascontiguousarray(canvas[:, shift : shift + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))


def resident_bytes(root: psutil.Process) -> int:
    """Return the resident memory of a process and its children."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            # Between fork and exec a child shows its parent's memory as its own.
            if process is root or process.exe() != root.exe():
                total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def measure(clip: Path, out: Path) -> tuple[int, float]:
    """Render the clip at half speed; return the peak in bytes and the seconds it took."""
    command = [sys.executable, "-m", "imf_plugin.cli.main", "slowmo", str(clip), "-x", "2"]
    started = time.monotonic()
    process = subprocess.Popen([*command, "--quiet", "-o", str(out)])
    root, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, resident_bytes(root))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    if process.wait():
        raise SystemExit(f"the render of {clip.name} failed")
    return peak, time.monotonic() - started


def main() -> None:
    """Measure each wanted size."""
    with tempfile.TemporaryDirectory() as folder:
        for wanted in sys.argv[1:] or DEFAULT:
            match = re.fullmatch(r"(\d+)x(\d+):(\d+)", wanted)
            if not match:
                raise SystemExit(f"give WIDTHxHEIGHT:FRAMES, not {wanted!r}")
            width, height, count = (int(number) for number in match.groups())
            clip, out = Path(folder, "clip.mp4"), Path(folder, "out.mp4")
            paint(clip, width, height, count)
            peak, seconds = measure(clip, out)
            print(
                f"{wanted:16} peak {peak / 2**20:6.0f} MiB, "
                f"{seconds / count:.3f} s for each new frame",
                flush=True,
            )
            out.unlink()


if __name__ == "__main__":
    main()
