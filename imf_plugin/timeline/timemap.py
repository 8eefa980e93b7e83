"""Time maps: when each output frame is shown, and which source moment it shows.

A time map is a list of output moments with exact times. It knows nothing of keyframes, cuts or
duplicates; `imf_plugin.timeline.plan` adds those.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from imf_plugin.errors import PlanError
from imf_plugin.timeline.curve import Curve, Stretch

MAXIMUM_FRAMES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class SourceTiming:
    """When the frames of a clip are shown."""

    frame_times: tuple[Fraction, ...]
    """Start of each frame in seconds, rising, the first at 0."""
    duration: Fraction
    """End of the last frame in seconds."""

    def __post_init__(self) -> None:
        """Check the order of the times."""
        times = self.frame_times
        if not times or times[0] != 0 or self.duration <= times[-1]:
            raise ValueError("frame times must start at 0 and end before the duration")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("frame times must rise")

    def time_at(self, position: Fraction) -> Fraction:
        """Return the time at a fractional frame number, linear between frames."""
        index = min(math.floor(position), len(self.frame_times) - 1)
        start = self.frame_times[index]
        return start + (self.end_of(index) - start) * (position - index)

    def end_of(self, index: int) -> Fraction:
        """Return the time at which a frame gives way to the next, or the clip ends."""
        following = index + 1
        return self.frame_times[following] if following < len(self.frame_times) else self.duration

    def frame_at(self, time: Fraction) -> int:
        """Return the number of the frame shown at ``time``."""
        return max(bisect_right(self.frame_times, time) - 1, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One output frame's place in both times."""

    time: Fraction
    """Output time at which it appears, seconds."""
    source_time: Fraction
    """The moment of the source that it shows, seconds."""
    frozen: bool = False
    """Whether the map holds the picture still here."""


@dataclass(frozen=True, kw_only=True)
class AudioSpan:
    """A stretch of source sound and how long it lasts in the output."""

    source_start: Fraction
    """Seconds."""
    source_end: Fraction
    """Seconds; before the start when time runs backwards, equal to it in a freeze."""
    output_duration: Fraction
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class TimeMap:
    """All output moments of a retime, and what happens to the sound."""

    moments: Sequence[Moment]
    """One for each output frame, times rising from 0."""
    duration: Fraction
    """End of the last output frame, seconds."""
    frame_rate: Fraction | None
    """Constant output rate in frames per second, or None when frame durations vary."""
    audio: tuple[AudioSpan, ...]
    """How the sound follows, in output order."""


def slow_motion(source: SourceTiming, factor: Fraction, rate: Fraction | None) -> TimeMap:
    """Make a clip last ``factor`` times longer at its own frame rate.

    Works on frame numbers: every source interval is divided alike, so n frames become
    ``ceil(n * factor)`` and a variable frame rate keeps its rhythm.

    Args:
        source: The clip.
        factor: How many times longer; above 0.
        rate: The clip's frame rate where it is constant, else None.
    """
    count = math.ceil(len(source.frame_times) * factor)
    _check_count(count)
    moments = []
    for number in range(count):
        shown = source.time_at(number / factor)
        moments.append(Moment(time=shown * factor, source_time=shown))
    duration = source.duration * factor
    # A factor such as 5/2 can end inside the last frame's slot; whole frames make the duration.
    if rate is not None:
        duration = Fraction(count) / rate
    return TimeMap(
        moments=moments,
        duration=duration,
        frame_rate=rate,
        audio=(
            AudioSpan(
                source_start=Fraction(0),
                source_end=source.duration,
                output_duration=source.duration * factor,
            ),
        ),
    )


def constant_rate(source: SourceTiming, rate: Fraction) -> TimeMap:
    """Show a clip at another constant frame rate, lasting as long as before."""
    count = math.ceil(source.duration * rate)
    _check_count(count)
    return TimeMap(
        moments=[Moment(time=n / rate, source_time=n / rate) for n in range(count)],
        duration=count / rate,
        frame_rate=rate,
        audio=(
            AudioSpan(
                source_start=Fraction(0),
                source_end=source.duration,
                output_duration=source.duration,
            ),
        ),
    )


class CurveMap:
    """The moments of a retime along a curve, worked out one at a time.

    An editor that shows one frame of a long clip asks for that frame; `along_curve` asks for all.

    Args:
        source: The clip.
        curve: How its speed bends.
        rate: Output frames per second.

    Raises:
        PlanError: If the curve leaves no time to show, or too many frames.
    """

    def __init__(self, source: SourceTiming, curve: Curve, rate: Fraction) -> None:
        self._end = source.duration
        self._rate = rate
        self.stretches = curve.stretches(source.duration)
        self._starts = [stretch.start for stretch in self.stretches]
        self.count = math.ceil((self._starts[-1] + self.stretches[-1].duration) * rate)
        """Number of output frames."""
        _check_count(self.count)
        if self.count == 0:
            raise PlanError("the curve shows nothing: its keys cover no time")

    @property
    def duration(self) -> Fraction:
        """End of the last output frame, seconds."""
        return self.count / self._rate

    def moment(self, number: int) -> Moment:
        """Return the moment of output frame ``number``."""
        time = number / self._rate
        stretch = self.stretches[max(bisect_right(self._starts, time) - 1, 0)]
        shown = min(max(stretch.source_time(time), Fraction(0)), self._end)
        frozen = stretch.source_start == stretch.source_end
        return Moment(time=time, source_time=shown, frozen=frozen)

    def audio(self) -> tuple[AudioSpan, ...]:
        """Return how the sound follows."""
        return tuple(span for stretch in self.stretches for span in _audio_spans(stretch))


def along_curve(source: SourceTiming, curve: Curve, rate: Fraction) -> TimeMap:
    """Bend a clip's speed along a curve, at a constant output rate.

    Raises:
        PlanError: If the curve leaves no time to show.
    """
    bent = CurveMap(source, curve, rate)
    return TimeMap(
        moments=[bent.moment(number) for number in range(bent.count)],
        duration=bent.duration,
        frame_rate=rate,
        audio=bent.audio(),
    )


def _audio_spans(stretch: Stretch) -> Iterator[AudioSpan]:
    """Cut a stretch into pieces of even tempo, short enough that the steps are not heard."""
    pieces = 1 if stretch.shape == "linear" else max(1, math.ceil(stretch.duration * 4))
    step = stretch.duration / pieces
    if stretch.duration == 0:
        return
    for number in range(pieces):
        start = stretch.start + step * number
        yield AudioSpan(
            source_start=stretch.source_time(start),
            source_end=stretch.source_time(start + step),
            output_duration=step,
        )


def _check_count(count: int) -> None:
    if count > MAXIMUM_FRAMES:
        raise PlanError(
            f"this would make {count:,} frames, above the {MAXIMUM_FRAMES:,} a render may have; "
            "lower the factor or the rate, or split the clip"
        )
