"""What the window does with files: opening whatever was dropped, and saving projects."""

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QFileDialog, QMessageBox

from imf_ui.i18n import tr
from imf_ui.model.errors import explain_exception
from imf_ui.model.projectfile import Loaded, ProjectError
from imf_ui.panels.dropping import PROJECT_ENDING, VIDEO_ENDINGS, sequence_of, sorted_out

if TYPE_CHECKING:
    from imf_ui.window import MainWindow


class WindowFiles(QObject):
    """Opens and saves for the main window."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._services, self._session = window.services, window.services.session
        self._services.projectOpened.connect(self._on_project)

    def choose_and_open(self) -> None:
        """Ask for files and open them."""
        videos = " ".join(f"*{ending}" for ending in VIDEO_ENDINGS)
        kinds = (f"{tr('All files')} (*)", f"{tr('Videos')} ({videos})", f"imf (*{PROJECT_ENDING})")
        paths, _ = QFileDialog.getOpenFileNames(self._window, tr("Open"), "", ";;".join(kinds))
        self.open_paths(paths)

    def open_paths(self, paths: list[str]) -> None:
        """Open what was dropped or chosen.

        One video is edited, many are rendered; several images are the frames of a clip, a single
        one is a picture to move.
        """
        dropped = sorted_out(paths)
        for project in dropped.projects[:1]:
            self.open_project(Path(project))
        clips = list(dropped.clips)
        if len(dropped.images) > 1:
            clips.append(str(sequence_of(dropped.images, self._services.home)))
        elif dropped.images and not dropped.projects:
            self._open_picture(dropped.images[0], clips)
            return
        if len(clips) > 1:
            self._window.jobs.queue_many(clips)
        elif clips:
            self._services.open_path(clips[0])

    def _open_picture(self, image: str, clips: list[str]) -> None:
        """Take a single picture, and a video that came with it, to the retarget screen."""
        window = self._window
        window.show_screen("retarget")
        window.retarget.take([image, *clips[:1]])
        if not window.retarget.setup.driving:
            window.say(tr("A single picture: now drop the video whose motion it should follow"))

    def open_project(self, path: Path) -> None:
        """Open a project file."""
        if self.may_leave():
            self._services.open_path(path)

    def _on_project(self, loaded: Loaded) -> None:
        for note in loaded.notes:
            self._window.say(tr(note))
        view = loaded.document.view
        self._window.show_screen(view.panel)
        self._services.player.seek(view.playhead)

    def new_project(self) -> None:
        """Start afresh."""
        if self.may_leave():
            self._session.new()
            self._window.show_screen("start")

    def save(self) -> bool:
        """Save the project; ask where if it has no name yet."""
        if self._session.path is None or self._session.is_read_only:
            return self.save_as()
        return self.save_to(self._session.path)

    def save_as(self) -> bool:
        """Ask for a name and save the project there."""
        clip = self._session.clip
        beside = Path(clip.media.path) if clip else Path.home() / tr("Untitled")
        path, _ = QFileDialog.getSaveFileName(
            self._window,
            tr("Save project"),
            str(beside.with_suffix(PROJECT_ENDING)),
            f"imf (*{PROJECT_ENDING})",
        )
        return bool(path) and self.save_to(Path(path))

    def save_to(self, path: Path) -> bool:
        """Save the project under a name."""
        path = path if path.suffix else path.with_suffix(PROJECT_ENDING)
        try:
            self._session.save(path)
        except ProjectError as error:
            self._window.errors.show(explain_exception(error, file=path.name))
            return False
        self._services.settings.add_recent(str(path))
        self._window.say(tr("Saved as {name}", name=path.name))
        self._window.refresh()
        return True

    def may_leave(self) -> bool:
        """Ask what becomes of unsaved work; False to stay."""
        document = self._session.document
        has_work = bool(document.clips or document.retarget.reference or document.retarget.driving)
        if self._session.is_clean or not has_work:
            return True
        button = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._window,
            tr("Unsaved work"),
            tr("Save the project before going on?"),
            button.Save | button.Discard | button.Cancel,
        )
        if answer == button.Save:
            return self.save()
        return bool(answer == button.Discard)
