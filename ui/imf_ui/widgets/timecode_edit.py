"""A field for a moment: a frame number, a timecode or seconds, told apart as it is typed."""

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QFontDatabase, QKeyEvent
from PyQt6.QtWidgets import QLineEdit, QWidget

from imf_ui.i18n import tr


class TimecodeEdit(QLineEdit):
    """Shows a moment and takes a new one; a moment that makes no sense is refused in place."""

    frame_wanted = pyqtSignal(int)
    """The user typed a moment that makes sense."""

    def __init__(
        self,
        parse: Callable[[str], int],
        label_of: Callable[[int], str],
        parent: QWidget | None = None,
    ) -> None:
        """Make a field.

        Args:
            parse: Turns text into a frame number, or raises ValueError with a sentence.
            label_of: Writes a frame's moment.
            parent: Owner.
        """
        super().__init__(parent)
        self._parse, self._label_of, self._frame = parse, label_of, 0
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance("00:00:00:00") + 34)
        self.setAccessibleName(tr("Position"))
        self.setToolTip(tr("Type a frame (120), a timecode (00:00:05:00) or seconds (5.0s)"))
        self.returnPressed.connect(self._commit)

    def set_frame(self, frame: int) -> None:
        """Show a frame's moment, unless the user is typing."""
        self._frame = frame
        if not (self.hasFocus() and self.isModified()):
            self.setText(self._label_of(frame))

    def set_labels(self, parse: Callable[[str], int], label_of: Callable[[int], str]) -> None:
        """Change how moments are read and written."""
        self._parse, self._label_of = parse, label_of
        self.set_frame(self._frame)

    def begin(self) -> None:
        """Take the keyboard with everything selected."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()

    @property
    def is_refused(self) -> bool:
        """Whether the text makes no sense."""
        return bool(self.property("refused"))

    def _commit(self) -> None:
        try:
            frame = self._parse(self.text())
        except ValueError as error:
            self._refuse(str(error))
            return
        self._refuse("")
        self.setModified(False)
        self.clearFocus()
        self.frame_wanted.emit(frame)

    def _refuse(self, reason: str) -> None:
        self.setProperty("refused", bool(reason))
        self.setStyleSheet("QLineEdit { border-color: palette(bright-text); }" if reason else "")
        self.setAccessibleDescription(reason)
        if reason:
            self.setToolTip(reason)
            self.selectAll()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Give up with Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self._give_up()
            self.clearFocus()
            return
        super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Show the true moment again when the field is left."""
        super().focusOutEvent(event)
        self._give_up()

    def _give_up(self) -> None:
        self._refuse("")
        self.setModified(False)
        self.setText(self._label_of(self._frame))
