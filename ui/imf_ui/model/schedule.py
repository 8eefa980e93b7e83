"""What each output frame of a clip shows, one frame at a time, by the engine's own arithmetic.

The same `FramePlanner` and `CurveMap` make the plan of an export, so a preview shows what an export
will hold, frame by frame; tests compare the two.
"""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from imf_plugin.timeline.plan import Decision, FramePlanner, OnCut, PlannedFrame
from imf_plugin.timeline.timemap import CurveMap, Moment, SourceTiming
from imf_ui.model.curve import SpeedCurve
from imf_ui.model.document import Clip
from imf_ui.model.timebase import TICKS_PER_SECOND, seconds_of

_KEPT = 4096
_COUNTED = 1000


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many output frames are what."""

    real: int
    """Source frames, untouched."""
    made: int
    """New frames."""
    held: int
    """Source frames shown again."""
    is_exact: bool
    """Whether all were counted; of long results a sample is."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What looking through a clip found."""

    cuts: tuple[int, ...] = ()
    """Frames that begin a new shot."""
    duplicates: tuple[int, ...] = ()
    """Frames that repeat the one before."""


def planner_for(timing: SourceTiming, clip: Clip, found: Findings | None) -> FramePlanner:
    """Return what decides the frames of a clip; it does not depend on the curve."""
    cuts = clip.cuts.manual
    if cuts is None:
        cuts = found.cuts if found and clip.cuts.find else ()
    return FramePlanner(
        timing,
        cuts=[cut for cut in cuts if 0 < cut < len(timing.frame_times)],
        on_cut=OnCut(clip.cuts.on_cut),
        duplicates=found.duplicates if found and clip.cuts.dedup else (),
    )


class Schedule:
    """The output frames of one clip.

    Args:
        timing: When the clip's frames are shown.
        planner: See `planner_for`.
        curve: The clip's speed.
        rate: Output frames per second.

    Raises:
        PlanError: If the curve shows nothing, or far too much.
    """

    def __init__(
        self, timing: SourceTiming, planner: FramePlanner, curve: SpeedCurve, rate: Fraction
    ) -> None:
        self.timing = timing
        self.curve = curve
        self.rate = rate
        self._planner = planner
        self._map = CurveMap(timing, curve.engine_curve(), rate)
        self._frames: OrderedDict[int, PlannedFrame] = OrderedDict()
        self._shown: dict[int, int] = {}

    @property
    def count(self) -> int:
        """Number of output frames."""
        return self._map.count

    @property
    def duration_seconds(self) -> Fraction:
        """Length of the result."""
        return self._map.duration

    def moment(self, number: int) -> Moment:
        """Return the times of an output frame."""
        return self._map.moment(number)

    def frame(self, number: int) -> PlannedFrame:
        """Return what output frame ``number`` is made of; beyond the ends, the last there is."""
        number = min(max(number, 0), self.count - 1)
        known = self._frames.get(number)
        if known is None:
            known = self._frames[number] = self._planner.frame(self._map.moment(number))
            if len(self._frames) > _KEPT:
                self._frames.popitem(last=False)
        return known

    def source_frame(self, number: int) -> int:
        """Return the clip's frame that would be shown without any in-betweens."""
        known = self._shown.get(number)
        if known is None:
            if len(self._shown) > _KEPT:
                self._shown.clear()
            known = self.timing.frame_at(self._map.moment(number).source_time)
            self._shown[number] = known
        return known

    def source_position(self, number: int) -> float:
        """Return the fractional frame number of the clip at an output frame."""
        shown = self._map.moment(number).source_time
        index = self.timing.frame_at(shown)
        start = self.timing.frame_times[index]
        return index + float((shown - start) / (self.timing.end_of(index) - start))

    def speed(self, number: int) -> float:
        """Return the speed at an output frame; negative when it runs backwards."""
        return self.curve.speed_at(self.ticks(number))

    def ticks(self, number: int) -> int:
        """Return when an output frame appears, in ticks."""
        return round(number / self.rate * TICKS_PER_SECOND)

    def frame_at(self, ticks: int) -> int:
        """Return the output frame shown at a moment of the result."""
        return min(max(int(seconds_of(ticks) * self.rate), 0), self.count - 1)

    def output_of_source(self, index: int) -> int | None:
        """Return the first output frame that shows the clip's frame ``index`` or what follows."""
        wanted = self.timing.frame_times[index]
        for number, stretch in enumerate(self._map.stretches):
            low, high = sorted((stretch.source_start, stretch.source_end))
            if low <= wanted < high:
                return self._search(number, wanted)
        return None

    def _search(self, number: int, wanted: Fraction) -> int:
        stretch = self._map.stretches[number]
        first = int(-(-stretch.start * self.rate // 1))
        last = min(int((stretch.start + stretch.duration) * self.rate) + 1, self.count)
        rises = stretch.source_end > stretch.source_start
        span = range(first, max(last, first + 1))
        if rises:
            place = bisect_left(span, wanted, key=lambda n: self._map.moment(n).source_time)
        else:
            place = bisect_left(span, -wanted, key=lambda n: -self._map.moment(n).source_time)
        return min(first + place, self.count - 1)

    @cached_property
    def counts(self) -> Counts:
        """How many frames are real, made and held; of long results a sample's shares."""
        step = max(1, self.count // _COUNTED)
        sample = [self.frame(number).decision for number in range(0, self.count, step)]
        scale = self.count / len(sample)
        real = round(sum(one is Decision.REAL for one in sample) * scale)
        held = round(sum(one is Decision.HOLD for one in sample) * scale)
        return Counts(real=real, made=self.count - real - held, held=held, is_exact=step == 1)
