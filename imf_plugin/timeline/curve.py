"""Speed and time curves: a map from output time to source time given by keys.

A curve file is JSON with a ``kind`` and a list of ``keys``; times are in seconds, numbers may be
written as ``0.25`` or ``"1/4"``.

``"kind": "speed"`` puts speeds at moments **of the source clip**::

    {"kind": "speed", "keys": [
      {"at": 0,   "speed": 1},
      {"at": 1.5, "speed": "1/4", "hold": 0.5},
      {"at": 3,   "speed": 1}
    ]}

Between two keys the speed changes evenly in time (``"ease": "linear"``, uniform acceleration),
softly (``"smooth"``) or jumps at the next key (``"step"``). ``hold`` freezes the picture for so
many seconds at that key. Before the first and after the last key the speed stays.
Speeds are above 0.

``"kind": "time"`` says directly which source moment the output shows, so it can run backwards::

    {"kind": "time", "keys": [
      {"at": 0, "source": 0},
      {"at": 2, "source": 1, "ease": "bezier", "handles": [[0.4, 0], [0.6, 1]]},
      {"at": 3, "source": 0}
    ]}

``ease`` belongs to the stretch that starts at its key: ``linear``, ``hold`` (freeze until the next
key) or ``bezier`` with two handles, as fractions of the stretch in time and in source time (the
convention of CSS ``cubic-bezier`` and of After Effects' ease handles).

Everything but Bezier stretches is evaluated exactly, and so are those whose handles lie at exactly
1/3 and 2/3 in time, which uniform acceleration can be written as. Other Bezier stretches are
evaluated in floating point and their result rounded to 2**-30 of the stretch, so that a plan is the
same on every machine.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from imf_plugin.errors import PlanError
from imf_plugin.timeline.located_json import LocatedList, load_located, read_text
from imf_plugin.timeline.rational import to_fraction

MINIMUM_SPEED = Fraction(1, 1000)
MAXIMUM_SPEED = Fraction(1000)
_BEZIER_GRID = 2**30
_EVEN_HANDLES = (Fraction(1, 3), Fraction(2, 3))
_SPEED_EASES = ("linear", "smooth", "step")
_TIME_EASES = ("linear", "hold", "bezier")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A piece of a time map between two moments of the output."""

    start: Fraction
    """Output time at which the piece begins, seconds."""
    duration: Fraction
    """Output time that it lasts, seconds."""
    source_start: Fraction
    """Source time at its beginning, seconds."""
    source_end: Fraction
    """Source time at its end, seconds."""
    shape: str = "linear"
    """``linear``, ``ramp`` (uniform acceleration), ``smooth`` or ``bezier``."""
    parameters: tuple[Fraction, ...] = ()
    """``ramp``/``smooth``: speeds at both ends. ``bezier``: x1, y1, x2, y2."""

    def source_time(self, time: Fraction) -> Fraction:
        """Return the source time shown at output time ``time`` within the piece."""
        if self.duration == 0:
            return self.source_start
        progress = (time - self.start) / self.duration
        if self.shape == "linear":
            travelled = progress
        elif self.shape == "bezier":
            travelled = _bezier(progress, self.parameters)
        else:
            return self.source_start + self.duration * self._distance(progress)
        return self.source_start + (self.source_end - self.source_start) * travelled

    def _distance(self, progress: Fraction) -> Fraction:
        first, last = self.parameters
        if self.shape == "ramp":
            change = progress**2 / 2
        else:
            change = progress**3 - progress**4 / 2
        return first * progress + (last - first) * change


def _bezier(progress: Fraction, handles: tuple[Fraction, ...]) -> Fraction:
    if progress in (0, 1):
        return progress
    if (handles[0], handles[2]) == _EVEN_HANDLES:
        rest = 1 - progress
        inner = rest * handles[1] + progress * handles[3]
        return 3 * progress * rest * inner + progress**3
    x1, y1, x2, y2 = (float(value) for value in handles)
    low, high, wanted = 0.0, 1.0, float(progress)
    for _ in range(60):
        middle = (low + high) / 2
        if _cubic(middle, x1, x2) < wanted:
            low = middle
        else:
            high = middle
    return Fraction(round(_cubic((low + high) / 2, y1, y2) * _BEZIER_GRID), _BEZIER_GRID)


def _cubic(u: float, first: float, second: float) -> float:
    v = 1.0 - u
    return 3 * v * v * u * first + 3 * v * u * u * second + u * u * u


@dataclass(frozen=True, kw_only=True)
class SpeedKey:
    """A speed at a moment of the source clip."""

    at: Fraction
    """Source time, seconds."""
    speed: Fraction
    """Source seconds per output second; 1 is normal, 1/4 is four times slower."""
    hold: Fraction = Fraction(0)
    """Output seconds for which the picture freezes here."""
    ease: str = "linear"
    """How the speed changes from here to the next key."""


@dataclass(frozen=True, kw_only=True)
class TimeKey:
    """A moment of the source clip at a moment of the output."""

    at: Fraction
    """Output time, seconds."""
    source: Fraction
    """Source time, seconds."""
    ease: str = "linear"
    """How time runs from here to the next key."""
    handles: tuple[Fraction, ...] = ()
    """x1, y1, x2, y2 of a Bezier stretch, as fractions of it."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A retime curve as read from a file or built by an editor."""

    speed_keys: tuple[SpeedKey, ...] = ()
    """Keys of a speed curve; empty for a time curve."""
    time_keys: tuple[TimeKey, ...] = ()
    """Keys of a time curve; empty for a speed curve."""

    def stretches(self, source_duration: Fraction) -> tuple[Stretch, ...]:
        """Return the pieces of the time map for a clip of the given length in seconds."""
        if self.time_keys:
            return _time_stretches(self.time_keys, source_duration)
        return _speed_stretches(self.speed_keys, source_duration)


def _speed_stretches(keys: tuple[SpeedKey, ...], end: Fraction) -> tuple[Stretch, ...]:
    inside = [key for key in keys if key.at < end]
    if not inside:
        inside = [SpeedKey(at=Fraction(0), speed=keys[0].speed)]
    if inside[0].at > 0:
        inside.insert(0, SpeedKey(at=Fraction(0), speed=inside[0].speed))
    stretches: list[Stretch] = []
    now = Fraction(0)
    for key, following in zip(inside, [*inside[1:], None], strict=True):
        if key.hold:
            stretches.append(
                Stretch(start=now, duration=key.hold, source_start=key.at, source_end=key.at)
            )
            now += key.hold
        ends_at = following.at if following else end
        last_speed = _speed_at_end(key, following, keys, end)
        duration = 2 * (ends_at - key.at) / (key.speed + last_speed)
        shape = "linear" if key.speed == last_speed else _shape_of(key.ease)
        stretches.append(
            Stretch(
                start=now,
                duration=duration,
                source_start=key.at,
                source_end=ends_at,
                shape=shape,
                parameters=() if shape == "linear" else (key.speed, last_speed),
            )
        )
        now += duration
    return tuple(stretches)


def _shape_of(ease: str) -> str:
    return "smooth" if ease == "smooth" else "ramp"


def _speed_at_end(
    key: SpeedKey, following: SpeedKey | None, keys: tuple[SpeedKey, ...], end: Fraction
) -> Fraction:
    if key.ease == "step":
        return key.speed
    if following:
        return following.speed
    beyond = next((other for other in keys if other.at >= end), None)
    if beyond is None or beyond.at == key.at:
        return key.speed
    if beyond.at == end:
        return beyond.speed
    # The ramp's end lies beyond the clip: under uniform acceleration the square of the speed is
    # linear in distance, and a rational approximation of its root is good enough for a cut-off end.
    share = (end - key.at) / (beyond.at - key.at)
    square = key.speed**2 + (beyond.speed**2 - key.speed**2) * share
    return Fraction(float(square) ** 0.5).limit_denominator(10**6)


def _time_stretches(keys: tuple[TimeKey, ...], end: Fraction) -> tuple[Stretch, ...]:
    stretches = []
    for key, following in pairwise(keys):
        source_start, source_end = min(key.source, end), min(following.source, end)
        stretches.append(
            Stretch(
                start=key.at - keys[0].at,
                duration=following.at - key.at,
                source_start=source_start,
                source_end=source_start if key.ease == "hold" else source_end,
                shape="bezier" if key.ease == "bezier" else "linear",
                parameters=key.handles,
            )
        )
    return tuple(stretches)


def parse_curve(text: str, file: str) -> Curve:
    """Read a curve from JSON text.

    Args:
        text: The content of a curve file.
        file: How errors call the file.

    Raises:
        PlanError: If anything in it makes no sense, naming the line.
    """
    data = load_located(text, file, "keys")
    kind, keys = data.get("kind"), data.get("keys")
    if kind not in ("speed", "time"):
        raise PlanError(f'{file}: "kind" must be "speed" or "time", not {kind!r}')
    if not isinstance(keys, LocatedList) or not keys:
        raise PlanError(f'{file}: "keys" must be a list with at least one key')
    places = [f"{file}, line {line}" for line in keys.lines]
    if kind == "speed":
        speed_keys = [_speed_key(key, place) for key, place in zip(keys, places, strict=True)]
        _check_order([key.at for key in speed_keys], places)
        return Curve(speed_keys=tuple(speed_keys))
    time_keys = [_time_key(key, place) for key, place in zip(keys, places, strict=True)]
    _check_order([key.at for key in time_keys], places)
    if len(time_keys) < 2:
        raise PlanError(f"{file}: a time curve needs at least two keys")
    return Curve(time_keys=tuple(time_keys))


def read_curve(path: Path) -> Curve:
    """Read a curve file.

    Raises:
        PlanError: If it cannot be read, or anything in it makes no sense.
    """
    return parse_curve(read_text(path, "the curve file"), str(path))


def _check_order(times: list[Fraction], places: list[str]) -> None:
    for earlier, later, place in zip(times, times[1:], places[1:], strict=False):
        if later <= earlier:
            raise PlanError(
                f'{place}: "at" is {later}, but it must be above that of the key before ({earlier})'
            )


def _members_of(key: Any, place: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(key, dict):
        raise PlanError(f"{place}: a key must be an object, not {key!r}")
    for name in key:
        if name not in allowed:
            raise PlanError(
                f"{place}: unknown member {name!r}; a key may have {', '.join(allowed)}"
            )
    return key


def _number(key: dict[str, Any], name: str, place: str, default: int | None = None) -> Fraction:
    value = key.get(name, default)
    if value is None:
        raise PlanError(f'{place}: the key lacks "{name}"')
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PlanError(f'{place}: "{name}" must be a number, not {value!r}')
    number = to_fraction(value, f'{place}: "{name}"')
    if name != "speed" and number < 0:
        raise PlanError(f'{place}: "{name}" must not be negative, got {value}')
    return number


def _ease(key: dict[str, Any], allowed: tuple[str, ...], place: str) -> str:
    ease = key.get("ease", "linear")
    if ease not in allowed:
        raise PlanError(f'{place}: "ease" must be one of {", ".join(allowed)}, not {ease!r}')
    return str(ease)


def _speed_key(raw: Any, place: str) -> SpeedKey:
    key = _members_of(raw, place, ("at", "speed", "hold", "ease"))
    speed = _number(key, "speed", place)
    if not MINIMUM_SPEED <= speed <= MAXIMUM_SPEED:
        raise PlanError(
            f'{place}: "speed" must be between 1/1000 and 1000, got {key["speed"]} '
            '(to freeze use "hold", to run backwards use "kind": "time")'
        )
    return SpeedKey(
        at=_number(key, "at", place),
        speed=speed,
        hold=_number(key, "hold", place, 0),
        ease=_ease(key, _SPEED_EASES, place),
    )


def _time_key(raw: Any, place: str) -> TimeKey:
    key = _members_of(raw, place, ("at", "source", "ease", "handles"))
    ease = _ease(key, _TIME_EASES, place)
    return TimeKey(
        at=_number(key, "at", place),
        source=_number(key, "source", place),
        ease=ease,
        handles=_handles(key.get("handles"), place) if ease == "bezier" else (),
    )


def _handles(raw: Any, place: str) -> tuple[Fraction, ...]:
    pairs = isinstance(raw, list) and [len(p) if isinstance(p, list) else 0 for p in raw] == [2, 2]
    if not pairs:
        raise PlanError(f'{place}: a Bezier key needs "handles": [[x1, y1], [x2, y2]]')
    numbers = [to_fraction(value, f"{place}: a handle") for pair in raw for value in pair]
    if not (0 <= numbers[0] <= 1 and 0 <= numbers[2] <= 1):
        raise PlanError(f"{place}: the x of a handle must lie in 0..1, so that time runs forward")
    return tuple(numbers)
