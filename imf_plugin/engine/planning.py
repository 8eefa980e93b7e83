"""From a request to a render plan: probe, look for cuts and repeats, map time, decide."""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imf_plugin.engine.analysis import DEFAULT_CUT_THRESHOLD, Analysis, analyse
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.errors import PlanError
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.read import Reader, open_media
from imf_plugin.timeline.curve import Curve
from imf_plugin.timeline.plan import OnCut, PlanSource, RenderPlan, make_frames
from imf_plugin.timeline.rational import parse_factor, parse_rate
from imf_plugin.timeline.timemap import (
    SourceTiming,
    TimeMap,
    along_curve,
    constant_rate,
    slow_motion,
)


@dataclass(frozen=True, kw_only=True)
class Retime:
    """What to do with time: exactly one of factor, rate and curve."""

    factor: Fraction | None = None
    """Slow motion: how many times longer, at the same frame rate."""
    rate: Fraction | None = None
    """Frame rate to convert to, lasting as long as before."""
    curve: Curve | None = None
    """A speed or time curve."""
    curve_rate: Fraction | None = None
    """Output frame rate along a curve; the clip's own when None."""
    cuts: tuple[int, ...] | None = None
    """Frames that begin a new shot, when the user knows them; None to look for them."""
    find_cuts: bool = True
    """Whether to look for shot cuts."""
    cut_threshold: float = DEFAULT_CUT_THRESHOLD
    """How far a cut must stand out; higher finds fewer."""
    on_cut: OnCut = OnCut.HOLD
    """What fills the time before a cut."""
    dedup: bool = False
    """Whether repeated frames are replaced by true in-betweens."""
    context: int = 4
    """Keyframes that a new frame is made from: 2, or 4 so that motion follows a curve."""

    def __post_init__(self) -> None:
        """Check that it asks for one thing, and a possible one."""
        asked = [self.factor is not None, self.rate is not None, self.curve is not None]
        if sum(asked) != 1:
            raise ValueError("a retime needs exactly one of factor, rate and curve")
        if self.factor is not None:
            parse_factor(self.factor)
        for rate in (self.rate, self.curve_rate):
            if rate is not None:
                parse_rate(rate)
        if self.context not in (2, 4):
            raise PlanError(f"the context must be 2 or 4 keyframes, not {self.context}")
        if not self.cut_threshold > 0:
            raise PlanError(f"the cut threshold must be above 0, not {self.cut_threshold}")

    def described(self) -> dict[str, str]:
        """Return the request as words for the plan file."""
        words = {}
        if self.factor is not None:
            words["slow motion"] = str(self.factor)
        if self.rate is not None:
            words["frame rate"] = str(self.rate)
        if self.curve is not None:
            words["curve"] = "time keys" if self.curve.time_keys else "speed keys"
        words["cuts"] = "given" if self.cuts is not None else "found" if self.find_cuts else "off"
        words["on cut"] = self.on_cut.value
        words["dedup"] = "yes" if self.dedup else "no"
        words["context"] = str(self.context)
        return words


def make_plan(
    source: Path | str,
    retime: Retime,
    *,
    input_rate: Fraction | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> RenderPlan:
    """Plan a render.

    Args:
        source: A video, a folder of images or a printf pattern of images.
        retime: What to do with time.
        input_rate: Frame rate of an image sequence; ignored for videos.
        progress: Called with events of the stage ``analyse``.
        cancel: Stops the analysis.

    Raises:
        UnreadableMedia: If the source cannot be read.
        PlanError: If the request is impossible for this clip.
    """
    with open_media(source, frame_rate=input_rate) as reader:
        found = _analyse(reader, retime, progress, cancel)
        warnings = reader.info.warnings
        return _assemble(str(source), reader.info, retime, found, warnings)


def source_timing(info: MediaInfo) -> SourceTiming:
    """Return when the frames of a clip are shown."""
    return SourceTiming(frame_times=tuple(info.frame_times), duration=info.duration)


def _analyse(
    reader: Reader,
    retime: Retime,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> Analysis:
    meter = ProgressMeter("analyse", len(reader.info.frame_times), progress)

    def count() -> None:
        if cancel:
            cancel.check()
        meter.advance()

    return analyse(
        reader,
        find_cuts=retime.find_cuts and retime.cuts is None,
        find_duplicates=retime.dedup,
        cut_threshold=retime.cut_threshold,
        on_frame=count,
    )


def _assemble(
    source: str,
    info: MediaInfo,
    retime: Retime,
    found: Analysis,
    warnings: tuple[str, ...],
) -> RenderPlan:
    timing = source_timing(info)
    cuts = found.cuts if retime.cuts is None else retime.cuts
    count = len(timing.frame_times)
    for cut in cuts:
        if not 0 < cut < count:
            raise PlanError(
                f"{source} has frames 0 to {count - 1}, so a cut at {cut} is impossible; "
                "give the numbers of frames that begin a new shot"
            )
    moments = time_map(timing, retime, info.frame_rate, is_constant=info.is_constant_rate)
    return RenderPlan(
        source=PlanSource(
            path=source,
            frame_count=count,
            frame_rate=info.frame_rate,
            duration=info.duration,
            sha256=fingerprint(info.path),
        ),
        request=retime.described(),
        frame_rate=moments.frame_rate,
        duration=moments.duration,
        frames=make_frames(
            timing,
            moments,
            cuts=cuts,
            on_cut=retime.on_cut,
            duplicates=found.duplicates,
            context=retime.context,
        ),
        audio=moments.audio,
        cuts=tuple(cuts),
        duplicates=found.duplicates,
        warnings=warnings + _own_warnings(source, count),
    )


def _own_warnings(source: str, count: int) -> tuple[str, ...]:
    if count > 1:
        return ()
    return (f"{source} has a single frame, so there is nothing to interpolate: it is held",)


def time_map(
    timing: SourceTiming, retime: Retime, frame_rate: Fraction, *, is_constant: bool = True
) -> TimeMap:
    """Return what a retime makes of a clip's time, or of a token track's.

    Args:
        timing: When its frames are shown.
        retime: What to do with time.
        frame_rate: Its frames per second, on average if the rate varies.
        is_constant: Whether the rate is constant.

    Raises:
        PlanError: If the request is impossible.
    """
    if retime.factor is not None:
        return slow_motion(timing, retime.factor, frame_rate if is_constant else None)
    if retime.rate is not None:
        return constant_rate(timing, retime.rate)
    assert retime.curve is not None  # checked by Retime itself
    return along_curve(timing, retime.curve, retime.curve_rate or frame_rate)


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's content, or of all files of an image sequence.

    A file is not read again as long as its size and time stay: planning and rendering both ask.
    """
    digest = hashlib.sha256()
    for file in _files_of(path):
        about = file.stat()
        digest.update(_file_digest(file, about.st_size, about.st_mtime_ns))
    return digest.hexdigest()


@functools.lru_cache(maxsize=1024)
def _file_digest(file: Path, size: int, mtime_ns: int) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _files_of(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    from imf_plugin.media.sequences import sequence_files

    return sequence_files(path)
