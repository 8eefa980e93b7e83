"""Joining the parts of a render into one video, every packet at its exact time.

The parts carry only an order. Each packet's presentation time is looked up by its rank, so frame
times are exact fractions up to the resolution of the container: exact in MP4 and MOV, whose time
scale is chosen to fit, and to the millisecond in Matroska and WebM.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any, Final

import av

from imf_plugin.errors import EncoderFailed, OutputRefused
from imf_plugin.media._open import alpha_mark, file_url, open_input
from imf_plugin.media.write_images import gather_images, write_failure

_LARGEST_TIME_SCALE: Final = 10_000_000
_SMALLEST_TIME_SCALE: Final = 10_000
_FORMATS: Final = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The order of one part's packets."""

    path: Path
    ranks: tuple[int, ...]
    """Presentation rank of each packet, in decoding order."""
    extradata: bytes

    @property
    def delay(self) -> int:
        """By how many packets decoding has to run ahead of presentation."""
        return max((place - rank for place, rank in enumerate(self.ranks)), default=0)


def join_parts(
    parts: Sequence[Path],
    frame_times: Sequence[Fraction],
    durations: Sequence[Fraction],
    destination: Path,
) -> Path:
    """Join parts into a file without sound, or a folder of images; nothing is decoded.

    Args:
        parts: Files of `PartWriter` or folders of `ImageWriter`, in order.
        frame_times: When each frame of all parts together appears, in seconds, rising.
        durations: How long each frame stays, in seconds.
        destination: The file to write, its extension says which container; or a new folder.

    Returns:
        The destination.

    Raises:
        EncoderFailed: If the parts do not hold these frames or do not fit together.
        OutputRefused: If the file cannot be written.
        ValueError: If times and durations are not equally many, or there is no part.
    """
    if len(frame_times) != len(durations) or not parts:
        raise ValueError(
            "a join needs parts and one duration for each frame, "
            f"got {len(parts) = }, {len(frame_times) = }, {len(durations) = }"
        )
    if parts[0].is_dir():
        gather_images(parts, len(frame_times), destination)
        return destination
    listed = [_list_part(path) for path in parts]
    _check_fit(listed, len(frame_times))
    scale = time_scale([*frame_times, *durations])
    times = [round(time * scale) for time in frame_times]
    lengths = [max(1, round(duration * scale)) for duration in durations]
    try:
        _write(listed, times, lengths, scale, destination)
    except (av.error.FFmpegError, OSError) as error:
        destination.unlink(missing_ok=True)
        raise OutputRefused(write_failure(destination, error)) from error
    return destination


def time_scale(values: Sequence[Fraction]) -> int:
    """Ticks per second that hold all values exactly, or nearly where that takes too many."""
    scale = 1
    for denominator in {value.denominator for value in values}:
        scale = lcm(scale, denominator)
        if scale > _LARGEST_TIME_SCALE:
            return _LARGEST_TIME_SCALE
    while scale < _SMALLEST_TIME_SCALE:
        scale *= 2
    return scale


def container_format(path: Path) -> str:
    """Ffmpeg's name of the container that an extension stands for."""
    return _FORMATS.get(path.suffix.lower(), "matroska")


def _list_part(path: Path) -> _Part:
    with open_input(path) as container:
        stream = container.streams.video[0]
        stamps = [packet.pts for packet in container.demux(stream) if packet.size]
        extradata = bytes(stream.codec_context.extradata or b"")
    known = [stamp for stamp in stamps if stamp is not None]
    rank = {stamp: place for place, stamp in enumerate(sorted(known))}
    if len(rank) != len(stamps):
        raise EncoderFailed(f"{path} has no usable order of frames: delete it and render again")
    return _Part(path=path, ranks=tuple(rank[stamp] for stamp in known), extradata=extradata)


def _check_fit(parts: Sequence[_Part], frame_count: int) -> None:
    held = sum(len(part.ranks) for part in parts)
    if held != frame_count:
        raise EncoderFailed(
            f"the parts beside {parts[0].path} hold {held} frames instead of {frame_count}: "
            "delete them and render again"
        )
    for part in parts:
        if part.extradata != parts[0].extradata:
            raise EncoderFailed(
                f"{part.path} was encoded differently from {parts[0].path}: "
                "delete the parts and render again"
            )


def _write(
    parts: Sequence[_Part],
    times: Sequence[int],
    lengths: Sequence[int],
    scale: int,
    destination: Path,
) -> None:
    options = {"fflags": "+bitexact"}
    if container_format(destination) in ("mp4", "mov"):
        options["video_track_timescale"] = str(scale)
    with av.open(
        file_url(destination), "w", format=container_format(destination), options=options
    ) as output:
        with open_input(parts[0].path) as first:
            template = first.streams.video[0]
            stream: Any = output.add_stream_from_template(template, opaque=True)
            stream.sample_aspect_ratio = template.sample_aspect_ratio
            stream.metadata.clear()
            stream.metadata.update(alpha_mark(template))
        stream.time_base = Fraction(1, scale)
        for packet in _timed_packets(parts, times, lengths, scale):
            packet.stream = stream
            output.mux_one(packet)


def _timed_packets(
    parts: Sequence[_Part], times: Sequence[int], lengths: Sequence[int], scale: int
) -> Iterator[Any]:
    delay = max(part.delay for part in parts)
    step = lengths[0]
    place = base = 0
    for part in parts:
        with open_input(part.path) as container:
            packets = (p for p in container.demux(container.streams.video[0]) if p.size)
            for packet, rank in zip(packets, part.ranks, strict=True):
                shown = base + rank
                packet.time_base = Fraction(1, scale)
                packet.pts = times[shown]
                packet.duration = lengths[shown]
                ahead = delay - place
                packet.dts = times[-ahead] if ahead <= 0 else times[0] - ahead * step
                place += 1
                yield packet
        base += len(part.ranks)
