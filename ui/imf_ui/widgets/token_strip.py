"""The token strip: a driving clip's motion over time as a picture, with the playhead on it.

Above, how far each frame is from the anchor; below, the numbers of its token, one row each, in one
colour above the anchor's and another below. It is a slider to Qt, so that the arrow keys work and
a screen reader announces it with its value; only the painting and the mouse are its own.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QSlider, QWidget

from imf_ui.i18n import tr
from imf_ui.theme import colour

_TOP_PX, _LINE_PX, _ROWS_PX, _CACHE_PX, _GAP_PX = 8, 34, 44, 5, 3
_MARGIN_PX = 10


class TokenStrip(QSlider):
    """A slider over driving frames with their motion drawn on it."""

    seek_wanted = pyqtSignal(int)
    """The user asks for a driving frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._frames: Sequence[int] = ()
        self._lengths: Sequence[float] = ()
        self._rows: NDArray[np.float32] | None = None
        self._picture: QImage | None = None
        self._pictured = ""
        self._anchor: int | None = None
        self._made: frozenset[int] = frozenset()
        self._scrubs = False
        self.setRange(0, 0)
        self.setPageStep(10)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Frame of the motion"))
        self.setToolTip(
            tr(
                "Above: how far each frame is from the anchor. Below: the numbers that the method "
                "reads from it. The dashed line is the anchor."
            )
        )
        self.actionTriggered.connect(self._on_action)

    def sizeHint(self) -> QSize:
        """Ask for the height of the bands."""
        return QSize(480, _TOP_PX + _LINE_PX + _ROWS_PX + _CACHE_PX + 2 * _GAP_PX + 4)

    def minimumSizeHint(self) -> QSize:
        """The height may not shrink."""
        return QSize(160, self.sizeHint().height())

    def set_length(self, frames: int) -> None:
        """Say how many frames the driving clip has."""
        self.blockSignals(True)
        self.setRange(0, max(frames - 1, 0))
        self.blockSignals(False)
        self.update()

    def set_motion(
        self,
        frames: Sequence[int],
        lengths: Sequence[float],
        rows: NDArray[np.float32] | None,
        anchor: int | None,
    ) -> None:
        """Show the motion as far as it is known.

        Args:
            frames: The frames that have a column.
            lengths: For the first of them, how far each is from the anchor.
            rows: The numbers of the tokens, ``[rows, columns]`` within -1..1, or None.
            anchor: The frame that counts as standing still.
        """
        self._frames, self._lengths, self._rows = frames, list(lengths), rows
        self._anchor, self._picture = anchor, None
        self._describe()
        self.update()

    def set_made(self, frames: frozenset[int]) -> None:
        """Say which results are at hand."""
        self._made = frames
        self.update()

    def set_playhead(self, frame: int) -> None:
        """Move the playhead without asking anybody for that frame."""
        self.blockSignals(True)
        self.setValue(frame)
        self.blockSignals(False)
        self._describe()
        self.update()

    def x_of(self, frame: float) -> float:
        """Return where a frame's column has its middle, in pixels of the widget."""
        return _MARGIN_PX + (frame + 0.5) / (self.maximum() + 1) * self._span_px()

    def frame_at(self, x: float) -> int:
        """Return the frame at a place of the widget."""
        frame = (x - _MARGIN_PX) / self._span_px() * (self.maximum() + 1)
        return min(max(int(frame), 0), self.maximum())

    def _span_px(self) -> float:
        return max(self.width() - 2 * _MARGIN_PX, 1)

    def _describe(self) -> None:
        """Say to those who cannot see the picture how far the frame is from the anchor."""
        words = ""
        if self._lengths and max(self._lengths) > 0:
            place = int(np.searchsorted(self._frames, self.value(), "right")) - 1
            if 0 <= place < len(self._lengths):
                share = self._lengths[place] / max(self._lengths)
                words = tr("{share} % of the strongest motion", share=round(100 * share))
        self.setAccessibleDescription(words)

    def _on_action(self, _action: int) -> None:
        if not self._scrubs:
            self.seek_wanted.emit(self.sliderPosition())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin to scrub."""
        if event is not None and event.button() is Qt.MouseButton.LeftButton:
            self.setFocus()
            self._scrubs = True
            self.seek_wanted.emit(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Scrub."""
        if event is not None and self._scrubs:
            self.seek_wanted.emit(self.frame_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """End a drag."""
        self._scrubs = False

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint all bands."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), colour("panel"))
        line = QRectF(_MARGIN_PX, _TOP_PX, self._span_px(), _LINE_PX)
        rows = QRectF(_MARGIN_PX, line.bottom() + _GAP_PX, self._span_px(), _ROWS_PX)
        cache = QRectF(_MARGIN_PX, rows.bottom() + _GAP_PX, self._span_px(), _CACHE_PX)
        for band in (line, rows):
            painter.fillRect(band, colour("canvas"))
        painter.fillRect(cache, colour("raised"))
        if self.maximum() > 0:
            self._paint_rows(painter, rows)
            self._paint_line(painter, line)
            self._paint_made(painter, cache)
            self._paint_anchor(painter, line, rows)
            if self.isEnabled():
                self._paint_playhead(painter)
        if self.hasFocus():
            painter.setPen(QPen(colour("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(line.united(rows).adjusted(0, 0, -1, -1))

    def _paint_line(self, painter: QPainter, band: QRectF) -> None:
        if len(self._lengths) < 2:
            return
        highest = max(max(self._lengths), 1e-12)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        points = [
            QPointF(self.x_of(frame), band.bottom() - 2 - length / highest * (band.height() - 5))
            for frame, length in zip(self._frames, self._lengths, strict=False)
        ]
        filled = QColor(colour("made"))
        filled.setAlpha(50)
        if len(self._lengths) == len(self._frames):
            points.append(QPointF(band.right(), points[-1].y()))
        points.insert(0, QPointF(band.left(), points[0].y()))
        ends = [QPointF(points[-1].x(), band.bottom()), QPointF(band.left(), band.bottom())]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(filled)
        painter.drawPolygon(QPolygonF([*points, *ends]))
        painter.setPen(QPen(colour("made"), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_rows(self, painter: QPainter, band: QRectF) -> None:
        if self._rows is None:
            known = len(self._lengths)
            painter.setPen(colour("muted"))
            share = round(100 * known / max(len(self._frames), 1))
            words = tr("Reading the motion, {share} %", share=share)
            painter.drawText(band, Qt.AlignmentFlag.AlignCenter, words)
            return
        looks = colour("canvas").name() + colour("made").name() + colour("accent").name()
        if self._picture is None or self._pictured != looks:
            self._picture, self._pictured = heat_picture(self._rows), looks
        painter.drawImage(band, self._picture)

    def _paint_made(self, painter: QPainter, band: QRectF) -> None:
        half = self._span_px() / (self.maximum() + 1) / 2
        frames = sorted(self._made)
        for _, run in groupby(enumerate(frames), key=lambda pair: pair[1] - pair[0]):
            numbers = [frame for _, frame in run]
            left, right = self.x_of(numbers[0]) - half, self.x_of(numbers[-1]) + half
            place = QRectF(left, band.top(), max(right - left, 1), band.height())
            painter.fillRect(place, colour("made"))

    def _paint_anchor(self, painter: QPainter, line: QRectF, rows: QRectF) -> None:
        if self._anchor is None:
            return
        x = self.x_of(self._anchor)
        painter.setPen(QPen(colour("real"), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, line.top()), QPointF(x, rows.bottom()))

    def _paint_playhead(self, painter: QPainter) -> None:
        x = self.x_of(self.value())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("accent"), 1.5))
        painter.drawLine(QPointF(x, 4), QPointF(x, self.height()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent"))
        head = [QPointF(x - 6, 0), QPointF(x + 6, 0), QPointF(x + 6, 4), QPointF(x, 10)]
        painter.drawPolygon(QPolygonF([*head, QPointF(x - 6, 4)]))


def heat_picture(rows: NDArray[np.float32]) -> QImage:
    """Return numbers within -1..1, ``[rows, columns]``, as a picture in the theme's colours."""
    # By the root, so that weak rows show next to strong ones.
    strength = np.sqrt(np.abs(rows))[..., None]
    ground, above, below = (
        np.array(colour(role).getRgb()[2::-1], np.float32) for role in ("canvas", "made", "accent")
    )
    ink = np.where(rows[..., None] > 0, above, below)
    pixels = np.full((*rows.shape, 4), 255, np.uint8)
    pixels[..., :3] = np.rint(ground + strength * (ink - ground))
    height, width = rows.shape
    return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()
