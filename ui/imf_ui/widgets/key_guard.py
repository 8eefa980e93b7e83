"""Lets focused widgets keep the keys they need, where the editor has shortcuts on them."""

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QWidget

_KEY = Qt.Key
_MOVES = frozenset(
    {_KEY.Key_Up, _KEY.Key_Down, _KEY.Key_Left, _KEY.Key_Right, _KEY.Key_Home, _KEY.Key_End}
)
_ARROWS = _MOVES - {_KEY.Key_Home, _KEY.Key_End}
_LISTS = _MOVES | {_KEY.Key_Space, _KEY.Key_Delete, _KEY.Key_A, _KEY.Key_Insert}


class KeyGuard(QObject):
    """An event filter: Space presses the button that has the focus, arrows move in a list."""

    def watch(self, root: QWidget) -> None:
        """Guard a widget and all that is in it."""
        for widget in (root, *root.findChildren(QWidget)):
            if isinstance(
                widget, QAbstractButton | QAbstractItemView | QAbstractSpinBox | QComboBox
            ):
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Claim a key for the focused widget before shortcuts see it."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and _needs(watched, event)
        ):
            event.accept()
            return True
        return False


def _needs(watched: QObject | None, event: QKeyEvent) -> bool:
    if isinstance(watched, QAbstractButton):
        group = watched.group()
        # Of a row of which one is pressed, Tab reaches that one and the arrows the others.
        is_one_of_many = group is not None and group.exclusive()
        return event.key() == _KEY.Key_Space or (is_one_of_many and event.key() in _ARROWS)
    if isinstance(watched, QComboBox | QAbstractSpinBox):
        return event.key() in _MOVES | {_KEY.Key_Space}
    plain_a = event.key() == _KEY.Key_A and event.modifiers() != Qt.KeyboardModifier.ControlModifier
    return event.key() in _LISTS and not plain_a
