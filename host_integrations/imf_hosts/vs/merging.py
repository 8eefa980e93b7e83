"""Frames between two clips, as masked merging does in space."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, check_share
from imf_hosts.vs.clips import checked, frame_rate, is_variable_rate, limited_count
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.output import Assembly, Mode, OutputFrame, Sample
from imf_hosts.vs.scenes import Properties, grey
from imf_plugin.timeline.rational import to_fraction
from imf_plugin.timeline.sampling import POSITION_GRID


@reports_as_vs_error
def merge(
    clipa: vs.VideoNode, clipb: vs.VideoNode, t: float | Fraction | vs.VideoNode, **options: Any
) -> vs.VideoNode:
    """Return, for each pair of frames, the frame at ``t`` on the way from the first to the second.

    Args:
        clipa: The clip at 0; its frames give the properties.
        clipb: The clip at 1, of the same format, size and length.
        t: 0 to 1; or a clip of the same length whose mean brightness is t, frame by frame.
        options: Members of `Options`; cuts are not looked for.

    Raises:
        vs.Error: If an argument or a clip is wrong.
    """
    clipa, settings = checked(clipa, "clipa", least_frames=1), Options(**options)
    clipb = checked(clipb, "clipb", least_frames=1)
    _check_alike(clipa, clipb)
    limited_count(2 * clipa.num_frames, 0)
    planner = _MergePlanner(timestep=_timestep(t, clipa))
    pairs = vs.core.std.Interleave([clipa, clipb], modify_duration=False)
    rate = None if is_variable_rate(clipa) else frame_rate(clipa)
    return Assembly(pairs, settings, planner, interleaved=2).node(clipa.num_frames, rate)


def _check_alike(clipa: vs.VideoNode, clipb: vs.VideoNode) -> None:
    first, second = (
        f"{clip.width}x{clip.height} {clip.format.name}, {clip.num_frames} frames"
        for clip in (clipa, clipb)
    )
    if first != second:
        raise fault(f"clipb must be like clipa ({first}), not {second}")


def _timestep(t: Any, clip: vs.VideoNode) -> Fraction | vs.VideoNode:
    if isinstance(t, vs.VideoNode):
        t = checked(t, "t", least_frames=1)
        if t.num_frames != clip.num_frames:
            raise fault(f"t must be as long as the clips, {clip.num_frames}, not {t.num_frames}")
        return grey(t).std.PlaneStats(prop="IMFTime")
    check_share("t", t)
    return to_fraction(t, "t")


@dataclass(frozen=True, kw_only=True)
class _MergePlanner:
    """Pairs frames 2n and 2n + 1 of the interleaved clips."""

    timestep: Fraction | vs.VideoNode

    def wants(self, number: int) -> dict[Any, vs.VideoNode]:
        return {} if isinstance(self.timestep, Fraction) else {"time": self.timestep[number]}

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        if isinstance(self.timestep, Fraction):
            timestep = self.timestep
        else:
            share = seen["time"]["IMFTimeAverage"]
            timestep = Fraction(round(share * POSITION_GRID), POSITION_GRID)
        before, after = 2 * number, 2 * number + 1
        mode = Mode.INTERPOLATE
        if timestep in (0, 1):
            before = after = after if timestep else before
            mode, timestep = Mode.SOURCE, Fraction(0)
        return OutputFrame(
            samples=(Sample(mode=mode, before=before, after=after, timestep=timestep),),
            shows_moment=mode is Mode.SOURCE,
            properties={"IMFSourceIndex": number},
        )
