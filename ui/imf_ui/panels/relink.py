"""The relink dialog: media that is not where it was, and where it is now."""

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QDialog, QFileDialog, QListWidget, QWidget

from imf_ui.i18n import tr
from imf_ui.widgets.parts import column, label, push_button, row


class RelinkDialog(QDialog):
    """Lists what is missing; one file found brings its neighbours along."""

    found = pyqtSignal(str, str)
    """A missing path, and where it is now."""

    def __init__(self, missing: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Missing media"))
        self.setMinimumWidth(560)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Missing media"))
        locate = push_button(tr("Locate…"), "folder", primary=True)
        later = push_button(tr("Later"))
        locate.clicked.connect(self._locate)
        later.clicked.connect(self.reject)
        self.setLayout(
            column(
                label(tr("These files are not where they were"), "heading"),
                label(
                    tr("Show one of them; the others of its folder are found by themselves."),
                    "muted",
                    wrap=True,
                ),
                self.list,
                row(None, later, locate),
                margins_px=20,
                space_px=12,
            )
        )
        self.set_missing(missing)

    def set_missing(self, missing: Sequence[str]) -> None:
        """Show what is still missing; with nothing left the dialog closes."""
        self.list.clear()
        self.list.addItems(list(missing))
        self.list.setCurrentRow(0)
        if not missing:
            self.accept()

    def _locate(self) -> None:
        item = self.list.currentItem()
        if item is None:
            return
        name = Path(item.text()).name
        path, _ = QFileDialog.getOpenFileName(self, tr("Where is {name}?", name=name), name)
        if path:
            self.found.emit(item.text(), path)
