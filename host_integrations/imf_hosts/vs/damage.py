"""Frames put in the place of damaged ones; length and rate stay as they are."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, SceneMode, check_integer
from imf_hosts.vs.clips import checked
from imf_hosts.vs.clock import SourceClock
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.functions import cuts_of
from imf_hosts.vs.output import Assembly, Mode, OutputFrame, Sample, kept
from imf_hosts.vs.scenes import Properties, SceneCuts
from imf_hosts.vs.synthesis import keyframes_used
from imf_plugin.timeline.plan import Beyond, keyframe_beyond

type Ranges = str | Path | Sequence[int | tuple[int, int]]


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
        context=keyframes_used(settings),
    )
    return Assembly(clip, settings, planner).node_like(clip)


@dataclass(frozen=True, kw_only=True)
class _Good:
    """The good frames around a damaged one; None where there are none, or none are to be used."""

    before: int
    """The nearest on the left; after the same one where there is one side only."""
    after: int
    """The nearest on the right."""
    earlier: int | None = None
    """The one before ``before``."""
    later: int | None = None
    """The one after ``after``."""

    @property
    def outer(self) -> tuple[int, int]:
        """The first and last of them."""
        first = self.before if self.earlier is None else self.earlier
        return first, self.after if self.later is None else self.later


@dataclass(frozen=True, kw_only=True)
class _DamagePlanner:
    """Rebuilds given ranges of frames; damaged ones are never asked for, but for their duration."""

    clip: vs.VideoNode
    damaged: tuple[tuple[int, int], ...]
    cuts: SceneCuts | None
    scene_mode: SceneMode
    context: int
    """Frames that a new one is made from, 2 or 4."""

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        good = self._around(number)
        if good.before == good.after:
            return self._clock.wants(number, number)
        wanted = self._clock.wants(*good.outer)
        if self.cuts:
            wanted["pair"] = self.cuts.difference(good.before, good.after)
            for first, second in self._gaps(good):
                wanted["gap", first] = self.cuts.difference(first, second)
                wanted["scene", second] = self.cuts.seen_alone(second)
        return wanted

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        good = self._around(number)
        sample = kept(good.before)
        if good.before != good.after:
            own = self._clock.span(good.before, good.after, seen)
            timestep = self._clock.span(good.before, number, seen) / own
            if self.cuts is not None and self.cuts.is_far(seen["pair"]):
                sample = self._over_cut(good, timestep)
            else:
                sample = Sample(
                    mode=Mode.INTERPOLATE,
                    before=good.before,
                    after=good.after,
                    timestep=timestep,
                    earlier=self._beyond(good.earlier, good, own, seen),
                    later=self._beyond(good.later, good, own, seen),
                )
        return OutputFrame(
            samples=(sample,),
            shows_moment=good.before == good.after == number,
            properties=self._clock.timing(number, seen),
        )

    @property
    def _clock(self) -> SourceClock:
        return SourceClock(clip=self.clip)

    def _over_cut(self, good: _Good, timestep: Fraction) -> Sample:
        if self.scene_mode == "blend":
            return Sample(mode=Mode.BLEND, before=good.before, after=good.after, timestep=timestep)
        is_late = self.scene_mode == "nearest" and timestep >= Fraction(1, 2)
        return kept(good.after if is_late else good.before)

    def _gaps(self, good: _Good) -> list[tuple[int, int]]:
        """Return the pairs of frames that the outer ones make with the inner ones."""
        first = [] if good.earlier is None else [(good.earlier, good.before)]
        return first if good.later is None else [*first, (good.after, good.later)]

    def _beyond(
        self, index: int | None, good: _Good, own: Fraction, seen: Mapping[Any, Properties]
    ) -> Beyond | None:
        if index is None:
            return None
        first, second = (index, good.before) if index < good.before else (good.after, index)
        if self.cuts:
            told = seen["gap", first]
            # Properties say something of neighbours only: a cut may lie among damaged frames.
            is_cut = (
                self.cuts.is_cut(told, seen["scene", second])
                if second == first + 1
                else self.cuts.is_far(told)
            )
            if is_cut:
                return None
        return keyframe_beyond(index, self._clock.span(first, second, seen), own)

    def _around(self, number: int) -> _Good:
        before, after = self._past(number, -1), self._past(number, 1)
        if before == number:
            return _Good(before=number, after=number)
        if before is None or after is None:
            side = after if before is None else before
            assert side is not None
            return _Good(before=side, after=side)
        if self.context == 2:
            return _Good(before=before, after=after)
        return _Good(
            before=before,
            after=after,
            earlier=self._past(before - 1, -1),
            later=self._past(after + 1, 1),
        )

    def _past(self, number: int, way: int) -> int | None:
        """Return the nearest good frame from ``number`` on, to the left or to the right."""
        place = bisect_right(self.damaged, (number, self.clip.num_frames)) - 1
        if place >= 0 and number <= self.damaged[place][1]:
            number = self.damaged[place][0] - 1 if way < 0 else self.damaged[place][1] + 1
        return number if 0 <= number < self.clip.num_frames else None


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
