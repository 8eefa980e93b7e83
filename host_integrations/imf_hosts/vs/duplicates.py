"""Finding drawings that are shown for several frames, with VapourSynth's own filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, check_integer, check_share
from imf_hosts.vs.clips import checked
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.scenes import Properties, SceneCuts, grey
from imf_plugin.timeline.repeats import is_repeat, reach_of

LONGEST_RUN = 16
CHANGE = "IMFChangeMax"
_WIDTH_PX = 256
_RADIUS_PX = 8
_KEPT_CHANGES = 192


@dataclass(frozen=True, kw_only=True)
class RepeatRule:
    """When a frame counts as a repeat of the one before."""

    threshold: float = 0.4
    """A repeat changes less than this share of what moves around it."""
    abs_floor: float = 1 / 512
    """Where nothing changes more than this, 0..1, the picture is still."""
    max_run: int = 3
    """Repeats in a row that still count; more are a still picture."""
    only: frozenset[int] | None = None
    """Frames that are repeats, when the user knows them all."""
    never: frozenset[int] = frozenset()
    """Frames that are none, whatever it looks like."""

    def __post_init__(self) -> None:
        """Check the limits."""
        check_share("threshold", self.threshold)
        check_share("abs_floor", self.abs_floor)
        check_integer("max_run", self.max_run, 1)
        if self.max_run > LONGEST_RUN:
            raise fault(f"max_run must be at most {LONGEST_RUN}, not {self.max_run}")


class Repeats:
    """Knows which frames of a clip repeat the one before.

    Args:
        clip: The clip.
        rule: When they do.
        cuts: Where scenes begin; what happens in other scenes has no say.
    """

    def __init__(self, clip: vs.VideoNode, rule: RepeatRule, cuts: SceneCuts | None) -> None:
        self.rule = rule
        self._count = clip.num_frames
        self._cuts = cuts
        self._changes = _changes(clip, cuts)

    def wants(self, first: int, last: int) -> dict[Any, vs.VideoNode]:
        """Return the frames to look at to judge the frames ``first`` to ``last``."""
        reach = 0 if self.rule.only is not None else reach_of(self.rule.max_run)
        around = range(max(first - reach - 1, 0), min(last + reach, self._count - 1) + 1)
        return {("change", index): self._changes[index] for index in around}

    def is_repeat(self, index: int, seen: Mapping[Any, Properties]) -> bool:
        """Say whether a frame repeats the one before."""
        if index <= 0 or index >= self._count or index in self.rule.never:
            return False
        if self.rule.only is not None:
            return index in self.rule.only
        reach = reach_of(self.rule.max_run)
        return is_repeat(
            self._changes_around(index, reach, seen),
            reach,
            threshold=self.rule.threshold,
            floor=self.rule.abs_floor,
            longest_run=self.rule.max_run,
        )

    def is_cut(self, index: int, seen: Mapping[Any, Properties]) -> bool:
        """Say whether a frame begins a scene."""
        if not self._cuts or not 0 < index < self._count:
            return False
        return self._cuts.is_cut(seen["change", index - 1], seen["change", index])

    def _changes_around(
        self, index: int, reach: int, seen: Mapping[Any, Properties]
    ) -> list[float | None]:
        """Return the changes of ``reach`` frames on both sides, None past the scene."""
        back: list[float | None] = []
        for number in range(index, index - reach - 1, -1):
            back.append(self._change(number, seen, back))
        ahead: list[float | None] = back[:1]
        for number in range(index + 1, index + reach + 1):
            ahead.append(self._change(number, seen, ahead))
        return back[:0:-1] + ahead

    def _change(
        self, index: int, seen: Mapping[Any, Properties], nearer: list[float | None]
    ) -> float | None:
        is_outside = index <= 0 or index >= self._count or None in nearer
        if is_outside or self.is_cut(index, seen):
            return None
        return float(seen["change", index][CHANGE])


def _changes(clip: vs.VideoNode, cuts: SceneCuts | None) -> vs.VideoNode:
    """Return a small clip whose property `CHANGE` is the change of the most changed spot, 0..1.

    It carries the properties that tell the cuts, too.
    """
    small = grey(clip)
    if clip.width > _WIDTH_PX:
        height = max(1, round(clip.height * _WIDTH_PX / clip.width))
        small = small.resize.Bilinear(_WIDTH_PX, height)
    before = small[0] + small[:-1] if small.num_frames > 1 else small
    change = vs.core.std.Expr([small, before], "x y - abs 255 /", format=vs.GRAYS)
    radius = min(_RADIUS_PX, (min(small.width, small.height) - 1) // 2)
    if radius > 0:
        change = change.std.BoxBlur(hradius=radius, vradius=radius)
    if cuts:
        change = change.std.CopyFrameProps(cuts.witnesses)
    change = change.std.PlaneStats(prop="IMFChange")
    # Every change is looked at from many frames around it.
    change.std.SetVideoCache(mode=1, fixedsize=1, maxsize=_KEPT_CHANGES)
    return change


def frame_set(name: str, numbers: Sequence[int] | None, clip: vs.VideoNode) -> frozenset[int]:
    """Return a user's list of frames as a set.

    Raises:
        vs.Error: If it holds anything but numbers of the clip's frames.
    """
    for number in numbers or ():
        check_integer(f"a frame of {name}", number, 0)
        if number >= clip.num_frames:
            raise fault(f"{name} has frame {number}, but the last one is {clip.num_frames - 1}")
    return frozenset(numbers or ())


@reports_as_vs_error
def detect_duplicates(
    clip: vs.VideoNode, threshold: float = 0.4, abs_floor: float = 1 / 512
) -> vs.VideoNode:
    """Write IMFDuplicate (0 or 1) and IMFDupScore (the change, 0..1) on every frame.

    Args:
        clip: Any clip.
        threshold: A repeat changes less than this share of what moves around it.
        abs_floor: Where nothing changes more than this the picture is still.

    Raises:
        vs.Error: If an argument is wrong.
    """
    clip = checked(clip)
    rule = RepeatRule(threshold=threshold, abs_floor=abs_floor)
    repeats = Repeats(clip, rule, SceneCuts(clip, Options().sc_threshold))

    def evaluate(n: int) -> vs.VideoNode:
        wanted = repeats.wants(n, n)

        def mark(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
            seen = {key: frame.props for key, frame in zip(wanted, f[1:], strict=True)}
            made = f[0].copy()
            made.props["IMFDuplicate"] = int(repeats.is_repeat(number, seen))
            made.props["IMFDupScore"] = float(seen["change", number][CHANGE])
            return made

        number, here = n, clip[n]
        return here.std.ModifyFrame([here, *wanted.values()], mark)

    return clip.std.FrameEval(evaluate, clip_src=[clip])
