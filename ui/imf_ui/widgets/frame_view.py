"""The picture: one frame or two compared, zoomed and panned, painted without OpenGL.

Convention: the view thinks in pixels of the clip (``frame_size``). A preview may be smaller; it is
stretched over the same area, so zoom and wipe do not jump when the full picture arrives. At zoom
1.0 one pixel of the clip is one pixel of the screen, whatever the display's scale factor.
"""

import math
from enum import StrEnum

import numpy as np
from PyQt6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from imf_ui.i18n import tr
from imf_ui.theme import colour

ZOOM_STEPS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_WIPE_GRIP_PX = 10
_DIFFERENCE_GAIN = 4


class Compare(StrEnum):
    """How the source (A) and the result (B) share the view."""

    RESULT = "result"
    SOURCE = "source"
    WIPE = "wipe"
    SIDE = "side"
    DIFFERENCE = "difference"


class FrameView(QWidget):
    """Shows the result, the source, or both compared."""

    zoom_changed = pyqtSignal(float)
    """The new zoom; also sent when fitting changes it."""
    wipe_changed = pyqtSignal(float)
    """Where the wipe stands, 0 left to 1 right."""
    pixel_picked = pyqtSignal(int, int, QColor)
    """Column, row and colour of the pixel under a click, in pixels of the clip."""
    scrubbed = pyqtSignal(int)
    """Frames that the wheel with Shift, or the arrow keys, ask to move by."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source: QImage | None = None
        self._result: QImage | None = None
        self._difference: QImage | None = None
        self._frame_size = QSize()
        self._mode = Compare.RESULT
        self._zoom: float | None = None
        self._centre = QPointF(0.5, 0.5)
        self._wipe = 0.5
        self._drag: QPointF | None = None
        self._drags_wipe = False
        self._badge: tuple[str, str] = ("", "")
        self._message = ""
        self.setMinimumSize(240, 135)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Picture"))

    def sizeHint(self) -> QSize:
        """Prefer a size that shows a clip well without pushing the controls away."""
        return QSize(960, 480)

    def set_frame_size(self, size: QSize) -> None:
        """Say how large the clip's frames are."""
        if size != self._frame_size:
            self._frame_size = size
            self._announce_zoom()
            self.update()

    @property
    def frame_size(self) -> QSize:
        """Size of the clip's frames; that of the result when nobody said."""
        if not self._frame_size.isEmpty():
            return self._frame_size
        shown = self._result or self._source
        return shown.size() if shown else QSize()

    def set_images(self, source: QImage | None, result: QImage | None) -> None:
        """Show a frame of the source and one of the result; either may be missing."""
        self._source, self._result, self._difference = source, result, None
        self.update()

    def images(self) -> tuple[QImage | None, QImage | None]:
        """Return what is shown: source and result."""
        return self._source, self._result

    def set_badge(self, text: str, role: str) -> None:
        """Write on the picture what kind of frame it is, in a colour of the theme."""
        if self._badge != (text, role):
            self._badge = (text, role)
            self.setAccessibleDescription(text)
            self.update()

    def set_message(self, text: str) -> None:
        """Write a sentence where the picture would be, or nothing."""
        self._message = text
        self.update()

    @property
    def mode(self) -> Compare:
        """How the two pictures share the view."""
        return self._mode

    def set_mode(self, mode: Compare) -> None:
        """Change how the two pictures share the view."""
        self._mode = mode
        self._announce_zoom()
        self.update()

    @property
    def wipe(self) -> float:
        """Where the wipe stands, 0 left to 1 right."""
        return self._wipe

    def set_wipe(self, place: float) -> None:
        """Move the wipe."""
        place = min(max(place, 0.0), 1.0)
        if place != self._wipe:
            self._wipe = place
            self.wipe_changed.emit(place)
            self.update()

    @property
    def zoom(self) -> float:
        """Screen pixels per pixel of the clip."""
        return self._zoom if self._zoom is not None else self._fitting_zoom()

    @property
    def is_fitted(self) -> bool:
        """Whether the picture follows the size of the view."""
        return self._zoom is None

    def fit(self) -> None:
        """Show the whole picture."""
        self._zoom, self._centre = None, QPointF(0.5, 0.5)
        self._announce_zoom()
        self.update()

    def set_zoom(self, zoom: float, at: QPointF | None = None) -> None:
        """Zoom so that the picture stays where it is under ``at``, a place in the view."""
        zoom = min(max(zoom, ZOOM_STEPS[0]), ZOOM_STEPS[-1])
        area = self._areas()[0]
        at = at or area.center()
        if self.frame_size.isEmpty():
            return
        held = self._to_frame(at, area)
        self._zoom = zoom
        extent = self._extent(zoom)
        self._centre = QPointF(
            held.x() - (at.x() - area.center().x()) / extent.width(),
            held.y() - (at.y() - area.center().y()) / extent.height(),
        )
        self._announce_zoom()
        self.update()

    def zoom_by(self, steps: int, at: QPointF | None = None) -> None:
        """Zoom in (positive) or out by steps of `ZOOM_STEPS`."""
        now = self.zoom
        if steps > 0:
            larger = [z for z in ZOOM_STEPS if z > now * 1.001]
            wanted = larger[min(steps, len(larger)) - 1] if larger else now
        else:
            smaller = [z for z in ZOOM_STEPS if z < now * 0.999]
            wanted = smaller[max(steps, -len(smaller))] if smaller else now
        self.set_zoom(wanted, at)

    def picture_rect(self) -> QRectF:
        """Return where the (first) picture lies in the view, in logical pixels."""
        return self._target(self._areas()[0])

    def pixel_at(self, place: QPointF) -> QPoint | None:
        """Return the clip's pixel under a place in the view, or None outside the picture."""
        area = next((a for a in self._areas() if a.contains(place)), None)
        size = self.frame_size
        if area is None or size.isEmpty():
            return None
        there = self._to_frame(place, area)
        column, row = int(there.x() * size.width() // 1), int(there.y() * size.height() // 1)
        inside = 0 <= column < size.width() and 0 <= row < size.height()
        return QPoint(column, row) if inside else None

    def _areas(self) -> list[QRectF]:
        whole = QRectF(self.rect())
        if self._mode is not Compare.SIDE:
            return [whole]
        half = (whole.width() - 2) / 2
        return [
            QRectF(0, 0, half, whole.height()),
            QRectF(half + 2, 0, half, whole.height()),
        ]

    def _fitting_zoom(self) -> float:
        size, area = self.frame_size, self._areas()[0]
        if size.isEmpty():
            return 1.0
        ratio = self.devicePixelRatioF()
        return min(area.width() / size.width(), area.height() / size.height()) * ratio

    def _extent(self, zoom: float) -> QRectF:
        ratio, size = self.devicePixelRatioF(), self.frame_size
        return QRectF(0, 0, size.width() * zoom / ratio, size.height() * zoom / ratio)

    def _target(self, area: QRectF) -> QRectF:
        extent = self._extent(self.zoom)
        middle = area.center()
        return QRectF(
            middle.x() - self._centre.x() * extent.width(),
            middle.y() - self._centre.y() * extent.height(),
            extent.width(),
            extent.height(),
        )

    def _to_frame(self, place: QPointF, area: QRectF) -> QPointF:
        target = self._aligned(self._target(area))
        return QPointF(
            (place.x() - target.x()) / max(target.width(), 1e-9),
            (place.y() - target.y()) / max(target.height(), 1e-9),
        )

    def _aligned(self, target: QRectF) -> QRectF:
        """Round a place to whole screen pixels, so that 1:1 is sharp."""
        rounded = self._device_rect(target)
        ratio = self.devicePixelRatioF()
        return QRectF(
            rounded.x() / ratio,
            rounded.y() / ratio,
            rounded.width() / ratio,
            rounded.height() / ratio,
        )

    def _device_rect(self, target: QRectF) -> QRect:
        ratio = self.devicePixelRatioF()
        return QRect(
            # Halves always go the same way, so that two views side by side stay in step.
            math.floor(target.x() * ratio + 0.5),
            math.floor(target.y() * ratio + 0.5),
            max(round(target.width() * ratio), 1),
            max(round(target.height() * ratio), 1),
        )

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the pictures, the wipe and the badge."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), colour("canvas"))
        areas = self._areas()
        if self._message or (self._source is None and self._result is None):
            painter.setPen(colour("muted"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._message)
            return
        if self._mode is Compare.SIDE:
            self._draw(painter, self._source or self._result, areas[0], areas[0])
            self._draw(painter, self._result or self._source, areas[1], areas[1])
        elif self._mode is Compare.WIPE:
            self._paint_wipe(painter, areas[0])
        else:
            self._draw(painter, self._single(), areas[0], areas[0])
        self._paint_labels(painter, areas)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("accent"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _single(self) -> QImage | None:
        if self._mode is Compare.SOURCE:
            return self._source or self._result
        if self._mode is Compare.DIFFERENCE and self._source and self._result:
            self._difference = self._difference or difference_image(self._source, self._result)
            return self._difference
        return self._result or self._source

    def _paint_wipe(self, painter: QPainter, area: QRectF) -> None:
        target = self._aligned(self._target(area))
        x = target.x() + target.width() * self._wipe
        left = QRectF(area.x(), area.y(), x - area.x(), area.height())
        right = QRectF(x, area.y(), area.right() - x, area.height())
        self._draw(painter, self._source or self._result, area, left)
        self._draw(painter, self._result or self._source, area, right)
        painter.setPen(QPen(QColor(0, 0, 0, 130), 3))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QPen(QColor(255, 255, 255), 1))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = QPointF(x, area.center().y())
        painter.setBrush(QColor(20, 20, 22, 200))
        painter.drawEllipse(middle, 13, 13)
        painter.setBrush(QColor(255, 255, 255))
        painter.setPen(Qt.PenStyle.NoPen)
        for side in (-1, 1):
            tip = [QPointF(side * 9.0, 0), QPointF(side * 4.0, -4), QPointF(side * 4.0, 4)]
            painter.drawConvexPolygon(*[middle + point for point in tip])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _draw(self, painter: QPainter, image: QImage | None, area: QRectF, clip: QRectF) -> None:
        if image is None:
            return
        painter.save()
        painter.setClipRect(clip)
        # Work in screen pixels: the painter's own transform holds the display's scale and the
        # widget's place, which under 1.25 may fall between two of them.
        transform = painter.deviceTransform()
        ratio = self.devicePixelRatioF()
        offset_x, offset_y = transform.dx() % 1, transform.dy() % 1
        painter.scale(1 / ratio, 1 / ratio)
        painter.translate(
            -offset_x if offset_x < 0.5 else 1 - offset_x,
            -offset_y if offset_y < 0.5 else 1 - offset_y,
        )
        target = self._device_rect(self._target(area))
        # Whole pixels when enlarging, so that people can count them; smooth when reducing.
        smooth = target.width() < image.width() or (
            target.width() != image.width() and self.zoom < 2
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        if target.size() == image.size():
            painter.drawImage(target.topLeft(), _plain(image))
        else:
            painter.drawImage(target, _plain(image))
        painter.restore()

    def _paint_labels(self, painter: QPainter, areas: list[QRectF]) -> None:
        text, role = self._badge
        if text and self._mode is not Compare.SOURCE:
            self._pill(painter, text, role, QPointF(areas[-1].x() + 12, areas[-1].bottom() - 34))
        if self._mode in (Compare.WIPE, Compare.SIDE):
            self._pill(painter, tr("Source"), "text", QPointF(12, 12))
            label = tr("Result")
            width = painter.fontMetrics().horizontalAdvance(label) + 20
            right = areas[-1].right() - width - 12 if len(areas) == 1 else areas[-1].x() + 12
            self._pill(painter, label, "text", QPointF(right, 12))

    def _pill(self, painter: QPainter, text: str, role: str, corner: QPointF) -> None:
        metrics = painter.fontMetrics()
        box = QRectF(corner.x(), corner.y(), metrics.horizontalAdvance(text) + 20, 24)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = colour("panel")
        ground.setAlpha(235)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 12, 12)
        painter.setPen(colour(role))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Follow the view's size while fitted."""
        if self._zoom is None:
            self._announce_zoom()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom at the cursor."""
        if event is None or not event.angleDelta().y():
            return
        self.zoom_by(1 if event.angleDelta().y() > 0 else -1, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Grab the wipe, or the picture."""
        if event is None or event.button() not in (
            Qt.MouseButton.LeftButton,
            Qt.MouseButton.MiddleButton,
        ):
            return
        self._drag = event.position()
        self._drags_wipe = self._near_wipe(event.position())
        pixel = self.pixel_at(event.position())
        image = self._single()
        if pixel is not None and image is not None:
            self.pixel_picked.emit(pixel.x(), pixel.y(), self._colour_of(image, pixel))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drag the wipe or the picture; show which of them the mouse would take."""
        if event is None:
            return
        if self._drag is None:
            shape = (
                Qt.CursorShape.SplitHCursor
                if self._near_wipe(event.position())
                else Qt.CursorShape.ArrowCursor
            )
            self.setCursor(shape)
            return
        if self._drags_wipe:
            target = self._target(self._areas()[0])
            self.set_wipe((event.position().x() - target.x()) / max(target.width(), 1.0))
        elif self._zoom is not None:
            moved = event.position() - self._drag
            extent = self._extent(self._zoom)
            self._centre -= QPointF(moved.x() / extent.width(), moved.y() / extent.height())
            self._drag = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Let go."""
        self._drag, self._drags_wipe = None, False

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Change between fitting the view and 1:1 at the cursor."""
        if event is None:
            return
        if self.is_fitted:
            self.set_zoom(1.0, event.position())
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the wipe with the bracket keys; leave everything else to the window."""
        if event is None:
            return
        steps = {"[": -0.02, "]": 0.02, "{": -0.1, "}": 0.1}
        if self._mode is Compare.WIPE and event.text() in steps:
            self.set_wipe(self._wipe + steps[event.text()])
            return
        super().keyPressEvent(event)

    def _near_wipe(self, place: QPointF) -> bool:
        if self._mode is not Compare.WIPE:
            return False
        target = self._target(self._areas()[0])
        return abs(place.x() - target.x() - target.width() * self._wipe) <= _WIPE_GRIP_PX

    def _colour_of(self, image: QImage, pixel: QPoint) -> QColor:
        size = self.frame_size
        return image.pixelColor(
            min(pixel.x() * image.width() // size.width(), image.width() - 1),
            min(pixel.y() * image.height() // size.height(), image.height() - 1),
        )

    def _announce_zoom(self) -> None:
        self.zoom_changed.emit(self.zoom)


def difference_image(first: QImage, second: QImage) -> QImage:
    """Return where two pictures differ, made four times brighter so that little shows too."""
    size = second.size()
    if first.size() != size:
        first = first.scaled(
            size,
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    one, two = (image_pixels(image).astype(np.int16) for image in (first, second))
    apart = np.clip(np.abs(one - two) * _DIFFERENCE_GAIN, 0, 255).astype(np.uint8)
    apart[..., 3] = 255
    return image_of(apart)


def image_pixels(image: QImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a copy of an image's pixels, ``[H, W, 4]`` in the order blue, green, red, alpha."""
    plain = image.convertToFormat(QImage.Format.Format_RGB32)
    bits = plain.constBits()
    assert bits is not None
    rows = np.frombuffer(bits.asstring(plain.sizeInBytes()), np.uint8)
    rows = rows.reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : plain.width() * 4].reshape(plain.height(), plain.width(), 4).copy()


def image_of(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> QImage:
    """Return ``[H, W, 4]`` BGRA pixels as an image that owns them."""
    height, width = pixels.shape[:2]
    kept = np.ascontiguousarray(pixels)
    wrapped = QImage(kept.tobytes(), width, height, width * 4, QImage.Format.Format_RGB32)
    return wrapped.copy()


def _plain(image: QImage) -> QImage:
    """Return the image without a scale factor of its own: the painter works in screen pixels."""
    if image.devicePixelRatio() == 1.0:
        return image
    same = QImage(image)
    same.setDevicePixelRatio(1.0)
    return same
