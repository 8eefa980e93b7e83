"""The main window: screens, menus, drag and drop, and the dialogs of the whole program."""

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
)
from PyQt6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QInputDialog,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.icons import icon
from imf_ui.model.errors import Explained
from imf_ui.panels.queue import QueuePanel
from imf_ui.panels.retarget import RetargetPanel
from imf_ui.panels.retime import RetimePanel
from imf_ui.panels.shortcuts import MENUS, shortcut_groups
from imf_ui.panels.start import StartScreen
from imf_ui.services.actions import ACTIONS
from imf_ui.services.app_services import Services
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.widgets.shortcut_sheet import ShortcutSheet
from imf_ui.window_errors import WindowErrors
from imf_ui.window_files import WindowFiles
from imf_ui.window_jobs import WindowJobs
from imf_ui.window_status import WindowStatus

_SCREENS = ("start", "edit", "retarget", "queue")
_ANALYSED_FRAMES = 1500
"""Longer clips are looked through for cuts when the user asks, so that previews come first."""


class MainWindow(QMainWindow):
    """The editor."""

    restart_wanted = pyqtSignal()
    """Theme or language changed: build the window anew on the same services."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.services, self.session = services, services.session
        self._abandoned = False
        self.setAcceptDrops(True)
        self.setWindowIcon(icon("editor", "accent"))
        self.resize(1320, 860)
        self.start = StartScreen()
        self.retime = RetimePanel(services)
        self.retarget = RetargetPanel(services)
        self.queue = QueuePanel(services)
        self.screens = QStackedWidget()
        self.screens.setObjectName("screens")
        for screen in (self.start, self.retime, self.retarget, self.queue):
            self.screens.addWidget(screen)
        self.setCentralWidget(self.screens)
        self.errors = WindowErrors(self)
        self.files = WindowFiles(self)
        self.jobs = WindowJobs(self)
        self.work = self._table()
        self.qt_actions: dict[str, QAction] = dict(self.retime.qt_actions)
        self._tabs: dict[str, QToolButton] = {}
        self._make_actions()
        self._make_menus()
        self.status = WindowStatus(services)
        self.setStatusBar(self.status)
        self._connect()
        self.refresh()
        self.show_screen("edit" if self.session.clip else "start")

    def _table(self) -> dict[str, Callable[[], object]]:
        return {
            "new": self.files.new_project,
            "open": self.files.choose_and_open,
            "open_sample": self.jobs.open_sample,
            "save": self.files.save,
            "save_as": self.files.save_as,
            "export": self.export_now,
            "export_as": self.export_as,
            "settings": self.jobs.edit_settings,
            "quit": self.close,
            "undo": self.undo,
            "redo": self.redo,
            "screen_edit": lambda: self.show_screen("edit"),
            "screen_retarget": lambda: self.show_screen("retarget"),
            "screen_queue": lambda: self.show_screen("queue"),
            "full_screen": self.toggle_full_screen,
            "fit_length": self.ask_length,
            "shortcuts": self.show_shortcuts,
            "about": self.show_about,
        }

    def _make_actions(self) -> None:
        for described in ACTIONS:
            if described.id in self.qt_actions or described.id not in self.work:
                continue
            action = QAction(tr(described.words), self)
            keys = self.services.actions.keys_of(described.id)
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.triggered.connect(lambda _checked, wanted=described.id: self.trigger(wanted))
            self.qt_actions[described.id] = action
            self.addAction(action)

    def _make_menus(self) -> None:
        bar = self.menuBar()
        assert bar is not None
        for name in MENUS:
            menu = bar.addMenu(tr(name))
            assert menu is not None
            for described in ACTIONS:
                if described.menu == name and described.id in self.qt_actions:
                    menu.addAction(self.qt_actions[described.id])
                    if described.id in self.retarget.qt_actions:
                        menu.addAction(self.retarget.qt_actions[described.id])
        corner = QWidget()
        box = QHBoxLayout(corner)
        box.setContentsMargins(0, 3, 8, 3)
        box.setSpacing(2)
        group = QButtonGroup(self)
        for screen, words, icon_name in (
            ("edit", tr("Edit"), "curve"),
            ("retarget", tr("Retarget"), "retarget"),
            ("queue", tr("Queue"), "queue"),
        ):
            tab = QToolButton()
            tab.setProperty("tab", True)
            tab.setText(words)
            tab.setIcon(icon(icon_name))
            tab.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            tab.setCheckable(True)
            tab.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tab.setAccessibleName(words)
            tab.clicked.connect(lambda _checked, wanted=screen: self.show_screen(wanted))
            group.addButton(tab)
            box.addWidget(tab)
            self._tabs[screen] = tab
        bar.setCornerWidget(corner)

    def _connect(self) -> None:
        self.start.action_wanted.connect(self.trigger)
        self.start.open_wanted.connect(self.open_path)
        self.start.recover_wanted.connect(self.jobs.recover)
        self.start.discard_wanted.connect(self.jobs.discard)
        self.retime.export_wanted.connect(self.jobs.export_as)
        self.retime.refused.connect(self.say)
        self.retarget.refused.connect(self.say)
        self.queue.explain_wanted.connect(self.errors.explain_job)
        self.services.queue.jobFinished.connect(self.errors.on_job_finished)
        self.services.failed.connect(self.errors.on_failed)
        self.services.clipOpened.connect(self._on_clip)
        self.services.findingsChanged.connect(self._on_findings)
        self.services.preview.rangeProgress.connect(self._on_range)
        self.services.media.firstPicture.connect(self._on_first_picture)
        self.session.documentChanged.connect(self._on_document)
        self.session.projectChanged.connect(self.refresh)
        self.session.undo_stack.indexChanged.connect(self._show_undo)

    def trigger(self, action: str) -> None:
        """Carry out an action by its id, as it is meant on the screen that is shown."""
        on_retarget = self.screen_name == "retarget"
        work = self.work.get(action) or (self.retarget.table.get(action) if on_retarget else None)
        if work is not None:
            work()
        elif self.session.clip is None:
            self.say(tr("Open a video first"))
        else:
            self.retime.trigger(action)

    def show_screen(self, name: str) -> None:
        """Go to a screen; without a clip the edit screen is the start screen."""
        if name not in _SCREENS or (name == "edit" and self.session.clip is None):
            name = "edit" if self.session.clip else "start"
        self.screens.setCurrentIndex(_SCREENS.index(name))
        for screen, tab in self._tabs.items():
            tab.setChecked(screen == ("edit" if name == "start" else name))
        self._offer_actions(name)
        if name == "edit":
            self.retime.viewer.view.setFocus()
        elif name == "retarget":
            self.retarget.strip.setFocus()

    def _offer_actions(self, screen: str) -> None:
        """Offer in the menus what the screen can do; both screens with pictures can play."""
        for name, action in self.retime.qt_actions.items():
            action.setEnabled(screen == "edit")
            action.setVisible(not (screen == "retarget" and name in self.retarget.qt_actions))
        for action in self.retarget.qt_actions.values():
            action.setVisible(screen == "retarget")

    @property
    def screen_name(self) -> str:
        """Name of the screen that is shown."""
        return _SCREENS[self.screens.currentIndex()]

    def refresh(self) -> None:
        """Follow the document: title, start screen, undo, numbers."""
        path, clip = self.session.path, self.session.clip
        name = path.stem if path else clip.name if clip else tr("Untitled")
        self.setWindowTitle(f"{name}[*] · imf")
        self.setWindowModified(not self.session.is_clean)
        self.start.set_recent(self.services.settings.values.recent)
        self.start.set_recoverable(self.services.autosave.recoverable())
        self._show_undo()
        self.status.refresh()

    def _on_document(self, aspects: frozenset[str]) -> None:
        if aspects & {"clips", "active"}:
            if self.screen_name in ("start", "edit"):
                self.show_screen("edit")
            self.refresh()

    def _show_undo(self, _index: int = 0) -> None:
        stack = self.session.undo_stack
        for action, can, words, verb in (
            ("undo", stack.canUndo(), stack.undoText(), tr("Undo")),
            ("redo", stack.canRedo(), stack.redoText(), tr("Redo")),
        ):
            shown = self.qt_actions[action]
            shown.setEnabled(can)
            shown.setText(f"{verb}: {tr(words)}" if can and words else verb)
        self.setWindowModified(not self.session.is_clean)

    def say(self, words: str) -> None:
        """Write a sentence into the status line for a while."""
        self.status.say(words)

    def open_path(self, path: str) -> None:
        """Open one file or folder."""
        self.open_paths([path])

    def open_paths(self, paths: list[str]) -> None:
        """Open what was dropped or chosen."""
        self.files.open_paths(paths)

    def _on_findings(self, path: str) -> None:
        found = self.session.findings(path)
        if found is not None and found.cuts:
            self.say(tr("{count} cuts found", count=len(found.cuts)))
        self.retime.curve_panel.refresh()

    def _on_range(self, done: int, count: int) -> None:
        self.say(tr("{done} of {count} frames are ready", done=done, count=count))

    def _on_first_picture(self, path: str, pixels: Pixels) -> None:
        """Show the first frame while the rest of the file is still being listed."""
        if self.session.clip is None and self.screen_name == "start":
            view = self.retime.viewer.view
            view.set_message("")
            view.set_images(None, image_of_bgra(pixels))
            self.screens.setCurrentWidget(self.retime)

    def _on_clip(self, clip_id: str) -> None:
        clip = self.session.clip
        if clip is None or clip.id != clip_id:
            return
        self.show_screen("edit")
        if clip.cuts.find and clip.media.frame_count <= _ANALYSED_FRAMES:
            self.services.analyse(clip)

    def undo(self) -> None:
        """Take the last edit back, and say which."""
        words = self.session.undo_stack.undoText()
        self.session.undo_stack.undo()
        if words:
            self.say(tr("Undone: {words}", words=tr(words)))

    def redo(self) -> None:
        """Do again what was undone, and say what."""
        words = self.session.undo_stack.redoText()
        self.session.undo_stack.redo()
        if words:
            self.say(tr("Done again: {words}", words=tr(words)))

    def export_now(self) -> None:
        """Put what the screen shows into the queue as it is set up."""
        if self.screen_name == "retarget":
            self.retarget.add_to_queue()
        elif self.session.clip is None:
            self.say(tr("Open a video first"))
        else:
            self.jobs.export_now()

    def export_as(self) -> None:
        """Ask what the result should be, then put it into the queue."""
        if self.screen_name == "retarget":
            self.retarget.add_to_queue()
        elif self.session.clip is None:
            self.say(tr("Open a video first"))
        else:
            self.jobs.export_as()

    def ask_length(self) -> None:
        """Ask how long the result should be."""
        clip = self.session.clip
        if clip is None:
            return
        seconds, agreed = QInputDialog.getDouble(
            self,
            tr("Fit to length"),
            tr("Length of the result in seconds:"),
            float(clip.curve.duration) / 705_600_000,
            0.04,
            1e6,
            3,
        )
        if agreed:
            from fractions import Fraction

            self.retime.control.fit_to(Fraction(seconds).limit_denominator(1000))

    def toggle_full_screen(self) -> None:
        """Fill the screen, or stop doing so."""
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def show_shortcuts(self) -> ShortcutSheet:
        """Show all keys, and what the mouse does."""
        sheet = ShortcutSheet(shortcut_groups(self.services.actions), self)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.show()
        return sheet

    def show_about(self) -> None:
        """Say what this is."""
        from imf_plugin import __version__

        QMessageBox.about(
            self,
            tr("About"),
            tr(
                "imf editor {version}: elastic time for video. Nothing leaves this machine.",
                version=__version__,
            ),
        )

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Welcome files."""
        mime = event.mimeData() if event else None
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()
            self.start.set_drop_active(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Dim the start screen again."""
        self.start.set_drop_active(False)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what was dropped; on the retarget screen it fills the next empty place."""
        self.start.set_drop_active(False)
        mime = event.mimeData() if event else None
        if event is None or mime is None:
            return
        paths = [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]
        event.acceptProposedAction()
        if self.screen_name == "retarget":
            self.retarget.take(paths)
        elif paths:
            self.open_paths(paths)

    def show_failure(self, explained: Explained) -> None:
        """Open the error dialog."""
        self.errors.show(explained)

    def abandon(self) -> None:
        """Go away without asking: another window shows the same document."""
        self._abandoned = True
        self.close()
        self.deleteLater()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Ask about unsaved work before closing."""
        if event is None:
            return
        if self._abandoned or self.files.may_leave():
            self.status.rest()
            event.accept()
        else:
            event.ignore()
