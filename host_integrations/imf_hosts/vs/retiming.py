"""Speed along a curve: ramps, freezes, running backwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import vapoursynth as vs

from imf_hosts.vs.arguments import Options, Rate, check_integer, exact, wanted_rate
from imf_hosts.vs.clips import checked, frame_rate, is_variable_rate, limited_count
from imf_hosts.vs.errors import fault, reports_as_vs_error
from imf_hosts.vs.functions import cuts_of
from imf_hosts.vs.output import Assembly
from imf_hosts.vs.sampled import ConstantDurations, SampledPlanner
from imf_hosts.vs.synthesis import keyframes_used
from imf_plugin.timeline.curve import (
    MAXIMUM_SPEED,
    MINIMUM_SPEED,
    Curve,
    SpeedKey,
    TimeKey,
    read_curve,
)
from imf_plugin.timeline.sampling import CurveSampling, in_frames
from imf_plugin.timeline.timemap import MAXIMUM_FRAMES

type Keys = Sequence[tuple[Rate, Rate]]
type CurveLike = Keys | Curve | str | Path
type Kind = Literal["speed", "time"]
type Ease = Literal["step", "linear", "smooth"]

MOST_BLUR = 64
_TIME_EASES = {"step": "hold", "linear": "linear", "smooth": "bezier"}
_SOFT_HANDLES = (Fraction(42, 100), Fraction(0), Fraction(58, 100), Fraction(1))


@reports_as_vs_error
def retime(
    clip: vs.VideoNode,
    curve: CurveLike,
    *,
    kind: Kind = "speed",
    ease: Ease = "smooth",
    length: int | None = None,
    fps_num: int | None = None,
    fps_den: int | None = None,
    motion_blur: int = 0,
    **options: Any,
) -> vs.VideoNode:
    """Bend the speed of a clip along a curve.

    Args:
        clip: A clip of constant frame rate.
        curve: Pairs of exact numbers: (source frame, speed) keys, where 1 is normal and "1/4" four
            times slower; or, with ``kind="time"``, (output frame, source frame) keys, which may run
            backwards. Or the path of a curve file as ``imf retime`` reads it, in seconds.
        kind: What the pairs mean.
        ease: How the curve goes from key to key: ``step``, ``linear`` or ``smooth``.
        length: Number of output frames; by the curve if not given.
        fps_num: Frame rate of the result, with ``fps_den``; the clip's own if not given.
        fps_den: Likewise.
        motion_blur: Pictures averaged over half an output frame's time; 0 for none.
        options: Members of `Options`.

    Raises:
        vs.Error: If an argument or the clip is wrong.
    """
    clip, settings = checked(clip), Options(**options)
    check_integer("motion_blur", motion_blur, 0)
    if motion_blur > MOST_BLUR:
        raise fault(f"motion_blur must be at most {MOST_BLUR}, not {motion_blur}")
    asked = _asked(clip, curve, kind, ease, length, fps_num, fps_den)
    count = limited_count(asked.sampling.count, clip.num_frames)
    planner = SampledPlanner(
        clip=clip,
        sampling=asked.sampling,
        count=count,
        durations=ConstantDurations(duration=1 / asked.rate),
        cuts=cuts_of(clip, settings),
        scene_mode=settings.sc_mode,
        context=keyframes_used(settings),
        blur=max(motion_blur, 1),
        tells_position=True,
    )
    return Assembly(clip, settings, planner).node(count, asked.rate)


@reports_as_vs_error
def retime_map(
    clip: vs.VideoNode,
    curve: CurveLike,
    *,
    kind: Kind = "speed",
    ease: Ease = "smooth",
    length: int | None = None,
    fps_num: int | None = None,
    fps_den: int | None = None,
) -> list[Fraction]:
    """Return the source position, in frames, that each output frame of `retime` shows.

    It is what stretching the sound needs. The arguments are those of `retime`.

    Raises:
        vs.Error: If an argument or the clip is wrong, or there are more than five million frames.
    """
    sampling = _asked(checked(clip), curve, kind, ease, length, fps_num, fps_den).sampling
    if sampling.count > MAXIMUM_FRAMES:
        raise fault(
            f"the map would have {sampling.count} entries, above the {MAXIMUM_FRAMES} that fit: "
            "give a length"
        )
    return [sampling.position(number) for number in range(sampling.count)]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A checked request."""

    sampling: CurveSampling
    rate: Fraction


def _asked(
    clip: vs.VideoNode,
    curve: CurveLike,
    kind: Kind,
    ease: Ease,
    length: int | None,
    fps_num: int | None,
    fps_den: int | None,
) -> _Asked:
    if is_variable_rate(clip):
        raise fault("retime needs a clip of constant frame rate: use std.AssumeFPS first")
    if length is not None:
        check_integer("length", length, 1)
    own_rate = frame_rate(clip)
    rate = wanted_rate(fps_num, fps_den) or own_rate
    made = _curve(curve, kind, ease, own_rate, rate / own_rate)
    sampling = CurveSampling(
        source_count=clip.num_frames, curve=made, rate=rate / own_rate, length=length
    )
    return _Asked(sampling=sampling, rate=rate)


def _curve(curve: CurveLike, kind: Kind, ease: Ease, frame_rate: Fraction, rate: Fraction) -> Curve:
    if kind not in ("speed", "time"):
        raise fault(f"kind must be speed or time, not {kind!r}")
    if ease not in _TIME_EASES:
        raise fault(f"ease must be one of {', '.join(_TIME_EASES)}, not {ease!r}")
    if isinstance(curve, Curve):
        return in_frames(curve, frame_rate)
    if isinstance(curve, str | Path):
        return in_frames(read_curve(Path(curve)), frame_rate)
    pairs = [_pair(key, kind) for key in _listed(curve)]
    _check_order(pairs)
    if kind == "speed":
        return Curve(speed_keys=tuple(_speed_key(at, speed, ease) for at, speed in pairs))
    if len(pairs) < 2:
        raise fault("curve must have at least two keys when kind is time")
    return Curve(
        time_keys=tuple(
            TimeKey(
                at=at / rate,
                source=source,
                ease=_TIME_EASES[ease],
                handles=_SOFT_HANDLES if ease == "smooth" else (),
            )
            for at, source in pairs
        )
    )


def _listed(curve: object) -> Sequence[object]:
    if not isinstance(curve, Sequence) or not curve:
        raise fault(
            "curve must be a list of pairs such as [(0, 1), (48, '1/4')], or the path of a curve "
            f"file, not {curve!r}"
        )
    return curve


def _pair(key: object, kind: Kind) -> tuple[Fraction, Fraction]:
    names = ("source frame", "speed") if kind == "speed" else ("output frame", "source frame")
    if not isinstance(key, Sequence) or isinstance(key, str) or len(key) != 2:
        raise fault(f"a key of the curve must be a pair ({names[0]}, {names[1]}), not {key!r}")
    at, value = (
        exact(f"the {name} of key {key!r}", part) for name, part in zip(names, key, strict=True)
    )
    if at < 0 or value < 0:
        raise fault(f"the key {key!r} of the curve must not be negative")
    return at, value


def _speed_key(at: Fraction, speed: Fraction, ease: Ease) -> SpeedKey:
    if not MINIMUM_SPEED <= speed <= MAXIMUM_SPEED:
        raise fault(
            f"a speed of the curve must lie between 1/1000 and 1000, not {speed}; "
            'to freeze or run backwards use kind="time"'
        )
    return SpeedKey(at=at, speed=speed, ease=ease)


def _check_order(pairs: list[tuple[Fraction, Fraction]]) -> None:
    for (earlier, _), (later, _) in pairwise(pairs):
        if later <= earlier:
            raise fault(f"the keys of the curve must rise: {later} comes after {earlier}")
