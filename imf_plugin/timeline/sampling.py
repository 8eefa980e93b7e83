"""Which source frames an output frame needs, worked out for one output frame at a time.

A time map lists all its moments; a host that is asked for frames in any order, of clips that may
have billions of frames, cannot wait for that list. A sampling answers for a single number.

Convention: positions are counted in source frames, so 2.5 lies halfway between frames 2 and 3,
and frame n is shown from n up to n + 1.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Protocol

from imf_plugin.timeline.curve import Curve, Stretch

POSITION_GRID = 65536
"""Steps per source frame on which the positions along a curve lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an output frame lies between its keyframes."""

    before: int
    """Number of the keyframe at or before it."""
    after: int
    """Number of the one after it; equal to ``before`` where nothing is to be made."""
    timestep: Fraction
    """Where it lies between the two, 0..1 without 1."""
    is_source_frame: bool
    """Whether it falls on a source frame exactly, not merely after the last one."""


class Sampling(Protocol):
    """A map from output frames to positions in the source."""

    @property
    def source_count(self) -> int:
        """Number of source frames."""
        ...

    @property
    def count(self) -> int:
        """Number of output frames."""
        ...

    def position(self, number: int) -> Fraction:
        """Return the position that output frame ``number`` shows."""
        ...


def place_at(position: Fraction, source_count: int) -> Place:
    """Return the keyframes around a position; beyond the last frame that one is held."""
    before = min(math.floor(position), source_count - 1)
    timestep = position - before
    if timestep == 0 or before + 1 == source_count:
        return Place(
            before=before, after=before, timestep=Fraction(0), is_source_frame=timestep == 0
        )
    return Place(before=before, after=before + 1, timestep=timestep, is_source_frame=False)


@dataclass(frozen=True, kw_only=True)
class EvenSampling:
    """Output frames spread evenly over the source: ``factor`` of them for every source frame.

    The same positions as `timemap.slow_motion` and, for a clip of constant rate,
    `timemap.constant_rate` give.
    """

    source_count: int
    """Number of source frames."""
    factor: Fraction
    """Output frames per source frame, above 0."""

    @property
    def count(self) -> int:
        """Number of output frames, rounded up so that the end of the clip is covered."""
        return math.ceil(self.source_count * self.factor)

    def position(self, number: int) -> Fraction:
        """Return the position that output frame ``number`` shows."""
        return number / self.factor

    def shares(self, number: int) -> list[tuple[int, Fraction]]:
        """Return the source frames that an output frame is shown over, and how much of each.

        With the durations of a clip of variable rate this gives exact durations: source frames
        start when they did.
        """
        start = number / self.factor
        stop = min((number + 1) / self.factor, Fraction(self.source_count))
        touched = range(math.floor(start), math.ceil(stop))
        return [
            (index, min(stop, Fraction(index + 1)) - max(start, Fraction(index)))
            for index in touched
        ]


@dataclass(frozen=True, kw_only=True)
class CurveSampling:
    """Output frames along a curve whose seconds are source frames."""

    source_count: int
    """Number of source frames."""
    curve: Curve
    """The curve, with one source frame as its unit of time."""
    rate: Fraction
    """Output frames per source frame where the speed is 1."""
    length: int | None = None
    """Number of output frames when it is fixed; after the curve the last picture is held."""

    @cached_property
    def _stretches(self) -> tuple[Stretch, ...]:
        return self.curve.stretches(Fraction(self.source_count))

    @cached_property
    def _starts(self) -> list[Fraction]:
        return [stretch.start for stretch in self._stretches]

    @cached_property
    def count(self) -> int:
        """Number of output frames."""
        last = self._stretches[-1]
        return self.length or math.ceil((last.start + last.duration) * self.rate)

    def position(self, number: int) -> Fraction:
        """Return the position that output frame ``number`` shows, on a grid of 1/65536 frame."""
        return self.position_at(Fraction(number))

    def position_at(self, number: Fraction) -> Fraction:
        """Return the position at a moment between output frames."""
        time = number / self.rate
        stretch = self._stretches[max(bisect_right(self._starts, time) - 1, 0)]
        time = min(time, stretch.start + stretch.duration)
        shown = min(max(stretch.source_time(time), Fraction(0)), Fraction(self.source_count))
        return Fraction(round(shown * POSITION_GRID), POSITION_GRID)


def in_frames(curve: Curve, frame_rate: Fraction) -> Curve:
    """Return a curve given in seconds with one source frame as its unit of time instead."""
    return Curve(
        speed_keys=tuple(
            replace(key, at=key.at * frame_rate, hold=key.hold * frame_rate)
            for key in curve.speed_keys
        ),
        time_keys=tuple(
            replace(key, at=key.at * frame_rate, source=key.source * frame_rate)
            for key in curve.time_keys
        ),
    )
