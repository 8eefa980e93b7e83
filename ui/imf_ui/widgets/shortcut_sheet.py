"""The shortcut sheet: all keys at a glance, by menu."""

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.widgets.parts import card, column, label, push_button, row

_COLUMNS = 3
_SCROLLBAR_PX = 18
_HEIGHT_PX = 660


def key_words(keys: Sequence[str]) -> str:
    """Write key sequences as the desktop does."""
    return "   ".join(
        QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in keys
    )


class ShortcutSheet(QDialog):
    """Shows what each key does; the field at the top looks for one."""

    def __init__(
        self,
        groups: Sequence[tuple[str, Sequence[tuple[str, str]]]],
        parent: QWidget | None = None,
    ) -> None:
        """Make a sheet.

        Args:
            groups: For each menu its name, and its actions' words and keys.
            parent: Owner.
        """
        super().__init__(parent)
        self.setWindowTitle(tr("Keys"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search"))
        self.search.setAccessibleName(tr("Search keys"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self._rows: list[tuple[str, list[QWidget]]] = []
        columns = [QVBoxLayout() for _ in range(_COLUMNS)]
        lengths = [0] * _COLUMNS
        for name, rows in groups:
            place = lengths.index(min(lengths))
            columns[place].addWidget(self._group(name, rows))
            lengths[place] += len(rows) + 2
        inside = QWidget()
        box = row(space_px=12)
        for one in columns:
            one.setSpacing(12)
            one.addStretch(1)
            box.addLayout(one, 1)
        inside.setLayout(box)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setAccessibleName(tr("Keys"))
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(inside.sizeHint().width() + _SCROLLBAR_PX)
        close = push_button(tr("Close"))
        close.clicked.connect(self.accept)
        head = row(label(tr("Keys"), "heading"), None, self.search)
        layout = column(head, scroll, row(None, close), margins_px=18, space_px=12)
        self.setLayout(layout)
        self.resize(self.minimumSizeHint().width(), _HEIGHT_PX)

    def _group(self, name: str, rows: Sequence[tuple[str, str]]) -> QWidget:
        frame = card()
        grid = QGridLayout(frame)
        grid.setContentsMargins(14, 10, 14, 12)
        grid.setVerticalSpacing(5)
        grid.addWidget(label(name.upper(), "section"), 0, 0, 1, 2)
        for number, (words, keys) in enumerate(rows, start=1):
            left, right = label(words), label(keys, "muted")
            right.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(left, number, 0)
            grid.addWidget(right, number, 1)
            self._rows.append((f"{words} {keys}".lower(), [left, right]))
        return frame

    def _filter(self, text: str) -> None:
        for words, widgets in self._rows:
            for widget in widgets:
                widget.setEnabled(text.lower() in words)

    def shown_rows(self) -> int:
        """Return how many rows match what is searched for."""
        return sum(widgets[0].isEnabled() for _, widgets in self._rows)
