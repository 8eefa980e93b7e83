"""Pictures in memory, least recently used first out, never above a budget of bytes.

A key says what a picture is, not where it stands in the result: moving a key of the curve reuses
every picture that is still needed.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from imf_plugin.timeline.plan import Beyond, Decision, PlannedFrame

DEFAULT_BUDGET_BYTES = 1024 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameKey:
    """What a picture is."""

    source: str
    """The media: path, size and time of change."""
    before: int
    after: int
    timestep: Fraction
    maker: str
    """What made it: a model with its options, ``blend``, or ``""`` for source frames."""
    scale: int
    """1, 2 or 4."""
    earlier: Beyond | None = None
    """The keyframe before ``before``, where it has a say in the picture."""
    later: Beyond | None = None
    """The keyframe after ``after``, likewise."""


def key_of(frame: PlannedFrame, source: str, maker: str, scale: int) -> FrameKey:
    """Return the key of what an output frame shows."""
    if frame.decision in (Decision.REAL, Decision.HOLD):
        return source_key(source, frame.before, scale)
    if frame.decision is Decision.BLEND:
        frame, maker = frame.without_context(), "blend"
    return FrameKey(
        source=source,
        before=frame.before,
        after=frame.after,
        timestep=frame.timestep,
        maker=maker,
        scale=scale,
        earlier=frame.earlier,
        later=frame.later,
    )


def source_key(source: str, index: int, scale: int) -> FrameKey:
    """Return the key of a source frame."""
    return FrameKey(
        source=source, before=index, after=index, timestep=Fraction(0), maker="", scale=scale
    )


class FrameCache:
    """Keeps pictures ``[H, W, 4]``; may be used from several threads."""

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._pictures: OrderedDict[FrameKey, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()
        self.used_bytes = 0
        self.highest_bytes = 0
        """The most that was ever held."""
        self.hits = 0
        self.misses = 0

    @property
    def budget_bytes(self) -> int:
        """The most that may be held."""
        return self._budget

    def set_budget(self, budget_bytes: int) -> None:
        """Change the budget; what is too much goes at once."""
        with self._lock:
            self._budget = budget_bytes
            self._make_room(0)

    def get(self, key: FrameKey) -> NDArray[np.uint8] | None:
        """Return a picture, or None; counts as a use."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is None:
                self.misses += 1
                return None
            self.hits += 1
            self._pictures.move_to_end(key)
            return picture

    def __contains__(self, key: FrameKey | None) -> bool:
        return key in self._pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def put(self, key: FrameKey, picture: NDArray[np.uint8]) -> None:
        """Keep a picture; one that is larger than the whole budget is not kept."""
        size = picture.nbytes
        with self._lock:
            old = self._pictures.pop(key, None)
            if old is not None:
                self.used_bytes -= old.nbytes
            if size > self._budget:
                return
            self._make_room(size)
            self._pictures[key] = picture
            self.used_bytes += size
            self.highest_bytes = max(self.highest_bytes, self.used_bytes)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._pictures.clear()
            self.used_bytes = 0

    def states(self, keys: Sequence[FrameKey | None]) -> bytes:
        """Return for each output frame 0 when it is missing, 1 for a real, 2 for a made one."""
        held = self._pictures
        return bytes(0 if key is None or key not in held else 2 if key.maker else 1 for key in keys)

    def _make_room(self, size: int) -> None:
        while self._pictures and self.used_bytes + size > self._budget:
            _, oldest = self._pictures.popitem(last=False)
            self.used_bytes -= oldest.nbytes
