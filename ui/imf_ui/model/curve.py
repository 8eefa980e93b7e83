"""The editor's speed curve: keys that tie moments of the result to moments of the clip.

One form carries everything: the slope between two keys is the speed, a flat stretch is a freeze, a
falling one runs backwards. A speed that rises or falls evenly is a Bezier stretch whose handles lie
at thirds, and exact as such. The edits are in `imf_ui.model.curve_edits`; the arithmetic of showing
belongs to `imf_plugin.timeline.curve`.
"""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from imf_plugin.timeline.curve import Curve, Stretch, TimeKey
from imf_ui.model.timebase import TICKS_PER_SECOND, seconds_of

SLOWEST, FASTEST = Fraction(1, 1000), Fraction(100)
THIRDS = (Fraction(1, 3), Fraction(2, 3))
HALVES = (Fraction(1, 2), Fraction(1, 2))
_SIMPLE = 10_000
_ROUNDING = Fraction(1, 10**6)


class StretchKind(StrEnum):
    """How the speed runs between two keys."""

    CONSTANT = "constant"
    RAMP = "ramp"
    """Evenly from one speed to another."""
    SMOOTH = "smooth"
    """From one speed to another, softly at both ends."""
    BEZIER = "bezier"
    """As the handles say."""
    HOLD = "hold"
    """A freeze."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveKey:
    """A moment of the clip at a moment of the result."""

    at: int
    """Ticks of the result, from 0."""
    source: int
    """Ticks of the clip."""
    ease: str = "linear"
    """How time runs from here to the next key: ``linear``, ``hold`` or ``bezier``."""
    handles: tuple[Fraction, ...] = ()
    """x1, y1, x2, y2 of a Bezier stretch, as fractions of it."""


@dataclass(frozen=True, kw_only=True)
class SpeedCurve:
    """Keys in rising order of the result's time, the first at 0; at least two."""

    keys: tuple[CurveKey, ...]

    def __post_init__(self) -> None:
        """Check what every edit must keep."""
        if len(self.keys) < 2 or self.keys[0].at != 0:
            raise ValueError("a curve needs two keys, the first at the start")
        if any(later.at <= earlier.at for earlier, later in pairwise(self.keys)):
            raise ValueError("the keys of a curve must follow each other in time")
        for key in self.keys:
            if key.source < 0:
                raise ValueError("a key cannot lie before the clip begins")
            if key.ease == "bezier" and not _are_handles(key.handles):
                raise ValueError("handles must lie within their stretch in time")

    @property
    def duration(self) -> int:
        """Length of the result in ticks."""
        return self.keys[-1].at

    def engine_curve(self) -> Curve:
        """Return the same curve as the engine renders it."""
        return Curve(
            time_keys=tuple(
                TimeKey(
                    at=seconds_of(key.at),
                    source=seconds_of(key.source),
                    ease=key.ease,
                    handles=key.handles,
                )
                for key in self.keys
            )
        )

    @cached_property
    def _stretches(self) -> tuple[Stretch, ...]:
        return self.engine_curve().stretches(Fraction(10**9))

    @cached_property
    def _starts(self) -> list[int]:
        return [key.at for key in self.keys[:-1]]

    def stretch_at(self, at: int) -> int:
        """Return the number of the stretch that is shown at a moment of the result."""
        return max(bisect_right(self._starts, at) - 1, 0)

    def source_at(self, at: int) -> Fraction:
        """Return the clip's moment, in ticks, that is shown at a moment of the result."""
        at = min(max(at, 0), self.duration)
        stretch = self._stretches[self.stretch_at(at)]
        return stretch.source_time(seconds_of(at)) * TICKS_PER_SECOND

    def speed_at(self, at: int) -> float:
        """Return the speed at a moment of the result; negative when it runs backwards."""
        at = min(max(at, 0), self.duration)
        number = self.stretch_at(at)
        kind = self.stretch_kind(number)
        first, last = self.stretch_speeds(number)
        key, following = self.keys[number : number + 2]
        progress = (at - key.at) / (following.at - key.at)
        if kind in (StretchKind.CONSTANT, StretchKind.HOLD):
            return float(first)
        if kind is StretchKind.RAMP:
            return float(first) + float(last - first) * progress
        mean = (following.source - key.source) / (following.at - key.at)
        return mean * bezier_slope(key.handles, progress)

    def stretch_kind(self, number: int) -> StretchKind:
        """Say how the speed runs between key ``number`` and the next."""
        key, following = self.keys[number : number + 2]
        if key.ease == "hold" or key.source == following.source:
            return StretchKind.HOLD
        if key.ease == "linear":
            return StretchKind.CONSTANT
        x1, y1, x2, y2 = key.handles
        if (x1, x2) == THIRDS and y2 - y1 == Fraction(1, 3):
            return StretchKind.RAMP
        if (x1, x2) == HALVES and y1 == y2:
            return StretchKind.SMOOTH
        return StretchKind.BEZIER

    def is_reverse(self, number: int) -> bool:
        """Say whether a stretch runs backwards."""
        return self.keys[number + 1].source < self.keys[number].source

    def stretch_speeds(self, number: int) -> tuple[Fraction, Fraction]:
        """Return the speeds at both ends of a stretch; negative when it runs backwards."""
        key, following = self.keys[number : number + 2]
        if self.stretch_kind(number) is StretchKind.HOLD:
            return Fraction(0), Fraction(0)
        mean = Fraction(following.source - key.source, following.at - key.at)
        if key.ease == "linear":
            return simple(mean), simple(mean)
        x1, y1, x2, y2 = key.handles
        first = y1 / x1 if x1 else Fraction(FASTEST)
        last = (1 - y2) / (1 - x2) if x2 != 1 else Fraction(FASTEST)
        return simple(first * mean), simple(last * mean)

    def key_speed(self, number: int) -> Fraction:
        """Return the speed at a key: with which it is left, or at the last key reached."""
        if number == len(self.keys) - 1:
            return self.stretch_speeds(number - 1)[1]
        return self.stretch_speeds(number)[0]


def identity_curve(source_duration: int) -> SpeedCurve:
    """Return the curve that shows a clip as it is."""
    return SpeedCurve(
        keys=(CurveKey(at=0, source=0), CurveKey(at=source_duration, source=source_duration))
    )


def simple(value: Fraction) -> Fraction:
    """Return the plain number that a speed was before times were rounded to ticks."""
    plain = value.limit_denominator(_SIMPLE)
    return plain if abs(plain - value) <= _ROUNDING * max(abs(value), _ROUNDING) else value


def ramp_handles(first: Fraction, last: Fraction, *, smooth: bool = False) -> tuple[Fraction, ...]:
    """Return the handles with which a stretch goes from one speed to another.

    The stretch then lasts twice its way divided by the sum of the speeds.
    """
    share = first / (first + last)
    if smooth:
        return (HALVES[0], share, HALVES[1], share)
    return (THIRDS[0], share * 2 / 3, THIRDS[1], 1 - (1 - share) * 2 / 3)


def bezier_slope(handles: tuple[Fraction, ...], progress: float) -> float:
    """Return the slope of a Bezier stretch relative to its mean, at a share of its time."""
    x1, y1, x2, y2 = (float(value) for value in handles)
    u = bezier_parameter(x1, x2, progress)
    v = 1 - u

    def rate(first: float, second: float) -> float:
        return 3 * (v * v * first + 2 * u * v * (second - first) + u * u * (1 - second))

    return rate(y1, y2) / max(rate(x1, x2), 1e-9)


def bezier_parameter(x1: float, x2: float, progress: float) -> float:
    """Return the Bezier parameter at which a stretch has reached a share of its time."""
    low, high = 0.0, 1.0
    for _ in range(48):
        u = (low + high) / 2
        v = 1 - u
        if 3 * v * v * u * x1 + 3 * v * u * u * x2 + u**3 < progress:
            low = u
        else:
            high = u
    return (low + high) / 2


def _are_handles(handles: tuple[Fraction, ...]) -> bool:
    return len(handles) == 4 and 0 <= handles[0] <= 1 and 0 <= handles[2] <= 1
