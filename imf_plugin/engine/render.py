"""From a plan to a finished file: the one render that the command, hosts and editor share."""

import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imf_plugin import __version__
from imf_plugin.engine.assembly import assemble
from imf_plugin.engine.options import RenderOptions
from imf_plugin.engine.parts import PartsFolder, job_digest, split_parts
from imf_plugin.engine.pipeline import run_pipeline
from imf_plugin.engine.planning import fingerprint
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.session import DeviceSession, open_session
from imf_plugin.engine.sink import PartSink
from imf_plugin.engine.tiles import TiledInterpolator, choose_tile_px
from imf_plugin.errors import PlanError
from imf_plugin.media.codecs import EncodeSettings, check_container, choose_encoding
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.output import check_output
from imf_plugin.media.read import Reader, open_media
from imf_plugin.models.base import Interpolator
from imf_plugin.models.registry import load_interpolator, resolve_name
from imf_plugin.timeline.plan import RenderPlan
from imf_plugin.timeline.planfile import plan_to_json


@dataclass(frozen=True, kw_only=True)
class RenderResult:
    """What a render made."""

    output: Path
    """The finished file, or folder of images."""
    frames: int
    """Frames in it."""
    rendered: int
    """Frames made in this run; fewer than all when an interrupted render was resumed."""
    seconds: float
    """How long this run took."""
    warnings: tuple[str, ...] = ()
    """Things the user should know."""
    notes: tuple[str, ...] = ()
    """What was chosen for the user, such as the part of a picture that was used."""


def check_request(source: Path | str, output: Path, options: RenderOptions) -> None:
    """Find out early, before any slow work, whether a render can start.

    Raises:
        UnreadableMedia, OutputRefused, ModelError, DeviceError: With the reason.
    """
    check_output(output, Path(source), overwrite=options.overwrite)
    check_container(output, options.codec)
    open_session(options.device, options.precision)
    if isinstance(options.model, str):
        resolve_name(options.model)


def render(
    plan: RenderPlan,
    output: Path | str,
    *,
    options: RenderOptions | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> RenderResult:
    """Render a plan to a file.

    Frames are written in parts beside the output; if the render is interrupted in any way, the
    same call goes on after the last finished part and gives the same file. The output appears
    under its name only when it is complete.

    Args:
        plan: What each output frame is; from `make_plan`, or read from a file.
        output: A video file, or a folder for images.
        options: How to render and encode.
        progress: Called with `Progress` events, from any thread.
        cancel: Stops the render from another thread within one frame.

    Raises:
        ImfError: If anything of the world is in the way; `Cancelled` if it was stopped.
    """
    options = options or RenderOptions()
    output = Path(output)
    started = time.monotonic()
    check_request(plan.source.path, output, options)
    with open_media(plan.source.path, frame_rate=options.input_rate) as reader:
        _check_source(plan, reader.info)
        session = open_session(options.device, options.precision)
        settings = choose_encoding(reader.info, output, codec=options.codec, crf=options.crf)
        job = _Job(plan, output, options, session, settings)
        rendered = job.run(reader, progress, cancel)
        new_warnings = [w for w in reader.warnings if w not in plan.warnings]
    return RenderResult(
        output=output,
        frames=len(plan.frames),
        rendered=rendered,
        seconds=time.monotonic() - started,
        warnings=(*new_warnings, *settings.warnings, *job.warnings),
    )


def _check_source(plan: RenderPlan, info: MediaInfo) -> None:
    same = len(info.frame_times) == plan.source.frame_count
    if not same or fingerprint(info.path) != plan.source.sha256:
        raise PlanError(
            f"the plan was made for another version of {plan.source.path}: "
            "make it again with 'imf plan'"
        )


class _Job:
    """One render: a plan, an output and everything that decides the pixels."""

    def __init__(
        self,
        plan: RenderPlan,
        output: Path,
        options: RenderOptions,
        session: DeviceSession,
        settings: EncodeSettings,
    ) -> None:
        self._plan = plan
        self._output = output
        self._options = options
        self._session = session
        self._settings = settings
        self._parts = split_parts(plan.frames)
        self.warnings: tuple[str, ...] = ()

    def run(
        self, reader: Reader, progress: ProgressCallback | None, cancel: CancelToken | None
    ) -> int:
        model = self._load_model()
        suffix = "" if self._settings.extension == ".png" else ".mkv"
        folder = PartsFolder(
            self._output, self._digest(model), suffix=suffix, resume=self._options.resume
        )
        with folder:
            missing = [part for part in self._parts if not folder.finished(part.number)]
            todo = sum(len(part.frames) for part in missing)
            total = len(self._plan.frames)
            meter = ProgressMeter("render", total, progress, already_done=total - todo)
            if todo < total:
                meter.note(f"going on after {total - todo} of {total} finished frames")
            run_pipeline(
                missing,
                reader,
                self._tiled(model, reader.info, meter),
                PartSink(
                    folder,
                    reader.info,
                    self._settings,
                    self._nominal_rate(),
                    self._options.watch,
                ),
                device=self._session.device,
                on_frame=meter.advance,
                cancel=cancel,
            )
            self.warnings = assemble(
                self._plan,
                [folder.file(part.number) for part in self._parts],
                folder.path,
                self._output,
                reader.info,
                audio=self._options.audio,
                cancel=cancel,
            )
            folder.discard()
        return todo

    def _load_model(self) -> Interpolator:
        if not isinstance(self._options.model, str):
            return self._options.model
        return load_interpolator(
            self._options.model, device=self._session.device, precision=self._session.precision
        )

    def _tiled(
        self, model: Interpolator, info: MediaInfo, meter: ProgressMeter
    ) -> TiledInterpolator:
        longest = max(info.width, info.height)
        tile = self._options.tile
        if tile == "auto":
            edge = choose_tile_px(
                info.height,
                info.width,
                model.descriptor.bytes_per_pixel,
                self._session.working_bytes,
            )
        else:
            edge = longest if tile == "off" else int(tile)
        return TiledInterpolator(model, edge, on_note=meter.note)

    def _nominal_rate(self) -> Fraction:
        return len(self._plan.frames) / self._plan.duration

    def _digest(self, model: Interpolator) -> str:
        about = model.descriptor
        return job_digest(
            __version__,
            plan_to_json(self._plan),
            f"{about.name} {about.revision} {about.parameters}",
            f"{self._session.device.partition(':')[0]} {self._session.precision}",
            self._options.tile,
            repr(self._settings),
        )
