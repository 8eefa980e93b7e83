"""Timing of a batch of pictures that has no clock of its own, as image nodes hand them around.

Convention: time is counted in source frames, so 2.5 lies halfway between pictures 2 and 3.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction

from imf_plugin.errors import PlanError
from imf_plugin.timeline.plan import OnCut, PlannedFrame, make_frames
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
    slots = count + (ending is Ending.LOOP)
    timing = SourceTiming(
        frame_times=tuple(Fraction(number) for number in range(slots)), duration=Fraction(slots)
    )
    moments = TimeMap(
        moments=[
            Moment(time=Fraction(number), source_time=number / factor) for number in range(length)
        ],
        duration=Fraction(length),
        frame_rate=Fraction(1),
        audio=(),
    )
    frames = make_frames(timing, moments, cuts=cuts, on_cut=on_cut)
    if ending is not Ending.LOOP:
        return frames
    return tuple(
        replace(frame, before=frame.before % count, after=frame.after % count) for frame in frames
    )
