"""The live result of a retargeting: one frame at a time, the wanted one first."""

from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from imf_ui.model.document import RetargetSetup
from imf_ui.model.errors import Explained, explain
from imf_ui.model.queue import spec_of_retarget
from imf_ui.model.values import to_json
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.services.media import FrameWish, MediaService, OpenedMedia
from imf_ui.services.worker import WorkerClient

_KEPT = 64


class RetargetService(QObject):
    """Shows a picture that moves as a driving clip does."""

    ready = pyqtSignal(int)
    """The driving clip is open; its number of frames."""
    frameReady = pyqtSignal(int, object, object, bool)
    """Frame, driving picture, result (`QImage` or None), and whether both are there."""
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
        self._number = 0
        self._request = 0
        self._generation = 0
        media.opened.connect(self._on_opened)
        media.failed.connect(self._on_failed)
        media.frameReady.connect(self._on_driving)

    @property
    def count(self) -> int:
        """Number of driving frames, 0 until the clip is open."""
        return self._driving.info.frame_count if self._driving else 0

    @property
    def is_ready(self) -> bool:
        """Whether picture and driving clip are open."""
        return self._driving is not None and self._reference is not None

    def prepare(self, setup: RetargetSetup, device: str = "auto") -> None:
        """Take another setup; what was made of the old one is forgotten."""
        old, self._setup = self._setup, setup
        self._data = {**to_json(spec_of_retarget(setup)), "device": device}
        self._made.clear()
        self._generation += 1
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
        self._media.want_frame(FrameWish(path=self._setup.driving, index=self._number, scale=1))
        self._present()
        self._ask()

    def _ask(self) -> None:
        if self._request or self._number in self._made or not self.is_ready:
            return
        assert self._reference is not None  # it is ready
        number, generation = self._number, self._generation
        about = self._reference.info
        self._worker.reserve(about.width * about.height * 4)
        self.busyChanged.emit(True)
        self._request = self._worker.request(
            {"cmd": "animate", "setup": self._data, "frame": number},
            lambda event: self._on_event(number, generation, event),
        )

    def _on_event(self, number: int, generation: int, event: dict[str, Any]) -> None:
        self._request = 0
        self.busyChanged.emit(False)
        if event["event"] == "frame":
            if generation == self._generation:
                if len(self._made) >= _KEPT:
                    self._made.clear()
                self._made[number] = self._worker.picture(event)
                self._present()
        elif event["code"] != "cancelled" and generation == self._generation:
            self.failed.emit(
                explain(event["code"], event["text"], details=event.get("details", ""))
            )
            return
        self._ask()

    def _present(self) -> None:
        from imf_ui.services.framecache import source_key

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
