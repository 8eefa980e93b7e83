"""When the frames of a source are shown, for planners that choose keyframes themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.clips import frame_rate, is_variable_rate
from imf_hosts.vs.sampled import duration_of
from imf_hosts.vs.scenes import Properties


@dataclass(frozen=True, kw_only=True)
class SourceClock:
    """Knows how far apart frames are, in frames or, where the rate varies, in seconds."""

    clip: vs.VideoNode
    """The source."""

    def wants(self, first: int, last: int) -> dict[Any, vs.VideoNode]:
        """Return the frames whose durations tell when ``first`` to ``last`` are shown."""
        if not is_variable_rate(self.clip):
            return {}
        return {("frame", index): self.clip[index] for index in range(first, last + 1)}

    def span(self, first: int, last: int, seen: Mapping[Any, Properties]) -> Fraction:
        """Return the time from the start of one frame to that of a later one."""
        if not is_variable_rate(self.clip):
            return Fraction(last - first)
        return sum(
            (duration_of(seen["frame", index], index) for index in range(first, last)),
            start=Fraction(0),
        )

    def timing(self, number: int, seen: Mapping[Any, Properties]) -> dict[str, int]:
        """Return the duration of a frame as properties, for when another's have been copied."""
        if is_variable_rate(self.clip):
            duration = duration_of(seen["frame", number], number)
        else:
            duration = 1 / frame_rate(self.clip)
        return {"_DurationNum": duration.numerator, "_DurationDen": duration.denominator}
