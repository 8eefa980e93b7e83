"""What there is to measure on: triplets of pictures, and clips whose frames are left out.

A triplet is a folder with ``frame10.png``, ``frame11.png`` and between them, at timestep 1/2, the
true ``frame10i11.png``. Of a clip every n-th frame is kept (n is the stride, 2 if not said) and the
ones between are made again, the i-th at timestep i/n.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from imf_plugin.engine.pixels import Pixels
from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.read import open_media
from imf_plugin.media.sequences import read_image

DEFAULT_FRAMES: Final = 10
DEFAULT_STRIDE: Final = 2

VIDEO_SUFFIXES: Final = frozenset(
    {
        *(".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m"),
    }
)
BEFORE_NAME, TRUTH_NAME, AFTER_NAME = "frame10.png", "frame10i11.png", "frame11.png"
_MINIMUM_SIDE_PX: Final = 11


@dataclass(frozen=True, kw_only=True, eq=False)
class Interval:
    """Two keyframes and the true frames between them, ``[H, W, 3]`` of one size and depth."""

    index: int
    """Place among the intervals of its item, from 0."""
    before: Pixels
    """The keyframe at timestep 0; the same array as the ``after`` of the interval before it."""
    after: Pixels
    """The keyframe at timestep 1."""
    truths: tuple[Pixels, ...]
    """What the frames between really look like."""
    timesteps: tuple[Fraction, ...]
    """Where each of them lies, strictly between 0 and 1."""
    earlier: Pixels | None = None
    """The keyframe before ``before``; the same array as the ``before`` of the interval before."""
    later: Pixels | None = None
    """The keyframe after ``after``, if the clip has one."""


class Item(Protocol):
    """A triplet or a clip. Its pictures are read anew by each iterator, one interval at a time."""

    @property
    def name(self) -> str:
        """The name in tables: its path below the data folder."""
        ...

    @property
    def group(self) -> str:
        """The folder it lies in; means are taken over each."""
        ...

    @property
    def stride(self) -> int:
        """Frames that one interval spans."""
        ...

    @property
    def interval_count(self) -> int:
        """Number of intervals."""
        ...

    def intervals(self) -> Iterator[Interval]:
        """Yield the intervals in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """A folder with two keyframes and the true frame in the middle."""

    folder: Path
    name: str
    group: str
    stride: int = 2
    interval_count: int = 1

    def intervals(self) -> Iterator[Interval]:
        """Yield the one interval.

        Raises:
            UnreadableMedia: If a picture cannot be read or the three differ in size or depth.
        """
        names = (BEFORE_NAME, TRUTH_NAME, AFTER_NAME)
        before, truth, after = (_rgb(read_image(self.folder / name)) for name in names)
        for name, picture in ((TRUTH_NAME, truth), (AFTER_NAME, after)):
            if picture.shape != before.shape or picture.dtype != before.dtype:
                raise UnreadableMedia(
                    f"{self.folder / name} is {_describe(picture)} but {BEFORE_NAME} is "
                    f"{_describe(before)}: the pictures of a triplet must agree"
                )
        _check_size(before, self.folder)
        yield Interval(
            index=0, before=before, after=after, truths=(truth,), timesteps=(Fraction(1, 2),)
        )


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video of which every ``stride``-th frame is kept, from the first on."""

    path: Path
    name: str
    group: str
    stride: int
    interval_count: int

    def intervals(self) -> Iterator[Interval]:
        """Yield the intervals; memory holds ``2 * stride + 2`` frames.

        Raises:
            UnreadableMedia: If a frame cannot be decoded; a stand-in for it would be no truth.
        """
        timesteps = tuple(Fraction(step, self.stride) for step in range(1, self.stride))
        with open_media(self.path) as reader:
            # One interval more than is measured, for the keyframe that follows the last one.
            stop = (self.interval_count + 1) * self.stride + 1
            stop = min(stop, reader.info.frame_count)
            frames = (_rgb(frame.rgb()) for frame in reader.frames(0, stop))
            known_warnings = len(reader.warnings)
            earlier, before = None, next(frames)
            _check_size(before, self.path)
            following = list(islice(frames, self.stride))
            for index in range(self.interval_count):
                (*truths, after), following = following, list(islice(frames, self.stride))
                if len(reader.warnings) > known_warnings:
                    raise UnreadableMedia(
                        f"{reader.warnings[-1]}; a damaged clip cannot be measured on: leave it out"
                    )
                yield Interval(
                    index=index,
                    before=before,
                    after=after,
                    truths=tuple(truths),
                    timesteps=timesteps,
                    earlier=earlier,
                    later=following[-1] if len(following) == self.stride else None,
                )
                earlier, before = before, after


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The items under a folder, and what was passed over."""

    items: tuple[Item, ...]
    notes: tuple[str, ...]


def find_items(
    data: Path, *, frames: int | None = DEFAULT_FRAMES, stride: int = DEFAULT_STRIDE
) -> Findings:
    """Find all triplets and clips at or below ``data``, in the order of their names.

    Args:
        data: A folder of any depth, or one video.
        frames: New frames to make of each clip at most, counted from its beginning; None for all.
            At least one interval is always made. Triplets have one new frame each.
        stride: Keep every ``stride``-th frame of a clip.

    Raises:
        UnreadableMedia: If there is nothing to measure on, or a clip cannot be used.
        ValueError: If ``frames`` or ``stride`` is too small.
    """
    if stride < 2 or (frames is not None and frames < 1):
        raise ValueError(f"stride must be at least 2 and frames 1, got {stride = }, {frames = }")
    if not data.exists():
        raise UnreadableMedia(f"{data} does not exist: check the spelling of its name")
    if not data.is_dir():
        return Findings(items=(_clip(data, data.parent, frames, stride),), notes=())
    items: list[Item] = []
    notes: list[str] = []
    for folder, folders, files in os.walk(data):
        folders.sort()
        here = Path(folder)
        triplet_names = {BEFORE_NAME, TRUTH_NAME, AFTER_NAME}
        found = triplet_names & set(files)
        if found == triplet_names:
            name, group = _names(here, data)
            items.append(Triplet(folder=here, name=name, group=group))
        elif found:
            missing = ", ".join(sorted(triplet_names - found))
            notes.append(f"{here} is left out: a triplet needs {missing} too")
        videos = [name for name in sorted(files) if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        items.extend(_clip(here / name, data, frames, stride) for name in videos)
    if not items:
        raise UnreadableMedia(
            f"{data} holds nothing to measure on: give a folder with videos or with folders of "
            f"{BEFORE_NAME}, {TRUTH_NAME} and {AFTER_NAME}"
        )
    return Findings(items=tuple(items), notes=tuple(notes))


def _clip(path: Path, data: Path, frames: int | None, stride: int) -> Clip:
    with open_media(path) as reader:
        count = reader.info.frame_count
    intervals = (count - 1) // stride
    if intervals < 1:
        raise UnreadableMedia(
            f"{path} has {count} frames, but leaving frames out takes at least {stride + 1}: "
            "use a longer clip or move this one away"
        )
    if frames is not None:
        intervals = min(intervals, max(1, frames // (stride - 1)))
    name, group = _names(path, data)
    return Clip(path=path, name=name, group=group, stride=stride, interval_count=intervals)


def _names(path: Path, data: Path) -> tuple[str, str]:
    """Return name and group of a file or folder at or below ``data``."""
    relative = path.relative_to(data)
    name = relative.as_posix() if relative.name else path.name
    group = relative.parent.as_posix()
    return name, path.parent.name if group == "." else group


def _rgb(picture: Pixels) -> Pixels:
    """Drop the alpha channel, which the benchmark does not judge."""
    if picture.dtype == np.uint16:
        return np.ascontiguousarray(picture[:, :, :3], np.uint16)
    return np.ascontiguousarray(picture[:, :, :3], np.uint8)


def _check_size(picture: Pixels, path: Path) -> None:
    if min(picture.shape[:2]) < _MINIMUM_SIDE_PX:
        raise UnreadableMedia(
            f"{path} is {_describe(picture)}: SSIM needs at least "
            f"{_MINIMUM_SIDE_PX}x{_MINIMUM_SIDE_PX} pixels"
        )


def _describe(picture: Pixels) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]} with {picture.dtype.itemsize * 8} bits"
