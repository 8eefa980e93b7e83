"""What the window does with whole files: export, queue many, recover, relink, sample, settings."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QFileDialog

from imf_ui.i18n import tr
from imf_ui.model.document import Clip, new_clip
from imf_ui.model.errors import Explained
from imf_ui.model.exporting import cli_line, comfy_workflow, vapoursynth_script
from imf_ui.model.ops import SetRender
from imf_ui.model.presets import apply_preset, preset_named, preset_of
from imf_ui.model.projectfile import missing_media, relink
from imf_ui.panels.export_dialog import ExportDialog
from imf_ui.panels.relink import RelinkDialog
from imf_ui.panels.settings import SettingsDialog
from imf_ui.services.job_building import job_of_clip
from imf_ui.services.media import OpenedMedia

if TYPE_CHECKING:
    from imf_ui.window import MainWindow


class WindowJobs(QObject):
    """The longer errands of the main window."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._services, self._session = window.services, window.services.session
        self._waiting: set[str] = set()
        self._many = 0
        window.services.media.opened.connect(self._on_opened)
        window.services.media.failed.connect(self._on_failed)
        self.dialog: ExportDialog | SettingsDialog | RelinkDialog | None = None

    def _count(self, clip: Clip) -> int:
        schedule = self._session.schedule()
        if schedule is None:
            return clip.media.frame_count
        first, last = clip.marks.span(schedule.count)
        return last - first + 1

    def export_as(self) -> ExportDialog | None:
        """Ask what the result should be, then put it into the queue."""
        clip = self._session.clip
        if clip is None:
            return None
        document = self._session.document
        texts = {
            "cli": cli_line(document, clip),
            "vpy": vapoursynth_script(document, clip),
            "comfy": comfy_workflow(document, clip, self._services.worker.automatic_model),
        }
        dialog = ExportDialog(clip, self._count(clip), texts, self._window)
        self.dialog = dialog
        dialog.accepted.connect(lambda: self._export(clip, dialog))
        dialog.finished.connect(lambda _result: dialog.deleteLater())
        dialog.open()
        return dialog

    def _export(self, clip: Clip, dialog: ExportDialog) -> None:
        settings = dialog.settings()
        self._session.do(SetRender(id=clip.id, render=replace(settings, output="")))
        chosen = self._session.document.clip(clip.id)
        output = Path(settings.output)
        self._services.export(chosen, str(output), overwrite=output.exists())
        self._window.show_screen("queue")

    def export_now(self) -> None:
        """Put the clip into the queue as it is set up."""
        clip = self._session.clip
        if clip is not None:
            self._services.export(clip)
            self._window.say(tr("Added to the queue"))

    def queue_many(self, paths: list[str]) -> None:
        """Render many clips as the active one is: same curve by preset, same settings."""
        self._waiting |= set(paths)
        self._many = len(self._waiting)
        for path in paths:
            self._services.media.open(path)
        self._window.show_screen("queue")

    def _on_opened(self, path: str, known: OpenedMedia) -> None:
        if path not in self._waiting:
            return
        self._waiting.discard(path)
        clip = self._retimed_like_the_active(path, known)
        self._services.queue.add(job_of_clip(clip, self._services.output_for(clip)), start=False)
        if not self._waiting:
            self._window.say(
                tr("{count} clips are in the queue; press Start all", count=self._many)
            )

    def _on_failed(self, path: str, failure: Explained) -> None:
        if path in self._waiting:
            self._waiting.discard(path)
            self._window.errors.on_failed(failure)

    def _retimed_like_the_active(self, path: str, known: OpenedMedia) -> Clip:
        render = replace(self._services.settings.values.last_render, output="")
        clip = new_clip(self._session.document, known.ref, Path(path).stem, render=render)
        active = self._session.clip
        preset = preset_named("slow_half")
        if active is not None:
            try:
                preset = preset_of(active.curve, active.media.duration, "own", active.name)
            except ValueError:
                self._window.say(tr("Curves that freeze or run backwards do not fit other clips"))
        return replace(clip, curve=apply_preset(preset, clip.curve, known.ref.duration))

    def recover(self, session_id: str) -> None:
        """Take up an unsaved session."""
        self._services.recover(session_id)
        self._window.refresh()
        self._window.show_screen("edit")

    def discard(self, session_id: str) -> None:
        """Throw an unsaved session away."""
        self._services.autosave.discard(session_id)
        self._window.refresh()

    def relink_missing(self) -> RelinkDialog | None:
        """Ask where media went that is not where it was."""
        missing = missing_media(self._session.document)
        if not missing:
            return None
        dialog = RelinkDialog([clip.media.path for clip in missing], self._window)
        self.dialog = dialog
        dialog.found.connect(self.relink)
        dialog.finished.connect(lambda _result: dialog.deleteLater())
        dialog.open()
        return dialog

    def relink(self, missing: str, found: str) -> None:
        """Point a clip, and the others that moved along, to where the media is now."""
        for clip in self._session.document.clips:
            if clip.media.path == missing:
                change = relink(self._session.document, clip.id, Path(found))
                if change is not None:
                    self._session.do(change)
                break
        self._services.open_document_media()
        still = [clip.media.path for clip in missing_media(self._session.document)]
        if isinstance(self.dialog, RelinkDialog):
            self.dialog.set_missing(still)

    def open_sample(self) -> None:
        """Open the small clip that is painted for trying things out."""
        self._services.open_sample()

    def choose_folder(self) -> str:
        """Ask for a folder."""
        return QFileDialog.getExistingDirectory(self._window, tr("Folder"))

    def edit_settings(self) -> SettingsDialog:
        """Open the settings."""
        dialog = SettingsDialog(self._services, self._window)
        self.dialog = dialog
        dialog.restart_wanted.connect(self._window.restart_wanted)
        dialog.finished.connect(lambda _result: dialog.deleteLater())
        dialog.open()
        return dialog
