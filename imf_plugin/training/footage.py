"""Pieces for training out of any footage: short, small, in 8 bits, with their cuts."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
PIECE_FRAMES = 120
"""Longer videos give several pieces of this length, evenly spaced."""
LARGEST_SIDE_PX = 720
"""Larger pictures are shrunk: a crop should show more than a patch of one surface."""
LEAST_FRAMES = 3
LEAST_SIDE_PX = 64
_CUT_WIDTH_PX = 256


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run of frames of a video."""

    name: str
    """Of its folder in the cache."""
    path: Path
    start: int
    stop: int


def find_videos(data: Path) -> dict[str, Path]:
    """Return the videos below a folder, in order, by names that are theirs alone."""
    paths = sorted(file for file in data.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES)
    alike = Counter(path.stem for path in paths)
    videos: dict[str, Path] = {}
    for path in paths:
        own = path.relative_to(data)
        name = path.stem if alike[path.stem] == 1 else "_".join(own.parts).replace(".", "_")
        # Folders of that name hold rendered scenes.
        videos[f"film_{name}" if name.startswith("scene_") else name] = path
    return videos


def pieces_of(name: str, path: Path, most: int) -> list[Piece]:
    """Return which runs of frames to take from a video; none if it is too short or too small.

    Raises:
        UnreadableMedia: If it is no video that can be read.
    """
    from imf_plugin.media.read import open_media

    with open_media(path) as reader:
        count, size = reader.info.frame_count, (reader.info.width, reader.info.height)
    if count < LEAST_FRAMES or min(size) < LEAST_SIDE_PX:
        log.warning(
            "left out: %s is too short or too small, it needs %d frames of %d pixels' height",
            *(path, LEAST_FRAMES, LEAST_SIDE_PX),
        )
        return []
    if count < 2 * PIECE_FRAMES:
        return [Piece(name=name, path=path, start=0, stop=min(count, PIECE_FRAMES))][:most]
    number = min(most, count // PIECE_FRAMES)
    starts = [round((part + 0.5) * count / number - PIECE_FRAMES / 2) for part in range(number)]
    return [
        Piece(name=f"{name}_part{part}", path=path, start=start, stop=start + PIECE_FRAMES)
        for part, start in enumerate(starts)
    ]


def read_piece(piece: Piece) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return the frames, ``[N, H, W, 3]`` of even size, and which of them begin a new shot.

    Raises:
        UnreadableMedia: If it cannot be read.
    """
    frames = np.stack(list(_decoded(piece)))
    return frames, find_cuts(frames)


def find_cuts(frames: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return which frames of ``[N, H, W, 3]`` begin a new shot."""
    # Neither PyAV nor the cut detector is there on bare training machines, which only read caches.
    from imf_plugin.engine.analysis import CutDetector

    cuts = CutDetector()
    for frame in frames:
        height = max(1, round(_CUT_WIDTH_PX * frame.shape[0] / frame.shape[1]))
        small = cv2.resize(frame, (_CUT_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        cuts.push(np.ascontiguousarray(small[..., ::-1], np.uint8))
    return cuts.finish()


def _decoded(piece: Piece) -> Iterator[NDArray[np.uint8]]:
    from imf_plugin.media.read import open_media

    with open_media(piece.path) as reader:
        for frame in reader.frames(piece.start, piece.stop):
            yield _fitted(frame.rgb()[..., :3])


def _fitted(picture: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return a picture of even size in 8 bits, shrunk if it is large."""
    fitted = np.asarray(picture // 257 if picture.dtype == np.uint16 else picture, np.uint8)
    factor = LARGEST_SIDE_PX / max(fitted.shape)
    if factor < 1:
        size = (round(fitted.shape[1] * factor), round(fitted.shape[0] * factor))
        fitted = np.asarray(cv2.resize(fitted, size, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = fitted.shape[:2]
    return fitted[: height // 2 * 2, : width // 2 * 2]
