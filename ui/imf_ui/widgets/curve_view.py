"""The curve: keys that are dragged with the mouse, over the same frames as the timeline.

Two pictures of one map. As ``speed`` the height is the speed, on a square-root scale so that slow
motion, where the interesting part lies, gets most of the room; backwards is below zero. As ``time``
it is the source's moment: slope is speed, flat is a freeze, down is backwards, and Bezier stretches
show handles. The view knows shapes only: it is given `KeyPoint` and a function to sample, and says
what the user wants; the session decides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView, QWidget

from imf_ui.i18n import tr
from imf_ui.theme import colour
from imf_ui.widgets.timeline import GUTTER_PX, MARGIN_PX

_GRAB_PX = 9.0
_TOP_PX, _BOTTOM_PX = 18, 14
_SPEED_TICKS = (-2.0, -1.0, -0.25, 0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class KeyPoint:
    """A key as the view draws it."""

    frame: float
    """Output frame at which it stands."""
    value: float
    """Speed, or source frame, depending on the picture."""
    handle_out: tuple[float, float] | None = None
    """Place of the handle that leaves it: output frame and value."""
    handle_in: tuple[float, float] | None = None
    """Place of the handle that arrives."""
    words: str = ""
    """What a tooltip says."""
    flat: bool = False
    """Whether a stretch of constant speed starts here, which can be dragged as a whole."""


@dataclass(kw_only=True)
class _Drag:
    kind: str
    """``key``, ``handle``, ``stretch``, ``box`` or ``playhead``."""
    index: int = -1
    side: str = ""
    start: QPointF = field(default_factory=QPointF)
    origin: tuple[float, float] = (0.0, 0.0)
    moved: bool = False


class CurveView(QGraphicsView):
    """Draws the curve and turns the mouse into wishes."""

    drag_started = pyqtSignal(str)
    """A drag of a key, handle or stretch begins; what follows is one step for undo."""
    drag_ended = pyqtSignal()
    """The drag is over."""
    key_drag_wanted = pyqtSignal(int, float, float)
    """A key should go to this output frame and value; NaN leaves one of them as it is."""
    keys_shift_wanted = pyqtSignal(float)
    """All selected keys should move by so many frames from where they were at the start."""
    handle_drag_wanted = pyqtSignal(int, str, float, float)
    """The handle ``out`` or ``in`` of a key should go to this output frame and value."""
    stretch_drag_wanted = pyqtSignal(int, float)
    """The stretch after a key should have this speed."""
    key_wanted = pyqtSignal(float)
    """A key should be added at this output frame."""
    selection_wanted = pyqtSignal(object)
    """These keys should be selected (a list of numbers)."""
    seek_wanted = pyqtSignal(int)
    """The playhead should go to this frame."""
    menu_wanted = pyqtSignal(object, int, float)
    """A context menu: global place, key or -1, output frame."""
    scroll_wanted = pyqtSignal(float, float)
    """First and last frame that should be visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = QGraphicsScene(self)
        self.setScene(self._scene)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(110)
        port = self.viewport()
        if port is not None:
            port.setAccessibleName(tr("Speed curve"))
        self.setAccessibleName(tr("Speed curve"))
        self.setAccessibleDescription(
            tr("Draw with the mouse; the key table beside it does the same with the keyboard")
        )
        self._points: Sequence[KeyPoint] = ()
        self._sample: Callable[[float], float] = lambda _frame: 1.0
        self._kinds: Callable[[float], str] = lambda _frame: "made"
        self._is_speed = True
        self._selected: frozenset[int] = frozenset()
        self._visible = (0.0, 1.0)
        self._end = 1.0
        self._values = (0.0, 2.0)
        self._value_words: Callable[[float], str] = lambda value: f"{value:g}"
        self._playhead = 0
        self._drag: _Drag | None = None
        self._box = QRectF()
        self._hover = QPointF(-1, -1)
        self._readout = ""
        self._path: QPainterPath | None = None
        self._scale: tuple[float, float, float, float, float] | None = None

    def sizeHint(self) -> QSize:
        """Leave most of the room to the picture."""
        return QSize(480, 170)

    def show_curve(
        self,
        points: Sequence[KeyPoint],
        sample: Callable[[float], float],
        *,
        is_speed: bool,
        end: float,
        values: tuple[float, float],
        value_words: Callable[[float], str],
    ) -> None:
        """Draw a curve.

        Args:
            points: The keys in order.
            sample: The curve's value at an output frame.
            is_speed: Which of the two pictures.
            end: Last output frame.
            values: Lowest and highest value; during a drag the range only grows.
            value_words: Writes a value.
        """
        self._points, self._sample, self._is_speed = points, sample, is_speed
        self._end, self._value_words = max(end, 1.0), value_words
        if self._drag is None:
            self._values = values
        else:
            self._values = (min(values[0], self._values[0]), max(values[1], self._values[1]))
        self._selected = frozenset(i for i in self._selected if i < len(points))
        self._refresh()

    def set_view(self, first: float, last: float) -> None:
        """Show the same frames as the timeline."""
        self._visible = (first, last)
        self._refresh()

    def set_playhead(self, frame: int) -> None:
        """Move the playhead."""
        self._playhead = frame
        self._refresh(keep_path=True)

    def set_selected(self, keys: Sequence[int]) -> None:
        """Select keys without telling anybody."""
        self._selected = frozenset(keys)
        self._refresh(keep_path=True)

    def selected(self) -> list[int]:
        """Return the numbers of the selected keys."""
        return sorted(self._selected)

    def set_readout(self, words: str) -> None:
        """Show words beside the mouse while it drags."""
        self._readout = words
        self._refresh(keep_path=True)

    @property
    def readout(self) -> str:
        """The words beside the mouse."""
        return self._readout

    @property
    def is_dragging(self) -> bool:
        """Whether the mouse holds something."""
        return self._drag is not None

    def _refresh(self, *, keep_path: bool = False) -> None:
        self._scale = None
        if not keep_path:
            self._path = None
        port = self.viewport()
        if port is not None:
            port.update()

    def place_of(self, frame: float, value: float) -> QPointF:
        """Return where a frame and value lie, in pixels of the view."""
        first, px_per_frame, low, px_per_value, bottom = self._scales()
        x = GUTTER_PX + (frame - first) * px_per_frame
        return QPointF(x, bottom - (self._bent(value) - low) * px_per_value)

    def _scales(self) -> tuple[float, float, float, float, float]:
        """Return first frame, pixels a frame, lowest bent value, pixels a value, lower edge."""
        if self._scale is None:
            first, last = self._visible
            low, high = (self._bent(value) for value in self._values)
            self._scale = (
                first,
                self._span_px() / max(last - first, 1e-9),
                low,
                self._rise_px() / max(high - low, 1e-9),
                self._port_height() - _BOTTOM_PX,
            )
        return self._scale

    def value_at(self, place: QPointF) -> tuple[float, float]:
        """Return the frame and value at a place of the view."""
        first, last = self._visible
        frame = first + (place.x() - GUTTER_PX) / self._span_px() * (last - first)
        low, high = (self._bent(v) for v in self._values)
        share = (self._port_height() - _BOTTOM_PX - place.y()) / self._rise_px()
        bent = low + share * (high - low)
        return frame, math.copysign(bent * bent, bent) if self._is_speed else bent

    def _bent(self, value: float) -> float:
        return math.copysign(math.sqrt(abs(value)), value) if self._is_speed else value

    def _port_height(self) -> int:
        port = self.viewport()
        return port.height() if port is not None else self.height()

    def _span_px(self) -> float:
        port = self.viewport()
        return max((port.width() if port else self.width()) - GUTTER_PX - MARGIN_PX, 1)

    def _rise_px(self) -> float:
        return max(self._port_height() - _TOP_PX - _BOTTOM_PX, 1)

    def _key_near(self, place: QPointF) -> int:
        best, found = _GRAB_PX, -1
        for number, point in enumerate(self._points):
            apart = self.place_of(point.frame, point.value) - place
            if math.hypot(apart.x(), apart.y()) <= best:
                best, found = math.hypot(apart.x(), apart.y()), number
        return found

    def _handle_near(self, place: QPointF) -> tuple[int, str]:
        for number, point in enumerate(self._points):
            for side, handle in (("out", point.handle_out), ("in", point.handle_in)):
                if handle is None:
                    continue
                apart = self.place_of(*handle) - place
                if math.hypot(apart.x(), apart.y()) <= _GRAB_PX:
                    return number, side
        return -1, ""

    def _stretch_near(self, place: QPointF) -> int:
        if not self._is_speed:
            return -1
        frame, _ = self.value_at(place)
        for number, point in enumerate(self._points[:-1]):
            if point.flat and point.frame < frame < self._points[number + 1].frame:
                y = self.place_of(frame, self._sample(frame)).y()
                return number if abs(y - place.y()) <= 6 else -1
        return -1

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take a handle, a key, a stretch, the playhead or begin a box."""
        if event is None:
            return
        place = event.position()
        self.setFocus()
        if event.button() is Qt.MouseButton.RightButton:
            self.menu_wanted.emit(
                event.globalPosition().toPoint(), self._key_near(place), self.value_at(place)[0]
            )
            return
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        self._drag = self._taken(place)
        if self._drag.kind == "key":
            self._select_for_drag(self._drag.index, event)
        elif self._drag.kind == "playhead":
            self.seek_wanted.emit(self._frame_at(place))
        elif self._drag.kind == "box" and not _adds(event):
            self._want_selection([])

    def _taken(self, place: QPointF) -> _Drag:
        number, side = self._handle_near(place)
        if number >= 0:
            point = self._points[number]
            origin = point.handle_out if side == "out" else point.handle_in
            return _Drag(
                kind="handle", index=number, side=side, start=place, origin=origin or (0.0, 0.0)
            )
        number = self._key_near(place)
        if number >= 0:
            point = self._points[number]
            return _Drag(kind="key", index=number, start=place, origin=(point.frame, point.value))
        number = self._stretch_near(place)
        if number >= 0:
            return _Drag(kind="stretch", index=number, start=place)
        if place.y() < _TOP_PX:
            return _Drag(kind="playhead", start=place)
        return _Drag(kind="box", start=place)

    def _select_for_drag(self, number: int, event: QMouseEvent) -> None:
        if _adds(event):
            self._want_selection(sorted(self._selected ^ {number}))
        elif number not in self._selected:
            self._want_selection([number])

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Say where the taken thing should go; Ctrl keeps the moment, Alt the value."""
        if event is None:
            return
        place = event.position()
        self._hover = place
        if self._drag is None:
            self._show_cursor(place)
            self._refresh(keep_path=True)
            return
        if not self._drag.moved:
            if (place - self._drag.start).manhattanLength() < 3:
                return
            self._drag.moved = True
            if self._drag.kind in ("key", "handle", "stretch"):
                self.drag_started.emit(self._drag.kind)
        self._follow(place, event.modifiers())

    def _follow(self, place: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        drag = cast(_Drag, self._drag)
        if drag.kind == "box":
            self._box = QRectF(drag.start, place).normalized()
            self._refresh(keep_path=True)
            return
        if drag.kind == "playhead":
            self.seek_wanted.emit(self._frame_at(place))
            return
        grip = self.place_of(*drag.origin)
        frame, value = self.value_at(grip + place - drag.start)
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            frame = math.nan
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            value = math.nan
        if drag.kind == "stretch":
            self.stretch_drag_wanted.emit(drag.index, self.value_at(place)[1])
        elif drag.kind == "handle":
            self.handle_drag_wanted.emit(
                drag.index,
                drag.side,
                drag.origin[0] if math.isnan(frame) else frame,
                drag.origin[1] if math.isnan(value) else value,
            )
        elif len(self._selected) > 1:
            moved = self.value_at(place)[0] - self.value_at(drag.start)[0]
            self.keys_shift_wanted.emit(0.0 if math.isnan(frame) else moved)
        else:
            self.key_drag_wanted.emit(drag.index, frame, value)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go; a box selects, a click on nothing seeks."""
        drag, self._drag = self._drag, None
        if drag is None or event is None:
            return
        if drag.kind == "box" and drag.moved:
            inside = [
                number
                for number, point in enumerate(self._points)
                if self._box.contains(self.place_of(point.frame, point.value))
            ]
            self._want_selection(sorted({*inside, *(self._selected if _adds(event) else ())}))
        elif drag.kind == "box":
            self.seek_wanted.emit(self._frame_at(event.position()))
        elif drag.moved and drag.kind != "playhead":
            self.drag_ended.emit()
        self._box, self._readout = QRectF(), ""
        self._refresh(keep_path=True)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Add a key."""
        if event is not None and self._key_near(event.position()) < 0:
            self._drag = None
            self.key_wanted.emit(self.value_at(event.position())[0])

    def leaveEvent(self, event: object) -> None:
        """Forget where the mouse was."""
        self._hover = QPointF(-1, -1)
        self._refresh(keep_path=True)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom at the cursor with Ctrl, scroll otherwise, as the timeline does."""
        if event is None:
            return
        first, last = self._visible
        forward = event.angleDelta().y() > 0
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            held, _ = self.value_at(event.position())
            factor = 0.8 if forward else 1.25
            self.scroll_wanted.emit(held - (held - first) * factor, held + (last - held) * factor)
        else:
            step = (last - first) * (-0.1 if forward else 0.1)
            self.scroll_wanted.emit(first + step, last + step)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Leave the keys to the window; the view itself must not scroll."""
        if event is not None:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw anew."""
        super().resizeEvent(event)
        self._refresh()

    def _want_selection(self, keys: list[int]) -> None:
        if frozenset(keys) != self._selected:
            self._selected = frozenset(keys)
            self.selection_wanted.emit(keys)
        self._refresh(keep_path=True)

    def _frame_at(self, place: QPointF) -> int:
        return min(max(round(self.value_at(place)[0]), 0), round(self._end))

    def _show_cursor(self, place: QPointF) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if self._handle_near(place)[0] >= 0 or self._key_near(place) >= 0:
            shape = Qt.CursorShape.SizeAllCursor
        elif self._stretch_near(place) >= 0:
            shape = Qt.CursorShape.SizeVerCursor
        port = self.viewport()
        if port is not None:
            port.setCursor(shape)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint grid, curve, handles, keys, playhead and words."""
        port = self.viewport()
        if port is None:
            return
        painter = QPainter(port)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(port.rect(), colour("panel"))
        area = QRectF(GUTTER_PX, 0, self._span_px(), port.height())
        painter.fillRect(area, colour("canvas"))
        self._paint_grid(painter, area)
        painter.save()
        painter.setClipRect(area.adjusted(-7, 0, 7, 0))
        self._paint_curve(painter, area)
        self._paint_handles(painter)
        self._paint_keys(painter)
        self._paint_playhead(painter, area)
        if not self._box.isNull():
            fill = colour("accent")
            fill.setAlpha(40)
            painter.setBrush(fill)
            painter.setPen(QPen(colour("accent"), 1))
            painter.drawRect(self._box)
        painter.restore()
        self._paint_readout(painter, area)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("accent"), 1))
            painter.drawRect(area.adjusted(0, 0, -1, -1))

    def _paint_grid(self, painter: QPainter, area: QRectF) -> None:
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() - 1.5, 6.5))
        painter.setFont(font)
        for value in self._ticks():
            y = self.place_of(0, value).y()
            strong = self._is_speed and value in (0.0, 1.0)
            line = colour("line")
            line.setAlpha(255 if strong else 120)
            painter.setPen(QPen(line, 1, Qt.PenStyle.SolidLine if strong else Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(colour("muted"))
            box = QRectF(0, y - 8, GUTTER_PX - 6, 16)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, right, self._value_words(value))

    def _ticks(self) -> list[float]:
        low, high = self._values
        if not self._is_speed:
            return [low + (high - low) * i / 4 for i in range(5)]
        ticks: list[float] = []
        for value in _SPEED_TICKS:
            y = self.place_of(0, value).y()
            far = all(abs(self.place_of(0, other).y() - y) >= 14 for other in ticks)
            if low - 1e-9 <= value <= high + 1e-9 and (far or value == 1.0):
                if value == 1.0:
                    ticks = [t for t in ticks if abs(self.place_of(0, t).y() - y) >= 14]
                ticks.append(value)
        return ticks

    def _paint_curve(self, painter: QPainter, area: QRectF) -> None:
        if self._path is None:
            self._path = self._curve_path(area)
        base = self.place_of(0, 0 if self._is_speed else self._values[0]).y()
        below = QPainterPath(self._path)
        if not below.isEmpty():
            box = below.boundingRect()
            below.lineTo(box.right(), base)
            below.lineTo(box.left(), base)
            fill = colour("accent")
            fill.setAlpha(28)
            painter.fillPath(below, fill)
        painter.setPen(QPen(colour("accent"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(self._path)
        if self._is_speed:
            self._paint_speeds(painter)

    def _curve_path(self, area: QRectF) -> QPainterPath:
        path = QPainterPath()
        first, last = self._visible
        stops = {max(first, 0.0), min(last, self._end)}
        # While it is dragged the line is drawn coarser: a stop every four pixels, and at keys.
        width = int(area.width() // (4 if self.is_dragging else 2))
        stops |= {first + (last - first) * i / width for i in range(width + 1)}
        nudge = (last - first) * 1e-5
        for point in self._points:
            stops |= {point.frame - nudge, point.frame + nudge}
        for frame in sorted(stops):
            if 0 <= frame <= self._end:
                place = self.place_of(frame, self._sample(frame))
                path.lineTo(place) if path.elementCount() else path.moveTo(place)
        return path

    def _paint_speeds(self, painter: QPainter) -> None:
        painter.setPen(colour("muted"))
        metrics = painter.fontMetrics()
        for point, following in zip(self._points, self._points[1:], strict=False):
            if not point.flat:
                continue
            words = self._value_words(point.value)
            left = self.place_of(point.frame, point.value)
            right = self.place_of(following.frame, point.value)
            if right.x() - left.x() > metrics.horizontalAdvance(words) + 20:
                painter.drawText(
                    QRectF(left.x(), left.y() - 18, right.x() - left.x(), 16),
                    Qt.AlignmentFlag.AlignCenter,
                    words,
                )

    def _paint_handles(self, painter: QPainter) -> None:
        for number, point in enumerate(self._points):
            for handle in (point.handle_out, point.handle_in):
                if handle is None:
                    continue
                from_place = self.place_of(point.frame, point.value)
                place = self.place_of(*handle)
                strong = number in self._selected
                painter.setPen(QPen(colour("text" if strong else "muted"), 1))
                painter.drawLine(from_place, place)
                painter.setBrush(colour("canvas"))
                painter.drawEllipse(place, 4, 4)

    def _paint_keys(self, painter: QPainter) -> None:
        small, large = _diamond(5.5), _diamond(7.0)
        edge, chosen_edge = QPen(colour("canvas"), 1.8), QPen(colour("text"), 1.8)
        painter.setBrush(colour("accent"))
        for number, point in enumerate(self._points):
            place = self.place_of(point.frame, point.value)
            chosen = number in self._selected
            near = (self._hover - place).manhattanLength() < _GRAB_PX * 1.4
            painter.setPen(chosen_edge if chosen else edge)
            painter.drawPolygon((large if chosen or near else small).translated(place))

    def _paint_playhead(self, painter: QPainter, area: QRectF) -> None:
        x = self.place_of(self._playhead, 0).x()
        painter.setPen(QPen(colour("accent"), 1.5))
        painter.drawLine(QPointF(x, 0), QPointF(x, area.bottom()))
        if 0 <= self._playhead <= self._end and self._points:
            value = self._sample(float(self._playhead))
            place = self.place_of(self._playhead, value)
            painter.setBrush(colour("text"))
            painter.setPen(QPen(colour("canvas"), 1))
            painter.drawEllipse(place, 3.5, 3.5)

    def _paint_readout(self, painter: QPainter, area: QRectF) -> None:
        words = self._readout
        near = self._key_near(self._hover)
        if not words and near >= 0:
            words = self._points[near].words
        if not words:
            return
        metrics = painter.fontMetrics()
        width = metrics.horizontalAdvance(words) + 16
        x = min(max(self._hover.x() + 14, area.left()), area.right() - width)
        y = self._hover.y() - 30 if self._hover.y() > 36 else self._hover.y() + 14
        box = QRectF(x, y, width, 22)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(QColor(colour("raised")))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(colour("text"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def _diamond(radius: float) -> QPolygonF:
    return QPolygonF(
        [QPointF(0, -radius), QPointF(radius, 0), QPointF(0, radius), QPointF(-radius, 0)]
    )


def _adds(event: QMouseEvent) -> bool:
    return bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
