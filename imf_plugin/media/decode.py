"""Decoding a video stream from any keyframe on, by timestamp, past damaged packets."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from imf_plugin.media._open import alpha_mark, open_input, video_stream

type Note = Callable[[str], None]


class StreamDecoder:
    """One open file whose frames come out in presentation order with their timestamps."""

    def __init__(self, path: Path, note: Note = lambda _: None) -> None:
        self._note = note
        self.container: InputContainer = open_input(path)
        self.stream: VideoStream = video_stream(self.container, path)
        self._codec = self._alpha_decoder() or self.stream.codec_context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; safe to call twice."""
        self.container.close()

    def seek(self, tick: int) -> None:
        """Go to the last keyframe at or before ``tick`` as the container knows it."""
        self.container.seek(tick, stream=self.stream, backward=True)
        if self._codec is not self.stream.codec_context:
            self._codec.flush_buffers()

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield what decodes from here to the end; damage is noted and skipped."""
        for packet in demuxed(self.container, self.stream, self._note):
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def _decoded(self, packet: "Packet[VideoStream] | None") -> Iterator[av.VideoFrame]:
        try:
            pictures: list[Any] = self._codec.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            self._note(f"a damaged part could not be decoded ({error.strerror})")
            return
        for picture in pictures:
            if picture.pts is not None or picture.dts is not None:
                yield picture

    def _alpha_decoder(self) -> Any:
        # ffmpeg's own VP8 and VP9 decoders ignore the alpha layer that libvpx reads.
        codec = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(self.stream.codec_context.name)
        if codec is None or not alpha_mark(self.stream):
            return None
        if codec not in av.codecs_available:
            return None
        decoder = av.CodecContext.create(codec, "r")
        decoder.extradata = self.stream.codec_context.extradata
        return decoder


def demuxed(
    container: InputContainer, stream: VideoStream, note: Note
) -> "Iterator[Packet[VideoStream]]":
    """Yield a stream's packets up to its end or to where the file breaks off."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        note(f"the file breaks off ({error.strerror})")


def picture_tick(picture: av.VideoFrame) -> int:
    """The timestamp of a decoded picture in units of its stream's time base."""
    tick = picture.pts if picture.pts is not None else picture.dts
    if tick is None:
        raise ValueError("a picture without any timestamp cannot be placed")
    return int(tick)
