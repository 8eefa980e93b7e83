"""A short clip to try things with, painted by the editor itself."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, COUNT, RATE = 1280, 720, 72, Fraction(24)


def sample_clip(folder: Path) -> str:
    """Return the path of the sample clip in a folder; it is painted when it is not there yet."""
    path = folder / "sample.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "sample.tmp.mp4"
        _write(temporary)
        temporary.replace(path)
    return str(path)


def _write(path: Path) -> None:
    ground = _ground()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, {"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(COUNT):
            picture = av.VideoFrame.from_ndarray(_painted(ground, number), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _ground() -> NDArray[np.uint8]:
    """Return a wide landscape of soft hills under a sky."""
    random = np.random.default_rng(7)
    wide = WIDTH * 2
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    sky = (1 - rows) * np.array([70, 120, 200]) + rows * np.array([240, 220, 190])
    ground = np.broadcast_to(sky, (HEIGHT, wide, 3)).astype(np.uint8).copy()
    columns = np.arange(wide)
    for layer, shade in enumerate(((96, 130, 110), (66, 104, 84), (40, 74, 60))):
        waves = sum(
            np.sin(columns * random.uniform(0.002, 0.012) + random.uniform(0, 6)) for _ in range(4)
        )
        edge = (HEIGHT * (0.5 + 0.14 * layer) + waves * (26 - 5 * layer)).astype(np.int32)
        for column in range(wide):
            ground[edge[column] :, column] = shade
    noise = random.integers(-9, 9, (HEIGHT // 3, wide // 3, 1))
    grain = cv2.resize(noise.astype(np.float32), (wide, HEIGHT))[..., None]
    return np.clip(ground + grain, 0, 255).astype(np.uint8)


def _painted(ground: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    shift = round(number * 7.5)
    picture = np.ascontiguousarray(ground[:, shift : shift + WIDTH])
    beat = number / COUNT * 4 * np.pi
    x = round(200 + number * 12.5)
    y = round(560 - abs(np.sin(beat)) * 320)
    cv2.circle(picture, (x, y), 62, (214, 84, 60), -1, cv2.LINE_AA)
    for spoke in range(3):
        angle = beat + spoke * np.pi / 3
        reach = np.array([np.cos(angle), np.sin(angle)]) * 62
        ends = [(round(x + s * reach[0]), round(y + s * reach[1])) for s in (-1, 1)]
        cv2.line(picture, ends[0], ends[1], (250, 232, 214), 9, cv2.LINE_AA)
    return picture
