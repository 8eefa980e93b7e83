"""A place in a video file that moves to any frame, exactly, by seeking or by decoding on."""

from collections.abc import Iterator
from pathlib import Path

import av

from imf_plugin.media.decode import Note, StreamDecoder, picture_tick
from imf_plugin.media.scan import StreamScan
from imf_plugin.media.upright import Uprighter, orientation_of

# Decoding on is cheaper than seeking as long as the wanted frame is this near.
_DECODE_ON_FRAMES = 12
_EARLIER_KEYFRAMES = 3


class Cursor:
    """Gives the picture of any frame; cheapest when frames are asked for in order."""

    def __init__(self, path: Path, scan: StreamScan, note: Note) -> None:
        self._path, self._scan, self._note = path, scan, note
        self._upright = Uprighter(orientation_of(scan.first_picture))
        self._decoder = StreamDecoder(path, note)
        self._pictures: Iterator[av.VideoFrame] = self._decoder.pictures()
        self.is_closed = False
        self._index = -1
        self._last: av.VideoFrame | None = None
        self._ahead: av.VideoFrame | None = None
        self._result: av.VideoFrame | None = None

    def close(self) -> None:
        """Release the file; safe to call twice."""
        self.is_closed = True
        self._pictures = iter(())
        self._last = self._ahead = self._result = None
        self._decoder.close()

    def picture_at(self, index: int) -> av.VideoFrame:
        """The upright picture of a frame, or of the last one before it that decodes."""
        if index == self._index and self._result is not None:
            return self._result
        tick = self._scan.ticks[index]
        if self._is_near(index):
            self._decode_to(tick)
        else:
            self._seek_and_decode(tick)
        if self._last is None:
            self._restart(None)
            self._decode_to(tick)
        # Nothing at all before it decodes only in a file that changed since it was listed.
        picture = self._last or self._scan.first_picture
        if self._last is None or picture_tick(picture) != tick:
            self._note(f"frame {index} does not decode; the frame before it is shown instead")
        self._result = self._upright(picture)
        self._index = index
        return self._result

    def _is_near(self, index: int) -> bool:
        if index <= self._index:
            return False
        if index - self._index <= _DECODE_ON_FRAMES:
            return True
        keyframe = self._scan.keyframe_before(self._scan.ticks[index])
        return keyframe is None or keyframe <= self._scan.ticks[max(self._index, 0)]

    def _seek_and_decode(self, tick: int) -> None:
        """Decode from the nearest keyframe; from earlier ones if that does not reach the frame."""
        start = self._scan.keyframe_before(tick)
        for _ in range(_EARLIER_KEYFRAMES):
            self._restart(start)
            self._decode_to(tick)
            found = self._last is not None and picture_tick(self._last) == tick
            if found or start is None:
                return
            start = self._scan.keyframe_before(start - 1)

    def _restart(self, keyframe_tick: int | None) -> None:
        self._last = self._ahead = None
        if keyframe_tick is None:
            # A fresh file rather than a seek: not every container can seek to its very start.
            self._decoder.close()
            self._decoder = StreamDecoder(self._path, self._note)
        else:
            self._decoder.seek(keyframe_tick)
        self._pictures = self._decoder.pictures()

    def _decode_to(self, tick: int) -> None:
        """Decode until the last picture at or before ``tick`` has come."""
        while self._last is None or picture_tick(self._last) < tick:
            picture = self._ahead or next(self._pictures, None)
            self._ahead = None
            if picture is None:
                return
            if picture_tick(picture) > tick:
                self._ahead = picture
                return
            self._last = picture
