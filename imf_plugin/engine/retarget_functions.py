"""Retargeting in one call: pictures, videos and token tracks, from files to files."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imf_plugin.engine.options import RenderOptions
from imf_plugin.engine.planning import fingerprint, source_timing
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.render import RenderResult
from imf_plugin.engine.retarget_render import RetargetJob, picture_digest, render_retarget
from imf_plugin.engine.retarget_sources import (
    Anchor,
    DrivingTokens,
    TrackTokens,
    adapted_model,
    check_frame,
    check_moving,
    choose_anchor,
    frame_tensor,
    jpeg_of,
    picture_of,
    read_mask,
    read_reference,
)
from imf_plugin.engine.retargeting import Retargeting, RetargetMode, check_request
from imf_plugin.engine.session import open_session
from imf_plugin.errors import ModelError, PlanError
from imf_plugin.media.codecs import check_container
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.media.output import check_output
from imf_plugin.media.read import Reader, open_media
from imf_plugin.models import registry
from imf_plugin.models.retargeting import (
    AdaptedRetargeter,
    AdaptingRetargeter,
    PosingRetargeter,
    Retargeter,
)
from imf_plugin.motion.token_codec import LEAST_BITS, MOST_BITS
from imf_plugin.motion.track_files import TrackFile, TrackWriter
from imf_plugin.motion.tracks import TokenTrack, TrackHeader
from imf_plugin.timeline.plan import PlanSource, RenderPlan, unchanged_plan

type PathLike = str | Path
LONGEST_SMOOTHING = 120


def load_retargeter(
    name: str = "auto", *, device: str = "auto", precision: str = "auto"
) -> Retargeter:
    """Load a retargeting model.

    Args:
        name: A model's name, see ``imf models``; ``auto`` picks the default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        ModelError: If there is no such model.
        DeviceError: If the device is absent.
    """
    session = open_session(device, precision)
    return registry.load_retargeter(name, device=session.device, precision=session.precision)


def retarget(
    reference: PathLike,
    driving: PathLike,
    output: PathLike,
    *,
    model: str | Retargeter = "auto",
    mode: RetargetMode = "relative",
    anchor: Anchor = "best",
    reference_frame: int = 0,
    strength: float = 1.0,
    smooth: int = 0,
    mask: PathLike | None = None,
    keep_background: bool = False,
    adapt: bool = True,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RenderResult:
    """Move a picture as a driving video moves.

    Args:
        reference: An image, or a video of which one frame is taken.
        driving: A video, a folder of images or a printf pattern; its sound is kept.
        output: A video file, or a folder for images; of the reference's size.
        model: Name of a retargeting model, or one that is loaded.
        mode: ``relative`` adds the motion since the anchor to the picture's own pose;
            ``absolute`` takes the driving's pose itself.
        anchor: Number of the driving frame that stands as the reference does, or ``best``.
        reference_frame: Which frame of a reference video.
        strength: Multiplies the motion, 0 to 4.
        smooth: Frames to either side over which the motion is smoothed.
        mask: An image of the reference's size: white may change, black stays.
        keep_background: Keep the border of the picture as it is.
        adapt: Whether a model that can (`imf`) learns the ways of the driving video first.
        progress: Called with `Progress` events.
        cancel: Stops the render from another thread.
        options: Members of `RenderOptions`.

    Raises:
        ImfError: If anything of the world is in the way.
    """
    reference, driving, output = Path(reference), Path(driving), Path(output)
    settings = RenderOptions(**options)
    check_request(mode, strength)
    _check_smoothing(smooth)
    _check_output(output, (reference, driving), settings)
    used = _model(model, settings)
    picture = read_reference(reference, reference_frame)
    where = None if mask is None else read_mask(Path(mask), picture)
    with open_media(driving, frame_rate=settings.input_rate) as reader:
        check_moving(driving, reader)
        anchor_number, anchor_frame = _anchor(reader, picture, anchor, progress, cancel)
        if adapt:
            used = adapted_model(used, reader, anchor_frame, progress, cancel)
        retargeting = Retargeting(
            used,
            picture,
            anchor_frame,
            mode=mode,
            strength=strength,
            mask=where,
            keep_background=keep_background,
        )
        digest = fingerprint(reader.info.path)
        meter = ProgressMeter("render", reader.info.frame_count, progress)
        counted = "" if mode == "absolute" else f"motion counted from frame {anchor_number}"
        note = ", ".join(part for part in (counted, retargeting.note) if part)
        meter.note(note)
        asked = repr((mode, anchor_number, strength, picture_digest(where), keep_background))
        job = RetargetJob(
            retargeting=retargeting,
            reference=picture,
            tokens=DrivingTokens(reader, retargeting, digest),
            plan=_plan(reader.info, digest),
            source=reader.info,
            model=_identity(used),
            request=asked,
            smooth=smooth,
            note=note,
        )
        return render_retarget(job, output, settings, progress=progress, cancel=cancel)


def encode_track(
    source: PathLike,
    *,
    model: str | Retargeter = "auto",
    anchor: int = 0,
    adapt: bool = False,
    input_rate: Fraction | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> TokenTrack:
    """Reduce a video to a token track in memory; see `encode_track_file`.

    Raises:
        ImfError: If anything of the world is in the way.
    """
    settings = RenderOptions(device=device, precision=precision, input_rate=input_rate)
    tokens: list[Tensor] = []
    header = _encode(source, model, anchor, adapt, settings, tokens.append, progress, cancel)
    return TokenTrack(tokens=torch.stack(tokens), **vars(header))


def encode_track_file(
    source: PathLike,
    output: PathLike,
    *,
    model: str | Retargeter = "auto",
    anchor: int = 0,
    adapt: bool = False,
    bits: int | None = None,
    overwrite: bool = False,
    input_rate: Fraction | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> int:
    """Reduce a video to a token track in a file; only packed tokens are held in memory.

    Args:
        source: A video, a folder of images or a printf pattern.
        output: A ``.safetensors`` file.
        model: Name of a retargeting model, or one that is loaded.
        anchor: Number of the frame that counts as the reference's pose.
        adapt: Whether a model that can (`imf`) learns the ways of the video first; the track then
            carries what it learned, some 150 kB.
        bits: How finely tokens are rounded, 4 to 16; what suits their kind when None.
        overwrite: Whether an existing file may be replaced.
        input_rate: Frame rate of an image sequence.
        device: See `RenderOptions`.
        precision: See `RenderOptions`.
        progress: Called with `Progress` events of the stage ``encode``.
        cancel: Stops the work; nothing is written then.

    Returns:
        The number of frames.

    Raises:
        ImfError: If anything of the world is in the way.
    """
    if bits is not None and not LEAST_BITS <= bits <= MOST_BITS:
        raise PlanError(f"tokens are kept with {LEAST_BITS} to {MOST_BITS} bits, not {bits}")
    settings = RenderOptions(device=device, precision=precision, input_rate=input_rate)
    writer = TrackWriter(Path(output), bits=bits, overwrite=overwrite)
    header = _encode(source, model, anchor, adapt, settings, writer.add, progress, cancel)
    writer.close(header)
    return writer.count


def _encode(
    source: PathLike,
    model: str | Retargeter,
    anchor: int,
    adapt: bool,
    settings: RenderOptions,
    take: Callable[[Tensor], None],
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> TrackHeader:
    """Hand the tokens of a video over one by one, and return the rest of its track."""
    used = _model(model, settings)
    with open_media(Path(source), frame_rate=settings.input_rate) as reader:
        info = reader.info
        check_frame(info.path, reader, anchor, "--anchor")
        picture = frame_tensor(reader, anchor)
        if adapt:
            used = adapted_model(used, reader, picture, progress, cancel)
        about = used.descriptor
        retargeting = Retargeting(used, picture, picture)
        driving = DrivingTokens(reader, retargeting, "")
        meter = ProgressMeter("encode", driving.count, progress)
        for token in driving.tokens(0, driving.count):
            if cancel:
                cancel.check()
            take(token)
            meter.advance()
        aligns = isinstance(used, PosingRetargeter)
        return TrackHeader(
            anchor_token=retargeting.tokens(picture[None])[0],
            rate=info.frame_rate,
            model=about.name,
            revision=about.revision,
            source=Path(source).name,
            notes={"size": f"{info.width}x{info.height}", "anchor": str(anchor)},
            anchor_jpeg=jpeg_of(picture) if aligns else b"",
            directions=used.directions if isinstance(used, AdaptedRetargeter) else b"",
        )


def render_track(
    reference: PathLike,
    track: TokenTrack | PathLike,
    output: PathLike,
    *,
    model: str | Retargeter | None = None,
    mode: RetargetMode = "relative",
    reference_frame: int = 0,
    strength: float = 1.0,
    smooth: int = 0,
    mask: PathLike | None = None,
    keep_background: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RenderResult:
    """Play a token track, or a file of one, on a picture; see `retarget` for the arguments.

    Raises:
        ModelError: If the track belongs to another model, or another version of it.
        ImfError: If anything else of the world is in the way.
    """
    reference, output = Path(reference), Path(output)
    settings = RenderOptions(**options)
    check_request(mode, strength)
    _check_smoothing(smooth)
    sources = (reference, Path(track)) if isinstance(track, str | Path) else (reference,)
    _check_output(output, sources, settings)
    tokens = TrackFile(Path(track)) if isinstance(track, str | Path) else TrackTokens(track)
    header = tokens.header
    used = model_of_track(header, _model(header.model if model is None else model, settings))
    picture = read_reference(reference, reference_frame)
    where = None if mask is None else read_mask(Path(mask), picture)
    retargeting = Retargeting.for_track(
        used,
        picture,
        header.anchor_token,
        picture_of(header.anchor_jpeg),
        driving_size=header.driving_size,
        mode=mode,
        strength=strength,
        mask=where,
        keep_background=keep_background,
    )
    if retargeting.note:
        ProgressMeter("render", tokens.count, progress).note(retargeting.note)
    info = _track_info(header, tokens.count, picture)
    job = RetargetJob(
        retargeting=retargeting,
        reference=picture,
        tokens=tokens,
        plan=_plan(info, tokens.identity),
        source=info,
        model=_identity(used),
        request=repr((mode, strength, picture_digest(where), keep_background)),
        smooth=smooth,
        note=retargeting.note,
    )
    return render_retarget(job, output, settings, progress=progress, cancel=cancel)


def model_of_track(track: TrackHeader, model: Retargeter) -> Retargeter:
    """Return the model that plays a track: ``model``, with what the track says it had learned.

    Raises:
        ModelError: If the track belongs to another model.
    """
    if track.directions and isinstance(model, AdaptingRetargeter):
        model = model.with_directions(track.directions)
    check_track(track, model)
    return model


def check_track(track: TrackHeader, model: Retargeter) -> None:
    """Check that a track belongs to a model.

    Raises:
        ModelError: If it does not.
    """
    about = model.descriptor
    theirs, ours = (track.model, track.revision), (about.name, about.revision)
    if theirs != ours or track.anchor_token.shape != torch.Size(model.token_shape):
        raise ModelError(
            f"the track was made by {track.model} (revision {track.revision}) and cannot be played "
            f"by {about.name} (revision {about.revision}); encode the video again"
        )


def _check_output(output: Path, sources: tuple[Path, ...], settings: RenderOptions) -> None:
    for source in sources:
        check_output(output, source, overwrite=settings.overwrite)
    check_container(output, settings.codec)
    open_session(settings.device, settings.precision)


def _check_smoothing(smooth: int) -> None:
    if not 0 <= smooth <= LONGEST_SMOOTHING:
        raise PlanError(f"smoothing takes 0 to {LONGEST_SMOOTHING} frames, not {smooth}")


def _model(model: str | Retargeter, settings: RenderOptions) -> Retargeter:
    if not isinstance(model, str):
        return model
    registry.resolve_retargeter(model)
    return load_retargeter(model, device=settings.device, precision=settings.precision)


def _identity(model: Retargeter) -> str:
    about = model.descriptor
    return f"{about.name} {about.revision} {about.parameters}"


def _anchor(
    reader: Reader,
    picture: Tensor,
    anchor: Anchor,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> tuple[int, Tensor]:
    meter = ProgressMeter("anchor", reader.info.frame_count, progress)
    return choose_anchor(reader, picture, anchor, meter, cancel)


def _plan(info: MediaInfo, digest: str) -> RenderPlan:
    source = PlanSource(
        path=str(info.path),
        frame_count=info.frame_count,
        frame_rate=info.frame_rate,
        duration=info.duration,
        sha256=digest,
    )
    return unchanged_plan(source, source_timing(info), {"retarget": "every driving frame"})


def _track_info(track: TrackHeader, count: int, picture: Tensor) -> MediaInfo:
    return MediaInfo(
        path=Path(track.source),
        kind="images",
        width=picture.shape[2],
        height=picture.shape[1],
        frame_times=tuple(number / track.rate for number in range(count)),
        durations=(1 / track.rate,) * count,
        frame_rate=track.rate,
        is_constant_rate=True,
        pixel_format="rgb24",
        bit_depth=8,
        has_alpha=False,
        color=ColorTags(),
        sample_aspect_ratio=Fraction(1),
        rotation=0,
        interlaced=False,
    )
