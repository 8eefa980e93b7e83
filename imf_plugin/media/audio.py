"""What becomes of the sound when time is bent."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AudioSegment:
    """A stretch of source time and how long it lasts in the output."""

    source_start: Fraction
    """Where it begins, in seconds after the first frame of the source."""
    source_end: Fraction
    """Where it ends: before the start for reverse, equal to it for a freeze."""
    output_duration: Fraction
    """Its length in the output, in seconds."""

    @property
    def tempo(self) -> Fraction:
        """How many times faster than the source it plays; 0 for a freeze."""
        return abs(self.source_end - self.source_start) / self.output_duration

    @property
    def is_reversed(self) -> bool:
        """Whether time runs backwards in it."""
        return self.source_end < self.source_start


@dataclass(frozen=True, kw_only=True)
class AudioPlan:
    """What to do with the sound of the source."""

    mode: Literal["keep", "stretch", "drop"] = "keep"
    """Original speed, bent in time at constant pitch, or none."""
    segments: tuple[AudioSegment, ...] = ()
    """The whole output in order; empty where output time is source time."""

    def __post_init__(self) -> None:
        if self.mode not in ("keep", "stretch", "drop"):
            raise ValueError(f"a mode is keep, stretch or drop, got {self.mode = }")
        if any(segment.output_duration <= 0 for segment in self.segments):
            raise ValueError("every segment must last a while in the output")

    @property
    def keeps_time(self) -> bool:
        """Whether output time is source time throughout."""
        place = Fraction(0)
        for segment in self.segments:
            if segment.source_start != place or segment.tempo != 1 or segment.is_reversed:
                return False
            place = segment.source_end
        return True

    @property
    def runs_forward(self) -> bool:
        """Whether source time never runs backwards or jumps, so that times can be carried over."""
        ends = [segment.source_end for segment in self.segments]
        starts = [segment.source_start for segment in self.segments[1:]]
        return not any(segment.is_reversed for segment in self.segments) and ends[:-1] == starts

    def output_time(self, source_time: Fraction) -> Fraction:
        """When a moment of the source appears in the output, if it `runs_forward`.

        Moments before the first segment come at the start, later ones than the last at the end.
        """
        if not self.segments:
            return source_time
        place = bisect_right(self._source_ends, source_time)
        if place == len(self.segments):
            return self._output_starts[-1] + self.segments[-1].output_duration
        segment = self.segments[place]
        inside = max(Fraction(0), source_time - segment.source_start)
        return self._output_starts[place] + (inside / segment.tempo if segment.tempo else 0)

    @cached_property
    def _source_ends(self) -> list[Fraction]:
        return [segment.source_end for segment in self.segments]

    @cached_property
    def _output_starts(self) -> list[Fraction]:
        durations = [segment.output_duration for segment in self.segments]
        return list(accumulate(durations[:-1], initial=Fraction(0)))


def merged_segments(
    segments: Sequence[AudioSegment], shortest_seconds: Fraction
) -> list[AudioSegment]:
    """Join neighbours that go the same way until each lasts long enough to be stretched well.

    Outer times stay exact, so that nothing drifts; inside, the speed is the mean. Segments of equal
    tempo are joined whatever their length.
    """
    merged: list[AudioSegment] = []
    for segment in segments:
        last = merged[-1] if merged else None
        if last is not None and _may_join(last, segment, shortest_seconds):
            merged[-1] = AudioSegment(
                source_start=last.source_start,
                source_end=segment.source_end,
                output_duration=last.output_duration + segment.output_duration,
            )
        else:
            merged.append(segment)
    return merged


def _may_join(last: AudioSegment, segment: AudioSegment, shortest_seconds: Fraction) -> bool:
    if last.source_end != segment.source_start or last.is_reversed != segment.is_reversed:
        return False
    if not last.tempo or not segment.tempo:
        return last.tempo == segment.tempo
    return last.tempo == segment.tempo or last.output_duration < shortest_seconds
