"""One pass over a clip before planning: shot cuts and repeated frames.

Cuts come from PySceneDetect's adaptive content detector, which asks that a frame's change stand
out from those around it; docs/design/cuts.md has the measurements behind the choice.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from imf_plugin.media.read import Frame, Reader

if TYPE_CHECKING:
    from scenedetect import FrameTimecode

DEFAULT_CUT_THRESHOLD = 3.0
_MINIMUM_CONTENT = 15.0
_WINDOW = 2
_WIDTH_PX = 256
_BLOCK_PX = 16
_REPEAT_LEVELS = 2.0
_REPEAT_SHARE = 0.25
_REPEAT_REACH = 3


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What one pass over a clip found."""

    cuts: tuple[int, ...] = ()
    """Numbers of the frames that begin a new shot."""
    duplicates: tuple[int, ...] = ()
    """Numbers of the frames that repeat the one before."""


class CutDetector:
    """Finds shot cuts in frames pushed one by one.

    Args:
        threshold: How many times a frame's change must exceed the mean change around it.
    """

    def __init__(self, threshold: float = DEFAULT_CUT_THRESHOLD) -> None:
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(
            adaptive_threshold=threshold,
            min_scene_len=1,
            window_width=_WINDOW,
            min_content_val=_MINIMUM_CONTENT,
        )
        self._pushed = 0
        self._first: list[NDArray[np.uint8]] = []
        self._last: deque[NDArray[np.uint8]] = deque(maxlen=_WINDOW + 1)
        self._cuts: list[int] = []

    def push(self, small: NDArray[np.uint8]) -> None:
        """Take the next frame, ``[h, w, 3]`` in BGR."""
        if not self._last:
            # The detector judges a frame by those around it; still frames before the first
            # and after the last let it judge the ends of the clip too.
            for _ in range(_WINDOW):
                self._process(small)
        self._process(small)
        self._last.append(small)
        if len(self._first) <= _WINDOW:
            self._first.append(small)

    def finish(self) -> tuple[int, ...]:
        """Return the numbers of the frames that begin a new shot."""
        if not self._last:
            return ()
        for _ in range(_WINDOW):
            self._process(self._last[-1])
        frames = self._pushed - 2 * _WINDOW
        offset = frames - len(self._last)
        # Beside still frames any motion stands out, so at the ends it must be a cut by itself.
        plain = _plain_cuts(self._first) | {offset + place for place in _plain_cuts(self._last)}
        inner = range(_WINDOW + 1, frames - _WINDOW)
        return tuple(n for n in self._cuts if n > 0 and (n in inner or n in plain))

    def _process(self, small: NDArray[np.uint8]) -> None:
        found = self._detector.process_frame(_timecode(self._pushed), small)
        self._pushed += 1
        self._cuts += [code.frame_num - _WINDOW for code in found]


def _plain_cuts(frames: Iterable[NDArray[np.uint8]]) -> set[int]:
    """Return the cuts that PySceneDetect's plain content detector finds in a few frames."""
    from scenedetect.detectors import ContentDetector

    detector = ContentDetector(min_scene_len=1)
    found: set[int] = set()
    for number, small in enumerate(frames):
        found |= {code.frame_num for code in detector.process_frame(_timecode(number), small)}
    return found


def _timecode(number: int) -> "FrameTimecode":
    from scenedetect import FrameTimecode

    # Detectors count frames; the rate does not matter to them.
    return FrameTimecode(number, fps=25.0)


class RepeatDetector:
    """Finds frames that repeat the one before, re-encoding noise included.

    A frame repeats if even its most changed block moved by no more than re-encoding does, and by
    far less than the frames around it: so a calm scene is not mistaken for repeats.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._changes: list[float] = []

    def push(self, small: NDArray[np.uint8]) -> None:
        """Take the next frame, ``[h, w, 3]``."""
        luma = small.mean(axis=2, dtype=np.float32)
        change = np.inf if self._last is None else _largest_block_change(luma, self._last)
        self._changes.append(change)
        self._last = luma

    def finish(self) -> tuple[int, ...]:
        """Return the numbers of the frames that repeat the one before."""
        changes = self._changes
        found = []
        for number in range(1, len(changes)):
            around = changes[max(1, number - _REPEAT_REACH) : number + _REPEAT_REACH + 1]
            limit = min(_REPEAT_LEVELS, _REPEAT_SHARE * max(around))
            if changes[number] <= limit:
                found.append(number)
        return tuple(found)


def _largest_block_change(luma: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    change = np.abs(luma - last)
    rows = max(1, change.shape[0] // _BLOCK_PX)
    columns = max(1, change.shape[1] // _BLOCK_PX)
    bands = [band.mean(axis=0) for band in np.array_split(change, rows, axis=0)]
    blocks = [block.mean(axis=1) for block in np.array_split(np.stack(bands), columns, axis=1)]
    return float(np.stack(blocks).max())


def analyse(
    reader: Reader,
    *,
    find_cuts: bool = True,
    find_duplicates: bool = False,
    cut_threshold: float = DEFAULT_CUT_THRESHOLD,
    on_frame: Callable[[], None] | None = None,
) -> Analysis:
    """Look at every frame of a clip once, reduced to 256 pixels across.

    Args:
        reader: The clip.
        find_cuts: Whether to look for shot cuts.
        find_duplicates: Whether to look for repeated frames.
        cut_threshold: See `CutDetector`.
        on_frame: Called after each frame; may raise `Cancelled`.
    """
    if not (find_cuts or find_duplicates):
        return Analysis()
    cuts, repeats = CutDetector(cut_threshold), RepeatDetector()
    for small in small_frames(reader.frames()):
        if find_cuts:
            cuts.push(small)
        if find_duplicates:
            repeats.push(small)
        if on_frame:
            on_frame()
    return Analysis(
        cuts=cuts.finish() if find_cuts else (),
        duplicates=repeats.finish() if find_duplicates else (),
    )


def small_frames(frames: Iterable[Frame]) -> Iterator[NDArray[np.uint8]]:
    """Yield frames reduced to 256 pixels across, ``[h, w, 3]`` in BGR."""
    for frame in frames:
        yield small_picture(frame.picture)


def small_picture(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """Return a picture reduced to 256 pixels across, ``[h, w, 3]`` in BGR."""
    width = min(_WIDTH_PX, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    small = picture.reformat(width=width, height=height, format="bgr24")
    return np.asarray(small.to_ndarray(), dtype=np.uint8)
