"""The streaming pipeline: decoding, interpolation and encoding at the same time.

Three threads joined by short queues. The first decodes the keyframes that the plan needs, the
second (the caller's) makes the frames, the third converts and encodes them. Nothing grows with
the length of the clip: a queue that is full makes the one before it wait.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from imf_plugin.engine.keyframes import KeyframeSource
from imf_plugin.engine.parts import Part
from imf_plugin.engine.pictures import PictureMaker, frame_for, grouped
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.engine.progress import CancelToken
from imf_plugin.engine.tiles import TiledInterpolator
from imf_plugin.media.read import Frame, Reader
from imf_plugin.timeline.plan import PlannedFrame

_BATCH_PIXELS = 16 * 2**20
_QUEUE_PIXELS = 24 * 2**20
_DEEPEST_QUEUE = 8
_POLL_SECONDS = 0.1


class Sink(Protocol):
    """Takes the finished frames, part by part, in order."""

    def begin(self, part: Part) -> None:
        """Start a part."""
        ...

    def write_source(self, frame: Frame) -> None:
        """Take a source frame as it was decoded."""
        ...

    def write_pixels(self, pixels: Pixels) -> None:
        """Take a made frame, ``[H, W, 3|4]``, 8 or 16 bit."""
        ...

    def commit(self, part: Part) -> None:
        """Finish a part."""
        ...

    def abort(self) -> None:
        """Drop the part under way."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Some frames of a part between the same one or two keyframes."""

    part: Part
    frames: Sequence[PlannedFrame]
    keyframes: dict[int, Frame]
    last_of_part: bool


class _Stopped(Exception):
    """Raised in a waiting thread when another one has failed."""


class Channel[T]:
    """A short queue between two threads that can be broken from either side."""

    def __init__(self, depth: int, stop: threading.Event) -> None:
        self._queue: queue.Queue[T | None] = queue.Queue(depth)
        self._stop = stop

    def put(self, item: T | None) -> None:
        """Hand over an item, waiting while the queue is full; None ends the stream."""
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                return self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[T]:
        """Yield items until the end of the stream."""
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item


def run_pipeline(
    parts: Sequence[Part],
    reader: Reader,
    model: TiledInterpolator,
    sink: Sink,
    *,
    device: str = "cpu",
    on_frame: Callable[[], None] | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Render parts.

    Args:
        parts: The parts to make, in order.
        reader: The source.
        model: The interpolator.
        sink: Where frames go.
        device: Where the model runs.
        on_frame: Called after each frame is handed to the sink.
        cancel: Stops within one frame; the sink's part under way is dropped.

    Raises:
        Cancelled: If the cancel token says so.
        ImfError: Whatever reading, interpolating or writing raised first.
    """
    _Pipeline(parts, reader, model, sink, device, on_frame, cancel).run()


class _Pipeline:
    def __init__(
        self,
        parts: Sequence[Part],
        reader: Reader,
        model: TiledInterpolator,
        sink: Sink,
        device: str,
        on_frame: Callable[[], None] | None,
        cancel: CancelToken | None,
    ) -> None:
        self._parts = parts
        self._reader = reader
        self._sink = sink
        self._on_frame = on_frame
        self._cancel = cancel
        self._device = device
        self._deep = reader.info.bit_depth > 8
        self._keyframes: dict[int, Frame] = {}
        self._model = model
        self._maker = PictureMaker(model, self._tensor)
        pixels = reader.info.width * reader.info.height
        self._longest_group = max(1, _BATCH_PIXELS // pixels)
        depth = max(2, min(_DEEPEST_QUEUE, _QUEUE_PIXELS // pixels))
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._todo: Channel[_Work] = Channel(depth, self._stop)
        self._done: Channel[Callable[[], None]] = Channel(depth, self._stop)

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._guard, args=(self._decode,), name="imf-decode"),
            threading.Thread(target=self._guard, args=(self._encode,), name="imf-encode"),
        ]
        for thread in threads:
            thread.start()
        self._guard(self._make)
        for thread in threads:
            thread.join()
        if self._failures:
            self._sink.abort()
            raise self._failures[0]

    def _guard(self, task: Callable[[], None]) -> None:
        """Run one of the three tasks; the first failure stops all of them."""
        try:
            task()
        except _Stopped:
            pass
        except BaseException as error:
            self._failures.append(error)
            self._stop.set()

    def _decode(self) -> None:
        source = KeyframeSource(self._reader)
        for work in _works(self._parts, source, self._longest_group, self._model):
            self._todo.put(work)
        self._todo.put(None)

    def _make(self) -> None:
        current = None
        for work in self._todo:
            if work.part is not current:
                current = work.part
                self._done.put(_bound(self._sink.begin, current))
            self._make_frames(work)
            if work.last_of_part:
                self._done.put(_bound(self._sink.commit, work.part))
        self._done.put(None)

    def _make_frames(self, work: _Work) -> None:
        self._keyframes = work.keyframes
        for frame, made in self._maker.make(work.frames):
            if self._cancel:
                self._cancel.check()
            if made is None:
                self._done.put(_bound(self._sink.write_source, work.keyframes[frame.before]))
            else:
                pixels = to_pixels(made, deep=self._deep)
                self._done.put(_bound(self._sink.write_pixels, pixels))
            if self._on_frame:
                self._done.put(self._on_frame)

    def _tensor(self, index: int) -> Tensor:
        return to_tensor(self._keyframes[index].rgb(), self._device)

    def _encode(self) -> None:
        for task in self._done:
            task()


def _bound[A](function: Callable[[A], None], argument: A) -> Callable[[], None]:
    return lambda: function(argument)


def _works(
    parts: Sequence[Part], source: KeyframeSource, longest: int, model: TiledInterpolator
) -> Iterator[_Work]:
    """Group a plan's frames by the keyframes they share, and decode those."""
    held: dict[int, Frame] = {}
    for part in parts:
        groups = list(grouped(part.frames, longest))
        for number, frames in enumerate(groups):
            needed = sorted({i for frame in frames for i in frame_for(model, frame).keyframes})
            held = {index: held.get(index) or source.get(index) for index in needed}
            yield _Work(
                part=part,
                frames=frames,
                keyframes=held,
                last_of_part=number + 1 == len(groups),
            )
