"""A small player for a finished render, beside the work: no other program is needed."""

import time
from pathlib import Path

from PyQt6.QtCore import QSize, Qt, QTimer, QUrl
from PyQt6.QtGui import QDesktopServices, QKeyEvent
from PyQt6.QtWidgets import QDialog, QSlider, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import icon
from imf_ui.model.errors import Explained
from imf_ui.panels.explaining import why_of
from imf_ui.services.framecache import source_key
from imf_ui.services.images import image_of_bgra
from imf_ui.services.media import MediaService, OpenedMedia
from imf_ui.services.reading import FrameWish
from imf_ui.widgets.frame_view import FrameView
from imf_ui.widgets.parts import column, icon_button, label, push_button, row

_WANTER = "result"
_TICK_MS = 8


class ResultPlayer(QDialog):
    """Plays one file in a loop, at its own rate."""

    def __init__(self, media: MediaService, path: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._media, self._path = media, path
        self._known: OpenedMedia | None = None
        self._began = 0.0
        self._first = 0
        self.number = -1
        self.setWindowTitle(Path(path).name)
        self.resize(860, 560)
        self.view = FrameView()
        self.view.setAccessibleName(tr("Result"))
        self.view.set_message(tr("Reading…"))
        self.play = icon_button("pause", tr("Pause (Space)"), size_px=26)
        self.play.clicked.connect(self.toggle)
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setAccessibleName(tr("Frame of the result"))
        self.position.valueChanged.connect(self._on_slider)
        self.place = label("", "muted", "small")
        self.place.setMinimumWidth(self.fontMetrics().horizontalAdvance("00000 / 00000"))
        elsewhere = push_button(tr("Open with another program"))
        elsewhere.clicked.connect(self._on_elsewhere)
        close = push_button(tr("Close"), primary=True)
        close.clicked.connect(self.accept)
        bottom = row(self.play, self.position, self.place, elsewhere, close)
        bottom.setStretch(1, 1)
        box = column(margins_px=12)
        box.addWidget(self.view, 1)
        box.addLayout(bottom)
        self.setLayout(box)
        self._clock = QTimer(self)
        self._clock.setTimerType(Qt.TimerType.PreciseTimer)
        self._clock.setInterval(_TICK_MS)
        self._clock.timeout.connect(self._on_clock)
        media.opened.connect(self._on_opened)
        media.failed.connect(self._on_failed)
        media.frameReady.connect(self._on_frame)
        media.open(path)

    @property
    def plays(self) -> bool:
        """Whether it plays."""
        return self._clock.isActive()

    def toggle(self) -> None:
        """Play, or stop."""
        if self.plays:
            self._clock.stop()
        elif self._known is not None:
            self._first, self._began = max(self.number, 0), time.monotonic()
            self._clock.start()
        words = tr("Pause (Space)") if self.plays else tr("Play (Space)")
        self.play.setIcon(icon("pause" if self.plays else "play"))
        self.play.setToolTip(words)
        self.play.setAccessibleName(words)

    def seek(self, number: int) -> None:
        """Show a frame."""
        if self._known is None or number == self.number:
            return
        self.number = number
        self.position.blockSignals(True)
        self.position.setValue(number)
        self.position.blockSignals(False)
        self.place.setText(f"{number} / {self.position.maximum()}")
        self._media.want_frame(FrameWish(path=self._path, index=number), wanter=_WANTER)
        self._present(number)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Space plays, the arrows step."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Space:
            self.toggle()
        elif key in steps and not self.plays:
            self.seek(min(max(self.number + steps[key], 0), self.position.maximum()))
        else:
            super().keyPressEvent(event)

    def done(self, result: int) -> None:
        """Stop before closing."""
        self._clock.stop()
        super().done(result)

    def _on_clock(self) -> None:
        known = self._known
        if known is not None:
            passed = (time.monotonic() - self._began) * float(known.info.frame_rate)
            self.seek((self._first + int(passed)) % known.info.frame_count)

    def _on_slider(self, number: int) -> None:
        if self.plays:
            self.toggle()
        self.seek(number)

    def _on_opened(self, path: str, known: OpenedMedia) -> None:
        if path == self._path and self._known is None:
            self._known = known
            self.view.set_frame_size(QSize(known.info.width, known.info.height))
            self.position.setRange(0, max(known.info.frame_count - 1, 0))
            self.seek(0)

    def _on_failed(self, path: str, why: Explained) -> None:
        if path == self._path:
            self.view.set_message(why_of(why))

    def _on_frame(self, path: str, index: int, scale: int) -> None:
        if path == self._path and scale == 1:
            self._present(index)

    def _present(self, index: int) -> None:
        """Show a frame that is at hand; one that comes late is better than none while it plays."""
        pixels = self._media.cache.get(source_key(self._media.identity(self._path), index, 1))
        if pixels is not None and (index == self.number or self.plays):
            self.view.set_message("")
            begins = self.view.images()[1] is None
            self.view.set_images(None, image_of_bgra(pixels))
            if begins:
                self.toggle()

    def _on_elsewhere(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._path))
