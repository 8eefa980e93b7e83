"""Tells whether a key is held down, also one that a shortcut takes."""

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import QWidget


class HeldKey(QObject):
    """Watches the keys that are pressed in a widget or in what it holds.

    Args:
        widget: Where the keys are pressed.
        keys: The keys that count, such as ``("K",)``.
        tell: Is given True when one is pressed and False when it is let go.
    """

    def __init__(
        self, widget: QWidget, keys: Callable[[], tuple[str, ...]], tell: Callable[[bool], None]
    ) -> None:
        super().__init__(widget)
        self._keys, self._tell = keys, tell
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at what passes; a shortcut's key is seen before the shortcut."""
        if event is None:
            return False
        if event.type() == QEvent.Type.WindowDeactivate:
            # The key may be let go over another window, which would not be told here.
            self._tell(False)
        elif (
            isinstance(event, QKeyEvent)
            and event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyRelease)
            and not event.isAutoRepeat()
            and self._is_meant(event)
        ):
            self._tell(event.type() == QEvent.Type.ShortcutOverride)
        return False

    def _is_meant(self, event: QKeyEvent) -> bool:
        pressed = QKeySequence(event.keyCombination())
        return any(QKeySequence(key) == pressed for key in self._keys())
