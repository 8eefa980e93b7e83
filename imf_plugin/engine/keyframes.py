"""Source frames on demand: forwards, backwards or in leaps, with little decoding and memory."""

from collections import OrderedDict
from collections.abc import Iterator

from imf_plugin.media.read import Frame, Reader

_LONGEST_SKIP = 48
_STEP_BACK = 24
_CACHE_BYTES = 256 * 2**20


class KeyframeSource:
    """Hands out source frames in any order.

    Going forward reads on; going back reads a short stretch at once and keeps it, so that reverse
    playback does not decode a whole group of pictures for each frame.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stream: Iterator[Frame] | None = None
        self._next = 0
        info = reader.info
        frame_bytes = info.width * info.height * (4 if info.bit_depth <= 8 else 8)
        self._capacity = max(2, min(_STEP_BACK + 2, _CACHE_BYTES // frame_bytes))
        self._cache: OrderedDict[int, Frame] = OrderedDict()

    def get(self, index: int) -> Frame:
        """Return source frame ``index``."""
        if index not in self._cache:
            self._read_to(index)
        self._cache.move_to_end(index)
        return self._cache[index]

    def close(self) -> None:
        """Let go of the frames; the reader stays open."""
        self._stream = None
        self._cache.clear()

    def _read_to(self, index: int) -> None:
        if self._stream is None or not self._next <= index <= self._next + _LONGEST_SKIP:
            going_back = self._stream is not None and index < self._next
            start = max(0, index - self._capacity + 2) if going_back else index
            self._stream = self._reader.frames(start)
            self._next = start
        while self._next <= index:
            frame = next(self._stream)
            self._next += 1
            self._cache[frame.index] = frame
            while len(self._cache) > self._capacity:
                self._cache.popitem(last=False)
