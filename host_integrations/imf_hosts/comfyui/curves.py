"""Speed ramps from presets, from keyframes that were typed, and from ComfyUI's curve editor."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from imf_plugin.errors import PlanError
from imf_plugin.timeline.curve import MAXIMUM_SPEED, MINIMUM_SPEED, Curve, SpeedKey, TimeKey
from imf_plugin.timeline.rational import to_fraction

CONSTANT, EASE_IN, EASE_OUT = "constant", "ease in", "ease out"
BULLET_TIME, KEYFRAMES, CURVE = "bullet time", "keyframes", "curve"
PRESETS = (BULLET_TIME, EASE_IN, EASE_OUT, CONSTANT, KEYFRAMES, CURVE)
SPEED, POSITION = "speed", "position"
SLOWEST_ON_CURVE = Fraction(1, 20)
_SAMPLES = 64
_GRID = 10**6
_TENTH, _QUARTER, _ONE = Fraction(1, 10), Fraction(1, 4), Fraction(1)
_PRESET_KEYS: dict[str, tuple[tuple[Fraction, Fraction], ...]] = {
    CONSTANT: ((Fraction(0), _ONE),),
    EASE_IN: ((Fraction(0), _QUARTER), (_ONE, _ONE)),
    EASE_OUT: ((Fraction(0), _ONE), (_ONE, _QUARTER)),
    BULLET_TIME: (
        (Fraction(30, 100), _ONE),
        (Fraction(42, 100), _TENTH),
        (Fraction(58, 100), _TENTH),
        (Fraction(70, 100), _ONE),
    ),
}


def make_curve(
    preset: str,
    *,
    duration: Fraction,
    speed: float,
    keyframes: str = "",
    points: Any = None,
    curve_is: str = SPEED,
) -> Curve:
    """Return the curve that a ramp node asks for.

    Args:
        preset: One of `PRESETS`.
        duration: Of the clip, in seconds.
        speed: Multiplies all speeds.
        keyframes: The typed ones, for the preset `KEYFRAMES`.
        points: The value of a curve input, for the preset `CURVE`.
        curve_is: Whether keyframes and points give speeds or positions.

    Raises:
        PlanError: If anything in it makes no sense.
    """
    factor = to_fraction(speed, "the speed")
    if factor <= 0:
        raise PlanError(f"the speed must be above 0, not {speed}")
    if preset in _PRESET_KEYS:
        keys = [(share * duration, value) for share, value in _PRESET_KEYS[preset]]
        return _speed_curve(keys, factor, ease="smooth" if preset != CONSTANT else "linear")
    if preset == KEYFRAMES:
        typed = read_keyframes(keyframes, duration)
        if curve_is == POSITION:
            return _time_curve([(at / factor, value) for at, value in typed], duration)
        return _speed_curve(typed, factor)
    if preset == CURVE:
        return _from_points(points, duration, factor, curve_is)
    raise PlanError(f"there is no preset {preset!r}; choose one of {', '.join(PRESETS)}")


def read_keyframes(text: str, duration: Fraction | None = None) -> list[tuple[Fraction, Fraction]]:
    """Return the pairs in a text such as ``0s:1, 1.5s:0.2, 100%:1``.

    Args:
        text: Places, as seconds or as shares of the clip, each with a value after a colon.
        duration: Of the clip in seconds; without it shares are only checked.

    Raises:
        PlanError: If it has no pairs, or one cannot be read, or they do not rise.
    """
    pairs: list[tuple[Fraction, Fraction]] = []
    for word in text.replace("\n", ",").replace(";", ",").split(","):
        word = word.strip()
        if not word:
            continue
        place, colon, value = word.partition(":")
        if not colon:
            raise PlanError(
                f"keyframes: {word!r} has no colon; write places and values such as "
                "0s:1, 1.5s:0.2, 3s:1"
            )
        pairs.append((_place(place, word, duration), _value(value, word)))
    if not pairs:
        raise PlanError("keyframes: there are none; write some, such as 0s:1, 1.5s:0.2, 3s:1")
    for earlier, later in itertools.pairwise(pairs):
        if later[0] <= earlier[0]:
            raise PlanError(
                f"keyframes: the places must rise, but {float(later[0]):g} follows "
                f"{float(earlier[0]):g}"
            )
    return pairs


def _place(text: str, word: str, duration: Fraction | None) -> Fraction:
    text = text.strip()
    number = to_fraction(text.removesuffix("s").removesuffix("%"), f"the place in {word!r}")
    if number < 0:
        raise PlanError(f"keyframes: {word!r} lies before the clip")
    if text.endswith("%"):
        return number / 100 * (1 if duration is None else duration)
    return number


def _value(text: str, word: str) -> Fraction:
    text = text.strip().removesuffix("x").removesuffix("s")
    number = to_fraction(text, f"the value in {word!r}")
    if number < 0:
        raise PlanError(f"keyframes: the value in {word!r} is below 0")
    return number


def check_points(points: Any) -> Sequence[tuple[float, float]]:
    """Return the points of a curve input, which has several shapes.

    Raises:
        PlanError: If there are fewer than two.
    """
    raw = points.get("points") if isinstance(points, Mapping) else getattr(points, "points", points)
    try:
        read = [(float(x), float(y)) for x, y in raw or ()]
    except (TypeError, ValueError):
        raise PlanError("curve: this is no curve; connect a Curve Editor") from None
    if len(read) < 2 or any(not math.isfinite(number) for point in read for number in point):
        raise PlanError("curve: it needs at least two points; draw some, or choose another preset")
    return sorted(read)


def _from_points(points: Any, duration: Fraction, factor: Fraction, curve_is: str) -> Curve:
    if points is None:
        raise PlanError("curve: none is connected; connect a Curve Editor or choose another preset")
    value_at = _evaluator(points)
    grid = [Fraction(number, _SAMPLES) for number in range(_SAMPLES + 1)]
    values = [Fraction(round(min(max(value_at(float(x)), 0.0), 1.0) * _GRID), _GRID) for x in grid]
    if curve_is == POSITION:
        length = duration / factor
        pairs = zip(grid, values, strict=True)
        return _time_curve([(x * length, y * duration) for x, y in pairs], duration)
    slowed = [max(value, SLOWEST_ON_CURVE) for value in values]
    return _speed_curve([(x * duration, y) for x, y in zip(grid, slowed, strict=True)], factor)


def _evaluator(points: Any) -> Callable[[float], float]:
    """Return the curve as a function; objects from the editor bring their own interpolation."""
    given = check_points(points)
    if hasattr(points, "interp"):
        return lambda x: float(points.interp(x))
    if isinstance(points, Mapping) and points.get("interpolation") == "linear":
        return lambda x: _linear(given, x)
    return _monotone(given)


def _linear(points: Sequence[tuple[float, float]], x: float) -> float:
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y1 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def _monotone(points: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Return a smooth curve through points that overshoots nowhere."""
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    distinct = {x: y for x, y in points}
    if len(distinct) < 2:
        return lambda x: points[-1][1]
    curve = PchipInterpolator(list(distinct), list(distinct.values()))
    first, last = min(distinct), max(distinct)
    return lambda x: float(curve(np.clip(x, first, last)))


def _speed_curve(
    keys: Sequence[tuple[Fraction, Fraction]], factor: Fraction, *, ease: str = "linear"
) -> Curve:
    made = []
    for at, speed in keys:
        wanted = speed * factor
        if not MINIMUM_SPEED <= wanted <= MAXIMUM_SPEED:
            raise PlanError(
                f"the speed {float(wanted):g} is not between {MINIMUM_SPEED} and {MAXIMUM_SPEED}"
                " (to stand still, give positions instead of speeds)"
            )
        made.append(SpeedKey(at=at, speed=wanted, ease=ease))
    return Curve(speed_keys=tuple(made))


def _time_curve(pairs: Sequence[tuple[Fraction, Fraction]], duration: Fraction) -> Curve:
    if len(pairs) < 2:
        raise PlanError("positions need at least two keyframes, a first and a last one")
    return Curve(time_keys=tuple(TimeKey(at=at, source=min(to, duration)) for at, to in pairs))
