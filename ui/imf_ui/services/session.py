"""The session: the one document of a window, its undo stack and its file. The only writer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QUndoStack

from imf_plugin.errors import PlanError
from imf_plugin.timeline.plan import FramePlanner
from imf_plugin.timeline.timemap import SourceTiming
from imf_ui.commands import DocCommand
from imf_ui.model.document import Clip, Document
from imf_ui.model.ops import Op, SetView
from imf_ui.model.projectfile import Loaded, load_project, save_project
from imf_ui.model.schedule import Findings, Schedule, planner_for

_EVERYTHING = frozenset(
    {"clips", "active", "curve", "marks", "cuts", "render", "media", "retarget", "view"}
)
_DRAGGED_MS = 33
"""How often the output frames are worked out anew while something is dragged."""


class Session(QObject):
    """Holds the document and changes it, one edit at a time."""

    documentChanged = pyqtSignal(object)
    """The aspects that changed, a frozenset of names; see `Op.aspects`."""
    scheduleChanged = pyqtSignal()
    """The active clip's output frames are others than before."""
    projectChanged = pyqtSignal()
    """The file's name, or whether there is anything to save."""
    applied = pyqtSignal(object)
    """An edit was carried out (undo carries out its inverse); for the journal."""
    replaced = pyqtSignal()
    """Another document was opened; for the journal."""
    refused = pyqtSignal(str)
    """An edit was not possible; the sentence says why."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = Document()
        self.undo_stack = QUndoStack(self)
        self.undo_stack.cleanChanged.connect(self._on_clean)
        self.path: Path | None = None
        self.is_read_only = False
        self._gesture = 0
        self._gestures = 0
        self._before: Document | None = None
        self._timings: dict[str, SourceTiming] = {}
        self._findings: dict[str, Findings] = {}
        self._planner: tuple[object, FramePlanner] | None = None
        self._schedule: Schedule | None = None
        self._schedule_of: object = None
        self._schedule_timer = QTimer(self)
        self._schedule_timer.setSingleShot(True)
        self._schedule_timer.setInterval(_DRAGGED_MS)
        self._schedule_timer.timeout.connect(self._refresh_schedule)

    @property
    def document(self) -> Document:
        """The document as it is now."""
        return self._document

    @property
    def clip(self) -> Clip | None:
        """The clip being edited, if there is one."""
        return self._document.clip() if self._document.active else None

    @property
    def is_clean(self) -> bool:
        """Whether everything is saved."""
        return self.undo_stack.isClean()

    def do(self, op: Op) -> None:
        """Carry out an edit; within a gesture it belongs to the gesture's step of undo."""
        if op.apply(self._document) == self._document:
            return
        command = DocCommand(op, self._document, self._apply, self._gesture)
        self.undo_stack.push(command)

    def begin_gesture(self) -> None:
        """Begin a drag: everything until `end_gesture` is one step of undo."""
        if not self._gesture:
            self._gestures += 1
            self._gesture = self._gestures
            self._before = self._document

    def end_gesture(self) -> None:
        """End a drag; one that changed nothing leaves no step."""
        self._finish_gesture(keep=self._document != self._before)

    def cancel_gesture(self) -> None:
        """Take back everything since `begin_gesture`."""
        self._finish_gesture(keep=False)

    def _finish_gesture(self, *, keep: bool) -> None:
        gesture, self._gesture, self._before = self._gesture, 0, None
        self._refresh_schedule()
        top = self.undo_stack.command(self.undo_stack.index() - 1)
        if not keep and gesture and isinstance(top, DocCommand) and top.id() == gesture:
            # Qt deletes an obsolete command instead of undoing it, so no redo stays either.
            if top.inverse.apply(self._document) != self._document:
                self._apply(top.inverse)
            top.setObsolete(True)
            self.undo_stack.undo()

    def set_view(self, **changes: Any) -> None:
        """Change members of the view state; no step of undo."""
        view = replace(self._document.view, **changes)
        if view != self._document.view:
            self._apply(SetView(view=view))

    def new(self) -> None:
        """Start with an empty document."""
        self._open(Document(), None)

    def adopt(self, document: Document, path: Path | None, *, is_clean: bool = False) -> None:
        """Go on with a document that was recovered."""
        self._open(document, path)
        if not is_clean:
            self.undo_stack.resetClean()

    def load(self, path: Path) -> Loaded:
        """Open a project file.

        Raises:
            ProjectError: If neither it nor its backup can be read.
        """
        loaded = load_project(path)
        self._open(loaded.document, path)
        self.is_read_only = loaded.is_read_only
        self.projectChanged.emit()
        return loaded

    def save(self, path: Path | None = None) -> None:
        """Save the project, under another name if one is given.

        Raises:
            ProjectError: If it cannot be written.
        """
        target = path or self.path
        if target is None:
            raise ValueError("a new project needs a name to be saved under")
        save_project(target, self._document)
        self.path, self.is_read_only = target, False
        self.undo_stack.setClean()
        self.projectChanged.emit()

    def set_timing(self, path: str, timing: SourceTiming) -> None:
        """Tell when the frames of a piece of media are shown."""
        self._timings[path] = timing
        self._refresh_schedule()

    def timing(self, path: str) -> SourceTiming | None:
        """Return when the frames of a piece of media are shown, once it is open."""
        return self._timings.get(path)

    def set_findings(self, path: str, findings: Findings) -> None:
        """Tell what looking through a piece of media found."""
        self._findings[path] = findings
        self._refresh_schedule()

    def findings(self, path: str) -> Findings | None:
        """Return the cuts and repeats found in a piece of media, if it was looked through."""
        return self._findings.get(path)

    def schedule(self) -> Schedule | None:
        """Return the output frames of the active clip, once its media is open."""
        if self._schedule_timer.isActive():
            self._refresh_schedule()
        return self._schedule

    def schedule_of(self, clip: Clip) -> Schedule | None:
        """Return the output frames of any clip, once its media is open."""
        timing = self._timings.get(clip.media.path)
        if timing is None:
            return None
        found = self._findings.get(clip.media.path)
        ingredients = (timing, clip.cuts, found)
        if self._planner is None or self._planner[0] != ingredients:
            self._planner = (ingredients, planner_for(timing, clip, found))
        try:
            return Schedule(timing, self._planner[1], clip.curve, clip.output_rate)
        except PlanError as error:
            self.refused.emit(str(error))
            return None

    def _on_clean(self, is_clean: bool) -> None:
        self.projectChanged.emit()

    def _open(self, document: Document, path: Path | None) -> None:
        self._document, self.path, self.is_read_only = document, path, False
        self._gesture, self._before = 0, None
        self.undo_stack.clear()
        self.undo_stack.setClean()
        self.replaced.emit()
        self._refresh_schedule()
        self.documentChanged.emit(_EVERYTHING)
        self.projectChanged.emit()

    def _apply(self, op: Op) -> None:
        self._document = op.apply(self._document)
        self.applied.emit(op)
        if op.aspects & {"clips", "active", "curve", "cuts", "render", "media"}:
            self._refresh_schedule_soon()
        self.documentChanged.emit(op.aspects)

    def _refresh_schedule_soon(self) -> None:
        """Work the output frames out now; amid a drag, when somebody asks or a picture is due."""
        if not self._gesture:
            self._refresh_schedule()
        elif not self._schedule_timer.isActive():
            self._schedule_timer.start()

    def _refresh_schedule(self) -> None:
        self._schedule_timer.stop()
        clip = self.clip
        of: tuple[object, ...] | None = None
        if clip is not None:
            media = clip.media.path
            of = (
                self._timings.get(media),
                self._findings.get(media),
                clip.id,
                clip.curve,
                clip.output_rate,
                clip.cuts,
            )
        if of == self._schedule_of:
            return
        self._schedule_of = of
        self._schedule = self.schedule_of(clip) if clip else None
        self.scheduleChanged.emit()
