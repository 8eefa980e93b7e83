"""Every edit of a speed curve, as a pure function from curve to curve.

Convention: with ``ripple`` what follows moves in the result's time and keeps its pictures; without,
what follows keeps its place in the result and shows other moments of the clip.
An edit that is impossible raises `ValueError` with a sentence for the user.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from imf_ui.model.curve import (
    FASTEST,
    SLOWEST,
    CurveKey,
    SpeedCurve,
    StretchKind,
    bezier_parameter,
    ramp_handles,
    simple,
)
from imf_ui.model.timebase import seconds_of, ticks_of

_GRID = 10**9


def with_key(curve: SpeedCurve, at: int) -> SpeedCurve:
    """Add a key on the curve, which keeps its course."""
    number = curve.stretch_at(at)
    key, following = curve.keys[number : number + 2]
    if not key.at < at < following.at:
        raise ValueError("there is a key already; move to a moment between two keys")
    source = round(curve.source_at(at))
    kind = curve.stretch_kind(number)
    if kind is StretchKind.RAMP:
        first, last = curve.stretch_speeds(number)
        middle = first + (last - first) * Fraction(at - key.at, following.at - key.at)
        halves = [_ramp(key, first, middle), _ramp(CurveKey(at=at, source=source), middle, last)]
    elif key.ease == "bezier":
        halves = _split(key, following, at, source)
    else:
        halves = [key, CurveKey(at=at, source=source, ease=key.ease)]
    return _with_part(curve, number, 1, halves)


def without_keys(curve: SpeedCurve, numbers: Iterable[int]) -> SpeedCurve:
    """Remove keys; the speeds on both sides are joined and the clip's moments stay."""
    wanted = sorted(set(numbers) - {0, len(curve.keys) - 1}, reverse=True)
    if not wanted:
        raise ValueError("the first and the last key hold the ends and cannot be removed")
    for number in wanted:
        first = curve.stretch_speeds(number - 1)[0]
        last = curve.stretch_speeds(number)[1]
        if curve.stretch_kind(number) is StretchKind.HOLD:
            first, last = curve.stretch_speeds(number - 1)
        elif curve.stretch_kind(number - 1) is StretchKind.HOLD:
            first = last
        keys = [key for place, key in enumerate(curve.keys) if place != number]
        curve = SpeedCurve(keys=tuple(_timed(keys, number - 1, first, last)))
    return curve


def with_key_speed(
    curve: SpeedCurve, number: int, speed: Fraction, *, ripple: bool = True
) -> SpeedCurve:
    """Set the speed at a key; the stretches beside it lead from and to their other ends."""
    speed = checked_speed(speed)
    for stretch, is_left in ((number - 1, True), (number, False)):
        if not 0 <= stretch < len(curve.keys) - 1:
            continue
        if curve.stretch_kind(stretch) is StretchKind.HOLD:
            continue
        first, last = (abs(value) for value in curve.stretch_speeds(stretch))
        ends = (first, speed) if is_left else (speed, last)
        curve = _with_speeds(curve, stretch, *ends, ripple=ripple)
    return curve


def with_stretch_speed(
    curve: SpeedCurve, number: int, speed: Fraction, *, ripple: bool = True
) -> SpeedCurve:
    """Give a stretch one speed from end to end."""
    if curve.stretch_kind(number) is StretchKind.HOLD:
        raise ValueError("a freeze has no speed; change how long it lasts, or remove it")
    speed = checked_speed(speed)
    return _with_speeds(curve, number, speed, speed, ripple=ripple)


def with_key_moved(
    curve: SpeedCurve,
    number: int,
    *,
    at: int | None = None,
    source: int | None = None,
    source_duration: int,
    ripple: bool = False,
) -> SpeedCurve:
    """Move a key in the frame view: in the result's time, in the clip's, or both.

    It stops at its neighbours; the first key stays at the start.
    """
    keys = list(curve.keys)
    key = keys[number]
    new_at = key.at if at is None or number == 0 else at
    if number > 0:
        new_at = max(new_at, keys[number - 1].at + 1)
    if number + 1 < len(keys) and not ripple:
        new_at = min(new_at, keys[number + 1].at - 1)
    new_source = key.source if source is None else min(max(source, 0), source_duration)
    frozen = number > 0 and keys[number - 1].ease == "hold"
    keys[number] = replace(key, at=new_at, source=new_source)
    if ripple:
        for later in range(number + 1, len(keys)):
            keys[later] = replace(keys[later], at=keys[later].at + new_at - key.at)
    if frozen and source is not None and keys[number - 1].source == key.source:
        keys[number - 1] = replace(keys[number - 1], source=new_source)
    return SpeedCurve(keys=tuple(keys))


def with_speed_key_moved(curve: SpeedCurve, number: int, at: int) -> SpeedCurve:
    """Move a key in the speed view: its speed comes earlier or later, the others stay."""
    if not 0 < number < len(curve.keys) - 1:
        raise ValueError("the first and the last key hold the ends and cannot be moved")
    before, key, after = curve.keys[number - 1 : number + 2]
    if StretchKind.HOLD in (curve.stretch_kind(number - 1), curve.stretch_kind(number)):
        return with_keys_shifted(curve, (number,), at - key.at)
    first, reached = curve.stretch_speeds(number - 1)
    leaving, last = curve.stretch_speeds(number)
    way = (at - before.at) * (first + reached) / 2
    low, high = sorted((before.source, after.source))
    source = min(max(round(before.source + way), low + 1), high - 1)
    smooth = [curve.stretch_kind(n) is StretchKind.SMOOTH for n in (number - 1, number)]
    keys = list(curve.keys)
    keys[number] = replace(key, source=source)
    keys = _timed(keys, number - 1, first, reached, smooth=smooth[0])
    return SpeedCurve(keys=tuple(_timed(keys, number, leaving, last, smooth=smooth[1])))


def with_keys_shifted(curve: SpeedCurve, numbers: Iterable[int], by: int) -> SpeedCurve:
    """Move keys in the result's time together; they stop at the keys that stay."""
    moving = sorted(set(numbers) - {0})
    keys = list(curve.keys)
    for number in moving:
        if number - 1 not in moving:
            by = max(by, keys[number - 1].at + 1 - keys[number].at)
        if number + 1 < len(keys) and number + 1 not in moving:
            by = min(by, keys[number + 1].at - 1 - keys[number].at)
    for number in moving:
        keys[number] = replace(keys[number], at=keys[number].at + by)
    return SpeedCurve(keys=tuple(keys))


def with_ease(curve: SpeedCurve, number: int, kind: StretchKind) -> SpeedCurve:
    """Change how the speed runs from a key to the next."""
    key, following = curve.keys[number : number + 2]
    now = curve.stretch_kind(number)
    if kind is StretchKind.HOLD:
        keys = list(curve.keys)
        keys[number] = replace(key, ease="hold", handles=())
        return SpeedCurve(keys=tuple(keys))
    if key.source == following.source:
        raise ValueError("both keys show the same picture; move one of them first")
    if now is StretchKind.HOLD:
        curve = _with_part(curve, number, 1, [replace(key, ease="linear", handles=())])
    if kind is StretchKind.CONSTANT:
        return _with_part(curve, number, 1, [replace(key, ease="linear", handles=())])
    first, last = (abs(value) for value in curve.stretch_speeds(number))
    before, after = _speeds_around(curve, number)
    if kind is StretchKind.BEZIER:
        third, two_thirds = Fraction(1, 3), Fraction(2, 3)
        handles = key.handles or (third, third, two_thirds, two_thirds)
        return with_handles(curve, number, handles)
    # A constant stretch becomes a transition between the speeds of its neighbours.
    ends = (first, last) if first != last else (before or first, after or last)
    return _with_speeds(curve, number, *ends, smooth=kind is StretchKind.SMOOTH)


def with_handles(curve: SpeedCurve, number: int, handles: tuple[Fraction, ...]) -> SpeedCurve:
    """Set the Bezier handles of a stretch; their x is kept within it."""
    x1, y1, x2, y2 = (Fraction(round(value * _GRID), _GRID) for value in handles)
    kept = (min(max(x1, Fraction(0)), Fraction(1)), y1, min(max(x2, Fraction(0)), Fraction(1)), y2)
    key = replace(curve.keys[number], ease="bezier", handles=kept)
    return _with_part(curve, number, 1, [key])


def with_hold(curve: SpeedCurve, at: int, duration: int) -> SpeedCurve:
    """Freeze the picture at a moment for a time; what follows comes later."""
    if duration <= 0:
        raise ValueError("a freeze must last some time")
    numbers = [number for number, key in enumerate(curve.keys) if key.at == at]
    if not numbers:
        curve = with_key(curve, at)
        numbers = [curve.stretch_at(at)]
    number = numbers[0]
    key = curve.keys[number]
    frozen = CurveKey(at=key.at, source=key.source, ease="hold")
    later = [replace(other, at=other.at + duration) for other in curve.keys[number:]]
    return SpeedCurve(keys=(*curve.keys[:number], frozen, *later))


def with_rewind(curve: SpeedCurve, number: int) -> SpeedCurve:
    """Play a stretch forwards, backwards and forwards again."""
    key, following = curve.keys[number : number + 2]
    if curve.stretch_kind(number) is StretchKind.HOLD:
        raise ValueError("a freeze cannot run backwards")
    length = following.at - key.at
    back = CurveKey(
        at=following.at,
        source=following.source,
        ease=key.ease,
        handles=_mirrored(key.handles),
    )
    again = replace(key, at=following.at + length)
    later = [replace(other, at=other.at + 2 * length) for other in curve.keys[number + 1 :]]
    return SpeedCurve(keys=(*curve.keys[: number + 1], back, again, *later))


def reversed_curve(curve: SpeedCurve) -> SpeedCurve:
    """Play everything backwards."""
    keys = curve.keys
    turned = []
    for number in range(len(keys) - 1, -1, -1):
        shape = keys[number - 1] if number else CurveKey(at=0, source=0)
        turned.append(
            CurveKey(
                at=curve.duration - keys[number].at,
                source=_hold_source(keys, number),
                ease=shape.ease,
                handles=_mirrored(shape.handles),
            )
        )
    return SpeedCurve(keys=tuple(turned))


def at_speed(speed: Fraction, source_start: int, source_end: int) -> SpeedCurve:
    """Return the curve that shows a stretch of the clip at one speed."""
    duration = max(round(abs(source_end - source_start) / checked_speed(speed)), 1)
    return SpeedCurve(
        keys=(CurveKey(at=0, source=source_start), CurveKey(at=duration, source=source_end))
    )


def fitted(curve: SpeedCurve, duration: int) -> SpeedCurve:
    """Stretch the whole curve in time so that the result lasts as long as wanted."""
    if duration < len(curve.keys):
        raise ValueError("the result must last some time")
    keys = [
        replace(key, at=round(Fraction(key.at * duration, curve.duration))) for key in curve.keys
    ]
    return SpeedCurve(keys=tuple(keys))


def snapped_source(source: int, rate: Fraction) -> int:
    """Return the start of the clip's frame nearest to one of its moments."""
    return ticks_of(round(seconds_of(source) * rate) / rate)


def checked_speed(speed: Fraction) -> Fraction:
    """Return a speed as it may be used.

    Raises:
        ValueError: If it is out of reach.
    """
    if not SLOWEST <= abs(speed) <= FASTEST:
        raise ValueError(
            f"a speed must lie between {float(SLOWEST):.1%} and {float(FASTEST):.0%}; "
            "for a standstill add a freeze"
        )
    return abs(simple(speed))


def _with_speeds(
    curve: SpeedCurve,
    number: int,
    first: Fraction,
    last: Fraction,
    *,
    ripple: bool = True,
    smooth: bool | None = None,
) -> SpeedCurve:
    if smooth is None:
        smooth = curve.stretch_kind(number) is StretchKind.SMOOTH
    if ripple:
        return SpeedCurve(keys=tuple(_timed(curve.keys, number, first, last, smooth=smooth)))
    key, following = curve.keys[number : number + 2]
    sign = -1 if curve.is_reverse(number) else 1
    way = sign * round((following.at - key.at) * (first + last) / 2)
    keys = list(curve.keys)
    keys[number] = _ramp(key, first, last, smooth)
    shift = key.source + way - following.source
    for later in range(number + 1, len(keys)):
        keys[later] = replace(keys[later], source=keys[later].source + shift)
    return SpeedCurve(keys=tuple(keys))


def _timed(
    old: Sequence[CurveKey], number: int, first: Fraction, last: Fraction, *, smooth: bool = False
) -> list[CurveKey]:
    """Give a stretch its speeds and the time that they need; what follows moves along."""
    keys = list(old)
    key, following = keys[number : number + 2]
    way = abs(following.source - key.source)
    first, last = abs(first), abs(last)
    if way == 0 or first + last == 0:
        length = max(following.at - key.at, 1)
        keys[number] = replace(key, ease="hold", handles=())
    else:
        length = max(round(2 * way / (first + last)), 1)
        keys[number] = _ramp(key, first, last, smooth)
    shift = key.at + length - following.at
    for later in range(number + 1, len(keys)):
        keys[later] = replace(keys[later], at=keys[later].at + shift)
    return keys


def _ramp(key: CurveKey, first: Fraction, last: Fraction, smooth: bool = False) -> CurveKey:
    if first == last:
        return replace(key, ease="linear", handles=())
    return replace(key, ease="bezier", handles=ramp_handles(first, last, smooth=smooth))


def _speeds_around(curve: SpeedCurve, number: int) -> tuple[Fraction, Fraction]:
    before = abs(curve.stretch_speeds(number - 1)[1]) if number else Fraction(0)
    last = number + 2 >= len(curve.keys)
    after = Fraction(0) if last else abs(curve.stretch_speeds(number + 1)[0])
    return before, after


def _split(key: CurveKey, following: CurveKey, at: int, source: int) -> list[CurveKey]:
    """Cut a Bezier stretch in two that follow the same course."""
    x1, y1, x2, y2 = key.handles
    share = (at - key.at) / (following.at - key.at)
    u = Fraction(round(bezier_parameter(float(x1), float(x2), share) * _GRID), _GRID)

    def parts(first: Fraction, second: Fraction) -> tuple[Fraction, ...]:
        a, b, c = u * first, first + u * (second - first), second + u * (1 - second)
        d, e = a + u * (b - a), b + u * (c - b)
        return a, d, d + u * (e - d), e, c

    ax, dx, middle_x, ex, cx = parts(x1, x2)
    ay, dy, middle_y, ey, cy = parts(y1, y2)
    if not (0 < middle_x < 1) or middle_y in (0, 1):
        raise ValueError("there is a key right here; move to a moment between two keys")
    left = (ax / middle_x, ay / middle_y, dx / middle_x, dy / middle_y)
    rest_x, rest_y = 1 - middle_x, 1 - middle_y
    right = (
        (ex - middle_x) / rest_x,
        (ey - middle_y) / rest_y,
        (cx - middle_x) / rest_x,
        (cy - middle_y) / rest_y,
    )
    return [
        replace(key, handles=_rounded(left)),
        CurveKey(at=at, source=source, ease="bezier", handles=_rounded(right)),
    ]


def _rounded(handles: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return tuple(Fraction(round(value * _GRID), _GRID) for value in handles)


def _mirrored(handles: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    if not handles:
        return ()
    x1, y1, x2, y2 = handles
    return (1 - x2, 1 - y2, 1 - x1, 1 - y1)


def _hold_source(keys: tuple[CurveKey, ...], number: int) -> int:
    """Return what a reversed curve shows from a key on; a freeze shows its own start."""
    if number and keys[number - 1].ease == "hold":
        return keys[number - 1].source
    return keys[number].source


def _with_part(curve: SpeedCurve, number: int, count: int, keys: Iterable[CurveKey]) -> SpeedCurve:
    return SpeedCurve(keys=(*curve.keys[:number], *keys, *curve.keys[number + count :]))


def part_of(curve: SpeedCurve, start: int, end: int) -> SpeedCurve:
    """Return what a curve shows between two moments of the result, from 0 on."""
    for at in (start, end):
        if 0 < at < curve.duration and all(key.at != at for key in curve.keys):
            curve = with_key(curve, at)
    keys = [replace(key, at=key.at - start) for key in curve.keys if start <= key.at <= end]
    return SpeedCurve(keys=tuple(keys))
