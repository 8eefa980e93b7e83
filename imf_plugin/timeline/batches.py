"""Timing of a batch of pictures that has no clock of its own, as image nodes hand them around.

Convention: time is counted in source frames, so 2.5 lies halfway between pictures 2 and 3.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction

from imf_plugin.errors import PlanError
from imf_plugin.timeline.plan import Beyond, OnCut, PlannedFrame, make_frames
from imf_plugin.timeline.timemap import MAXIMUM_FRAMES, Moment, SourceTiming, TimeMap


class Ending(StrEnum):
    """What becomes of the time after the last picture."""

    BETWEEN = "between"
    """The result ends with the last picture: ``(n - 1) * factor + 1`` pictures."""
    KEEP_DURATION = "keep duration"
    """The last picture is held for its own time: ``n * factor`` pictures."""
    LOOP = "loop"
    """The last picture moves on into the first: ``n * factor`` pictures, to be played in a loop."""


def batch_length(count: int, factor: Fraction, ending: Ending) -> int:
    """Return how many pictures a batch of ``count`` becomes."""
    if ending is Ending.BETWEEN:
        return math.floor((count - 1) * factor) + 1
    return math.ceil(count * factor)


def factor_for_length(count: int, length: int, ending: Ending) -> Fraction:
    """Return the factor that turns ``count`` pictures into exactly ``length``.

    Raises:
        PlanError: If there is no such factor.
    """
    if ending is not Ending.BETWEEN:
        factor = Fraction(length, count)
    elif count > 1 and length > 1:
        factor = Fraction(length - 1, count - 1)
    else:
        raise PlanError(
            f"{count} pictures cannot become {length} that begin and end with the same ones: "
            "ask for at least 2, or keep the duration instead"
        )
    if factor <= 0:
        raise PlanError(f"{length} pictures cannot be made: ask for at least 1")
    return factor


def plan_batch(
    count: int,
    factor: Fraction,
    *,
    ending: Ending = Ending.KEEP_DURATION,
    cuts: Iterable[int] = (),
    on_cut: OnCut = OnCut.HOLD,
) -> tuple[PlannedFrame, ...]:
    """Decide what each picture of a slowed-down batch is made of.

    Args:
        count: Number of pictures in the batch.
        factor: New pictures for each old one, above 0.
        ending: What becomes of the time after the last picture.
        cuts: Numbers of the pictures that begin a new shot.
        on_cut: What fills the time before a cut.

    Raises:
        PlanError: If the result would be too long.
    """
    length = batch_length(count, factor, ending)
    if length > MAXIMUM_FRAMES:
        raise PlanError(
            f"this would make {length:,} frames, above the {MAXIMUM_FRAMES:,} a batch may have; "
            "lower the factor or the rate"
        )
    if ending is Ending.LOOP:
        return _plan_loop(count, factor, length, tuple(cuts), on_cut)
    timing, moments = _evenly(count, factor, length)
    return make_frames(timing, moments, cuts=cuts, on_cut=on_cut)


def _plan_loop(
    count: int, factor: Fraction, length: int, cuts: tuple[int, ...], on_cut: OnCut
) -> tuple[PlannedFrame, ...]:
    """Plan a batch as if its last picture came before it and its first two after it."""
    timing, moments = _evenly(count + 3, factor, length, first=1)
    again = [cut + count for cut in cuts if cut <= 1]
    frames = make_frames(timing, moments, cuts=[cut + 1 for cut in [*cuts, *again]], on_cut=on_cut)

    def around(number: int) -> int:
        return (number - 1) % count

    def beyond(one: Beyond | None) -> Beyond | None:
        return one and replace(one, keyframe=around(one.keyframe))

    return tuple(
        replace(
            frame,
            before=around(frame.before),
            after=around(frame.after),
            earlier=beyond(frame.earlier),
            later=beyond(frame.later),
        )
        for frame in frames
    )


def _evenly(
    count: int, factor: Fraction, length: int, *, first: int = 0
) -> tuple[SourceTiming, TimeMap]:
    """Return the timing of pictures one unit apart, and moments that go through them evenly."""
    timing = SourceTiming(
        frame_times=tuple(Fraction(number) for number in range(count)), duration=Fraction(count)
    )
    moments = TimeMap(
        moments=[
            Moment(time=Fraction(number), source_time=first + number / factor)
            for number in range(length)
        ],
        duration=Fraction(length),
        frame_rate=Fraction(1),
        audio=(),
    )
    return timing, moments
