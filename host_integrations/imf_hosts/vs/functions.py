"""More frames in the same time, and the same frames over more time."""

from fractions import Fraction
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, Rate, exact_factor, wanted_rate
from imf_hosts.vs.clips import checked, frame_rate, is_variable_rate, limited_count
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.output import Assembly
from imf_hosts.vs.sampled import ConstantDurations, Durations, SampledPlanner, SharedDurations
from imf_hosts.vs.scenes import SceneCuts, scene_cuts_for
from imf_hosts.vs.synthesis import keyframes_used
from imf_plugin.timeline.sampling import EvenSampling


@reports_as_vs_error
def interpolate(
    clip: vs.VideoNode,
    factor: Rate | None = None,
    *,
    fps_num: int | None = None,
    fps_den: int | None = None,
    **options: Any,
) -> vs.VideoNode:
    """Give a clip more frames in the same time.

    Args:
        clip: Any clip of constant format and size.
        factor: Frames for every source frame, exact: ``2``, ``"5/2"``, ``Fraction(5, 2)``; 2 if
            nothing is given.
        fps_num: Frame rate wanted instead of a factor, with ``fps_den``.
        fps_den: Likewise.
        options: Members of `Options`.

    Raises:
        vs.Error: If an argument or the clip is wrong.
    """
    clip, settings = checked(clip), Options(**options)
    rate = wanted_rate(fps_num, fps_den)
    if rate is not None:
        if factor is not None:
            raise fault("give either factor or fps_num and fps_den, not both")
        _refuse_variable_rate(clip, "fps_num and fps_den")
        frames = rate / frame_rate(clip)
    else:
        frames = exact_factor(2 if factor is None else factor)
        rate = None if is_variable_rate(clip) else frame_rate(clip) * frames
    return _even(clip, settings, frames, rate, Fraction(1))


@reports_as_vs_error
def slow_motion(
    clip: vs.VideoNode,
    factor: Rate = 2,
    *,
    fps_num: int | None = None,
    fps_den: int | None = None,
    **options: Any,
) -> vs.VideoNode:
    """Make a clip last ``factor`` times longer, at its own frame rate or the given one.

    Args:
        clip: Any clip of constant format and size.
        factor: How many times longer, exact: ``8``, ``"5/2"``, ``Fraction(5, 2)``.
        fps_num: Frame rate of the result, with ``fps_den``; the clip's own if not given.
        fps_den: Likewise.
        options: Members of `Options`.

    Raises:
        vs.Error: If an argument or the clip is wrong.
    """
    clip, settings = checked(clip), Options(**options)
    slower, rate = exact_factor(factor), wanted_rate(fps_num, fps_den)
    if rate is not None:
        _refuse_variable_rate(clip, "fps_num and fps_den")
        return _even(clip, settings, slower * rate / frame_rate(clip), rate, slower)
    own_rate = None if is_variable_rate(clip) else frame_rate(clip)
    return _even(clip, settings, slower, own_rate, slower)


def _even(
    clip: vs.VideoNode,
    options: Options,
    frames: Fraction,
    rate: Fraction | None,
    stretch: Fraction,
) -> vs.VideoNode:
    """Return ``frames`` evenly spaced frames for every source frame."""
    sampling = EvenSampling(source_count=clip.num_frames, factor=frames)
    count = limited_count(sampling.count, clip.num_frames)
    durations: Durations = SharedDurations(sampling=sampling, stretch=stretch)
    if rate is not None:
        durations = ConstantDurations(duration=1 / rate)
    planner = SampledPlanner(
        clip=clip,
        sampling=sampling,
        count=count,
        durations=durations,
        cuts=cuts_of(clip, options),
        scene_mode=options.sc_mode,
        context=keyframes_used(options),
    )
    return Assembly(clip, options, planner).node(count, rate)


def cuts_of(clip: vs.VideoNode, options: Options) -> SceneCuts | None:
    """Return where the options say that scenes begin; None for nowhere."""
    if not options.sc:
        return None
    return scene_cuts_for(clip, options.sc_clip, options.sc_threshold)


def _refuse_variable_rate(clip: vs.VideoNode, what: str) -> None:
    if is_variable_rate(clip):
        raise fault(
            f"{what} need a clip of constant frame rate, and this one's varies: give a factor, "
            "or use std.AssumeFPS first"
        )
