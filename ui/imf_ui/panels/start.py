"""The start screen: drop something, open something recent, take up an unsaved session."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import pixmap
from imf_ui.services.autosave import RecoverableSession
from imf_ui.widgets.parts import card, column, label, push_button, row

_RECENT = 6


class StartScreen(QWidget):
    """What one sees without a clip."""

    action_wanted = pyqtSignal(str)
    """Name of an action that a button stands for."""
    open_wanted = pyqtSignal(str)
    """A recent file was chosen."""
    recover_wanted = pyqtSignal(str)
    """An unsaved session should be taken up."""
    discard_wanted = pyqtSignal(str)
    """An unsaved session should be thrown away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("start")
        self.zone = QFrame()
        self.zone.setProperty("drop", "true")
        sign = QLabel()
        sign.setPixmap(pixmap("film", "accent", 56, self.devicePixelRatioF()))
        sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = label(tr("Drop a video here"), "title")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint = label(tr("Many videos, folders of images and projects are welcome too"), "muted")
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint.setWordWrap(True)
        self.open_button = push_button(tr("Open…"), "open", primary=True)
        self.open_button.clicked.connect(lambda: self.action_wanted.emit("open"))
        self.retarget_button = push_button(tr("Move a picture…"), "retarget")
        self.retarget_button.setToolTip(tr("Carry the motion of a video onto a picture"))
        self.retarget_button.clicked.connect(lambda: self.action_wanted.emit("screen_retarget"))
        self.sample_button = push_button(tr("Try the sample clip"), "play")
        self.sample_button.clicked.connect(lambda: self.action_wanted.emit("open_sample"))
        buttons = row(None, self.open_button, self.retarget_button, self.sample_button, None)
        zone_box = column(None, sign, 10, title, hint, 16, margins_px=36)
        zone_box.addLayout(buttons)
        zone_box.addStretch(1)
        self.zone.setLayout(zone_box)
        self.zone.setMinimumHeight(300)
        self._recover = QVBoxLayout()
        self._recover.setSpacing(8)
        self._recent_title = label(tr("RECENT"), "section")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(4)
        middle = QVBoxLayout()
        middle.setSpacing(14)
        middle.addStretch(1)
        middle.addLayout(self._recover)
        middle.addWidget(self.zone, 6)
        middle.addWidget(self._recent_title)
        middle.addLayout(self._recent)
        middle.addStretch(2)
        inner = QWidget()
        inner.setLayout(middle)
        inner.setMaximumWidth(760)
        outer = QHBoxLayout(self)
        outer.addStretch(1)
        outer.addWidget(inner, 8)
        outer.addStretch(1)
        self.set_recent([])

    def set_drop_active(self, active: bool) -> None:
        """Light up while something is held over the window."""
        self.zone.setProperty("drop", "active" if active else "true")
        style = self.zone.style()
        if style is not None:
            style.unpolish(self.zone)
            style.polish(self.zone)

    def set_recent(self, paths: Sequence[str]) -> None:
        """Show the files used last; missing ones are said to be so by the caller when opened."""
        _clear(self._recent)
        self._recent_title.setVisible(bool(paths))
        for path in paths[:_RECENT]:
            button = push_button(Path(path).name, "film")
            button.setToolTip(path)
            button.setAccessibleName(tr("Open {name}", name=Path(path).name))
            button.setStyleSheet("text-align: left;")
            button.clicked.connect(lambda _checked, wanted=path: self.open_wanted.emit(wanted))
            self._recent.addWidget(button)

    def set_recoverable(self, sessions: Sequence[RecoverableSession]) -> None:
        """Offer unsaved sessions."""
        _clear(self._recover)
        for session in sessions:
            frame = card()
            frame.setToolTip("\n".join(session.clips))
            words = tr(
                "Unsaved work from {when}, {edits} edits",
                when=when_words(datetime.fromtimestamp(session.saved_at)),
                edits=session.edits,
            )
            sign = QLabel()
            sign.setPixmap(pixmap("warning", "warning", 22, self.devicePixelRatioF()))
            recover = push_button(tr("Recover"), primary=True)
            discard = push_button(tr("Discard"))
            recover.clicked.connect(
                lambda _checked, wanted=session.id: self.recover_wanted.emit(wanted)
            )
            discard.clicked.connect(
                lambda _checked, wanted=session.id: self.discard_wanted.emit(wanted)
            )
            box = row(sign, label(words, "strong"), None, discard, recover)
            box.setContentsMargins(14, 10, 14, 10)
            frame.setLayout(box)
            self._recover.addWidget(frame)


def when_words(moment: datetime) -> str:
    """Write a moment: the time today, the day too when it was another."""
    is_today = moment.date() == datetime.now().date()
    return f"{moment:%H:%M}" if is_today else f"{moment:%Y-%m-%d %H:%M}"


def _clear(box: QVBoxLayout) -> None:
    while box.count():
        item = box.takeAt(0)
        widget = item.widget() if item else None
        if widget is not None:
            widget.deleteLater()
