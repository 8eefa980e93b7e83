"""Frames put in the place of repeated ones; length and rate stay as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, check_flag
from imf_hosts.vs.clips import checked
from imf_hosts.vs.clock import SourceClock
from imf_hosts.vs.duplicates import RepeatRule, Repeats, frame_set
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.functions import cuts_of
from imf_hosts.vs.output import Assembly, Mode, OutputFrame, Sample, kept
from imf_hosts.vs.scenes import NEXT, PREVIOUS, Properties
from imf_hosts.vs.synthesis import keyframes_used
from imf_plugin.timeline.plan import Beyond, keyframe_beyond


@reports_as_vs_error
def repair_duplicates(
    clip: vs.VideoNode,
    *,
    threshold: float = 0.4,
    abs_floor: float = 1 / 512,
    max_run: int = 3,
    place: Literal["first", "centre"] = "first",
    only: Sequence[int] | None = None,
    never: Sequence[int] | None = None,
    show: bool = False,
    **options: Any,
) -> vs.VideoNode:
    """Replace frames that repeat the one before by new ones, as in animation on twos.

    Args:
        clip: Any clip of constant format and size.
        threshold: A repeat changes less than this share of what moves around it.
        abs_floor: Where nothing changes more than this, 0..1, the picture is still and stays.
        max_run: Repeats in a row that are replaced; longer runs are still pictures and stay.
        place: The moment of a drawing: when it first appears, or the centre of its time.
        only: The frames to replace, when they are known; nothing is looked for then.
        never: Frames to leave alone.
        show: Whether to print what was found onto the frames.
        options: Members of `Options`.

    Raises:
        vs.Error: If an argument or the clip is wrong.
    """
    clip, settings = checked(clip), Options(**options)
    if place not in ("first", "centre"):
        raise fault(f"place must be first or centre, not {place!r}")
    check_flag("show", show)
    rule = RepeatRule(
        threshold=threshold,
        abs_floor=abs_floor,
        max_run=max_run,
        only=None if only is None else frame_set("only", only, clip),
        never=frame_set("never", never, clip),
    )
    cuts = cuts_of(clip, settings)
    planner = _RepeatPlanner(
        clip=clip,
        repeats=Repeats(clip, rule, cuts),
        has_cuts=cuts is not None,
        is_centred=place == "centre",
        context=keyframes_used(settings),
    )
    made = Assembly(clip, settings, planner).node_like(clip)
    return made.text.FrameProps(["IMFDuplicate", "IMFInterpolated"]) if show else made


@dataclass(frozen=True, kw_only=True)
class _Drawings:
    """The drawings around an output frame, as far as has been looked."""

    repeats: Repeats
    clock: SourceClock
    seen: Mapping[Any, Properties]
    first: int = 0
    """The first frame that was looked at."""

    def showing(self, number: int) -> int:
        """Return the frame at which the drawing begins that is shown at ``number``."""
        number = max(number, 0)
        while self.repeats.is_repeat(number, self.seen):
            number -= 1
        return number

    def following(self, number: int) -> int:
        """Return the frame at which the next drawing begins; the clip's length after the last."""
        number += 1
        while self.repeats.is_repeat(number, self.seen):
            number += 1
        return min(number, int(self.clock.clip.num_frames))

    def is_joined(self, before: int, after: int) -> bool:
        """Say whether there is movement between two drawings: same scene, both in the clip."""
        if before == after or after >= self.clock.clip.num_frames:
            return False
        cuts = (self.repeats.is_cut(index, self.seen) for index in range(before + 1, after + 1))
        return not any(cuts)

    def moment(self, number: int) -> Fraction:
        """Return when a frame is shown."""
        return self.clock.span(self.first, number, self.seen)

    def centre(self, drawing: int) -> Fraction:
        """Return the centre of the time of a drawing, between its first and last frame."""
        last = self.following(drawing) - 1
        return (self.moment(drawing) + self.moment(last)) / 2


@dataclass(frozen=True, kw_only=True)
class _RepeatPlanner:
    """Replaces repeats between two drawings of a scene."""

    clip: vs.VideoNode
    repeats: Repeats
    has_cuts: bool
    is_centred: bool
    context: int
    """Drawings that a new frame is made from, 2 or 4."""

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        first, last = self._looked_at(number)
        return self.repeats.wants(first, last) | self._clock.wants(first, last)

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        drawings = self._drawings(seen, self._looked_at(number)[0])
        sample = self._sample(number, drawings)
        properties = self._clock.timing(number, seen)
        properties["IMFDuplicate"] = int(self.repeats.is_repeat(number, seen))
        if self.has_cuts:
            properties[PREVIOUS] = int(self.repeats.is_cut(number, seen))
            properties[NEXT] = int(self.repeats.is_cut(number + 1, seen))
        is_same = sample.mode is Mode.SOURCE and sample.before == number
        return OutputFrame(samples=(sample,), shows_moment=is_same, properties=properties)

    @property
    def _clock(self) -> SourceClock:
        return SourceClock(clip=self.clip)

    def _drawings(self, seen: Mapping[Any, Properties], first: int) -> _Drawings:
        return _Drawings(repeats=self.repeats, clock=self._clock, seen=seen, first=first)

    def _looked_at(self, number: int) -> tuple[int, int]:
        """Return the frames that drawings around a frame may begin at."""
        if self.repeats.rule.only is None:
            reach = (self.context // 2 + 1) * (self.repeats.rule.max_run + 1)
            first, last = number - reach, number + reach
        else:
            # The user's runs may be of any length, but they are known.
            known = self._drawings({}, 0)
            first, last = known.showing(number), number
            for _ in range(self.context // 2):
                first = known.showing(first - 1)
            for _ in range(self.context // 2 + 1):
                last = known.following(last)
        return max(first, 0), min(last, self.clip.num_frames - 1)

    def _sample(self, number: int, drawings: _Drawings) -> Sample:
        here = drawings.showing(number)
        if self.is_centred:
            return self._centred(number, here, drawings)
        following = drawings.following(number)
        if here == number or not drawings.is_joined(here, following):
            return kept(number)
        return self._between(number, here, following, drawings)

    def _centred(self, number: int, here: int, drawings: _Drawings) -> Sample:
        """Return the picture at a moment when every drawing stands at the centre of its time."""
        centre, moment = drawings.centre(here), drawings.moment(number)
        if moment == centre:
            return kept(here)
        if moment < centre:
            before, after = drawings.showing(here - 1), here
        else:
            before, after = here, drawings.following(here)
        if not drawings.is_joined(before, after):
            return kept(number)
        return self._between(number, before, after, drawings)

    def _between(self, number: int, before: int, after: int, drawings: _Drawings) -> Sample:
        start, stop = self._stands_at(before, drawings), self._stands_at(after, drawings)
        earlier, later = drawings.showing(before - 1), drawings.following(after)
        return Sample(
            mode=Mode.INTERPOLATE,
            before=before,
            after=after,
            timestep=(drawings.moment(number) - start) / (stop - start),
            earlier=self._beyond(earlier, (earlier, before), stop - start, drawings),
            later=self._beyond(later, (after, later), stop - start, drawings),
        )

    def _beyond(
        self, drawing: int, gap: tuple[int, int], own: Fraction, drawings: _Drawings
    ) -> Beyond | None:
        if self.context == 2 or not drawings.is_joined(*gap):
            return None
        start, stop = (self._stands_at(one, drawings) for one in gap)
        return keyframe_beyond(drawing, stop - start, own)

    def _stands_at(self, drawing: int, drawings: _Drawings) -> Fraction:
        """Return the moment of a drawing."""
        return drawings.centre(drawing) if self.is_centred else drawings.moment(drawing)
