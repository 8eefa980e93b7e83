"""The retime panel: everything to bend a clip's speed, in one widget.

The editor's main window hosts it, and any other PyQt program can::

    import sys
    from PyQt6.QtWidgets import QApplication
    from imf_ui.panels.retime import RetimePanel

    app = QApplication(sys.argv)
    panel = RetimePanel()
    panel.open("clip.mp4")
    panel.curve_changed.connect(lambda curve: print(len(curve.time_keys), "keys"))
    panel.show()
    app.exec()
    panel.close_services()

``panel.curve()`` is an `imf_plugin` curve: give it to `imf_plugin.retime` to render.
"""

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction, QKeySequence, QShowEvent
from PyQt6.QtWidgets import QSplitter, QWidget

from imf_plugin.timeline.curve import Curve
from imf_ui.i18n import tr
from imf_ui.model.presets import BUILT_IN
from imf_ui.panels.curve_control import CurveControl
from imf_ui.panels.curve_panel import CurvePanel
from imf_ui.panels.edit_actions import EditActions
from imf_ui.panels.inspector import InspectorPanel
from imf_ui.panels.viewer import ViewerPanel
from imf_ui.services.actions import ACTIONS
from imf_ui.services.app_services import Services
from imf_ui.theme import follow_host
from imf_ui.widgets.held_key import HeldKey
from imf_ui.widgets.key_guard import KeyGuard
from imf_ui.widgets.parts import column


class RetimePanel(QWidget):
    """Viewer, timeline, curve and inspector of one session."""

    curve_changed = pyqtSignal(object)
    """The active clip's curve is another, given as an engine ``Curve``."""
    export_wanted = pyqtSignal()
    """The user pressed Export; a host may render `curve` itself."""
    refused = pyqtSignal(str)
    """Something cannot be done; the sentence says why."""

    def __init__(self, services: Services | None = None, parent: QWidget | None = None) -> None:
        """Make a panel.

        Args:
            services: The editor's services; when None the panel makes and ends its own.
            parent: Owner.
        """
        super().__init__(parent)
        self._owns = services is None
        follow_host()
        self.services = services or Services()
        session = self.services.session
        self.control = CurveControl(session, self)
        self.viewer = ViewerPanel(self.services)
        self.curve_panel = CurvePanel(self.services, self.control)
        self.inspector = InspectorPanel(self.services, self.control)
        self.edit_actions = EditActions(
            self.services, self.control, self.viewer, self.curve_panel, self
        )
        self._build()
        self.control.refused.connect(self.refused)
        session.refused.connect(self.refused)
        for part in (self.viewer, self.curve_panel, self.inspector):
            part.action_wanted.connect(self.trigger)
        self.inspector.preset_wanted.connect(self.edit_actions.apply_preset)
        session.documentChanged.connect(self._on_document)
        self.refresh_presets()
        self.qt_actions = self._make_actions()
        self._guard = KeyGuard(self)
        self._guard.watch(self)
        self._held_stop = HeldKey(
            self, lambda: self.services.actions.keys_of("stop"), self.services.player.hold_k
        )
        self.setAccessibleName(tr("Edit"))

    def _build(self) -> None:
        self.rows = QSplitter(Qt.Orientation.Vertical)
        self.rows.addWidget(self.viewer)
        self.rows.addWidget(self.curve_panel)
        self.rows.setStretchFactor(0, 3)
        self.rows.setStretchFactor(1, 2)
        self.columns = QSplitter(Qt.Orientation.Horizontal)
        self.columns.addWidget(self.rows)
        self.columns.addWidget(self.inspector)
        self.columns.setStretchFactor(0, 1)
        self.columns.setStretchFactor(1, 0)
        for splitter in (self.rows, self.columns):
            splitter.setChildrenCollapsible(False)
            splitter.setHandleWidth(4)
        self.setLayout(column(self.columns))

    def _make_actions(self) -> dict[str, QAction]:
        """Make a `QAction` for each action of this screen, with its shortcut."""
        registry = self.services.actions
        made = {}
        for described in ACTIONS:
            if described.id not in self.edit_actions.table:
                continue
            action = QAction(tr(described.words), self)
            action.setShortcuts([QKeySequence(key) for key in registry.keys_of(described.id)])
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _checked, wanted=described.id: self.trigger(wanted))
            self.addAction(action)
            made[described.id] = action
        return made

    def trigger(self, action: str) -> bool:
        """Carry out an action by its id; False if it is none of this screen's."""
        if action in ("export", "export_as"):
            self.export_wanted.emit()
            return True
        work = self.edit_actions.table.get(action)
        if work is None:
            return False
        work()
        if action == "save_preset":
            self.refresh_presets()
        return True

    def refresh_presets(self) -> None:
        """Show the built-in presets and those of the user."""
        own = tuple(self.services.presets.load())
        self.inspector.presets.set_presets((*BUILT_IN, *own))

    def open(self, path: str | Path) -> None:
        """Open a clip."""
        self.services.open_path(str(path))

    def curve(self) -> Curve | None:
        """Return the active clip's curve as the engine takes it."""
        clip = self.services.session.clip
        return clip.curve.engine_curve() if clip else None

    def close_services(self) -> None:
        """End the panel's own threads and worker; does nothing when a host gave the services."""
        if self._owns:
            self.services.close()

    def _on_document(self, aspects: frozenset[str]) -> None:
        curve = self.curve()
        if curve is not None and aspects & {"curve", "active"}:
            self.curve_changed.emit(curve)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Give the keyboard to the picture, so that shortcuts work at once."""
        super().showEvent(event)
        if self.focusWidget() is None:
            self.viewer.view.setFocus()
