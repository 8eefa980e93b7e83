"""The presets: buttons with a small drawing of what each does to the speed."""

from fractions import Fraction

from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap
from PyQt6.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from imf_ui.i18n import tr
from imf_ui.model.curve import SpeedCurve, identity_curve
from imf_ui.model.presets import Preset, apply_preset
from imf_ui.model.timebase import ticks_of
from imf_ui.panels.curve_picture import CurvePicture
from imf_ui.theme import colour

_SIZE = QSize(34, 18)
_SAMPLE_SECONDS = Fraction(4)
_COLUMNS = 2


def preset_icon(preset: Preset) -> QIcon:
    """Return a drawing of a preset's speed over a four-second clip."""
    length = ticks_of(_SAMPLE_SECONDS)
    try:
        curve = apply_preset(preset, identity_curve(length), length)
    except ValueError:
        curve = identity_curve(length)
    drawn = QIcon()
    for ratio in (1, 2):
        drawn.addPixmap(_drawing(curve, ratio))
    return drawn


def _drawing(curve: SpeedCurve, ratio: int) -> QPixmap:
    picture = CurvePicture(curve, Fraction(25), Fraction(25))
    target = QPixmap(_SIZE * ratio)
    target.setDevicePixelRatio(ratio)
    target.fill(Qt.GlobalColor.transparent)
    low, high = picture.speed_range()
    high = max(high, 1.2)
    painter = QPainter(target)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def place(share: float, speed: float) -> QPointF:
        rise = (speed - low) / (high - low)
        return QPointF(2 + share * (_SIZE.width() - 4), 2 + (1 - rise) * (_SIZE.height() - 4))

    faint = QColor(colour("muted"))
    faint.setAlpha(90)
    painter.setPen(QPen(faint, 1, Qt.PenStyle.DotLine))
    painter.drawLine(place(0, 1.0), place(1, 1.0))
    path = QPainterPath(place(0, picture.speed(0)))
    for step in range(1, 97):
        path.lineTo(place(step / 96, picture.speed(picture.end * step / 96)))
    painter.setPen(QPen(colour("accent"), 1.8))
    painter.drawPath(path)
    painter.end()
    return target


class PresetBar(QWidget):
    """A grid of presets."""

    preset_wanted = pyqtSignal(str)
    """Id of the preset that was pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(6)
        self.buttons: dict[str, QToolButton] = {}

    def set_presets(self, presets: tuple[Preset, ...]) -> None:
        """Show these presets."""
        for button in self.buttons.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        self.buttons = {}
        for number, preset in enumerate(presets):
            button = QToolButton()
            button.setText(tr(preset.name))
            button.setIcon(preset_icon(preset))
            button.setIconSize(_SIZE)
            button.setProperty("preset", True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAccessibleName(tr("Preset {name}", name=tr(preset.name)))
            button.setToolTip(tr("Apply “{name}” to the clip", name=tr(preset.name)))
            button.clicked.connect(
                lambda _checked, wanted=preset.id: self.preset_wanted.emit(wanted)
            )
            self._grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
            self.buttons[preset.id] = button
