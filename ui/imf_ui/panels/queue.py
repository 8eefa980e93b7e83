"""The queue: one card for each render, with what can be done about it now."""

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import (
    QFrame,
    QLabel,
    QProgressBar,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.model.errors import Explained, explain
from imf_ui.model.queue import Job, JobState
from imf_ui.panels.estimate import duration_words
from imf_ui.panels.explaining import why_of
from imf_ui.panels.export_dialog import KINDS, default_output
from imf_ui.services.app_services import Services
from imf_ui.widgets.parts import bar, column, icon_button, label, push_button, row

_BUTTONS: dict[JobState, tuple[str, ...]] = {
    JobState.QUEUED: ("up", "down", "duplicate", "cancel"),
    JobState.RUNNING: ("pause", "cancel"),
    JobState.PAUSED: ("resume", "cancel"),
    JobState.CANCELLING: (),
    JobState.CANCELLED: ("retry", "remove"),
    JobState.FAILED: ("retry", "explain", "remove"),
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


class JobCard(QFrame):
    """One job."""

    wanted = pyqtSignal(str, str)
    """What to do (``pause``, ``cancel`` ...) and the job's id."""

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.job = job
        self.name = label(job.name, "strong")
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
        head = row(self.name, self.state, None, self.numbers, tools)
        layout = column(head, self.progress, self.reason, space_px=6)
        layout.setContentsMargins(14, 8, 10, 12)
        self.setLayout(layout)
        self.show_job(job)

    def show_job(self, job: Job) -> None:
        """Show what has become of the job."""
        self.job = job
        self.state.setText(stage_words(job))
        self.progress.setRange(0, max(job.total, 1))
        self.progress.setValue(job.done)
        self.progress.setVisible(job.state not in (JobState.DONE, JobState.QUEUED))
        self.numbers.setText(numbers_of(job))
        reason = why_of(explained(job)) if job.state is JobState.FAILED else ""
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        for name, button in self.buttons.items():
            button.setVisible(name in _BUTTONS[job.state])
        self.setAccessibleName(f"{job.name}, {state_words(job.state)}")


def stage_words(job: Job) -> str:
    """Return what a job is doing."""
    if job.state is JobState.RUNNING and job.stage != "render":
        return {"analyse": tr("Looking for cuts"), "join": tr("joining the parts")}.get(
            job.stage, tr("preparing")
        )
    return state_words(job.state)


def explained(job: Job) -> Explained:
    """Return why a job failed."""
    return explain(
        job.error_code, job.error_text, details=job.error_details, file=Path(job.source).name
    )


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


class QueuePanel(QWidget):
    """All jobs, the running one first to see."""

    explain_wanted = pyqtSignal(str)
    """The user asks why a job failed."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services, self._queue = services, services.queue
        self.cards: dict[str, JobCard] = {}
        self.empty = label(tr("Nothing to render yet. Export a clip and it appears here."), "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.summary: QLabel = label("", "muted")
        self.start_all = push_button(tr("Start all"), "play")
        self.pause_all = push_button(tr("Pause after this one"), "pause")
        self.retry_failed = push_button(tr("Retry failed"), "retry")
        self.start_all.clicked.connect(self._queue.start_all)
        self.pause_all.clicked.connect(self._queue.stop_after_current)
        self.retry_failed.clicked.connect(self._on_retry_failed)
        self._list = QVBoxLayout()
        self._list.setContentsMargins(24, 16, 24, 16)
        self._list.setSpacing(10)
        self._list.addStretch(1)
        inside = QWidget()
        inside.setLayout(self._list)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setAccessibleName(tr("Queue"))
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        head = bar(
            label(tr("Queue"), "heading"),
            8,
            self.summary,
            None,
            self.start_all,
            self.pause_all,
            self.retry_failed,
            space_px=8,
        )
        layout = column(head, self.empty, space_px=0)
        layout.addWidget(scroll, 1)
        self.setLayout(layout)
        self._queue.jobsChanged.connect(self.refresh)
        self._queue.jobChanged.connect(self._on_job)
        self.refresh()

    def refresh(self) -> None:
        """Show all jobs in their order."""
        jobs = self._queue.jobs
        for job_id in set(self.cards) - {job.id for job in jobs}:
            gone = self.cards.pop(job_id)
            self._list.removeWidget(gone)
            gone.deleteLater()
        for place, job in enumerate(jobs):
            shown = self.cards.get(job.id)
            if shown is None:
                shown = self.cards[job.id] = JobCard(job)
                shown.wanted.connect(self.carry_out)
            shown.show_job(job)
            if self._list.indexOf(shown) != place:
                self._list.removeWidget(shown)
                self._list.insertWidget(place, shown)
        self.empty.setVisible(not jobs)
        failed = sum(job.state is JobState.FAILED for job in jobs)
        done = sum(job.state is JobState.DONE for job in jobs)
        self.summary.setText(
            tr(
                "{done} of {count} done, {failed} failed",
                count=len(jobs),
                done=done,
                failed=failed,
            )
            if jobs
            else ""
        )
        self.retry_failed.setEnabled(failed > 0)
        self.start_all.setEnabled(any(j.state in (JobState.PAUSED, JobState.QUEUED) for j in jobs))
        self.pause_all.setEnabled(any(j.state in (JobState.RUNNING, JobState.QUEUED) for j in jobs))

    def _on_job(self, job_id: str) -> None:
        job = self._job(job_id)
        shown = self.cards.get(job_id)
        if job is None or shown is None or shown.job.state != job.state:
            self.refresh()
        else:
            shown.show_job(job)

    def _job(self, job_id: str) -> Job | None:
        return next((job for job in self._queue.jobs if job.id == job_id), None)

    def _on_retry_failed(self) -> None:
        self._queue.retry_failed()

    def carry_out(self, what: str, job_id: str) -> None:
        """Do what a button of a card says."""
        job = self._job(job_id)
        if job is None:
            return
        place = [one.id for one in self._queue.jobs].index(job_id)
        work: dict[str, Callable[[], object]] = {
            "up": lambda: self._queue.move(job_id, max(place - 1, 0)),
            "down": lambda: self._queue.move(job_id, place + 1),
            "pause": lambda: self._queue.pause(job_id),
            "resume": lambda: self._queue.resume(job_id),
            "cancel": lambda: self._queue.cancel(job_id),
            "retry": lambda: self._queue.retry(job_id),
            "remove": lambda: self._queue.remove(job_id),
            "duplicate": lambda: self._queue.duplicate(
                job_id, str(default_output(job.source, KINDS[0]))
            ),
            "explain": lambda: self.explain_wanted.emit(job_id),
            "play": lambda: open_file(job.output),
            "folder": lambda: open_file(str(Path(job.output).parent)),
        }
        work[what]()


def open_file(path: str) -> None:
    """Open a file or folder with the desktop's program for it."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(path))
