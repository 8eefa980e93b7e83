"""ffmpeg's `minterpolate` filter as a peer, driven through the ffmpeg binary.

Frames go in and come out as raw RGB, so nothing is lost but what the filter itself loses: it works
on 8-bit YUV, of which 4:4:4 in studio range loses least (converting there and back alone has 53 dB,
full range 49 dB, 4:2:0 45 dB). Fed with the decoder's own YUV 4:2:0, which only videos have, it
would gain 0.1 dB. Its search for shot cuts is off: it takes fast motion for cuts and then repeats
frames, and what is measured here has no cuts.

Convention: with kept frames at times 0, 1, 2, ... and ``fps=stride`` the filter's output frame k
shows time k / stride. The filter wants one frame beyond the interval that it works on and stops an
interval early, so the last kept frame is given once more; what comes there does not change the
pictures before it.

Time is that of the process with the filter less that of the same process with frames repeated
instead of made: start, reading, colour conversion and output cancel out.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from imf_plugin.bench.items import Item
from imf_plugin.bench.methods import Made, MethodInfo
from imf_plugin.engine.pixels import Pixels
from imf_plugin.errors import EncoderFailed, OutputRefused
from imf_plugin.media.ffmpeg import (
    Ffmpeg,
    decode_lines,
    failure_sentence,
    locate_ffmpeg,
    run_ffmpeg,
)

SETTINGS: Final = "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
TIMED_INTERVALS: Final = 16
"""Intervals of a clip that the clock runs over; bounds the temporary file."""
TIMED_AT_LEAST: Final = 4
"""Intervals that the clock runs over, repeated if need be, as starting ffmpeg varies."""
_PURPOSE: Final = "run minterpolate"
_WORKING_FORMAT: Final = "format=yuv444p"


@dataclass(frozen=True, kw_only=True)
class _Shape:
    width: int
    height: int
    pixel_format: str

    @property
    def frame_bytes(self) -> int:
        return self.width * self.height * (6 if self.pixel_format == "rgb48le" else 3)

    @property
    def options(self) -> tuple[str, ...]:
        size = f"{self.width}x{self.height}"
        return ("-f", "rawvideo", "-pixel_format", self.pixel_format, "-video_size", size)


class Minterpolate:
    """Makes the frames of a whole item in one ffmpeg process."""

    info = MethodInfo(
        name="minterpolate",
        kind="peer",
        summary=f"ffmpeg minterpolate={SETTINGS} on yuv444p",
    )

    def __init__(self) -> None:
        """Find ffmpeg.

        Raises:
            EncoderFailed: If there is no ffmpeg, or it was built without the filter.
        """
        self._ffmpeg: Ffmpeg = locate_ffmpeg()
        if "minterpolate" not in self._ffmpeg.filters:
            raise EncoderFailed(
                f"the ffmpeg at {self._ffmpeg.path} was built without minterpolate: "
                "put a complete one on PATH"
            )

    @property
    def ffmpeg_version(self) -> str:
        """The version of the ffmpeg in use."""
        return self._ffmpeg.version

    def make_all(self, item: Item) -> Iterator[Made]:
        """Make the frames of each interval in turn.

        All intervals carry the same seconds: the mean of those that were timed.

        Raises:
            EncoderFailed: If ffmpeg fails or gives another number of frames than it should.
        """
        seconds, cpu_seconds = self._seconds_per_interval(item)
        shape = _shape_of(item)
        made = self._frames(item, shape)
        if next(made, None) is None:
            raise EncoderFailed(f"minterpolate gave no frames for {item.name}")
        for index in range(item.interval_count):
            pictures = tuple(islice(made, item.stride))[:-1]
            if len(pictures) != item.stride - 1:
                raise EncoderFailed(
                    f"minterpolate gave too few frames for {item.name}: "
                    f"it stopped in interval {index + 1} of {item.interval_count}"
                )
            yield Made(pictures=pictures, seconds=seconds, cpu_seconds=cpu_seconds)
        if next(made, None) is not None:
            raise EncoderFailed(f"minterpolate gave too many frames for {item.name}")

    def _frames(self, item: Item, shape: _Shape) -> Generator[Pixels]:
        """Yield the filter's output, kept frames included, while the input is fed by a thread."""
        command = [
            *(self._ffmpeg.path, "-hide_banner", "-nostdin", "-loglevel", "error"),
            *_conversion(shape, "pipe:0", _filter(item.stride)),
            *("-f", "rawvideo", "pipe:1"),
        ]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
            assert process.stdin is not None
            assert process.stdout is not None
            feeder = _Feeder(item, process.stdin)
            feeder.start()
            try:
                while picture := process.stdout.read(shape.frame_bytes):
                    yield _picture(picture, shape)
                feeder.join()
                if process.wait() or feeder.failure:
                    log.seek(0)
                    lines = decode_lines(log.read())
                    raise feeder.failure or EncoderFailed(
                        failure_sentence(_PURPOSE, lines, process.returncode)
                    )
            finally:
                process.kill()
                process.wait()
                feeder.join()
                process.stdout.close()

    def _seconds_per_interval(self, item: Item) -> tuple[float, float]:
        """Return the seconds on the wall and of the processor."""
        count = min(item.interval_count, TIMED_INTERVALS)
        repeats = max(1, TIMED_AT_LEAST // count)
        shape = _shape_of(item)
        repeating = f"{_WORKING_FORMAT},fps={item.stride}"
        spent = np.zeros(2)
        with tempfile.TemporaryDirectory(prefix="imf-bench-") as folder:
            path = Path(folder, "kept.rgb")
            _write_kept_frames(item, count, path)
            for _ in range(repeats):
                spent -= self._timed(_conversion(shape, str(path), repeating))
                spent += self._timed(_conversion(shape, str(path), _filter(item.stride)))
        seconds, cpu_seconds = np.maximum(spent, 0.0) / (count * repeats)
        return float(seconds), float(cpu_seconds)

    def _timed(self, conversion: list[str]) -> NDArray[np.float64]:
        before = _now()
        run_ffmpeg(self._ffmpeg, [*conversion, "-f", "null", "-"], _PURPOSE)
        return _now() - before


class _Feeder(threading.Thread):
    """Writes the kept frames into ffmpeg while its output is read elsewhere."""

    def __init__(self, item: Item, pipe: IO[bytes]) -> None:
        super().__init__(name="minterpolate-feeder", daemon=True)
        self._item = item
        self._pipe = pipe
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with self._pipe:
                for keyframe in _kept_frames(self._item, self._item.interval_count):
                    self._pipe.write(keyframe.tobytes())
        except (BrokenPipeError, ValueError):
            # ffmpeg ended first; its exit status and last lines say why.
            pass
        except Exception as error:
            # Whatever keeps the item from being read is raised again by the reading side.
            self.failure = error


def _write_kept_frames(item: Item, count: int, path: Path) -> None:
    try:
        with path.open("wb") as file:
            for keyframe in _kept_frames(item, count):
                file.write(keyframe.tobytes())
    except OSError as error:
        raise OutputRefused(
            f"the temporary folder {path.parent} cannot hold the frames of {item.name} "
            f"({error.strerror}): free some space or point TMPDIR elsewhere"
        ) from error


def _kept_frames(item: Item, count: int) -> Iterator[Pixels]:
    """Yield the keyframes of the first ``count`` intervals, the last of them twice."""
    for interval in islice(item.intervals(), count):
        if interval.index == 0:
            yield interval.before
        yield interval.after
    yield interval.after


def _now() -> NDArray[np.float64]:
    """Return the clock, and the processor time of child processes that have ended."""
    times = os.times()
    return np.array([time.perf_counter(), times.children_user + times.children_system])


def _shape_of(item: Item) -> _Shape:
    picture = next(item.intervals()).before
    return _Shape(
        width=picture.shape[1],
        height=picture.shape[0],
        pixel_format="rgb48le" if picture.dtype == np.uint16 else "rgb24",
    )


def _filter(stride: int) -> str:
    return f"{_WORKING_FORMAT},minterpolate=fps={stride}:{SETTINGS}"


def _conversion(shape: _Shape, source: str, graph: str) -> list[str]:
    """Return ffmpeg's arguments from ``source`` at one frame per second up to the output format."""
    source_options = (*shape.options, "-framerate", "1", "-i", source)
    return [*source_options, "-vf", graph, "-pix_fmt", shape.pixel_format]


def _picture(data: bytes, shape: _Shape) -> Pixels:
    if len(data) != shape.frame_bytes:
        raise EncoderFailed("minterpolate's output ended in the middle of a frame")
    dtype = "<u2" if shape.pixel_format == "rgb48le" else "u1"
    picture: Pixels = np.frombuffer(data, dtype=dtype).reshape(shape.height, shape.width, 3)
    return picture
