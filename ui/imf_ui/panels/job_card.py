"""One render of the queue: its picture, how far it is, and what can be done about it now."""

from pathlib import Path

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent
from PyQt6.QtWidgets import QFrame, QProgressBar, QSizePolicy, QToolButton, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import pixmap
from imf_ui.model.queue import Job, JobState
from imf_ui.panels.estimate import duration_words
from imf_ui.panels.explaining import why_of
from imf_ui.services.job_building import failure_of
from imf_ui.theme import colour
from imf_ui.widgets.parts import ElidedLabel, column, icon_button, label, row

_BUTTONS: dict[JobState, tuple[str, ...]] = {
    JobState.QUEUED: ("up", "down", "duplicate", "cancel"),
    JobState.RUNNING: ("parts", "pause", "cancel"),
    JobState.PAUSED: ("parts", "resume", "cancel"),
    JobState.CANCELLING: (),
    JobState.CANCELLED: ("parts", "retry", "folder", "remove"),
    JobState.FAILED: ("parts", "retry", "explain", "folder", "remove"),
    JobState.DONE: ("play", "folder", "duplicate", "remove"),
}


def state_words(state: JobState) -> str:
    """Return how a state is called."""
    return {
        JobState.QUEUED: tr("waiting"),
        JobState.RUNNING: tr("rendering"),
        JobState.PAUSED: tr("paused"),
        JobState.CANCELLING: tr("Cancelling…"),
        JobState.CANCELLED: tr("cancelled"),
        JobState.FAILED: tr("failed"),
        JobState.DONE: tr("done"),
    }[state]


class JobPicture(QWidget):
    """A small picture: the frame that was made last, the source's first one until then."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image: QImage | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Ask for the room of a small 16:9 picture."""
        return QSize(132, 76)

    def show_image(self, image: QImage) -> None:
        """Show another picture."""
        self.image = image
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the picture as large as it fits, or a sign where there is none."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        corners = QPainterPath()
        corners.addRoundedRect(QRectF(self.rect()), 6, 6)
        painter.setClipPath(corners)
        painter.fillRect(self.rect(), colour("canvas"))
        if self.image is None:
            sign = pixmap("film", "muted", 28, self.devicePixelRatioF())
            painter.drawPixmap((self.width() - 28) // 2, (self.height() - 28) // 2, sign)
            return
        size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        painter.drawImage(QRectF(left, top, size.width(), size.height()), self.image)


class JobCard(QFrame):
    """One job."""

    wanted = pyqtSignal(str, str)
    """What to do (``pause``, ``cancel`` ...) and the job's id."""

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.job = job
        self.picture = JobPicture()
        self.has_parts = False
        self.name = ElidedLabel(job.name)
        self.name.setProperty("strong", True)
        self.name.setToolTip(job.source)
        self.state = label("", "muted", "small")
        self.numbers = label("", "muted", "small")
        self.reason = label("", wrap=True)
        self.reason.setProperty("state", "error")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Progress of {name}", name=job.name))
        self.buttons: dict[str, QToolButton] = {}
        tools = QWidget()
        box = row(space_px=2)
        for name, icon_name, words in (
            ("up", "up", tr("Earlier")),
            ("down", "down", tr("Later")),
            ("parts", "film", tr("Play what is finished so far")),
            ("pause", "pause", tr("Pause")),
            ("resume", "play", tr("Go on")),
            ("retry", "retry", tr("Try again")),
            ("explain", "info", tr("What happened?")),
            ("play", "play", tr("Play the result")),
            ("folder", "folder", tr("Open the folder")),
            ("duplicate", "duplicate", tr("Duplicate")),
            ("cancel", "close", tr("Cancel")),
            ("remove", "trash", tr("Remove from the list")),
        ):
            button = icon_button(icon_name, words)
            button.clicked.connect(lambda _checked, name=name: self.wanted.emit(name, self.job.id))
            self.buttons[name] = button
            box.addWidget(button)
        tools.setLayout(box)
        head = row(self.name, tools)
        head.setStretch(0, 1)
        below = row(self.state, None, self.numbers)
        lines = column(head, None, self.progress, below, self.reason, space_px=6)
        box = row(self.picture, space_px=14)
        box.setContentsMargins(12, 10, 10, 12)
        box.addLayout(lines, 1)
        self.setLayout(box)
        self.show_job(job)

    def set_has_parts(self, has_parts: bool) -> None:
        """Say whether there is something to play although the job is not done."""
        if has_parts != self.has_parts:
            self.has_parts = has_parts
            self.show_job(self.job)

    def show_job(self, job: Job) -> None:
        """Show what has become of the job."""
        self.job = job
        self.state.setText(stage_words(job))
        self.progress.setRange(0, max(job.total, 1))
        self.progress.setValue(job.done)
        self.progress.setVisible(job.state not in (JobState.DONE, JobState.QUEUED))
        self.numbers.setText(numbers_of(job))
        reason = why_of(failure_of(job)) if job.state is JobState.FAILED else ""
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        for name, button in self.buttons.items():
            button.setVisible(name in _BUTTONS[job.state] and (name != "parts" or self.has_parts))
        self.setAccessibleName(f"{job.name}, {state_words(job.state)}")


def stage_words(job: Job) -> str:
    """Return what a job is doing."""
    if job.state is JobState.RUNNING and job.stage != "render":
        return {"analyse": tr("Looking for cuts"), "join": tr("joining the parts")}.get(
            job.stage, tr("preparing")
        )
    return state_words(job.state)


def numbers_of(job: Job) -> str:
    """Return how far a job is, in words."""
    if job.state in (JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING):
        share = 100 * job.done // max(job.total, 1)
        if not job.total:
            return ""
        words = tr(
            "{share} %, frame {done} of {total}", share=share, done=job.done, total=job.total
        )
        if job.state is JobState.RUNNING and job.fps:
            words += f" · {job.fps:.1f} fps"
        if job.state is JobState.RUNNING and job.eta_seconds is not None:
            words += " · " + tr("{time} left", time=duration_words(job.eta_seconds))
        return words
    if job.state is JobState.CANCELLED and job.done:
        return tr("{done} of {total} frames are kept", done=job.done, total=job.total)
    return Path(job.output).name if job.output else ""
