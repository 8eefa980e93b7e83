"""Retargeting from files to a file: streaming, in resumable parts, with the driving sound."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from imf_plugin import __version__
from imf_plugin.engine.assembly import assemble
from imf_plugin.engine.options import RenderOptions
from imf_plugin.engine.parts import Part, PartsFolder, job_digest, split_parts
from imf_plugin.engine.pixels import to_pixels
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.render import RenderResult
from imf_plugin.engine.retargeting import Retargeting, bell
from imf_plugin.engine.sink import PartSink
from imf_plugin.errors import PlanError
from imf_plugin.media.codecs import choose_encoding
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.timeline.plan import RenderPlan
from imf_plugin.timeline.planfile import plan_to_json

_PICTURE_COLOR = ColorTags(matrix="bt709", primaries="bt709", transfer="bt709", range="tv")
_PROBED_FRAMES = 5
_STILL = 1.5 / 255
"""A picture that nowhere changes by more than this has not moved."""


class TokenSource(Protocol):
    """Gives the tokens of frames, in memory or from a video."""

    count: int
    """Number of frames."""

    @property
    def identity(self) -> str:
        """What decides the tokens, for the digest of a resumable render."""
        ...

    def tokens(self, start: int, stop: int) -> Iterator[Tensor]:
        """Yield the tokens of the frames ``start`` to ``stop``, ``[*token_shape]`` each."""
        ...


@dataclass(frozen=True, kw_only=True)
class RetargetJob:
    """A prepared retargeting render."""

    retargeting: Retargeting
    """What turns tokens into pictures."""
    reference: Tensor
    """The picture that moves, ``[3, H, W]``."""
    tokens: TokenSource
    """The motion."""
    plan: RenderPlan
    """When each frame is shown, and how the sound follows."""
    source: MediaInfo
    """Where sound and timing come from."""
    model: str
    """Name and revision of the model."""
    request: str
    """Everything else that decides the pixels."""
    smooth: int = 0
    """Frames to either side over which tokens are smoothed."""
    note: str = ""
    """How reference and driving were matched, for people to read."""


def render_retarget(
    job: RetargetJob,
    output: Path,
    options: RenderOptions,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> RenderResult:
    """Render a retargeting to a file; interrupted, the same call goes on where it stopped.

    Raises:
        PlanError: If the driving shows no motion at all.
        ImfError: If anything of the world is in the way; `Cancelled` if it was stopped.
    """
    started = time.monotonic()
    _check_motion(job)
    height, width = job.reference.shape[1:]
    info = replace(
        job.source,
        width=width,
        height=height,
        pixel_format="rgb24",
        bit_depth=8,
        has_alpha=False,
        color=_PICTURE_COLOR,
        sample_aspect_ratio=Fraction(1),
        rotation=0,
        interlaced=False,
        hdr=None,
    )
    settings = choose_encoding(info, output, codec=options.codec, crf=options.crf)
    digest = job_digest(
        __version__,
        plan_to_json(job.plan),
        job.model,
        job.request,
        job.tokens.identity,
        picture_digest(job.reference),
        repr((job.smooth, settings)),
    )
    parts = split_parts(job.plan.frames)
    suffix = "" if settings.extension == ".png" else ".mkv"
    with PartsFolder(output, digest, suffix=suffix, resume=options.resume) as folder:
        missing = [part for part in parts if not folder.finished(part.number)]
        todo, total = sum(len(part.frames) for part in missing), len(job.plan.frames)
        meter = ProgressMeter("render", total, progress, already_done=total - todo)
        if todo < total:
            meter.note(f"going on after {total - todo} of {total} finished frames")
        sink = PartSink(folder, info, settings, total / job.plan.duration, options.watch)
        for part in missing:
            _render_part(job, part, sink, meter, cancel)
        files = [folder.file(part.number) for part in parts]
        warnings = assemble(
            job.plan, files, folder.path, output, job.source, audio=options.audio, cancel=cancel
        )
        folder.discard()
    return RenderResult(
        output=output,
        frames=total,
        rendered=todo,
        seconds=time.monotonic() - started,
        warnings=(*settings.warnings, *warnings),
        notes=(job.note,) if job.note else (),
    )


def picture_digest(picture: Tensor | None) -> str:
    """Return a digest of a picture's values."""
    if picture is None:
        return "none"
    return hashlib.sha256(picture.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def _render_part(
    job: RetargetJob,
    part: Part,
    sink: PartSink,
    meter: ProgressMeter,
    cancel: CancelToken | None,
) -> None:
    sink.begin(part)
    try:
        frames = [frame.before for frame in part.frames]
        smoothed = smoothed_tokens(job.tokens, frames[0], frames[-1] + 1, job.smooth)
        for token in smoothed:
            if cancel:
                cancel.check()
            picture = job.retargeting.render(token[None])[0]
            sink.write_pixels(to_pixels(picture, deep=False))
            meter.advance()
        sink.commit(part)
    except BaseException:
        sink.abort()
        raise


def smoothed_tokens(source: TokenSource, start: int, stop: int, radius: int) -> Iterator[Tensor]:
    """Yield smoothed tokens as `smooth_tokens` would give them, holding only the window."""
    if radius == 0:
        yield from source.tokens(start, stop)
        return
    weights = bell(radius)
    last = source.count - 1
    first = max(0, start - radius)
    stream = enumerate(source.tokens(first, min(last + 1, stop + radius)), first)
    held: dict[int, Tensor] = {}
    for frame in range(start, stop):
        window = [min(max(0, frame + offset), last) for offset in range(-radius, radius + 1)]
        while window[-1] not in held:
            held.update([next(stream)])
        held = {number: token for number, token in held.items() if number >= window[0]}
        yield torch.stack(
            [weight * held[number] for weight, number in zip(weights, window, strict=True)]
        ).sum(0)


def _check_motion(job: RetargetJob) -> None:
    step = max(1, job.tokens.count // _PROBED_FRAMES)
    for number in range(step - 1, job.tokens.count, step):
        token = next(job.tokens.tokens(number, number + 1))
        picture = job.retargeting.render(token[None])[0]
        if float((picture - job.reference).abs().max()) > _STILL:
            return
    raise PlanError(
        "the driving shows no usable motion: every frame stands as the anchor does; "
        "give another driving video, another --anchor or more --strength"
    )
