"""What the measurements share: results, clips painted on the spot, a running event loop."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from PyQt6.QtCore import QEvent, QEventLoop, QObject, QTimer

from imf_ui.services.app_services import Services


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured criterion."""

    number: str
    """As in the criteria."""
    words: str
    limit: str
    measured: str
    met: bool
    """Whether the limit is kept, the doubled one where there is one."""
    met_undoubled: bool = True
    """Whether the limit is kept that counts on a quiet machine."""
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """Programs that wanted the processor meanwhile, this one included."""


class PaintWatch(QObject):
    """Calls something each time that a widget is painted."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then = then

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """See `QObject`; lets everything pass."""
        if event is not None and event.type() == QEvent.Type.Paint:
            self._then()
        return False


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, 0..100."""
    return float(np.percentile(np.array(values), share))


def wait(condition: Callable[[], object], seconds: float = 120) -> None:
    """Run the event loop until a condition holds.

    Raises:
        TimeoutError: If it does not come true.
    """
    loop, poll = QEventLoop(), QTimer()
    end = time.monotonic() + seconds
    poll.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    poll.start(1)
    if not condition():
        loop.exec()
    poll.stop()
    if not condition():
        raise TimeoutError("a measurement waited in vain")


@contextmanager
def services(engine: str | None = "fake", **options: object) -> Iterator[Services]:
    """Build the services in a folder of their own, and end them."""
    with tempfile.TemporaryDirectory(prefix="imf-measure-") as home:
        made = Services(engine=engine, home=Path(home), warm=False, **options)  # type: ignore[arg-type]
        try:
            yield made
        finally:
            made.close()


def open_clip(made: Services, path: Path, scale: int = 1) -> None:
    """Open a clip and wait until its frames are known."""
    made.session.set_view(preview_scale=scale)
    made.open_path(path)
    wait(lambda: made.session.schedule() is not None)


def paint_clip(
    path: Path,
    *,
    count: int = 60,
    width: int = 320,
    height: int = 180,
    rate: Fraction = Fraction(30),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: list[int] | None = None,
) -> Path:
    """Write a clip of a texture that moves; ``times`` are milliseconds for a variable rate."""
    random = np.random.default_rng(4)
    small = random.integers(30, 220, (height // 8, width // 6, 3), dtype=np.uint8)
    texture = cv2.resize(small, (width * 3, height), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        settings = options or {"crf": "16", "preset": "veryfast"}
        stream = cast(av.VideoStream, container.add_stream(codec, rate, settings))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            shift = (number * 3) % (2 * width)
            crop = np.array(texture[:, shift : shift + width], np.uint8)
            cv2.putText(crop, str(number), (8, height - 8), 0, height / 240, (255, 255, 255), 2)
            picture = av.VideoFrame.from_ndarray(crop, format="rgb24")
            if times:
                picture.pts, picture.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def repeat_clip(source: Path, path: Path, repeats: int) -> Path:
    """Write a clip many times over without encoding it again."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        stream = given.streams.video[0]
        copy = container.add_stream_from_template(stream)
        packets = [packet for packet in given.demux(stream) if packet.size]
        length = int(stream.duration or 0)
        data = [(bytes(p), p.pts or 0, p.dts or 0, p.duration) for p in packets]
        for number in range(repeats):
            for (content, pts, dts, duration), given_packet in zip(data, packets, strict=True):
                packet = av.Packet(content)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts, packet.dts = pts + number * length, dts + number * length
                packet.duration, packet.is_keyframe = duration, given_packet.is_keyframe
                container.mux(packet)
    return path


def add_tone(source: Path, path: Path, seconds: float) -> Path:
    """Write a clip anew with a tone, its pictures as they are."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(given.streams.video[0])
        sound = container.add_stream("aac", rate=48_000)
        for packet in given.demux(given.streams.video[0]):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        wave = np.sin(np.arange(int(48_000 * seconds)) * 2 * np.pi * 440 / 48_000) * 0.3
        for start in range(0, len(wave), 1024):
            chunk = wave[start : start + 1024].astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path
