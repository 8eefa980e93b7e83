"""The data cache: clips as plain arrays with the classical flow of some keyframe pairs.

A training machine needs neither a video decoder nor time for optical flow: `prepare` writes this
once, and the trainer maps the arrays into memory. One folder per clip::

    NAME/frames.npy   uint8   [N, H, W, 3]       RGB
    NAME/flows.npy    float16 [P, H/2, W/2, 2]   middle flow of each pair, in full-size pixels
    NAME/opinions.npy float16 [P, H/2, W/2, 2 n] further opinions on that flow, where asked for
    NAME/neighbours.npy float16 [P, 2, H/2, W/2, 2]  middle flow of the pairs before and after, as
                                                 far apart in time, NaN where there is none
    NAME/truth.npy    float16 [N, 2, H, W, 2]    rendered scenes only: true flow to the first and
                                                 the last frame, NaN where that does not show it
    NAME/clip.json    group, held_out, pairs     pairs as [first frame, gap, mean motion in px]
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.errors import MediaError
from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

DISAGREEMENT_STRIDE = 8
"""Pixels to a cell of the map of where warped keyframes disagree."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two frames of a clip that serve as keyframes."""

    first: int
    gap: int
    """The second keyframe is this many frames later; those between are the truth."""
    motion_px: float
    """Mean length of the classical flow between them."""


@dataclass(frozen=True, kw_only=True)
class CachedClip:
    """One clip of the cache; arrays are mapped on first use."""

    folder: Path
    group: str
    """What it was cut from; clips of one group look alike and are sampled as one."""
    held_out: bool
    """Kept for validation."""
    pairs: tuple[Pair, ...]

    @property
    def is_scene(self) -> bool:
        """Whether it was rendered; film clips never have such names."""
        return self.folder.name.startswith("scene_")

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """The frames, ``[N, H, W, 3]``."""
        frames: NDArray[np.uint8] = _mapped(self.folder / "frames.npy")
        return frames

    @cached_property
    def flows(self) -> NDArray[np.float16]:
        """The middle flow of each pair at half size, ``[P, H/2, W/2, 2]``."""
        flows: NDArray[np.float16] = _mapped(self.folder / "flows.npy")
        return flows

    @cached_property
    def opinions(self) -> NDArray[np.float16] | None:
        """Further opinions on the flow of each pair, ``[P, H/2, W/2, 2 n]``, or None."""
        path = self.folder / "opinions.npy"
        return _mapped(path) if path.exists() else None

    @cached_property
    def neighbours(self) -> NDArray[np.float16] | None:
        """The flow of the pairs before and after each, ``[P, 2, H/2, W/2, 2]``, or None."""
        path = self.folder / "neighbours.npy"
        return _mapped(path) if path.exists() else None

    def motions(self, pair_index: int, rows: slice, columns: slice) -> NDArray[np.float16]:
        """Return a piece of all middle flows of a pair at half size, ``[h, w, 2 + 2 n]``."""
        first = self.flows[pair_index, rows, columns]
        if self.opinions is None:
            return first
        return np.concatenate([first, self.opinions[pair_index, rows, columns]], axis=-1)

    def disagreement(self, pair_index: int) -> NDArray[np.float64]:
        """How much the warped keyframes of a pair differ, summed up from the upper left corner.

        Returns:
            ``[H/8 + 1, W/8 + 1]``, kept once computed.
        """
        if pair_index not in self._disagreements:
            pair = self.pairs[pair_index]
            self._disagreements[pair_index] = _summed_disagreement(
                self.frames[pair.first],
                self.frames[pair.first + pair.gap],
                self.flows[pair_index].astype(np.float32),
            )
        return self._disagreements[pair_index]

    @cached_property
    def _disagreements(self) -> dict[int, NDArray[np.float64]]:
        return {}

    @cached_property
    def truth(self) -> NDArray[np.float16] | None:
        """True flows from every frame to the first and last, ``[N, 2, H, W, 2]``, or None."""
        path = self.folder / "truth.npy"
        return _mapped(path) if path.exists() else None


def _summed_disagreement(
    frame0: NDArray[np.uint8], frame1: NDArray[np.uint8], half_flow: FlowArray
) -> NDArray[np.float64]:
    height, width = (side // 4 for side in frame0.shape[:2])
    greys = [
        np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        for frame in (frame0, frame1)
    ]
    step = np.asarray(cv2.resize(half_flow, (width, height)), np.float32) / np.float32(8)
    grid = pixel_grid(height, width)
    warped = sample(greys[0], grid - step) - sample(greys[1], grid + step)
    error = np.abs(warped).mean(axis=2)
    eighth = cv2.resize(error, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.integral(eighth), np.float64)


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r")


def write_clip(
    folder: Path,
    *,
    group: str,
    held_out: bool,
    pairs: list[Pair],
    frames: NDArray[np.uint8],
    flows: NDArray[np.float16],
    truth: NDArray[np.float16] | None = None,
) -> None:
    """Write one clip; its ``clip.json`` comes last, so that half a clip is never read."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "frames.npy", frames)
    np.save(folder / "flows.npy", flows)
    if truth is not None:
        np.save(folder / "truth.npy", truth)
    rows = [[pair.first, pair.gap, round(pair.motion_px, 3)] for pair in pairs]
    text = json.dumps({"group": group, "held_out": held_out, "pairs": rows})
    (folder / "clip.json").write_text(text)


def write_held_out(clip: CachedClip, *, held_out: bool) -> None:
    """Say anew whether a clip is kept for validation."""
    path = clip.folder / "clip.json"
    temporary = clip.folder / "clip.partial.json"
    temporary.write_text(json.dumps({**json.loads(path.read_text()), "held_out": held_out}))
    temporary.replace(path)


def write_opinions(clip: CachedClip, opinions: NDArray[np.float16]) -> None:
    """Add further opinions on the flows, ``[P, H/2, W/2, 2 n]``, to a clip that is there."""
    _write_beside(clip, "opinions", opinions)


def write_neighbours(clip: CachedClip, neighbours: NDArray[np.float16]) -> None:
    """Add the flows of neighbouring pairs, ``[P, 2, H/2, W/2, 2]``, to a clip that is there."""
    _write_beside(clip, "neighbours", neighbours)


def _write_beside(clip: CachedClip, name: str, flows: NDArray[np.float16]) -> None:
    temporary = clip.folder / f"{name}.partial.npy"
    np.save(temporary, flows)
    temporary.replace(clip.folder / f"{name}.npy")


def read_cache(folder: Path) -> list[CachedClip]:
    """Return the clips of a cache, in the order of their names.

    Raises:
        MediaError: If there are none, or one is damaged.
    """
    clips = []
    for path in sorted(folder.glob("*/clip.json")):
        clip = _read_clip(path)
        if clip.pairs:
            clips.append(clip)
    if not clips:
        raise MediaError(
            f"there is no training cache in {folder}; write one with "
            "`python -m imf_plugin.training.prepare --data CLIPS --cache FOLDER`"
        )
    return clips


def pictures_of(clips: Iterable[CachedClip]) -> list[str]:
    """Return the files of film frames that may be trained on."""
    return [
        str(clip.folder / "frames.npy") for clip in clips if not clip.is_scene and not clip.held_out
    ]


def _read_clip(path: Path) -> CachedClip:
    try:
        content = json.loads(path.read_text())
        pairs = tuple(
            Pair(first=int(first), gap=int(gap), motion_px=float(motion))
            for first, gap, motion in content["pairs"]
        )
        return CachedClip(
            folder=path.parent, group=content["group"], held_out=content["held_out"], pairs=pairs
        )
    except (ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f"the training cache is damaged in {path.parent}; delete that folder and run the same "
            "command again"
        ) from error
