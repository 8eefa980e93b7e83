"""Sound while playing: the clip's own, wherever the result runs at normal speed.

Where time is bent the picture plays in silence; exports stretch the sound. Without a sound device
everything works, only silently.
"""

import queue
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from imf_ui.services.media import MediaService
from imf_ui.services.player import Player
from imf_ui.services.session import Session

SAMPLE_RATE, CHANNELS = 48_000, 2
_FEED_MS = 20
_CHUNKS = 64


class AudioOutput(Protocol):
    """Plays the sound of a file."""

    def start(self, path: str, seconds: float) -> None:
        """Play from a moment of the file's own clock on."""
        ...

    def stop(self) -> None:
        """Be silent."""
        ...


class NullAudio:
    """Where there is no sound device."""

    def start(self, path: str, seconds: float) -> None:
        """Stay silent."""

    def stop(self) -> None:
        """Stay silent."""


class DeviceAudio(QObject):
    """Plays on the system's default device, fed by a thread that decodes."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        from PyQt6.QtMultimedia import QAudioFormat, QAudioSink, QMediaDevices

        wanted = QAudioFormat()
        wanted.setSampleRate(SAMPLE_RATE)
        wanted.setChannelCount(CHANNELS)
        wanted.setSampleFormat(QAudioFormat.SampleFormat.Int16)
        self._sink = QAudioSink(QMediaDevices.defaultAudioOutput(), wanted, self)
        self._device: Any = None
        self._feed: SoundFeed | None = None
        self._rest = b""
        self._timer = QTimer(self)
        self._timer.setInterval(_FEED_MS)
        self._timer.timeout.connect(self._write)

    def start(self, path: str, seconds: float) -> None:
        """Play from a moment of the file's own clock on."""
        self.stop()
        self._feed = SoundFeed(path, seconds)
        self._device = self._sink.start()
        self._timer.start()

    def stop(self) -> None:
        """Be silent."""
        self._timer.stop()
        if self._feed is not None:
            self._feed.stop()
            self._feed = None
            self._sink.reset()
        self._rest = b""

    def _write(self) -> None:
        while self._feed is not None and self._device is not None:
            room = self._sink.bytesFree()
            if not self._rest:
                self._rest = self._feed.next_chunk()
            if not self._rest or room <= 0:
                return
            self._device.write(self._rest[:room])
            self._rest = self._rest[room:]


class SoundFeed:
    """A thread that decodes a file's sound ahead of its being played."""

    def __init__(self, path: str, seconds: float) -> None:
        self._chunks: queue.Queue[bytes] = queue.Queue(_CHUNKS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(path, seconds), name="imf-sound", daemon=True
        )
        self._thread.start()

    def next_chunk(self) -> bytes:
        """Return what follows; nothing while it is not decoded yet, or at the end."""
        try:
            return self._chunks.get_nowait()
        except queue.Empty:
            return b""

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(5)

    def _run(self, path: str, seconds: float) -> None:
        for chunk in samples_from(path, seconds):
            while not self._stopped.is_set():
                try:
                    self._chunks.put(chunk, timeout=0.02)
                    break
                except queue.Full:
                    continue
            if self._stopped.is_set():
                return


def samples_from(path: str, seconds: float) -> Iterator[bytes]:
    """Yield a file's sound from a moment on: 16 bits, interleaved stereo; nothing without any."""
    try:
        with av.open(str(Path(path))) as container:
            if not container.streams.audio:
                return
            stream = container.streams.audio[0]
            container.seek(max(round(seconds * av.time_base), 0), backward=True)
            resampler = av.AudioResampler("s16", "stereo", SAMPLE_RATE)
            for frame in container.decode(stream):
                for part in resampler.resample(frame):
                    yield from _after(part, seconds)
    except (OSError, av.error.FFmpegError):
        return


def _after(part: Any, seconds: float) -> Iterator[bytes]:
    """Yield what of a decoded piece lies after a moment."""
    begins = float(part.pts * part.time_base) if part.pts is not None else seconds
    skip = max(round((seconds - begins) * SAMPLE_RATE), 0)
    data = bytes(part.planes[0])[: part.samples * CHANNELS * 2]
    if data[skip * CHANNELS * 2 :]:
        yield data[skip * CHANNELS * 2 :]


def open_audio(parent: QObject | None = None) -> AudioOutput:
    """Return the system's sound, or silence where there is none."""
    try:
        from PyQt6.QtMultimedia import QMediaDevices

        if QMediaDevices.defaultAudioOutput().isNull():
            return NullAudio()
        return DeviceAudio(parent)
    except ImportError:
        return NullAudio()


class Sound(QObject):
    """Lets the sound follow the player."""

    silenced = pyqtSignal()
    """A clip with sound is played, but there is no device."""

    def __init__(
        self,
        session: Session,
        media: MediaService,
        player: Player,
        output: AudioOutput | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._media, self._player = session, media, player
        self._output = output
        self._plays = False
        self._told = False
        self._closed = False
        player.rateChanged.connect(self._on_rate)
        player.frameWanted.connect(self._on_frame)

    def prepare(self) -> None:
        """Open the device if the clip has sound, before anybody plays it."""
        clip = self._session.clip
        wanted = clip is not None and clip.media.has_audio and not self._closed
        if self._output is None and wanted:
            self._output = open_audio(self)

    def close(self) -> None:
        """Be silent from now on."""
        self._closed = True
        self._stop()

    def _on_rate(self, rate: float) -> None:
        self._stop()
        if rate == 1.0:
            self._on_frame(self._player.position)

    def _on_frame(self, number: int) -> None:
        wanted = self._player.rate == 1.0 and self._runs_normally(number)
        if self._plays and not wanted:
            self._stop()
        elif wanted and not self._plays:
            self._start(number)

    def _runs_normally(self, number: int) -> bool:
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None or not clip.media.has_audio:
            return False
        return schedule.speed(number) == 1.0

    def _start(self, number: int) -> None:
        schedule, clip = self._session.schedule(), self._session.clip
        known = self._media.media(clip.media.path) if clip else None
        if schedule is None or clip is None or known is None:
            return
        self.prepare()
        if isinstance(self._output, NullAudio) and not self._told:
            self._told = True
            self.silenced.emit()
        shown: Fraction = schedule.moment(number).source_time + known.info.start_time
        if self._output is not None:
            self._output.start(clip.media.path, float(shown))
        self._plays = True

    def _stop(self) -> None:
        if self._plays and self._output is not None:
            self._output.stop()
        self._plays = False
