"""One step of undo: an edit of the document, or all edits of one drag."""

from collections.abc import Callable
from weakref import WeakMethod

from PyQt6.QtGui import QUndoCommand

from imf_ui.model.document import Document
from imf_ui.model.ops import Macro, Op


class DocCommand(QUndoCommand):
    """Wraps an edit for Qt's undo stack.

    Args:
        op: The edit.
        document: What it is applied to.
        apply: Carries an edit out on the current document.
        gesture: Number of the drag that it belongs to, or 0.
    """

    def __init__(
        self, op: Op, document: Document, apply: Callable[[Op], None], gesture: int = 0
    ) -> None:
        super().__init__(op.label)
        self.op = op
        self.inverse = op.inverse(document)
        # The stack belongs to the session that applies: a strong reference would be a circle
        # through C++ that Python's collector can only break in the wrong order.
        self._apply = WeakMethod(apply)
        self._gesture = gesture

    def id(self) -> int:
        """Commands of the same drag are merged; -1 never merges."""
        return self._gesture or -1

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        """Take in the next edit of the same drag."""
        if not isinstance(other, DocCommand):
            return False
        if type(other.op) is type(self.op) and getattr(other.op, "id", "") == getattr(
            self.op, "id", ""
        ):
            self.op = other.op
        else:
            self.op = Macro(ops=(self.op, other.op), name_of_edit=self.text())
            self.inverse = Macro(ops=(other.inverse, self.inverse), name_of_edit=self.text())
        return True

    def redo(self) -> None:
        """Do the edit."""
        self._carry_out(self.op)

    def undo(self) -> None:
        """Bring the document back."""
        self._carry_out(self.inverse)

    def _carry_out(self, op: Op) -> None:
        apply = self._apply()
        if apply is not None:
            apply(op)
