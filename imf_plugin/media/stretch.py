"""Bending sound in time at constant pitch, segment by segment, without drift.

The sound is decoded once to samples on the clock of the video, then each segment is cut out,
stretched and brought to its exact number of samples. Segments are worked on a few at a time, so
neither memory nor the command line grows with the length of the video.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import ffmpeg as ffmpeg_python

from imf_plugin.media._open import file_url
from imf_plugin.media.audio import AudioSegment, merged_segments
from imf_plugin.media.ffmpeg import Ffmpeg, run_ffmpeg

SAMPLE_RATE: Final = 48000
_BATCH: Final = 24
_SHORTEST_SEGMENT: Final = Fraction(1, 4)
_SLOWEST_ATEMPO: Final = Fraction(1, 2)
_FASTEST_ATEMPO: Final = Fraction(2)
_RUBBERBAND_TEMPOS: Final = (Fraction(1, 50), Fraction(50))


def stretch_audio(
    source: Path,
    stream_index: int,
    *,
    delay: Fraction,
    channels: int,
    segments: Sequence[AudioSegment],
    destination: Path,
    encoding: Sequence[tuple[str, str]],
    ffmpeg: Ffmpeg,
) -> None:
    """Write one stretched audio stream to a file of its own, starting at time 0.

    Args:
        source: The file with the sound.
        stream_index: Index of the stream in that file.
        delay: By how many seconds the sound starts after the first frame; negative if before.
        channels: Number of channels.
        segments: The whole output in order.
        destination: The file to write; scratch files are made beside it and removed.
        encoding: Output options, codec first.
        ffmpeg: The binary.

    Raises:
        EncoderFailed: If ffmpeg fails.
    """
    samples = destination.with_name(destination.name + ".samples.w64")
    bent = destination.with_name(destination.name + ".bent.raw")
    purpose = f"stretch the sound of {source}"
    try:
        _decode(source, stream_index, delay, channels, samples, ffmpeg, purpose)
        with bent.open("wb") as whole:
            elapsed, placed = Fraction(0), 0
            todo = merged_segments(segments, _SHORTEST_SEGMENT)
            for start in range(0, len(todo), _BATCH):
                batch = []
                for segment in todo[start : start + _BATCH]:
                    elapsed += segment.output_duration
                    end = round(elapsed * SAMPLE_RATE)
                    batch.append((segment, end - placed))
                    placed = end
                piece = destination.with_name(destination.name + ".piece.raw")
                try:
                    _bend(samples, batch, channels, piece, ffmpeg, purpose)
                    _append(piece, whole)
                finally:
                    piece.unlink(missing_ok=True)
        _encode(bent, channels, destination, encoding, ffmpeg, purpose)
    finally:
        samples.unlink(missing_ok=True)
        bent.unlink(missing_ok=True)


def _decode(
    source: Path,
    stream_index: int,
    delay: Fraction,
    channels: int,
    samples: Path,
    ffmpeg: Ffmpeg,
    purpose: str,
) -> None:
    stream = ffmpeg_python.input(file_url(source))[str(stream_index)]
    stream = stream.filter("aresample", SAMPLE_RATE).filter("asetpts", "N/SR/TB")
    shift = round(abs(delay) * SAMPLE_RATE)
    if shift and delay > 0:
        stream = stream.filter("adelay", f"{shift}S", all=1)
    elif shift:
        stream = stream.filter("atrim", start_sample=shift)
    _run(stream, samples, {"format": "w64", "acodec": "pcm_f32le", "ac": channels}, ffmpeg, purpose)


def _bend(
    samples: Path,
    batch: Sequence[tuple[AudioSegment, int]],
    channels: int,
    piece: Path,
    ffmpeg: Ffmpeg,
    purpose: str,
) -> None:
    use_rubberband = "rubberband" in ffmpeg.filters
    pieces = []
    for segment, count in batch:
        if count < 1:
            continue
        first = max(Fraction(0), min(segment.source_start, segment.source_end))
        length = max(segment.source_start, segment.source_end) - first
        if length <= 0 or not segment.tempo:
            pieces.append(_silence(count, channels))
            continue
        stream: Any = ffmpeg_python.input(
            file_url(samples), ss=_seconds(first), t=_seconds(length)
        ).audio
        if segment.is_reversed:
            stream = stream.filter("areverse")
        stream = _at_tempo(stream, segment.tempo, use_rubberband)
        stream = stream.filter("asetpts", "N/SR/TB").filter("apad", whole_len=count)
        pieces.append(stream.filter("atrim", end_sample=count).filter("asetpts", "N/SR/TB"))
    if not pieces:
        piece.write_bytes(b"")
        return
    whole = pieces[0] if len(pieces) == 1 else ffmpeg_python.concat(*pieces, v=0, a=1)
    _run(whole, piece, {"format": "f32le", "ac": channels, "ar": SAMPLE_RATE}, ffmpeg, purpose)


def _at_tempo(stream: Any, tempo: Fraction, use_rubberband: bool) -> Any:
    if tempo == 1:
        return stream
    slowest, fastest = _RUBBERBAND_TEMPOS
    if use_rubberband and slowest <= tempo <= fastest:
        return stream.filter("rubberband", tempo=f"{float(tempo):.9f}")
    # atempo skips samples beyond a factor of two, so larger changes are made in steps.
    while tempo > _FASTEST_ATEMPO:
        stream, tempo = stream.filter("atempo", "2.0"), tempo / 2
    while tempo < _SLOWEST_ATEMPO:
        stream, tempo = stream.filter("atempo", "0.5"), tempo * 2
    return stream.filter("atempo", f"{float(tempo):.9f}")


def _silence(count: int, channels: int) -> Any:
    layout = "mono" if channels == 1 else f"{channels}c"
    silence = ffmpeg_python.input(
        f"anullsrc=sample_rate={SAMPLE_RATE}:channel_layout={layout}", format="lavfi"
    )
    return silence.audio.filter("atrim", end_sample=count)


def _encode(
    bent: Path,
    channels: int,
    destination: Path,
    encoding: Sequence[tuple[str, str]],
    ffmpeg: Ffmpeg,
    purpose: str,
) -> None:
    stream = ffmpeg_python.input(file_url(bent), format="f32le", ar=SAMPLE_RATE, ac=channels).audio
    _run(stream, destination, dict(encoding), ffmpeg, purpose)


def _run(
    stream: Any, destination: Path, options: dict[str, Any], ffmpeg: Ffmpeg, purpose: str
) -> None:
    output = ffmpeg_python.output(stream, file_url(destination), **options)
    run_ffmpeg(ffmpeg, [*ffmpeg_python.get_args(output), "-y"], purpose)


def _append(piece: Path, whole: Any) -> None:
    with piece.open("rb") as part:
        while block := part.read(1 << 20):
            whole.write(block)


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"
