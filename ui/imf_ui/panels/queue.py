"""The queue: a card for each render, and what can be done about all of them."""

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices, QImage
from PyQt6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from imf_ui.i18n import tr
from imf_ui.model.queue import Job, JobState
from imf_ui.panels.export_dialog import KINDS, default_output
from imf_ui.panels.job_card import JobCard
from imf_ui.panels.result_player import ResultPlayer
from imf_ui.services.app_services import Services
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.widgets.key_guard import KeyGuard
from imf_ui.widgets.parts import bar, column, label, push_button

_PICTURE_PX = 264
_MOST_PICTURES = 200


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
        self.pause_all = push_button(tr("Pause all"), "pause")
        self.pause_after = push_button(tr("Pause after this one"))
        self.retry_failed = push_button(tr("Retry failed"), "retry")
        self.clear_done = push_button(tr("Clear finished"))
        self.start_all.clicked.connect(self._on_start_all)
        self.pause_all.clicked.connect(self._on_pause_all)
        self.pause_after.clicked.connect(self._on_pause_after)
        self.retry_failed.clicked.connect(self._on_retry_failed)
        self.clear_done.clicked.connect(self._on_clear)
        self._pictures: dict[str, QImage] = {}
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
            self.pause_after,
            self.retry_failed,
            self.clear_done,
            space_px=8,
        )
        layout = column(head, self.empty, space_px=0)
        layout.addWidget(scroll, 1)
        self.setLayout(layout)
        self._queue.jobsChanged.connect(self.refresh)
        self._queue.jobChanged.connect(self._on_job)
        self._queue.pictureReady.connect(self._on_live_picture)
        services.media.firstPicture.connect(self._on_first_picture)
        self._guard = KeyGuard(self)
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
                self._guard.watch(shown)
                if job.source in self._pictures:
                    shown.picture.show_image(self._pictures[job.source])
            shown.has_parts = job.state is not JobState.DONE and self._has_parts(job)
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
        self._enable_buttons()

    def _enable_buttons(self) -> None:
        """Enable what makes a difference now."""
        states = {job.state for job in self._queue.jobs}
        waits, runs = JobState.QUEUED in states, JobState.RUNNING in states
        self.start_all.setEnabled(JobState.PAUSED in states or (waits and not self._queue.is_on))
        self.pause_all.setEnabled(runs or (waits and self._queue.is_on))
        self.pause_after.setEnabled(runs and waits and self._queue.is_on)
        self.retry_failed.setEnabled(bool(states & {JobState.FAILED, JobState.CANCELLED}))
        self.clear_done.setEnabled(JobState.DONE in states)

    def _on_job(self, job_id: str) -> None:
        job = self._job(job_id)
        shown = self.cards.get(job_id)
        if job is None or shown is None or shown.job.state != job.state:
            self.refresh()
        else:
            shown.show_job(job)

    def _has_parts(self, job: Job) -> bool:
        return bool(self._queue.finished_parts(job.id))

    def _on_live_picture(self, job_id: str, jpeg: bytes) -> None:
        shown = self.cards.get(job_id)
        image = QImage.fromData(jpeg)
        if shown is not None and not image.isNull():
            shown.picture.show_image(image)
            shown.set_has_parts(self._has_parts(shown.job))

    def _on_first_picture(self, path: str, pixels: Pixels) -> None:
        """Keep a small copy for the job that may come of it."""
        if len(self._pictures) >= _MOST_PICTURES:
            self._pictures.clear()
        self._pictures[path] = image_of_bgra(pixels).scaled(
            _PICTURE_PX,
            _PICTURE_PX,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.FastTransformation,
        )
        for shown in self.cards.values():
            if shown.job.source == path and shown.picture.image is None:
                shown.picture.show_image(self._pictures[path])

    def _on_start_all(self) -> None:
        self._queue.resume_all()
        self.refresh()

    def _on_pause_all(self) -> None:
        self._queue.pause_all()
        self.refresh()

    def _on_pause_after(self) -> None:
        self._queue.stop_after_current()
        self.refresh()

    def _on_clear(self) -> None:
        self._queue.clear_done()

    def play_result(self, path: str) -> ResultPlayer:
        """Play a finished file in a window of its own."""
        player = ResultPlayer(self._services.media, path, self)
        player.finished.connect(lambda _result: player.deleteLater())
        player.show()
        return player

    def play_parts(self, job_id: str) -> Path | None:
        """Play what is finished of a job; several parts as a list, one after the other."""
        parts = self._queue.finished_parts(job_id)
        if not parts:
            return None
        file = parts[0].parent if parts[0].is_dir() else parts[0]
        if len(parts) > 1 and not parts[0].is_dir():
            file = self._services.home / f"finished-{job_id}.m3u"
            file.write_text("\n".join(["#EXTM3U", *map(str, parts), ""]), encoding="utf-8")
        open_file(str(file))
        return file

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
            "parts": lambda: self.play_parts(job_id),
            "play": lambda: self.play_result(job.output),
            "folder": lambda: open_file(str(Path(job.output).parent)),
        }
        work[what]()


def open_file(path: str) -> None:
    """Open a file or folder with the desktop's program for it."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(path))
