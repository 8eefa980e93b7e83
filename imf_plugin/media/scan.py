"""Listing a stream's frames from its packets, and finding out which of them really decode."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from imf_plugin.errors import UnreadableMedia
from imf_plugin.media._open import as_fraction
from imf_plugin.media.decode import StreamDecoder, demuxed, picture_tick

_DEFAULT_RATE = Fraction(25)
_VP8_SHOWN = 0x10
_LONGEST_REORDERING = 16


@dataclass(frozen=True, kw_only=True)
class StreamScan:
    """The frames of a stream in presentation order."""

    ticks: tuple[int, ...]
    """Timestamps in units of `time_base`, strictly rising, of every frame that decodes."""
    keyframe_ticks: tuple[int, ...]
    """Sorted timestamps of the packets where decoding can start."""
    time_base: Fraction
    """Seconds per tick."""
    last_duration_ticks: int
    """Stated duration of the last frame; 0 where the container does not say."""
    lost_frames: int
    """Frames that the file promises and that cannot be decoded at its end."""
    first_picture: av.VideoFrame
    """The first picture, for its format and tags."""

    def keyframe_before(self, tick: int) -> int | None:
        """The last keyframe at or before ``tick``; None for the very start of the file."""
        place = bisect_right(self.keyframe_ticks, tick)
        return self.keyframe_ticks[place - 1] if place else None


def scan_stream(path: Path) -> StreamScan:
    """List the frames of a video file.

    Only packets are read, apart from the first frame and, in a file that seems cut off, the end.

    Raises:
        UnreadableMedia: If the file cannot be opened or not one frame of it decodes.
    """
    with StreamDecoder(path) as decoder:
        packets = _Packets()
        broken: list[str] = []
        for packet in demuxed(decoder.container, decoder.stream, broken.append):
            packets.add(packet, decoder.stream.codec_context.name)
        time_base = as_fraction(decoder.stream.time_base) or Fraction(1, 1000)
        promised = _promised_frames(decoder, packets, time_base)
        stated_ticks = _stated_ticks(decoder)
    if packets.untimed:
        return _scan_by_decoding(path, time_base)
    first = _first_picture(path)
    ticks = sorted(tick for tick in packets.shown if tick >= picture_tick(first))
    listed = len(ticks)
    if broken or packets.corrupt or promised > packets.total:
        last = _last_decoded(path, sorted(packets.keyframes), packets.corrupt)
        ticks = _without_ragged_end([tick for tick in ticks if tick <= last])
        stated_ticks = 0
    if not ticks:
        raise _undecodable(path)
    return StreamScan(
        ticks=tuple(ticks),
        keyframe_ticks=tuple(sorted(packets.keyframes)),
        time_base=time_base,
        last_duration_ticks=max(0, ticks[0] + stated_ticks - ticks[-1])
        or packets.durations.get(ticks[-1], 0),
        lost_frames=max(0, promised - packets.total) + listed - len(ticks),
        first_picture=first,
    )


def _without_ragged_end(ticks: list[int]) -> list[int]:
    """Leave out what follows a gap near the end, where B-frames broke off with the file."""
    steps = [after - before for before, after in pairwise(ticks)]
    if len(steps) < 2:
        return ticks
    usual = sorted(steps)[len(steps) // 2]
    start = max(0, len(steps) - _LONGEST_REORDERING)
    for place in range(start, len(steps)):
        if 2 * steps[place] > 3 * usual:
            return ticks[: place + 1]
    return ticks


class _Packets:
    """What the packets of a stream tell."""

    def __init__(self) -> None:
        self.shown: set[int] = set()
        self.keyframes: set[int] = set()
        self.corrupt: set[int] = set()
        self.durations: dict[int, int] = {}
        self.total = 0
        self.untimed = False

    def add(self, packet: Any, codec: str) -> None:
        self.total += 1
        if packet.pts is None:
            self.untimed = True
            return
        if packet.is_keyframe:
            self.keyframes.add(packet.pts)
        if packet.is_discard or (codec == "vp8" and not bytes(packet)[0] & _VP8_SHOWN):
            return
        self.shown.add(packet.pts)
        self.durations[packet.pts] = packet.duration or 0
        if packet.is_corrupt:
            self.corrupt.add(packet.pts)


def _promised_frames(decoder: StreamDecoder, packets: _Packets, time_base: Fraction) -> int:
    """How many frames the header speaks of; MP4 counts them, Matroska gives a duration."""
    stream, container = decoder.stream, decoder.container
    if stream.frames:
        return int(stream.frames)
    if len(packets.shown) < 2:
        return 0
    seconds = _clock_seconds(stream.metadata.get("DURATION", ""))
    if seconds is None and len(container.streams) == 1 and container.duration:
        seconds = Fraction(container.duration, av.time_base)
    if seconds is None:
        return 0
    ticks = sorted(packets.shown)
    missing = seconds - ticks[-1] * time_base
    longest = max(after - before for before, after in pairwise(ticks)) * time_base
    if missing <= 2 * longest:
        return 0
    return round(packets.total * seconds / ((ticks[-1] - min(ticks[0], 0)) * time_base))


def _stated_ticks(decoder: StreamDecoder) -> int:
    """The stream's whole duration where it is exact; MP4 packets tell decoding durations only."""
    if "mp4" not in decoder.container.format.name.split(","):
        return 0
    return int(decoder.stream.duration or 0)


def _clock_seconds(text: str) -> Fraction | None:
    try:
        hours, minutes, seconds = text.strip("\0 ").split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    except ValueError:
        return None


def _first_picture(path: Path) -> av.VideoFrame:
    with StreamDecoder(path) as decoder:
        for picture in decoder.pictures():
            return picture
    raise _undecodable(path)


def _last_decoded(path: Path, keyframes: Sequence[int], corrupt: set[int]) -> int:
    """The timestamp of the last intact picture; a half-read packet gives none."""
    for start in (*reversed(keyframes), None):
        with StreamDecoder(path) as decoder:
            if start is not None:
                decoder.seek(start)
            intact = [tick for tick in map(picture_tick, decoder.pictures()) if tick not in corrupt]
        if intact:
            return max(intact)
    raise _undecodable(path)


def _scan_by_decoding(path: Path, time_base: Fraction) -> StreamScan:
    """Containers without presentation times (AVI, raw streams): decode once to learn them."""
    first: av.VideoFrame | None = None
    ticks: list[int] = []
    with StreamDecoder(path) as decoder:
        rate = as_fraction(decoder.stream.average_rate) or _DEFAULT_RATE
        for picture in decoder.pictures():
            first = first or picture
            ticks.append(picture_tick(picture))
    if first is None:
        raise _undecodable(path)
    if any(later <= earlier for earlier, later in pairwise(ticks)):
        raise UnreadableMedia(
            f"{path} has no usable timestamps: remux it to Matroska first "
            f"(ffmpeg -i FILE -c copy FILE.mkv)"
        )
    return StreamScan(
        ticks=tuple(ticks),
        keyframe_ticks=(),
        time_base=time_base,
        last_duration_ticks=round(1 / (rate * time_base)),
        lost_frames=0,
        first_picture=first,
    )


def _undecodable(path: Path) -> UnreadableMedia:
    return UnreadableMedia(
        f"not one frame of {path} can be decoded: it is damaged beyond use, take another copy"
    )
