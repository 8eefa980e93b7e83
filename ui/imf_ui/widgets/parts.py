"""Small pieces that every screen uses: buttons with icons, headings, hairlines, cards."""

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QEvent, QObject, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from imf_ui.icons import icon
from imf_ui.theme import is_applied

SPACE_PX = 8


def icon_button(
    name: str,
    label: str,
    *,
    checkable: bool = False,
    size_px: int = 20,
    parent: QWidget | None = None,
) -> QToolButton:
    """Return a flat button with an icon; its label is its tooltip and accessible name."""
    button = QToolButton(parent)
    button.setProperty("flat", True)
    button.setIcon(icon(name))
    button.setIconSize(QSize(size_px, size_px))
    button.setToolTip(label)
    button.setAccessibleName(label)
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def push_button(label: str, icon_name: str = "", *, primary: bool = False) -> QPushButton:
    """Return a button with words, the one to press next if ``primary``."""
    button = QPushButton(label)
    button.setProperty("primary", primary)
    button.setAccessibleName(label)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if icon_name:
        button.setIcon(icon(icon_name, "on_accent" if primary and is_applied() else "text"))
    return button


def label(text: str, *kinds: str, wrap: bool = False) -> QLabel:
    """Return a label of the theme's kinds: ``muted``, ``small``, ``strong``, ``title`` ..."""
    made = QLabel(text)
    for kind in kinds:
        made.setProperty(kind, True)
    made.setWordWrap(wrap)
    return made


class ElidedLabel(QLabel):
    """A label for names of any length: what does not fit gives way to dots, the tip tells all."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def shown_text(self) -> str:
        """Return the text as it is painted."""
        return self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideMiddle, self.contentsRect().width()
        )

    def minimumSizeHint(self) -> QSize:
        """It can always be made smaller."""
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint what fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), int(self.alignment()), self.shown_text())


def hairline() -> QFrame:
    """Return a line between two groups."""
    line = QFrame()
    line.setProperty("line", True)
    return line


def card() -> QFrame:
    """Return a frame with rounded corners."""
    frame = QFrame()
    frame.setProperty("card", True)
    return frame


def row(*items: QWidget | int | None, margins_px: int = 0, space_px: int = SPACE_PX) -> QHBoxLayout:
    """Lay items out side by side; None stretches, a number is a gap in pixels."""
    box = QHBoxLayout()
    fill(box, items, margins_px, space_px)
    return box


def column(
    *items: QWidget | QLayout | int | None, margins_px: int = 0, space_px: int = SPACE_PX
) -> QVBoxLayout:
    """Lay items out one below the other; None stretches, a number is a gap in pixels."""
    box = QVBoxLayout()
    fill(box, items, margins_px, space_px)
    return box


def fill(
    box: QHBoxLayout | QVBoxLayout,
    items: Sequence[QWidget | QLayout | int | None],
    margins_px: int,
    space_px: int,
) -> None:
    """Put items into a layout, see `row`."""
    box.setContentsMargins(margins_px, margins_px, margins_px, margins_px)
    box.setSpacing(space_px)
    for item in items:
        if item is None:
            box.addStretch(1)
        elif isinstance(item, int):
            box.addSpacing(item)
        elif isinstance(item, QLayout):
            box.addLayout(item)
        else:
            box.addWidget(item)


def bar(*items: QWidget | int | None, space_px: int = 4) -> QFrame:
    """Return a bar with items side by side."""
    frame = QFrame()
    frame.setProperty("bar", True)
    box = row(*items, space_px=space_px)
    box.setContentsMargins(10, 5, 10, 5)
    frame.setLayout(box)
    frame.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return frame


class DownScroll(QScrollArea):
    """Scrolls up and down only, so it is as wide as the longest words in it need."""

    least_px, most_px = 330, 480

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of the content and of the scroll bar."""
        content, bar = self.widget(), self.verticalScrollBar()
        width = content.minimumSizeHint().width() if content is not None else 0
        width += bar.sizeHint().width() if bar is not None else 0
        return QSize(min(max(width, self.least_px), self.most_px), 120)

    def sizeHint(self) -> QSize:
        """Be no wider than needed."""
        return QSize(self.minimumSizeHint().width(), super().sizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the content when its words change."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Segments(QWidget):
    """A row of buttons of which one is pressed."""

    def __init__(
        self,
        choices: Sequence[tuple[str, str, str]],
        chosen: Callable[[str], None],
        parent: QWidget | None = None,
    ) -> None:
        """Make a row.

        Args:
            choices: For each button its value, its words and its icon's name or "".
            chosen: Called with the value that the user presses.
            parent: Owner.
        """
        super().__init__(parent)
        self._buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        box = row(space_px=0)
        for number, (value, words, icon_name) in enumerate(choices):
            button = QToolButton()
            place = "first" if number == 0 else "last" if number == len(choices) - 1 else "true"
            button.setProperty("segment", place)
            button.setCheckable(True)
            button.setText(words)
            button.setToolTip(words)
            button.setAccessibleName(words)
            if icon_name:
                button.setIcon(icon(icon_name))
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _checked, value=value: chosen(value))
            self._group.addButton(button)
            self._buttons[value] = button
            box.addWidget(button)
        self.setLayout(box)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def set_value(self, value: str) -> None:
        """Press a button without telling anybody."""
        if value in self._buttons:
            self._buttons[value].setChecked(True)

    def value(self) -> str:
        """Return the value of the pressed button."""
        return next((v for v, button in self._buttons.items() if button.isChecked()), "")

    def button(self, value: str) -> QToolButton:
        """Return the button of a value."""
        return self._buttons[value]
