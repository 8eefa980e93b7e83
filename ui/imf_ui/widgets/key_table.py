"""The keys as a table: the curve for people who use the keyboard or a screen reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from imf_ui.i18n import tr

AT, SOURCE, SPEED, SHAPE = range(4)
SHAPES = ("constant", "ramp", "smooth", "bezier", "hold")


def shape_words(shape: str) -> str:
    """Return how a stretch's shape is called."""
    return {
        "constant": tr("even"),
        "ramp": tr("ramp"),
        "smooth": tr("soft"),
        "bezier": tr("handles"),
        "hold": tr("freeze"),
    }.get(shape, shape)


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """One key in words."""

    at: str
    """Moment of the output."""
    source: str
    """Moment of the source."""
    speed: str
    """Speed that leaves it."""
    shape: str
    """One of `SHAPES`."""


class _Model(QAbstractTableModel):
    edited = pyqtSignal(int, int, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: Sequence[KeyRow] = ()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return the number of keys."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Name the columns."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation is Qt.Orientation.Vertical:
            return str(section + 1)
        return (tr("Output"), tr("Source"), tr("Speed"), tr("Shape"))[section]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's words, and for screen readers a sentence about it."""
        row = self.rows[index.row()]
        values = (row.at, row.source, row.speed, row.shape)
        if role == Qt.ItemDataRole.EditRole:
            return values[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shape_words(row.shape) if index.column() == SHAPE else values[index.column()]
        if role == Qt.ItemDataRole.AccessibleTextRole:
            name = self.headerData(index.column(), Qt.Orientation.Horizontal)
            return f"{tr('Key')} {index.row() + 1}, {name}: {self.data(index)}"
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Pass an edit on; the session decides whether it holds."""
        if role == Qt.ItemDataRole.EditRole and str(value) != self.data(
            index, Qt.ItemDataRole.EditRole
        ):
            self.edited.emit(index.row(), index.column(), str(value))
        return True

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Everything can be edited."""
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable


class _ShapeDelegate(QStyledItemDelegate):
    def createEditor(
        self, parent: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget | None:
        """Offer the shapes as a list."""
        box = QComboBox(parent)
        box.setAccessibleName(tr("Shape"))
        for shape in SHAPES:
            box.addItem(shape_words(shape), shape)
        box.activated.connect(lambda _number: self._done(box))
        return box

    def _done(self, box: QComboBox) -> None:
        self.commitData.emit(box)
        self.closeEditor.emit(box)

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:
        """Show the present shape."""
        if isinstance(editor, QComboBox):
            editor.setCurrentIndex(editor.findData(index.data(Qt.ItemDataRole.EditRole)))

    def setModelData(self, editor: QWidget | None, model: Any, index: QModelIndex) -> None:
        """Pass the chosen shape on."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentData(), Qt.ItemDataRole.EditRole)


class KeyTable(QTableView):
    """Shows the keys; every cell can be typed into, Delete removes, Insert adds."""

    edit_wanted = pyqtSignal(int, int, str)
    """Key, column (`AT`, `SOURCE`, `SPEED`, `SHAPE`) and the new words."""
    delete_wanted = pyqtSignal(object)
    """These keys should go (a list of numbers)."""
    add_wanted = pyqtSignal()
    """A key should be added at the playhead."""
    selection_wanted = pyqtSignal(object)
    """These keys should be selected (a list of numbers)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = _Model(self)
        self.setModel(self._model)
        self._model.edited.connect(self.edit_wanted)
        self.setItemDelegateForColumn(SHAPE, _ShapeDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setAccessibleName(tr("Speed keys"))
        header, rows = self.horizontalHeader(), self.verticalHeader()
        assert header is not None
        assert rows is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column in (AT, SHAPE):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        rows.setFixedWidth(self.fontMetrics().horizontalAdvance("000") + 8)
        rows.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setProperty("small", True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header.setHighlightSections(False)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 10)
        rows.setHighlightSections(False)
        selection = self.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(lambda *_: self._on_selection())
        self._telling = True

    def set_rows(self, rows: Sequence[KeyRow]) -> None:
        """Show these keys, keeping the cursor where it was."""
        if list(rows) == list(self._model.rows):
            return
        place = self.currentIndex()
        chosen = self.selected()
        same = len(rows) == len(self._model.rows)
        self._telling = False
        if same:
            self._model.rows = rows
            self._model.dataChanged.emit(
                self._model.index(0, 0), self._model.index(len(rows) - 1, 3)
            )
        else:
            self._model.beginResetModel()
            self._model.rows = rows
            self._model.endResetModel()
            row = min(max(place.row(), 0), len(rows) - 1)
            self.setCurrentIndex(self._model.index(row, max(place.column(), 0)))
            self.set_selected([i for i in chosen if i < len(rows)])
        self._telling = True

    def selected(self) -> list[int]:
        """Return the numbers of the selected keys."""
        selection = self.selectionModel()
        return sorted(i.row() for i in selection.selectedRows()) if selection else []

    def set_selected(self, keys: Sequence[int]) -> None:
        """Select keys without telling anybody."""
        selection = self.selectionModel()
        if selection is None or list(keys) == self.selected():
            return
        told, self._telling = self._telling, False
        flag = QItemSelectionModel.SelectionFlag
        selection.clearSelection()
        for key in keys:
            selection.select(self._model.index(key, 0), flag.Select | flag.Rows)
        self._telling = told

    def _on_selection(self) -> None:
        if self._telling:
            self.selection_wanted.emit(self.selected())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Delete, Insert and Enter work on keys."""
        if event is None:
            return
        editing = self.state() is QAbstractItemView.State.EditingState
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and not editing:
            self.delete_wanted.emit(self.selected())
        elif event.key() == Qt.Key.Key_Insert and not editing:
            self.add_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not editing:
            self.edit(self.currentIndex())
        else:
            super().keyPressEvent(event)
