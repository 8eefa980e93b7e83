"""The pictures of the retarget screen: each with a heading, and a place to drop a file on."""

import numpy as np
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QFileDialog, QFrame

from imf_ui.i18n import tr
from imf_ui.services.images import Pixels
from imf_ui.widgets.frame_view import FrameView
from imf_ui.widgets.parts import ElidedLabel, column, label, push_button, row

_SHOWN_SIDE_PX = 1600
_STAYS = 0.3
"""Brightness of the parts that a mask keeps still."""


class Pane(QFrame):
    """A picture with a heading; files can be dropped on it."""

    file_wanted = pyqtSignal(str)
    """A file was chosen for this place."""

    def __init__(self, title: str, hint: str, files: str = "", *, takes_files: bool = True) -> None:
        """Make a pane.

        Args:
            title: What it shows.
            hint: What it says while it is empty.
            files: Filter of the file dialog.
            takes_files: Whether a file can be chosen for it.
        """
        super().__init__()
        self.setProperty("card", True)
        self._files = files
        self.view = FrameView()
        self.view.setAccessibleName(title)
        self.view.setMinimumSize(160, 120)
        self.view.set_message(hint)
        self.name = ElidedLabel()
        self.name.setProperty("muted", True)
        self.name.setProperty("small", True)
        self.choose = push_button(tr("Choose…"), "open")
        self.choose.setAccessibleName(tr("Choose: {title}", title=title))
        # All panes keep the room of the button, so that their pictures are equally large.
        policy = self.choose.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.choose.setSizePolicy(policy)
        self.choose.setVisible(takes_files)
        self.choose.clicked.connect(self._on_choose)
        self.setAcceptDrops(takes_files)
        head = row(label(title, "strong"), self.name, self.choose)
        head.setStretch(1, 1)
        layout = column(head)
        layout.setContentsMargins(12, 8, 12, 12)
        layout.addWidget(self.view, 1)
        self.setLayout(layout)

    def _on_choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, tr("Open"), "", self._files)
        if path:
            self.file_wanted.emit(path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Welcome a single file; several are the window's to sort."""
        mime = event.mimeData() if event else None
        if event is not None and mime is not None and len(mime.urls()) == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Take a file."""
        mime = event.mimeData() if event else None
        if event is not None and mime is not None and mime.urls():
            event.acceptProposedAction()
            self.file_wanted.emit(mime.urls()[0].toLocalFile())


def small_copy(pixels: Pixels) -> Pixels:
    """Return a picture thinned out to what a screen shows."""
    step = -(-max(pixels.shape[:2]) // _SHOWN_SIDE_PX)
    return np.ascontiguousarray(pixels[::step, ::step])


def masked(picture: Pixels, mask: Pixels | None) -> Pixels:
    """Return a picture ``[H, W, 4]`` with what a mask keeps still darkened."""
    if mask is None or mask.shape != picture.shape:
        return picture
    share = _STAYS + (1 - _STAYS) * mask[..., :3].mean(axis=-1, keepdims=True) / 255
    shown = picture.copy()
    shown[..., :3] = np.rint(picture[..., :3] * share)
    return shown
