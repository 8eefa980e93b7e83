"""The render plan: for every output frame its time, keyframes, timestep, decision and reason.

The plan is data. It is made once from a request, saved as JSON, shown, edited by hand, and handed
to the render; the command, the hosts and the editor all use the same one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

from imf_plugin.timeline.timemap import AudioSpan, Moment, SourceTiming, TimeMap

LONGEST_DUPLICATE_RUN = 4

MOST_UNEVEN = 4
"""A keyframe this many times as far away, or as near, as the pair's own distance tells nothing."""


class Decision(StrEnum):
    """What an output frame is made of."""

    REAL = "real"
    """A source frame, untouched."""
    INTERPOLATE = "interpolate"
    """A new frame between two keyframes."""
    HOLD = "hold"
    """A source frame shown again because nothing may be made here."""
    BLEND = "blend"
    """A cross-fade of two keyframes."""


class OnCut(StrEnum):
    """What fills the time between the last frame of a shot and the first of the next."""

    HOLD = "hold"
    """The nearer of the two frames."""
    BLEND = "blend"
    """A cross-fade."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beyond:
    """A keyframe beyond one of the two that a frame lies between."""

    keyframe: int
    """Its number, from 0."""
    distance: Fraction
    """How far it is from the nearer of the two in time, in units of their own distance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedFrame:
    """One output frame."""

    time: Fraction
    """Output time at which it appears, seconds."""
    before: int
    """Number of the keyframe before the wanted moment, from 0."""
    after: int
    """Number of the keyframe after it; equal to ``before`` for a real or held frame."""
    timestep: Fraction
    """Where the moment lies between the two, 0..1."""
    decision: Decision
    """What the frame is made of."""
    reason: str
    """Why, in a few words."""
    earlier: Beyond | None = None
    """The keyframe before ``before``, where it tells how things came; None at a cut or an end."""
    later: Beyond | None = None
    """The keyframe after ``after``, likewise."""

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Numbers of all keyframes that it is made from, in order."""
        pair = (self.before,) if self.before == self.after else (self.before, self.after)
        first = () if self.earlier is None else (self.earlier.keyframe,)
        last = () if self.later is None else (self.later.keyframe,)
        return (*first, *pair, *last)

    def without_context(self) -> "PlannedFrame":
        """Return the frame as it is made from the pair alone."""
        return replace(self, earlier=None, later=None) if self.earlier or self.later else self


@dataclass(frozen=True, kw_only=True)
class PlanSource:
    """The clip that a plan was made for."""

    path: str
    """As given by the user."""
    frame_count: int
    """Number of frames."""
    frame_rate: Fraction
    """Frames per second; the average of a variable rate."""
    duration: Fraction
    """Seconds."""
    sha256: str
    """Digest of the file's content, so that a plan is not rendered from another clip."""


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """Everything a render needs to know about time."""

    source: PlanSource
    """The clip."""
    request: dict[str, str]
    """The retiming that was asked for, for people to read."""
    frame_rate: Fraction | None
    """Constant output rate, or None when frame durations vary."""
    duration: Fraction
    """End of the last output frame, seconds."""
    frames: tuple[PlannedFrame, ...]
    """The output frames in order."""
    audio: tuple[AudioSpan, ...] = ()
    """How the sound follows."""
    cuts: tuple[int, ...] = ()
    """Numbers of the frames that begin a new shot."""
    duplicates: tuple[int, ...] = ()
    """Numbers of the source frames that repeat the one before."""
    warnings: tuple[str, ...] = field(default=())
    """Things the user should know."""

    def count(self, decision: Decision) -> int:
        """Return how many frames carry a decision."""
        return sum(frame.decision is decision for frame in self.frames)


def make_frames(
    source: SourceTiming,
    moments: TimeMap,
    *,
    cuts: Iterable[int] = (),
    on_cut: OnCut = OnCut.HOLD,
    duplicates: Iterable[int] = (),
    context: int = 4,
) -> tuple[PlannedFrame, ...]:
    """Decide what every output frame is made of.

    Args:
        source: When the source frames are shown.
        moments: The time map.
        cuts: Numbers of the frames that begin a new shot; nothing is interpolated into them.
        on_cut: What fills the time before a cut.
        duplicates: Numbers of frames that repeat the one before; true in-betweens replace them.
        context: Keyframes that a new frame is made from: 2, or 4 so that motion follows a curve.
    """
    planner = FramePlanner(source, cuts=cuts, on_cut=on_cut, duplicates=duplicates, context=context)
    return tuple(planner.frame(moment) for moment in moments.moments)


class FramePlanner:
    """Decides what single output frames are made of; see `make_frames` for the arguments."""

    def __init__(
        self,
        source: SourceTiming,
        *,
        cuts: Iterable[int] = (),
        on_cut: OnCut = OnCut.HOLD,
        duplicates: Iterable[int] = (),
        context: int = 4,
    ) -> None:
        if context not in (2, 4):
            raise ValueError(f"context must be 2 or 4 keyframes, got {context = }")
        self._context = context
        self._cuts = frozenset(cuts)
        self._on_cut = on_cut
        duplicates = frozenset(duplicates)
        self._keyframes = _without_duplicates(len(source.frame_times), duplicates, self._cuts)
        self._times = [source.frame_times[index] for index in self._keyframes]
        self._replaced = frozenset(range(len(source.frame_times))) - frozenset(self._keyframes)
        self._source = source

    def frame(self, moment: Moment) -> PlannedFrame:
        """Decide what the output frame at a moment is made of."""
        time, shown, frozen = moment.time, moment.source_time, moment.frozen
        place = max(bisect_right(self._times, shown) - 1, 0)
        before, start = self._keyframes[place], self._times[place]
        if shown == start:
            reason = "freeze" if frozen else "source frame"
            return self._single(time, before, Decision.HOLD if frozen else Decision.REAL, reason)
        if place + 1 == len(self._keyframes):
            return self._single(time, before, Decision.HOLD, "after the last frame")
        after = self._keyframes[place + 1]
        timestep = (shown - start) / (self._times[place + 1] - start)
        if after in self._cuts:
            return self._across_cut(time, before, after, timestep)
        replaced = self._source.frame_at(shown) in self._replaced
        reason = "duplicate replaced" if replaced else "freeze" if frozen else "between keyframes"
        earlier, later = self._around(place)
        return PlannedFrame(
            time=time,
            before=before,
            after=after,
            timestep=timestep,
            decision=Decision.INTERPOLATE,
            reason=reason,
            earlier=earlier,
            later=later,
        )

    def _around(self, place: int) -> tuple[Beyond | None, Beyond | None]:
        """Return the keyframes beyond those at ``place`` and ``place + 1``, within the shot."""
        if self._context == 2:
            return None, None
        first_of_shot = place == 0 or self._keyframes[place] in self._cuts
        last = place + 2
        last_of_shot = last == len(self._keyframes) or self._keyframes[last] in self._cuts
        return (
            None if first_of_shot else self._beyond(place - 1, place - 1, place),
            None if last_of_shot else self._beyond(last, place + 1, place),
        )

    def _beyond(self, place: int, start: int, pair: int) -> Beyond | None:
        gap, own = (self._times[first + 1] - self._times[first] for first in (start, pair))
        return keyframe_beyond(self._keyframes[place], gap, own)

    def _single(self, time: Fraction, index: int, decision: Decision, reason: str) -> PlannedFrame:
        return PlannedFrame(
            time=time,
            before=index,
            after=index,
            timestep=Fraction(0),
            decision=decision,
            reason=reason,
        )

    def _across_cut(
        self, time: Fraction, before: int, after: int, timestep: Fraction
    ) -> PlannedFrame:
        if self._on_cut is OnCut.HOLD:
            nearest = before if timestep < Fraction(1, 2) else after
            return self._single(time, nearest, Decision.HOLD, "shot cut")
        return PlannedFrame(
            time=time,
            before=before,
            after=after,
            timestep=timestep,
            decision=Decision.BLEND,
            reason="shot cut",
        )


def _without_duplicates(
    count: int, duplicates: frozenset[int], cuts: frozenset[int]
) -> Sequence[int]:
    """Return the frames to keep; long runs of repeats are stills and stay as they are."""
    if not duplicates:
        return range(count)
    keep: list[int] = []
    run: list[int] = []
    for index in range(count + 1):
        if index < count and index in duplicates and index not in cuts and keep:
            run.append(index)
            continue
        # At the end of a clip or shot there is nothing to move towards, so the repeats stay.
        if len(run) >= LONGEST_DUPLICATE_RUN or index == count or index in cuts:
            keep.extend(run)
        run = []
        if index < count:
            keep.append(index)
    return keep


def keyframe_beyond(keyframe: int, gap: Fraction, own: Fraction) -> Beyond | None:
    """Return a keyframe beyond a pair, or None if it is too far away, or too near, to tell.

    Args:
        keyframe: Its number.
        gap: The time between it and the nearer keyframe of the pair.
        own: The time between the pair.
    """
    distance = gap / own
    if not Fraction(1, MOST_UNEVEN) <= distance <= MOST_UNEVEN:
        return None
    return Beyond(keyframe=keyframe, distance=distance)


def unchanged_plan(source: PlanSource, timing: SourceTiming, request: dict[str, str]) -> RenderPlan:
    """Return the plan that shows every source frame when the source shows it."""
    frames = tuple(
        PlannedFrame(
            time=time,
            before=number,
            after=number,
            timestep=Fraction(0),
            decision=Decision.REAL,
            reason="source frame",
        )
        for number, time in enumerate(timing.frame_times)
    )
    whole = AudioSpan(
        source_start=Fraction(0), source_end=timing.duration, output_duration=timing.duration
    )
    return RenderPlan(
        source=source,
        request=request,
        frame_rate=None,
        duration=timing.duration,
        frames=frames,
        audio=(whole,),
    )


def excerpt(plan: RenderPlan, start: int, stop: int) -> RenderPlan:
    """Return the plan of the output frames ``start`` to ``stop`` (not included) alone.

    The frames are the same, their times begin at 0, and the sound is cut with them.
    """
    if not 0 <= start < stop <= len(plan.frames):
        raise ValueError(f"no such frames, got {start = }, {stop = }, {len(plan.frames) = }")
    if (start, stop) == (0, len(plan.frames)):
        return plan
    first = plan.frames[start].time
    end = plan.frames[stop].time if stop < len(plan.frames) else plan.duration
    return replace(
        plan,
        request={**plan.request, "excerpt": f"{start} to {stop - 1}"},
        duration=end - first,
        frames=tuple(replace(frame, time=frame.time - first) for frame in plan.frames[start:stop]),
        audio=tuple(_cut_sound(plan.audio, first, end)),
    )


def _cut_sound(spans: Iterable[AudioSpan], first: Fraction, end: Fraction) -> Iterator[AudioSpan]:
    now = Fraction(0)
    for span in spans:
        begins, ends = max(now, first), min(now + span.output_duration, end)
        if begins < ends:
            tempo = (span.source_end - span.source_start) / span.output_duration
            yield AudioSpan(
                source_start=span.source_start + (begins - now) * tempo,
                source_end=span.source_start + (ends - now) * tempo,
                output_duration=ends - begins,
            )
        now += span.output_duration
