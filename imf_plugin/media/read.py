"""Reading frames in order or at random, each at its exact time.

A reader gives exactly the frames that its description lists. A frame that does not decode is
replaced by the one before it and mentioned in the reader's warnings.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av

from imf_plugin.media.color import RgbArray, picture_to_rgb
from imf_plugin.media.cursor import Cursor
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.probe import describe
from imf_plugin.media.scan import StreamScan, scan_stream

_MOST_WARNINGS = 8


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a video or sequence."""

    index: int
    """Place in presentation order, from 0."""
    time: Fraction
    """Seconds after the first frame."""
    picture: av.VideoFrame
    """The upright picture in the format it was decoded to."""

    def rgb(self) -> RgbArray:
        """The picture as an RGB array, see `color`: uint8, or full-range uint16 if deeper."""
        return picture_to_rgb(self.picture)


class Reader(Protocol):
    """What gives frames: a video file or a sequence of images."""

    info: MediaInfo
    warnings: list[str]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield the frames ``start`` to ``stop`` (not included) in presentation order."""
        ...

    def frame(self, index: int) -> Frame:
        """Return one frame."""
        ...

    def entry_before(self, index: int) -> int:
        """Return the last frame up to ``index`` that decodes without the frames before it."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_media(path: Path | str, *, frame_rate: Fraction | None = None) -> Reader:
    """Open a video file, a folder of images or a printf pattern of images.

    Args:
        path: Such as ``clip.mp4``, ``shots/`` or ``shots/%04d.png``.
        frame_rate: Frames per second of images, 24 if not given; a video knows its own.

    Raises:
        UnreadableMedia: If there is nothing that can be read.
    """
    from imf_plugin.media.sequences import ImageReader, is_sequence

    if is_sequence(Path(path)):
        return ImageReader(Path(path), frame_rate=frame_rate)
    return VideoReader(Path(path))


def open_again(reader: Reader) -> Reader:
    """Open the media of a reader, closed or not, once more; for another thread, for instance.

    The frames of a video are not listed again, which takes seconds for one of two hours.
    """
    if isinstance(reader, VideoReader):
        return VideoReader(reader.info.path, like=reader)
    return open_media(reader.info.path, frame_rate=reader.info.frame_rate)


class VideoReader:
    """Reads a video file. Iterators have decoders of their own, so they may run side by side.

    Args:
        path: The file.
        like: A reader of the same file, whose list of frames is taken over.
    """

    def __init__(self, path: Path, *, like: "VideoReader | None" = None) -> None:
        self._scan: StreamScan = like._scan if like else scan_stream(path)
        self.info: MediaInfo = like.info if like else describe(path, self._scan)
        self.warnings: list[str] = list(self.info.warnings)
        self._is_closed = False
        self._cursor: Cursor | None = None
        self._open_cursors: list[Cursor] = []

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
        """Release the file; iterators that are still open end with it.

        Not to be called while another thread decodes.
        """
        self._is_closed = True
        for cursor in self._open_cursors:
            cursor.close()
        self._open_cursors.clear()
        self._cursor = None

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield the frames ``start`` to ``stop`` (not included) in presentation order.

        Raises:
            ValueError: If the range does not lie within the video, or the reader is closed.
        """
        if self._is_closed:
            raise ValueError(f"the reader of {self.info.path} is closed")
        end = self.info.frame_count if stop is None else stop
        if not 0 <= start <= end <= self.info.frame_count:
            raise ValueError(
                f"no such frames, got {start = }, {stop = }, {self.info.frame_count = }"
            )
        return self._iterate(start, end)

    def frame(self, index: int) -> Frame:
        """Return one frame, seeking where that is quicker than decoding on.

        Raises:
            IndexError: If there is no such frame.
        """
        if not 0 <= index < self.info.frame_count:
            raise IndexError(f"no such frame, got {index = }, {self.info.frame_count = }")
        if self._is_closed:
            raise ValueError(f"the reader of {self.info.path} is closed")
        if self._cursor is None:
            self._cursor = self._new_cursor()
        return self._frame(self._cursor, index)

    def entry_before(self, index: int) -> int:
        """Return the last frame up to ``index`` that decodes without the frames before it.

        Raises:
            IndexError: If there is no such frame.
        """
        if not 0 <= index < self.info.frame_count:
            raise IndexError(f"no such frame, got {index = }, {self.info.frame_count = }")
        ticks = self._scan.ticks
        keyframe = self._scan.keyframe_before(ticks[index])
        return 0 if keyframe is None else bisect_left(ticks, keyframe)

    def _iterate(self, start: int, stop: int) -> Iterator[Frame]:
        cursor = self._new_cursor()
        try:
            for index in range(start, stop):
                if cursor.is_closed:
                    return
                yield self._frame(cursor, index)
        finally:
            cursor.close()
            if cursor in self._open_cursors:
                self._open_cursors.remove(cursor)

    def _frame(self, cursor: Cursor, index: int) -> Frame:
        picture = cursor.picture_at(index)
        return Frame(index=index, time=self.info.frame_times[index], picture=picture)

    def _new_cursor(self) -> Cursor:
        cursor = Cursor(self.info.path, self._scan, self._note)
        self._open_cursors.append(cursor)
        return cursor

    def _note(self, sentence: str) -> None:
        warning = f"{self.info.path}: {sentence}"
        if warning in self.warnings:
            return
        if len(self.warnings) > _MOST_WARNINGS:
            warning = f"{self.info.path}: more frames than these are damaged"
            self.warnings.pop()
        self.warnings.append(warning)
