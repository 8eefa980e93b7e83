"""Frames put in the place of repeated or damaged ones; length and rate stay as they are."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, SceneMode, check_flag, check_integer
from imf_hosts.vs.clips import checked, frame_rate, is_variable_rate
from imf_hosts.vs.duplicates import RepeatRule, Repeats, frame_set
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.functions import cuts_of
from imf_hosts.vs.output import Assembly, Mode, OutputFrame, Sample
from imf_hosts.vs.sampled import duration_of
from imf_hosts.vs.scenes import NEXT, PREVIOUS, Properties, SceneCuts

type Ranges = str | Path | Sequence[int | tuple[int, int]]


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
    )
    made = _same_timing(clip, Assembly(clip, settings, planner))
    return made.text.FrameProps(["IMFDuplicate", "IMFInterpolated"]) if show else made


@reports_as_vs_error
def replace_frames(clip: vs.VideoNode, ranges: Ranges, **options: Any) -> vs.VideoNode:
    """Rebuild damaged frames from the good ones around them.

    Args:
        clip: Any clip of constant format and size.
        ranges: Frame numbers and (first, last) pairs; or text, or the path of a text file, whose
            lines are ``FRAME`` or ``FRAME,COUNT``.
        options: Members of `Options`.

    Raises:
        vs.Error: If an argument or the clip is wrong.
    """
    clip, settings = checked(clip), Options(**options)
    damaged = _merged(_ranges(ranges), clip)
    planner = _DamagePlanner(
        clip=clip,
        damaged=tuple(damaged),
        cuts=cuts_of(clip, settings),
        scene_mode=settings.sc_mode,
    )
    return _same_timing(clip, Assembly(clip, settings, planner))


def _same_timing(clip: vs.VideoNode, assembly: Assembly) -> vs.VideoNode:
    rate = None if is_variable_rate(clip) else frame_rate(clip)
    return assembly.node(clip.num_frames, rate)


def _timing(clip: vs.VideoNode, number: int, seen: Mapping[Any, Properties]) -> dict[str, int]:
    """Return the duration of a frame as properties: what is copied is another frame's."""
    if is_variable_rate(clip):
        duration = duration_of(seen["frame", number], number)
    else:
        duration = 1 / frame_rate(clip)
    return {"_DurationNum": duration.numerator, "_DurationDen": duration.denominator}


def _kept(number: int) -> Sample:
    return Sample(mode=Mode.SOURCE, before=number, after=number, timestep=Fraction(0))


@dataclass(frozen=True, kw_only=True)
class _RepeatPlanner:
    """Replaces repeats between two drawings of a scene."""

    clip: vs.VideoNode
    repeats: Repeats
    has_cuts: bool
    is_centred: bool

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        first, last = self._looked_at(number)
        wanted = self.repeats.wants(first, last)
        if is_variable_rate(self.clip):
            wanted["frame", number] = self.clip[number]
        return wanted

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        sample = self._sample(number, seen)
        properties = _timing(self.clip, number, seen)
        properties["IMFDuplicate"] = int(self.repeats.is_repeat(number, seen))
        if self.has_cuts:
            properties[PREVIOUS] = int(self.repeats.is_cut(number, seen))
            properties[NEXT] = int(self.repeats.is_cut(number + 1, seen))
        is_same = sample.mode is Mode.SOURCE and sample.before == number
        return OutputFrame(samples=(sample,), shows_moment=is_same, properties=properties)

    def _looked_at(self, number: int) -> tuple[int, int]:
        """Return the frames that drawings around a frame may begin at."""
        if self.repeats.rule.only is not None:
            # The user's runs may be of any length, but they are known.
            first = self._drawing(self._drawing(number, {}) - 1, {})
            last = self._following(self._following(number, {}), {})
        else:
            reach = 2 * self.repeats.rule.max_run + 2
            first, last = number - reach, number + reach
        return max(first, 0), min(last, self.clip.num_frames - 1)

    def _sample(self, number: int, seen: Mapping[Any, Properties]) -> Sample:
        here = self._drawing(number, seen)
        following = self._following(number, seen)
        if self.is_centred:
            return self._centred(number, here, following, seen)
        if here == number or not self._is_joined(here, following, seen):
            return _kept(number)
        return Sample(
            mode=Mode.INTERPOLATE,
            before=here,
            after=following,
            timestep=Fraction(number - here, following - here),
        )

    def _centred(
        self, number: int, here: int, following: int, seen: Mapping[Any, Properties]
    ) -> Sample:
        """Return the picture at a moment when every drawing stands at the centre of its time."""
        centre = Fraction(here + following - 1, 2)
        if number == centre:
            return _kept(here)
        if number < centre:
            before, after = self._drawing(here - 1, seen), here
        else:
            before, after = here, following
        if not self._is_joined(before, after, seen):
            return _kept(number)
        starts = [Fraction(d + self._following(d, seen) - 1, 2) for d in (before, after)]
        timestep = (number - starts[0]) / (starts[1] - starts[0])
        return Sample(mode=Mode.INTERPOLATE, before=before, after=after, timestep=timestep)

    def _drawing(self, number: int, seen: Mapping[Any, Properties]) -> int:
        """Return the frame whose picture is shown at ``number``."""
        number = max(number, 0)
        while self.repeats.is_repeat(number, seen):
            number -= 1
        return number

    def _following(self, number: int, seen: Mapping[Any, Properties]) -> int:
        """Return the frame at which the next drawing begins; the clip's length after the last."""
        number += 1
        while self.repeats.is_repeat(number, seen):
            number += 1
        return min(number, int(self.clip.num_frames))

    def _is_joined(self, before: int, after: int, seen: Mapping[Any, Properties]) -> bool:
        """Say whether there is movement between two drawings: same scene, both in the clip."""
        if before == after or after >= self.clip.num_frames:
            return False
        return not any(self.repeats.is_cut(index, seen) for index in range(before + 1, after + 1))


@dataclass(frozen=True, kw_only=True)
class _DamagePlanner:
    """Rebuilds given ranges of frames; damaged ones are never asked for, but for their duration."""

    clip: vs.VideoNode
    damaged: tuple[tuple[int, int], ...]
    cuts: SceneCuts | None
    scene_mode: SceneMode

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        wanted: dict[Any, vs.VideoNode] = {}
        if is_variable_rate(self.clip):
            wanted["frame", number] = self.clip[number]
        before, after = self._good_around(number)
        if self.cuts and before != after:
            wanted["pair"] = self.cuts.difference(before, after)
        return wanted

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        before, after = self._good_around(number)
        sample = _kept(before)
        if before != after:
            timestep = Fraction(number - before, after - before)
            is_cut = self.cuts is not None and self.cuts.is_far(seen["pair"])
            sample = self._between(before, after, timestep, is_cut)
        return OutputFrame(
            samples=(sample,),
            shows_moment=before == after == number,
            properties=_timing(self.clip, number, seen),
        )

    def _between(self, before: int, after: int, timestep: Fraction, is_cut: bool) -> Sample:
        if is_cut and self.scene_mode != "blend":
            is_late = self.scene_mode == "nearest" and timestep >= Fraction(1, 2)
            return _kept(after if is_late else before)
        mode = Mode.BLEND if is_cut else Mode.INTERPOLATE
        return Sample(mode=mode, before=before, after=after, timestep=timestep)

    def _good_around(self, number: int) -> tuple[int, int]:
        """Return the good frames around a damaged one; the same one twice if there is one side."""
        place = bisect_right(self.damaged, (number, self.clip.num_frames)) - 1
        if place < 0 or self.damaged[place][1] < number:
            return number, number
        before, after = self.damaged[place][0] - 1, self.damaged[place][1] + 1
        if before < 0:
            return after, after
        return (before, before) if after == self.clip.num_frames else (before, after)


def _ranges(ranges: Ranges) -> list[tuple[int, int]]:
    if isinstance(ranges, str | Path):
        return [_line(line) for line in _text(ranges).splitlines() if line.strip()]
    if not isinstance(ranges, Sequence):
        raise fault(f"ranges must be frame numbers and (first, last) pairs, not {ranges!r}")
    return [_range(item) for item in ranges]


def _text(ranges: str | Path) -> str:
    if isinstance(ranges, str) and (not ranges.strip() or ranges.strip()[0].isdigit()):
        return ranges
    try:
        return Path(ranges).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fault(f"the list of damaged frames {ranges} cannot be read ({error})") from None


def _line(line: str) -> tuple[int, int]:
    first, _, count = (part.strip() for part in line.partition(","))
    if not (first.isdecimal() and (count or "1").isdecimal() and int(count or 1) > 0):
        raise fault(f"a line of ranges must be FRAME or FRAME,COUNT, not {line!r}")
    return int(first), int(first) + int(count or 1) - 1


def _range(item: Any) -> tuple[int, int]:
    first, last = item if isinstance(item, tuple | list) and len(item) == 2 else (item, item)
    check_integer("a frame of ranges", first, 0)
    check_integer("a frame of ranges", last, 0)
    if last < first:
        raise fault(f"a range must end after it begins, not {item!r}")
    return first, last


def _merged(ranges: list[tuple[int, int]], clip: vs.VideoNode) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if last >= clip.num_frames:
            raise fault(f"ranges has frame {last}, but the last one is {clip.num_frames - 1}")
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    if merged == [(0, clip.num_frames - 1)]:
        raise fault("ranges covers the whole clip, so there is no good frame to build from")
    return merged
