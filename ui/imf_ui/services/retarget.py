"""The live result of a retargeting: one frame at a time, the wanted one first, then the motion."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from imf_ui.model.document import RetargetSetup
from imf_ui.model.errors import Explained, explain
from imf_ui.model.queue import spec_of_retarget
from imf_ui.model.values import to_json
from imf_ui.services.framecache import source_key
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.services.media import MediaService, OpenedMedia
from imf_ui.services.reading import FrameWish
from imf_ui.services.worker import WorkerClient

KEPT_BYTES = 256 * 2**20
"""Room for results, so that a short clip plays smoothly the second time."""
_LEAST_KEPT = 8
_STRIP_COLUMNS = 480
_AT_ONCE = 6
"""Frames whose motion is read between two frames of the result."""


@dataclass
class Strip:
    """The motion of the driving clip, as far as it was read."""

    frames: list[int] = field(default_factory=list)
    """The frames that have a column."""
    lengths: list[float] = field(default_factory=list)
    """For the first of them, how far each is from the anchor."""
    rows: NDArray[np.float32] | None = None
    """The numbers of the tokens, ``[rows, columns]`` within -1..1, once all frames were read."""
    anchor: int | None = None
    """The frame that counts as standing still."""

    @property
    def is_whole(self) -> bool:
        """Whether the motion of every frame was read."""
        return self.rows is not None


class RetargetService(QObject):
    """Shows a picture that moves as a driving clip does."""

    ready = pyqtSignal(int)
    """The driving clip is open; its number of frames."""
    frameReady = pyqtSignal(int, object, object, bool)
    """Frame, driving picture, result (`QImage` or None), and whether both are there."""
    stripChanged = pyqtSignal()
    """More of the motion is known, see `strip`."""
    busyChanged = pyqtSignal(bool)
    failed = pyqtSignal(object)
    """`Explained`."""

    def __init__(
        self, media: MediaService, worker: WorkerClient, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._media, self._worker = media, worker
        self._setup = RetargetSetup()
        self._data: dict[str, Any] = {}
        self._driving: OpenedMedia | None = None
        self._reference: OpenedMedia | None = None
        self._made: dict[int, Pixels] = {}
        self.strip = Strip()
        self._number = 0
        self._request = 0
        self._generation = 0
        self._broken = False
        media.opened.connect(self._on_opened)
        media.failed.connect(self._on_failed)
        media.frameReady.connect(self._on_driving)
        worker.ready.connect(self._on_worker)

    @property
    def count(self) -> int:
        """Number of driving frames, 0 until the clip is open."""
        return self._driving.info.frame_count if self._driving else 0

    @property
    def frames_per_second(self) -> float:
        """Rate of the driving clip."""
        return float(self._driving.info.frame_rate) if self._driving else 25.0

    @property
    def is_ready(self) -> bool:
        """Whether picture and driving clip are open."""
        return self._driving is not None and self._reference is not None

    @property
    def made(self) -> frozenset[int]:
        """Frames whose result is at hand."""
        return frozenset(self._made)

    def prepare(self, setup: RetargetSetup, device: str = "auto") -> None:
        """Take another setup; what was made of the old one is forgotten."""
        old, self._setup = self._setup, setup
        self._data = {**to_json(spec_of_retarget(setup)), "device": device}
        self._made.clear()
        self._generation += 1
        self._broken = False
        if _motion_of(setup) != _motion_of(old):
            self.strip = Strip()
            self.stripChanged.emit()
        if setup.driving != old.driving:
            self._driving = None
        if setup.reference != old.reference:
            self._reference = None
        for path in (setup.driving, setup.reference):
            known = self._media.media(path)
            if path and known is None:
                self._media.open(path)
            elif known is not None:
                self._on_opened(path, known)
        if self.is_ready:
            self.show(self._number)

    def show(self, number: int) -> None:
        """Show the result for a driving frame."""
        if not self.is_ready:
            return
        self._number = min(max(number, 0), self.count - 1)
        self._broken = False
        wish = FrameWish(path=self._setup.driving, index=self._number, scale=1)
        self._media.want_frame(wish, wanter="retarget")
        self._present()
        self._ask()

    def _ask(self) -> None:
        if self._request or self._broken or not (self.is_ready and self._data):
            return
        if self._number not in self._made:
            self._ask_for_picture()
        elif not self.strip.is_whole:
            self._ask_for_motion()
        else:
            self.busyChanged.emit(False)

    def _ask_for_picture(self) -> None:
        assert self._reference is not None  # it is ready
        number, generation = self._number, self._generation
        about = self._reference.info
        self._worker.reserve(about.width * about.height * 4)
        self.busyChanged.emit(True)
        self._request = self._worker.request(
            {"cmd": "animate", "setup": self._data, "frame": number},
            lambda event: self._on_event(number, generation, event),
        )

    def _ask_for_motion(self) -> None:
        strip = self.strip
        if not strip.frames:
            step = -(-self.count // _STRIP_COLUMNS)
            strip.frames = list(range(0, self.count, step))
        known = len(strip.lengths)
        wanted = strip.frames[known : known + _AT_ONCE]
        ends = known + len(wanted) == len(strip.frames)
        generation = self._generation
        self._request = self._worker.request(
            {
                "cmd": "motion",
                "setup": self._data,
                "frames": wanted,
                "all": strip.frames if ends else [],
            },
            lambda event: self._on_motion(strip, generation, event),
        )

    def _on_event(self, number: int, generation: int, event: dict[str, Any]) -> None:
        self._request = 0
        if event["event"] == "frame":
            if generation == self._generation:
                picture = self._worker.picture(event)
                if len(self._made) >= max(_LEAST_KEPT, KEPT_BYTES // picture.nbytes):
                    self._made.clear()
                self._made[number] = picture
                self._present()
        elif self._is_failure(generation, event):
            return
        self._ask()

    def _on_motion(self, strip: Strip, generation: int, event: dict[str, Any]) -> None:
        self._request = 0
        if event["event"] == "motion":
            strip.lengths += event["lengths"]
            strip.anchor = event["anchor"]
            if event["rows"]:
                strip.rows = np.asarray(event["rows"], np.float32)
            if strip is self.strip:
                self.stripChanged.emit()
        elif self._is_failure(generation, event):
            return
        self._ask()

    def _on_worker(self) -> None:
        """Ask again after the engine ended and came back."""
        self._broken = False
        self._ask()

    def _is_failure(self, generation: int, event: dict[str, Any]) -> bool:
        """Tell a failure, and ask no more until the setup is another."""
        if event["code"] == "cancelled" or generation != self._generation:
            return False
        self._broken = True
        self.busyChanged.emit(False)
        self.failed.emit(explain(event["code"], event["text"], details=event.get("details", "")))
        return True

    def _present(self) -> None:
        identity = self._media.identity(self._setup.driving)
        driving = self._media.cache.get(source_key(identity, self._number, 1))
        result = self._made.get(self._number)
        self.frameReady.emit(
            self._number,
            None if driving is None else image_of_bgra(driving),
            None if result is None else image_of_bgra(result),
            driving is not None and result is not None,
        )

    def _on_opened(self, path: str, known: OpenedMedia) -> None:
        if path == self._setup.driving:
            self._driving = known
            self.ready.emit(known.info.frame_count)
        if path == self._setup.reference:
            self._reference = known
        if self.is_ready and path in (self._setup.driving, self._setup.reference):
            self.show(self._number)

    def _on_failed(self, path: str, why: Explained) -> None:
        if path in (self._setup.driving, self._setup.reference):
            self.failed.emit(why)

    def _on_driving(self, path: str, index: int, scale: int) -> None:
        if path == self._setup.driving and index == self._number and scale == 1:
            self._present()


def _motion_of(setup: RetargetSetup) -> tuple[object, ...]:
    """Return the members that decide the motion of the driving clip."""
    return (
        setup.model,
        setup.mode,
        setup.reference,
        setup.reference_frame,
        setup.driving,
        setup.anchor,
    )
