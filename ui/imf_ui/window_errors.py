"""What the window does about failures: one dialog each, with buttons that do the fix."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QFileDialog

from imf_ui.i18n import tr
from imf_ui.model.errors import ErrorCode, Explained
from imf_ui.model.ops import SetRender
from imf_ui.model.projectfile import ProjectError, backup_of
from imf_ui.model.queue import Job, JobState
from imf_ui.panels.explaining import show_error, why_of
from imf_ui.panels.queue import open_file
from imf_ui.services.job_building import failure_of
from imf_ui.widgets.error_dialog import ErrorDialog

if TYPE_CHECKING:
    from imf_ui.window import MainWindow

_TILES = "512"


class WindowErrors(QObject):
    """Opens error dialogs and carries out the ways out."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._services = window.services
        self.open_dialogs: list[ErrorDialog] = []

    def show(
        self, failure: Explained, ways_out: dict[str, Callable[[], object]] | None = None
    ) -> ErrorDialog:
        """Open the dialog of a failure."""
        chosen = {**self.ways_out(failure), **(ways_out or {})}
        dialog = show_error(failure, chosen, self._window)
        self.open_dialogs.append(dialog)
        dialog.finished.connect(lambda _result: self._forget(dialog))
        return dialog

    def ways_out(self, failure: Explained) -> dict[str, Callable[[], object]]:
        """Return what the buttons do wherever a failure comes from."""
        window, services = self._window, self._services
        return {
            "restart_worker": services.worker.restart,
            "smaller_preview": lambda: window.session.set_view(preview_scale=4),
            "save_as": window.files.save_as,
            "undo": window.undo,
            "continue": lambda: None,
            "use_default_model": self._use_default_model,
            "use_backup": lambda: self._use_backup(failure.facts.get("file", "")),
            "open_settings": lambda: window.trigger("settings"),
            "locate": lambda: window.jobs.relink_missing(),
            "open_folder": lambda: open_file(str(Path(failure.facts.get("file", ".")).parent)),
            "show_log": lambda: open_file(str(services.settings.home)),
        }

    def _forget(self, dialog: ErrorDialog) -> None:
        if dialog in self.open_dialogs:
            self.open_dialogs.remove(dialog)

    def on_failed(self, failure: Explained) -> None:
        """A service could not do something; one dialog at a time, the rest in the status line."""
        if failure.code is ErrorCode.MEDIA_MISSING and failure.facts.get("clip"):
            self._window.jobs.relink_missing()
        elif self.open_dialogs or not failure.actions:
            self._window.say(why_of(failure))
        else:
            ways_out: dict[str, Callable[[], object]] = {"retry": lambda: self._retry(failure)}
            if not self._window.session.document.has(str(failure.facts.get("clip", ""))):
                # Nothing of the project is missing: the user may choose another file to open.
                ways_out["locate"] = self._window.files.choose_and_open
            self.show(failure, ways_out)

    def _use_default_model(self) -> None:
        clip = self._window.session.clip
        if clip is not None:
            render = replace(clip.render, model="auto")
            self._window.session.do(SetRender(id=clip.id, render=render))

    def _use_backup(self, file: str) -> None:
        """Open the version before; saving asks for a name."""
        backup = backup_of(Path(file))
        try:
            self._window.session.load(backup)
        except ProjectError as error:
            self._window.say(str(error))
        else:
            self._services.open_document_media()

    def _retry(self, failure: Explained) -> None:
        if failure.facts.get("clip"):
            self._services.open_document_media()
        elif failure.facts.get("file") and self._window.session.clip is None:
            self._services.open_path(failure.facts["file"])
        else:
            self._services.preview.retry()

    def on_job_finished(self, job_id: str) -> None:
        """A render came to its end, one way or the other."""
        job = self._job(job_id)
        if job is None:
            return
        if job.state is JobState.DONE:
            self._window.say(tr("{name} is done", name=Path(job.output).name))
        elif job.state is JobState.FAILED:
            self.explain_job(job_id)

    def explain_job(self, job_id: str) -> ErrorDialog | None:
        """Open the dialog of a failed render."""
        job = self._job(job_id)
        return None if job is None else self.show(failure_of(job), self.ways_out_of_job(job))

    def ways_out_of_job(self, job: Job) -> dict[str, Callable[[], object]]:
        """Return what the buttons do where a render failed."""
        queue = self._services.queue
        return {
            "retry": lambda: queue.retry(job.id),
            "overwrite": lambda: queue.retry(job.id, overwrite=True),
            "use_default_model": lambda: queue.retry(job.id, model="auto"),
            "retry_tiles": lambda: queue.retry(job.id, tile=_TILES),
            "retry_cpu": lambda: queue.retry(job.id, device="cpu"),
            "choose_output": lambda: self._choose_output(job),
            "free_space": lambda: open_file(str(Path(job.output).parent)),
            "open_folder": lambda: open_file(str(Path(job.output).parent)),
        }

    def _choose_output(self, job: Job) -> None:
        path, _ = QFileDialog.getSaveFileName(self._window, tr("Export"), job.output)
        if path:
            self._services.queue.change(job.id, output=path)
            self._services.queue.retry(job.id)

    def _job(self, job_id: str) -> Job | None:
        return next((job for job in self._services.queue.jobs if job.id == job_id), None)
