"""Scenes with known motion, and clips made of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

type Picture = NDArray[np.uint8]
type WriteClip = Callable[[Path, Sequence[Picture]], Path]

WIDTH, HEIGHT = 192, 128


@pytest.fixture(scope="session")
def panning() -> Callable[[float], Picture]:
    """Returns the scene at a time: smooth texture that moves 8 px to the left per unit of time."""
    noise = np.random.default_rng(7).integers(0, 256, (HEIGHT, 512, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    stretched = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    texture = np.asarray(np.rint(255 * stretched), np.uint8)

    def at(time: float) -> Picture:
        left = round(8 * time)
        return np.ascontiguousarray(texture[:, left : left + WIDTH])

    return at


@pytest.fixture(scope="session")
def write_clip() -> WriteClip:
    """Returns a function that writes 8-bit RGB frames into a lossless video."""

    def write(path: Path, frames: Sequence[Picture]) -> Path:
        with av.open(str(path), "w") as container:
            in_mov = path.suffix == ".mov"
            stream = container.add_stream("png" if in_mov else "ffv1", rate=25)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "rgb24" if in_mov else "bgr0"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def write_triplet() -> Callable[[Path, Picture, Picture, Picture], Path]:
    """Returns a function that writes before, truth and after as a triplet folder."""

    def write(folder: Path, before: Picture, truth: Picture, after: Picture) -> Path:
        folder.mkdir(parents=True)
        names = ("frame10.png", "frame10i11.png", "frame11.png")
        for name, picture in zip(names, (before, truth, after), strict=True):
            assert cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return folder

    return write
