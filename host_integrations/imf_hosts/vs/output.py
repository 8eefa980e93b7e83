"""Assembling the filtered clip: a plan for every output frame, then the frame itself.

Two stages, because what an output frame needs may depend on what is seen in others (cuts,
repeats, durations). The plan is a clip of one pixel whose properties say what each frame is made
of; the picture stage reads it and asks for just the frames that are needed. All requests go
through VapourSynth, and both stages wrap `ModifyFrame` in `FrameEval`, which is what lets frames
be made side by side.
"""

import weakref
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

import vapoursynth as vs
from torch import Tensor

from imf_hosts.vs.arguments import Options
from imf_hosts.vs.clips import checked, empty_like, frame_rate, is_variable_rate, tagged
from imf_hosts.vs.colour import WorkingFormat, share_of
from imf_hosts.vs.errors import at_source_frames, fault, reports_as_vs_error
from imf_hosts.vs.scenes import NEXT, PREVIOUS, Properties
from imf_hosts.vs.synthesis import Around, Source, Synthesiser
from imf_plugin.timeline.plan import Beyond

_statistics: weakref.WeakKeyDictionary[Any, Synthesiser] = weakref.WeakKeyDictionary()


class Mode(IntEnum):
    """What a picture is made of."""

    SOURCE = 0
    """The source frame ``before``, untouched."""
    INTERPOLATE = 1
    """A new picture between two frames."""
    BLEND = 2
    """A cross-fade of two frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One picture of an output frame; several are averaged for motion blur."""

    mode: Mode
    """What it is made of."""
    before: int
    """Number of the source frame before."""
    after: int
    """Number of the one after."""
    timestep: Fraction
    """Where it lies between them."""
    earlier: Beyond | None = None
    """The source frame before ``before`` that tells how things came."""
    later: Beyond | None = None
    """The one after ``after`` that tells where they go."""

    @property
    def frames(self) -> set[int]:
        """Numbers of all source frames that it is made from."""
        around = {beyond.keyframe for beyond in (self.earlier, self.later) if beyond}
        return {self.before, self.after} | around


def kept(number: int) -> Sample:
    """Return a source frame as it is."""
    return Sample(mode=Mode.SOURCE, before=number, after=number, timestep=Fraction(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFrame:
    """Everything about one output frame."""

    samples: tuple[Sample, ...]
    """The pictures that it is the mean of."""
    shows_moment: bool
    """Whether it is a source frame at its own moment, so that its time stamps still hold."""
    properties: dict[str, int] = field(default_factory=dict)
    """Properties to set."""


class Planner(Protocol):
    """Decides what output frames are."""

    def wants(self, number: int) -> Mapping[Hashable, vs.VideoNode]:
        """Return clips of one frame whose properties `decide` wants to see."""
        ...

    def decide(self, number: int, seen: Mapping[Any, Properties]) -> OutputFrame:
        """Decide on output frame ``number``; depends on nothing but its arguments."""
        ...


class Assembly:
    """One filter instance.

    Args:
        clip: The source, checked.
        options: How frames are made.
        planner: Decides what they are.
        interleaved: How many clips the source is made of, for errors that name its frames.
    """

    def __init__(
        self, clip: vs.VideoNode, options: Options, planner: Planner, *, interleaved: int = 1
    ) -> None:
        self._clip, colour = tagged(clip, options.matrix, options.range)
        self._mask = _checked_mask(options.static_mask, clip)
        self._working = WorkingFormat(self._clip, colour)
        self._synthesiser = Synthesiser(options, clip.width, clip.height)
        self._planner = planner
        self._interleaved = interleaved
        self._keeps_marks = False
        self._blank = empty_like(self._working.clip[0], 1, Fraction(1))

    def node(self, count: int, rate: Fraction | None) -> vs.VideoNode:
        """Return the filtered clip of ``count`` frames; no rate means a variable one."""
        plan = self._plan_node(count)
        made = empty_like(self._clip, count, rate).std.FrameEval(
            self._picture, prop_src=[plan], clip_src=[self._clip]
        )
        _statistics[made] = self._synthesiser
        return made

    def node_like(self, clip: vs.VideoNode) -> vs.VideoNode:
        """Return the filtered clip where it is as long as ``clip`` and of the same rate."""
        self._keeps_marks = True
        return self.node(clip.num_frames, None if is_variable_rate(clip) else frame_rate(clip))

    def _plan_node(self, count: int) -> vs.VideoNode:
        pixel = vs.core.std.BlankClip(width=1, height=1, format=vs.GRAY8, length=1, keep=True)

        def evaluate(n: int) -> vs.VideoNode:
            wanted = self._planner.wants(n)
            if not wanted:
                return pixel.std.SetFrameProps(**_encoded(self._planner.decide(n, {})))
            decide = partial(self._planned, n, list(wanted))
            return pixel.std.ModifyFrame([pixel, *wanted.values()], lambda n, f: decide(f))

        return vs.core.std.BlankClip(pixel, length=count, keep=True).std.FrameEval(evaluate)

    def _planned(
        self, number: int, keys: list[Hashable], frames: list[vs.VideoFrame]
    ) -> vs.VideoFrame:
        seen = {key: frame.props for key, frame in zip(keys, frames[1:], strict=True)}
        made = frames[0].copy()
        for name, value in _encoded(self._planner.decide(number, seen)).items():
            made.props[name] = value
        return made

    def _picture(self, n: int, f: vs.VideoFrame) -> vs.VideoNode:
        wanted = _decoded(f.props)
        first = wanted.samples[0]
        if [sample.mode for sample in wanted.samples] == [Mode.SOURCE]:
            node = self._clip[first.before]
        else:
            node = self._made(wanted.samples).std.CopyFrameProps(self._clip[first.before])
        node = node.std.SetFrameProps(
            IMFInterpolated=int(any(sample.mode for sample in wanted.samples)),
            **{"IMFSourceIndex": first.before, **wanted.properties},
            IMFTimeNum=first.timestep.numerator,
            IMFTimeDen=first.timestep.denominator,
        )
        stale = [name for name in (NEXT, PREVIOUS) if name not in wanted.properties]
        if self._keeps_marks and wanted.shows_moment:
            # Between the same neighbours as ever, what other filters said of cuts still holds.
            stale = []
        if not wanted.shows_moment:
            stale += ["_AbsoluteTime", "_PictType"]
        return node.std.RemoveFrameProps(stale) if stale else node

    def _made(self, samples: Sequence[Sample]) -> vs.VideoNode:
        needed = sorted(set().union(*(sample.frames for sample in samples)))
        inputs = [self._working.clip[index] for index in needed]
        if self._mask is not None:
            inputs.append(self._mask[min(samples[0].before, self._mask.num_frames - 1)])

        def make(n: int, f: list[vs.VideoFrame] | vs.VideoFrame) -> vs.VideoFrame:
            frames = f if isinstance(f, list) else [f]
            try:
                return self._make(samples, dict(zip(needed, frames, strict=False)), frames)
            except Exception as error:
                pairs = {i for sample in samples for i in (sample.before, sample.after)}
                named = [index // self._interleaved for index in sorted(pairs)]
                raise at_source_frames(named, error) from error

        return self._working.back(self._blank.std.ModifyFrame(inputs, make))

    def _make(
        self,
        samples: Sequence[Sample],
        frames: dict[int, vs.VideoFrame],
        inputs: list[vs.VideoFrame],
    ) -> vs.VideoFrame:
        pictures = [self._sample(sample, frames) for sample in samples]
        picture = sum(pictures[1:], start=pictures[0]) / len(pictures)
        first = samples[0]
        if self._mask is not None and first.mode is Mode.INTERPOLATE:
            share = share_of(inputs[-1])
            picture = picture * (1 - share) + self._blended(first, frames) * share
        return self._working.frame(picture, frames[first.before])

    def _sample(self, sample: Sample, frames: dict[int, vs.VideoFrame]) -> Tensor:
        if sample.mode is Mode.SOURCE:
            return self._working.tensor(frames[sample.before], "cpu")
        if sample.mode is Mode.BLEND:
            return self._blended(sample, frames)

        def keyframe(index: int) -> Source:
            read = partial(self._working.tensor, frames[index], self._synthesiser.device)
            return Source(key=index, read=read)

        def around(beyond: Beyond | None) -> Around:
            return None if beyond is None else (keyframe(beyond.keyframe), beyond.distance)

        return self._synthesiser.between(
            keyframe(sample.before),
            keyframe(sample.after),
            sample.timestep,
            earlier=around(sample.earlier),
            later=around(sample.later),
        )

    def _blended(self, sample: Sample, frames: dict[int, vs.VideoFrame]) -> Tensor:
        share = float(sample.timestep)
        before, after = (
            self._working.tensor(frames[index], "cpu") for index in (sample.before, sample.after)
        )
        return before * (1 - share) + after * share


_NOTHING = Beyond(keyframe=-1, distance=Fraction(1))
"""Stands for no frame beyond a pair, as properties cannot say None."""


def _encoded(frame: OutputFrame) -> dict[str, Any]:
    samples = frame.samples
    steps = [sample.timestep for sample in samples]
    around = [beyond or _NOTHING for sample in samples for beyond in (sample.earlier, sample.later)]
    return {
        "mode": [int(sample.mode) for sample in samples],
        "before": [sample.before for sample in samples],
        "after": [sample.after for sample in samples],
        "numerator": [step.numerator for step in steps],
        "denominator": [step.denominator for step in steps],
        "around": [beyond.keyframe for beyond in around],
        "distance_numerator": [beyond.distance.numerator for beyond in around],
        "distance_denominator": [beyond.distance.denominator for beyond in around],
        "shows_moment": int(frame.shows_moment),
        **{f"set{name}": value for name, value in frame.properties.items()},
    }


def _decoded(properties: Properties) -> OutputFrame:
    columns = [
        _listed(properties[name])
        for name in ("mode", "before", "after", "numerator", "denominator")
    ]
    around = [
        None if keyframe < 0 else Beyond(keyframe=keyframe, distance=Fraction(top, bottom))
        for keyframe, top, bottom in zip(
            *(properties[n] for n in ("around", "distance_numerator", "distance_denominator")),
            strict=True,
        )
    ]
    return OutputFrame(
        samples=tuple(
            Sample(
                mode=Mode(mode),
                before=before,
                after=after,
                timestep=Fraction(top, bottom),
                earlier=earlier,
                later=later,
            )
            for mode, before, after, top, bottom, earlier, later in zip(
                *columns, around[::2], around[1::2], strict=True
            )
        ),
        shows_moment=bool(properties["shows_moment"]),
        properties={
            name.removeprefix("set"): properties[name]
            for name in properties
            if name.startswith("set")
        },
    )


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [value]


def _checked_mask(mask: vs.VideoNode | None, clip: vs.VideoNode) -> vs.VideoNode | None:
    if mask is None:
        return None
    mask = checked(mask, "static_mask", least_frames=1)
    if mask.format.color_family != vs.GRAY:
        raise fault(f"static_mask must be a gray clip, not {mask.format.name}")
    if (mask.width, mask.height) != (clip.width, clip.height):
        raise fault(
            f"static_mask must be of the clip's size, {clip.width}x{clip.height}, "
            f"not {mask.width}x{mask.height}"
        )
    if mask.num_frames not in (1, clip.num_frames):
        raise fault(
            f"static_mask must have one frame or as many as the clip, {clip.num_frames}, "
            f"not {mask.num_frames}"
        )
    return mask


@reports_as_vs_error
def feature_stats(clip: vs.VideoNode) -> dict[str, int]:
    """Return what the keyframe cache behind a clip of this package has done.

    Args:
        clip: As returned by one of the functions, before anything else was done to it.

    Returns:
        ``encodes``, ``hits``, ``kept`` and ``kept_bytes``.

    Raises:
        vs.Error: If the clip is not one of these.
    """
    synthesiser = _statistics.get(clip) if isinstance(clip, vs.VideoNode) else None
    if synthesiser is None:
        raise fault("feature_stats needs a clip just as a function of imf_hosts.vs returned it")
    done = synthesiser.statistics()
    return {
        "encodes": done.computed,
        "hits": done.hits,
        "kept": done.kept,
        "kept_bytes": done.kept_bytes,
    }
