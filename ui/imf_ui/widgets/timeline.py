"""The timeline: ruler, thumbnails, cuts, marks, cache bar and playhead over the output's frames.

It is a slider to Qt, so a screen reader announces it with its value and the arrow keys work; only
the painting and the mouse are its own.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QSlider, QStyle, QStyleOptionSlider, QWidget

from imf_ui.i18n import tr
from imf_ui.theme import colour

GUTTER_PX = 60
"""Room at the left that the curve below needs for its labels."""
MARGIN_PX = 12
_RULER_PX, _THUMBS_PX, _CACHE_PX = 20, 46, 5
_MINIMUM_SPAN = 8
_RULER_STEPS = (1, 2, 5, 10)


class Timeline(QSlider):
    """A slider over output frames with everything drawn on it."""

    scrub_started = pyqtSignal()
    """The mouse began to drag the playhead."""
    scrub_ended = pyqtSignal()
    """The mouse let the playhead go."""
    seek_wanted = pyqtSignal(int)
    """The user asks for an output frame."""
    range_changed = pyqtSignal(float, float)
    """First and last visible frame, after zooming or scrolling."""
    marks_wanted = pyqtSignal(int, int)
    """The user dragged a mark: in and out frame, -1 for none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._label_of: Callable[[int], str] = str
        self._thumbnails: list[tuple[float, QImage]] = []
        self._cuts: Sequence[int] = ()
        self._keys: Sequence[float] = ()
        self._states = b""
        self._marks: tuple[int | None, int | None] = (None, None)
        self._view: tuple[float, float] = (0.0, 1.0)
        self._scrubs = False
        self._dragged_mark: int | None = None
        self.setRange(0, 0)
        self.setSingleStep(1)
        self.setPageStep(10)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Timeline, output frame"))
        self.actionTriggered.connect(self._on_action)

    def sizeHint(self) -> QSize:
        """Ask for the height of the bands."""
        return QSize(480, _RULER_PX + _THUMBS_PX + _CACHE_PX + 8)

    def minimumSizeHint(self) -> QSize:
        """The height may not shrink."""
        return QSize(200, self.sizeHint().height())

    def set_length(self, frames: int) -> None:
        """Say how many frames the output has; the view shows them all."""
        whole = self._view == (0.0, float(max(self.maximum() + 1, 1)))
        self.blockSignals(True)
        self.setRange(0, max(frames - 1, 0))
        self.blockSignals(False)
        if whole or self._view[1] > self.maximum() + 1 or self._view[1] <= 1.0:
            self.set_view(0.0, float(self.maximum() + 1))
        self.update()

    def set_labels(self, label_of: Callable[[int], str]) -> None:
        """Say how a frame's moment is written."""
        self._label_of = label_of
        self.update()

    def set_thumbnails(self, thumbnails: Sequence[tuple[float, QImage]]) -> None:
        """Show pictures, each with the output frame at which it begins."""
        self._thumbnails = sorted(thumbnails, key=lambda item: item[0])
        self.update()

    def set_cuts(self, frames: Sequence[int]) -> None:
        """Mark shot cuts at output frames."""
        self._cuts = frames
        self.update()

    def set_keys(self, frames: Sequence[float]) -> None:
        """Mark the curve's keys at output frames."""
        self._keys = frames
        self.update()

    def set_states(self, states: bytes) -> None:
        """Say of each frame: 0 not ready, 1 a real frame at hand, 2 a made frame at hand."""
        self._states = states
        self.update()

    def set_marks(self, mark_in: int | None, mark_out: int | None) -> None:
        """Show the range to preview and export."""
        self._marks = (mark_in, mark_out)
        self.update()

    def set_playhead(self, frame: int) -> None:
        """Move the playhead without asking anybody for that frame."""
        self.blockSignals(True)
        self.setValue(frame)
        self.blockSignals(False)
        self.update()

    @property
    def view(self) -> tuple[float, float]:
        """First and last visible frame."""
        return self._view

    def set_view(self, first: float, last: float) -> None:
        """Show a range of frames."""
        end = float(self.maximum() + 1)
        span = min(max(last - first, min(_MINIMUM_SPAN, end)), end)
        first = min(max(first, 0.0), end - span)
        self._view = (first, first + span)
        self.range_changed.emit(*self._view)
        self.update()

    def x_of(self, frame: float) -> float:
        """Return where a frame begins, in pixels of the widget."""
        first, last = self._view
        return GUTTER_PX + (frame - first) / max(last - first, 1e-9) * self._span_px()

    def frame_at(self, x: float) -> int:
        """Return the frame at a place of the widget."""
        first, last = self._view
        frame = first + (x - GUTTER_PX) / max(self._span_px(), 1) * (last - first)
        return min(max(round(frame), 0), self.maximum())

    def _span_px(self) -> float:
        return max(self.width() - GUTTER_PX - MARGIN_PX, 1)

    def _on_action(self, action: int) -> None:
        if not self._scrubs:
            self.seek_wanted.emit(self.sliderPosition())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin to scrub, or take a mark."""
        if event is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        self.setFocus()
        self._dragged_mark = self._mark_near(event.position())
        if self._dragged_mark is None:
            self._scrubs = True
            self.scrub_started.emit()
            self._ask_for(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Scrub, or drag a mark."""
        if event is None:
            return
        if self._scrubs:
            self._ask_for(event.position().x())
        elif self._dragged_mark is not None:
            marks = list(self._marks)
            marks[self._dragged_mark] = self.frame_at(event.position().x())
            self.marks_wanted.emit(*(-1 if mark is None else mark for mark in marks))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """End a drag."""
        if self._scrubs:
            self._scrubs = False
            self.scrub_ended.emit()
        self._dragged_mark = None

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom at the cursor with Ctrl, scroll otherwise."""
        if event is None:
            return
        first, last = self._view
        delta = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            held = self.frame_at(event.position().x())
            factor = 0.8 if delta > 0 else 1.25
            self.set_view(held - (held - first) * factor, held + (last - held) * factor)
        else:
            step = (last - first) * (-0.1 if delta > 0 else 0.1)
            self.set_view(first + step, last + step)
        event.accept()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the same frames in view."""
        self.update()

    def changeEvent(self, event: QEvent | None) -> None:
        """Repaint when enabled or disabled."""
        super().changeEvent(event)
        self.update()

    def _ask_for(self, x: float) -> None:
        self.seek_wanted.emit(self.frame_at(x))

    def _mark_near(self, place: QPointF) -> int | None:
        if place.y() > _RULER_PX:
            return None
        for number, mark in enumerate(self._marks):
            if mark is not None and abs(self.x_of(mark) - place.x()) < 7:
                return number
        return None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint all bands."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), colour("panel"))
        band = QRectF(GUTTER_PX, _RULER_PX, self._span_px(), _THUMBS_PX)
        painter.fillRect(band, colour("canvas"))
        if self.maximum() > 0:
            self._paint_ruler(painter)
            painter.save()
            painter.setClipRect(band.adjusted(0, -_RULER_PX, 0, _CACHE_PX + 4))
            self._paint_thumbnails(painter, band)
            self._paint_cache(painter)
            self._paint_marks(painter, band)
            self._paint_cuts(painter, band)
            painter.restore()
            self._paint_playhead(painter, band)
        if self.hasFocus():
            painter.setPen(QPen(colour("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(band.adjusted(0, 0, -1, -1))

    def _paint_ruler(self, painter: QPainter) -> None:
        first, last = self._view
        painter.setPen(colour("muted"))
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() - 1.5, 6.5))
        painter.setFont(font)
        widest = painter.fontMetrics().horizontalAdvance(self._label_of(self.maximum())) + 24
        step = _round_step((last - first) * widest / self._span_px())
        frame = int(first // step) * step
        while frame <= last:
            x = self.x_of(frame)
            if x >= GUTTER_PX - 1:
                painter.drawLine(QPointF(x, _RULER_PX - 5), QPointF(x, _RULER_PX - 1))
                if x + widest - 24 < self.width():
                    painter.drawText(QPointF(x + 3, _RULER_PX - 6), self._label_of(frame))
            frame += step

    def _paint_thumbnails(self, painter: QPainter, band: QRectF) -> None:
        if not self._thumbnails:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        thumbnails = self._fitting_thumbnails(band)
        ends = [frame for frame, _ in thumbnails[1:]] + [float(self.maximum() + 1)]
        for (frame, image), end in zip(thumbnails, ends, strict=True):
            left, right = self.x_of(frame), self.x_of(end)
            if right < band.left() or left > band.right():
                continue
            cell = QRectF(left, band.top(), right - left, band.height())
            painter.save()
            painter.setClipRect(cell.intersected(band))
            width = image.width() * band.height() / max(image.height(), 1)
            x = left
            while x < right:
                painter.drawImage(QRectF(x, band.top(), width, band.height()), image)
                x += width
            painter.restore()
            painter.setPen(QPen(colour("canvas"), 1))
            painter.drawLine(cell.topLeft(), cell.bottomLeft())

    def _fitting_thumbnails(self, band: QRectF) -> list[tuple[float, QImage]]:
        """Return as many thumbnails as can be seen whole side by side."""
        first, image = self._thumbnails[0]
        span = self.x_of(float(self.maximum() + 1)) - self.x_of(first)
        width = image.width() * band.height() / max(image.height(), 1)
        stride = max(1, round(width * len(self._thumbnails) / max(span, 1)))
        groups = [
            self._thumbnails[start : start + stride]
            for start in range(0, len(self._thumbnails), stride)
        ]
        return [(group[0][0], group[len(group) // 2][1]) for group in groups]

    def _paint_cache(self, painter: QPainter) -> None:
        top = _RULER_PX + _THUMBS_PX + 2
        painter.fillRect(QRectF(GUTTER_PX, top, self._span_px(), _CACHE_PX), colour("raised"))
        frame = 0
        for state, run in groupby(self._states):
            count = len(list(run))
            if state:
                left, right = self.x_of(frame), self.x_of(frame + count)
                role = "real" if state == 1 else "made"
                painter.fillRect(QRectF(left, top, max(right - left, 1), _CACHE_PX), colour(role))
            frame += count

    def _paint_marks(self, painter: QPainter, band: QRectF) -> None:
        mark_in, mark_out = self._marks
        shade = QColor(0, 0, 0, 130)
        if mark_in is not None:
            left = self.x_of(mark_in)
            painter.fillRect(QRectF(band.left(), band.top(), left - band.left(), 999), shade)
            self._paint_flag(painter, left, 1)
        if mark_out is not None:
            right = self.x_of(mark_out + 1)
            painter.fillRect(QRectF(right, band.top(), band.right() - right, 999), shade)
            self._paint_flag(painter, right, -1)

    def _paint_flag(self, painter: QPainter, x: float, side: int) -> None:
        painter.setPen(QPen(colour("text"), 1.5))
        painter.drawLine(QPointF(x, 6), QPointF(x, _RULER_PX + _THUMBS_PX))
        painter.drawLine(QPointF(x, 6), QPointF(x + side * 5, 6))

    def _paint_cuts(self, painter: QPainter, band: QRectF) -> None:
        painter.setPen(QPen(colour("warning"), 1.5, Qt.PenStyle.DashLine))
        for frame in self._cuts:
            x = self.x_of(frame)
            painter.drawLine(QPointF(x, band.top()), QPointF(x, band.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("canvas"), 1))
        painter.setBrush(colour("accent"))
        for key in self._keys:
            painter.drawPolygon(_diamond(self.x_of(key), band.bottom() - 6, 4.5))

    def _paint_playhead(self, painter: QPainter, band: QRectF) -> None:
        x = self.x_of(self.value())
        if not band.left() - 1 <= x <= band.right() + 1:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("accent"), 1.5))
        painter.drawLine(QPointF(x, 8), QPointF(x, self.height()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent"))
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(x - 6, 4),
                    QPointF(x + 6, 4),
                    QPointF(x + 6, 9),
                    QPointF(x, 16),
                    QPointF(x - 6, 9),
                ]
            )
        )

    def initStyleOption(self, option: QStyleOptionSlider | None) -> None:
        """Tell the style the truth about the state, for accessibility clients."""
        super().initStyleOption(option)
        if option is not None and not self.isEnabled():
            option.state &= ~QStyle.StateFlag.State_Enabled


def _diamond(x: float, y: float, radius: float) -> QPolygonF:
    return QPolygonF(
        [
            QPointF(x, y - radius),
            QPointF(x + radius, y),
            QPointF(x, y + radius),
            QPointF(x - radius, y),
        ]
    )


def _round_step(least: float) -> int:
    power = 1
    while True:
        for step in _RULER_STEPS:
            if step * power >= least:
                return step * power
        power *= 10
