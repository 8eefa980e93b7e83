"""The error dialog: what happened, why in one sentence, and buttons that do the fix."""

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import pixmap
from imf_ui.widgets.parts import column, label, push_button, row

_REASON_PX = 340


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A button of an error dialog."""

    name: str
    """What the caller gets back when it is pressed."""
    words: str
    """What stands on it."""


class ErrorDialog(QDialog):
    """Asks which way out to take; `chosen` holds the name of the fix, or ``""``."""

    def __init__(
        self,
        title: str,
        why: str,
        fixes: Sequence[Fix] = (),
        *,
        details: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """Make a dialog.

        Args:
            title: What happened, in a few words.
            why: One sentence with the reason and the way out.
            fixes: Buttons; the first is the recommended one.
            details: For a report; hidden until asked for.
            parent: Owner.
        """
        super().__init__(parent)
        self.chosen = ""
        self.setWindowTitle(title)
        sign = QLabel()
        sign.setPixmap(pixmap("warning", "warning", 36, self.devicePixelRatioF()))
        sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        heading = label(title, "heading", wrap=True)
        reason = label(why, wrap=True)
        # The dialog itself gets no least width: it would take the place of what the buttons need.
        reason.setMinimumWidth(_REASON_PX)
        reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._details = QPlainTextEdit(details)
        self._details.setReadOnly(True)
        self._details.setAccessibleName(tr("Details"))
        self._details.setVisible(False)
        self._more = push_button(tr("Details"))
        self._more.setVisible(bool(details))
        self._more.clicked.connect(self._toggle_details)
        self._copy = push_button(tr("Copy"), "copy")
        self._copy.setVisible(False)
        self._copy.clicked.connect(self._copy_details)
        self.buttons = {fix.name: self._fix_button(fix, number) for number, fix in enumerate(fixes)}
        close = push_button(tr("Close"))
        close.clicked.connect(self.reject)
        top = row(sign, 8)
        top.addLayout(column(heading, reason), 1)
        bottom: QHBoxLayout = row(self._more, self._copy, None, close)
        for button in reversed(list(self.buttons.values())):
            bottom.addWidget(button)
        self.setLayout(column(top, 6, self._details, bottom, margins_px=20, space_px=10))
        first = next(iter(self.buttons.values()), close)
        first.setDefault(True)
        first.setFocus()
        self.setAccessibleName(title)
        self.setAccessibleDescription(why)
        self._text = f"{title}\n{why}\n\n{details}"

    def _fix_button(self, fix: Fix, number: int) -> QPushButton:
        button = push_button(fix.words, primary=number == 0)
        button.clicked.connect(lambda: self._choose(fix.name))
        return button

    def _choose(self, name: str) -> None:
        self.chosen = name
        self.accept()

    def _toggle_details(self) -> None:
        self._details.setVisible(not self._details.isVisible())
        self._copy.setVisible(self._details.isVisible())
        self.adjustSize()

    def _copy_details(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._text)
