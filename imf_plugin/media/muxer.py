"""Writing tracks into one container in the order of time, each packet at its place."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from imf_plugin.media._open import as_fraction, file_url
from imf_plugin.media.audio import AudioPlan

_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One stream to copy: where its packets come from and what becomes of their times."""

    container: Any
    """The open file that the packets come from; no other track reads from it."""
    stream: Any
    """The stream in that file."""
    offset: Fraction
    """Seconds to take off each time."""
    earliest: Fraction
    """Packets that begin before this are left out."""
    latest: Fraction
    """Packets that begin at or after this are left out."""
    metadata: dict[str, str]
    """What the stream says of itself."""
    is_bent: bool = False
    """Whether times go through the plan's map, as those of subtitles do."""


def write_tracks(
    path: Path,
    container_format: str,
    tracks: Sequence[Track],
    *,
    metadata: dict[str, str],
    chapters: Sequence[Any],
    plan: AudioPlan,
    duration: Fraction,
) -> None:
    """Write tracks into a new file without decoding anything.

    Args:
        path: The file.
        container_format: ffmpeg's name of the container.
        tracks: The video first.
        metadata: What the file says of itself.
        chapters: Chapter marks as PyAV has them.
        plan: How the times of bent tracks map to the output.
        duration: The length of the video in seconds; bent tracks end with it.
    """
    video = tracks[0].stream
    is_mov = container_format in ("mp4", "mov")
    options = {"fflags": "+bitexact"}
    if is_mov:
        options["video_track_timescale"] = str(_time_base(video).denominator)
        options["movflags"] = "+faststart"
    with av.open(file_url(path), "w", format=container_format, options=options) as output:
        output.metadata.update(metadata)
        streams = [_add_stream(output, track) for track in tracks]
        if is_mov and video.codec_context.name == "hevc":
            # Apple's players take HEVC under this tag alone.
            streams[0].codec_context.codec_tag = "hvc1"
        aspect = as_fraction(video.sample_aspect_ratio)
        if aspect:
            streams[0].sample_aspect_ratio = aspect
        if chapters:
            output.set_chapters(list(chapters))
        sources = [_packets(track, number, plan, duration) for number, track in enumerate(tracks)]
        for _, number, _, packet in heapq.merge(*sources):
            packet.stream = streams[number]
            output.mux_one(packet)


def _add_stream(output: Any, track: Track) -> Any:
    stream = output.add_stream_from_template(track.stream, opaque=True)
    stream.time_base = _time_base(track.stream)
    stream.metadata.clear()
    stream.metadata.update(track.metadata)
    return stream


def _packets(
    track: Track, number: int, plan: AudioPlan, duration: Fraction
) -> Iterator[tuple[Fraction, int, int, Any]]:
    """A track's packets with their decoding times in seconds, for merging."""
    base = _time_base(track.stream)
    for order, packet in enumerate(track.container.demux(track.stream)):
        if not packet.size or packet.pts is None:
            continue
        start = packet.pts * base - track.offset
        if start >= track.latest:
            return
        if start < track.earliest:
            continue
        if track.is_bent:
            end = plan.output_time(start + (packet.duration or 0) * base)
            start = plan.output_time(max(start, Fraction(0)))
            if end <= start or start >= duration:
                continue
            packet.duration = round((min(end, duration) - start) / base)
        if track.offset or track.is_bent:
            # Rounding each time by itself keeps the error below half a tick.
            ahead = packet.pts - packet.dts if packet.dts is not None else 0
            packet.pts = round(start / base)
            packet.dts = packet.pts - ahead
        decoding = packet.dts if packet.dts is not None else packet.pts
        yield decoding * base, number, order, packet


def _time_base(stream: Any) -> Fraction:
    return as_fraction(stream.time_base) or _MILLISECOND
