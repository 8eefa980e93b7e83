"""Describing a media file exactly, without decoding all of it."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from imf_plugin.errors import UnreadableMedia
from imf_plugin.media._open import as_fraction, opened
from imf_plugin.media._tags import color_tags
from imf_plugin.media.color import bit_depth, has_alpha, picture_tags, rgb_format
from imf_plugin.media.hdr import read_hdr
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.media.rates import constant_rate
from imf_plugin.media.scan import StreamScan, scan_stream
from imf_plugin.media.upright import Orientation, orientation_of


def probe(path: Path | str) -> MediaInfo:
    """Describe a video file.

    Raises:
        UnreadableMedia: If it is missing, empty, damaged, no video, or of a pixel format that
            nothing can be made of.
    """
    return describe(Path(path), scan_stream(Path(path)))


def describe(path: Path, scan: StreamScan) -> MediaInfo:
    """Describe a file whose frames have been listed."""
    picture = scan.first_picture
    _check_convertible(path, picture)
    orientation = orientation_of(picture)
    with opened(path) as (container, stream):
        context = stream.codec_context
        declared = [
            rate
            for value in (stream.average_rate, stream.base_rate, stream.guessed_rate)
            if (rate := as_fraction(value)) is not None
        ]
        rate, constant, times, durations = _timing(scan, declared)
        interlaced = bool(picture.interlaced_frame)
        aspect = as_fraction(stream.sample_aspect_ratio) or Fraction(1)
        stream_tags = color_tags(
            context.colorspace, context.color_primaries, context.color_trc, context.color_range
        )
        audio_streams = len(container.streams.audio)
        subtitle_streams = len(container.streams.subtitles)
        has_chapters = bool(container.chapters())
    width, height = picture.width, picture.height
    if orientation.swaps_axes:
        width, height, aspect = height, width, 1 / aspect if aspect else aspect
    return MediaInfo(
        path=path,
        kind="video",
        width=width,
        height=height,
        frame_times=times,
        durations=durations,
        frame_rate=rate,
        is_constant_rate=constant,
        pixel_format=picture.format.name,
        bit_depth=bit_depth(picture.format.name),
        has_alpha=has_alpha(picture.format.name),
        color=_merged(picture_tags(picture), stream_tags, picture.format.name),
        sample_aspect_ratio=aspect or Fraction(1),
        rotation=orientation.degrees,
        interlaced=interlaced,
        audio_streams=audio_streams,
        subtitle_streams=subtitle_streams,
        has_chapters=has_chapters,
        hdr=read_hdr(picture),
        start_time=scan.ticks[0] * scan.time_base,
        warnings=_warnings(path, scan, rate, interlaced, orientation),
    )


def _timing(
    scan: StreamScan, declared: list[Fraction]
) -> tuple[Fraction, bool, tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Exact rate, whether it is constant, frame times and durations."""
    ticks, base, count = scan.ticks, scan.time_base, len(scan.ticks)
    if count == 1:
        last = scan.last_duration_ticks * base
        rate = next((rate for rate in declared if rate > 0), 1 / last if last else Fraction(25))
        return rate, True, (Fraction(0),), (1 / rate,)
    constant = constant_rate(ticks, base, declared)
    if constant is not None:
        frame = 1 / constant
        return constant, True, tuple(index * frame for index in range(count)), (frame,) * count
    times = tuple((tick - ticks[0]) * base for tick in ticks)
    steps = tuple(after - before for before, after in pairwise(times))
    last = scan.last_duration_ticks * base or steps[-1]
    return Fraction(count - 1) / times[-1], False, times, (*steps, last)


def _merged(picture: ColorTags, stream: ColorTags, pixel_format: str) -> ColorTags:
    """Prefer what the decoder says, then the container; old full-range formats say it by name."""
    full_range = "pc" if pixel_format.startswith("yuvj") else None
    return ColorTags(
        matrix=picture.matrix or stream.matrix,
        primaries=picture.primaries or stream.primaries,
        transfer=picture.transfer or stream.transfer,
        range=full_range or picture.range or stream.range,
    )


def _check_convertible(path: Path, picture: av.VideoFrame) -> None:
    name = picture.format.name if picture.format else "unknown"
    try:
        av.VideoFrame(16, 16, name).reformat(format=rgb_format(name), interpolation="BICUBIC")
    except (ValueError, OSError, av.error.FFmpegError) as error:
        raise UnreadableMedia(
            f"{path} uses the pixel format {name}, which cannot be turned into colours here: "
            "convert it first, as with ffmpeg -i FILE -pix_fmt yuv444p16le -c:v ffv1 OUT.mkv"
        ) from error


def _warnings(
    path: Path, scan: StreamScan, rate: Fraction, interlaced: bool, orientation: Orientation
) -> tuple[str, ...]:
    warnings = []
    if scan.lost_frames:
        total = scan.lost_frames + len(scan.ticks)
        warnings.append(
            f"{path} is cut off or damaged at its end: {scan.lost_frames} of {total} frames "
            f"({float(scan.lost_frames / rate):.2f} s) are lost, the rest is used"
        )
    if interlaced:
        warnings.append(
            f"{path} is interlaced: each frame holds two moments, so deinterlace it first "
            "for good results (ffmpeg -i FILE -vf bwdif OUT)"
        )
    if not orientation.is_exact:
        warnings.append(f"{path} is marked as turned by an odd angle; it is left as it is stored")
    return tuple(warnings)
