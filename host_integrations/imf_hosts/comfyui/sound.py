"""Sound that follows a retimed picture, in pieces, however long the clip.

A *piece* is ``[channels, samples]`` float32. Pitch is kept; where time stands still or runs
backwards there is silence.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from imf_plugin.timeline.timemap import AudioSpan

type Piece = NDArray[np.float32]

_CHUNK_SAMPLES = 8192
_LOWEST_TEMPO, _HIGHEST_TEMPO = 0.5, 100.0
_SAME = Fraction(1, 1000)


class SampleSource:
    """Sound that is read forwards, by time; stretches may be left out, but not gone back to.

    Args:
        pieces: Consecutive pieces.
        rate: Samples per second.
        channels: Number of channels.
    """

    def __init__(self, pieces: Iterator[Piece], rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._pieces = pieces
        self._held = np.zeros((channels, 0), np.float32)
        self._first = 0

    def read(self, start: int, stop: int) -> Iterator[Piece]:
        """Yield the samples ``start`` to ``stop``; what does not exist is left out."""
        while start < stop:
            last = self._first + self._held.shape[1]
            if start < last:
                piece = self._held[:, max(0, start - self._first) : stop - self._first]
                yield piece
                start = min(stop, last)
                continue
            fresh = next(self._pieces, None)
            if fresh is None:
                return
            self._first, self._held = last, fresh


def bend(source: SampleSource, spans: Sequence[AudioSpan]) -> Iterator[Piece]:
    """Yield the sound of a retimed clip.

    Args:
        source: The clip's own sound.
        spans: Which stretch of it lasts how long, in output order.
    """
    ended = Fraction(0)
    written = 0
    for span in spans:
        ended += span.output_duration
        wanted = round(ended * source.rate) - written
        for piece in _one_span(source, span, wanted):
            written += piece.shape[1]
            yield piece


def _one_span(source: SampleSource, span: AudioSpan, wanted: int) -> Iterator[Piece]:
    length = span.source_end - span.source_start
    made = 0
    if length > 0 and span.output_duration > 0:
        start, stop = (round(time * source.rate) for time in (span.source_start, span.source_end))
        pieces = source.read(start, stop)
        tempo = length / span.output_duration
        bent = pieces if abs(tempo - 1) < _SAME else _at_tempo(pieces, source, float(tempo))
        for piece in bent:
            piece = piece[:, : wanted - made]
            made += piece.shape[1]
            if piece.shape[1]:
                yield piece
    while made < wanted:
        silent = np.zeros((source.channels, min(_CHUNK_SAMPLES, wanted - made)), np.float32)
        made += silent.shape[1]
        yield silent


def _at_tempo(pieces: Iterator[Piece], source: SampleSource, tempo: float) -> Iterator[Piece]:
    """Play faster or slower at the same pitch, by ffmpeg's filter."""
    graph = av.filter.Graph()
    layout = layout_of(source.channels)
    entry = graph.add_abuffer(
        format="fltp", sample_rate=source.rate, layout=layout, time_base=Fraction(1, source.rate)
    )
    last: Any = entry
    for part in _tempo_parts(tempo):
        node = graph.add("atempo", f"{part:.9f}")
        last.link_to(node)
        last = node
    shape = graph.add("aformat", f"sample_fmts=fltp:channel_layouts={layout}")
    last.link_to(shape)
    end = graph.add("abuffersink")
    shape.link_to(end)
    graph.configure()
    pts = 0
    for piece in pieces:
        if not piece.shape[1]:
            continue
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = source.rate, pts, Fraction(1, source.rate)
        pts += piece.shape[1]
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[Piece]:
    while True:
        try:
            yield np.asarray(graph.pull().to_ndarray(), np.float32)
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _tempo_parts(tempo: float) -> list[float]:
    """Cut a tempo into factors that the filter takes."""
    parts = []
    while tempo < _LOWEST_TEMPO:
        parts.append(_LOWEST_TEMPO)
        tempo /= _LOWEST_TEMPO
    while tempo > _HIGHEST_TEMPO:
        parts.append(_HIGHEST_TEMPO)
        tempo /= _HIGHEST_TEMPO
    return [*parts, tempo]


def layout_of(channels: int) -> str:
    """Return ffmpeg's name of the usual layout of so many channels."""
    names = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}
    return names.get(channels, "stereo")


def waveform_source(waveform: Any, rate: int) -> SampleSource:
    """Return ComfyUI's AUDIO waveform ``[B, C, N]`` (its first item) as a source."""
    samples = waveform[0].float().cpu().numpy()
    if samples.shape[0] not in (1, 2, 3, 4, 5, 6, 8):
        samples = samples[:2]
    pieces = (
        samples[:, first : first + _CHUNK_SAMPLES]
        for first in range(0, samples.shape[1], _CHUNK_SAMPLES)
    )
    return SampleSource(pieces, rate, samples.shape[0])


def file_source(path: str, start: Fraction) -> SampleSource | None:
    """Return the last audio stream of a file, as ComfyUI chooses it, or None if there is none.

    Args:
        path: The file.
        start: Time on the file's own clock that counts as 0, in seconds.
    """
    container = av.open(path)
    if not container.streams.audio:
        container.close()
        return None
    stream = container.streams.audio[-1]
    channels, rate = stream.codec_context.channels, stream.codec_context.sample_rate
    return SampleSource(_decoded(container, stream, start, rate, channels), rate, channels)


def _decoded(
    container: Any, stream: Any, start: Fraction, rate: int, channels: int
) -> Iterator[Piece]:
    resampler = av.AudioResampler(format="fltp", layout=layout_of(channels), rate=rate)
    place: int | None = None
    with container:
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in decoded:
                for even in resampler.resample(frame):
                    piece = np.asarray(even.to_ndarray(), np.float32)
                    if place is None:
                        began = Fraction(frame.pts or 0) * Fraction(frame.time_base or 1)
                        place = round((began - start) * rate)
                        if place > 0:
                            yield np.zeros((channels, place), np.float32)
                    if place < 0:
                        skipped = min(-place, piece.shape[1])
                        place += skipped
                        piece = piece[:, skipped:]
                    if piece.shape[1]:
                        yield piece
