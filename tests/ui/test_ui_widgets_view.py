"""The picture: comparing, zooming, picking pixels; exact at every scale factor."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PyQt6 import QtTest
from PyQt6.QtCore import QPointF, QSize, Qt
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication

from imf_ui.widgets.frame_view import Compare, FrameView, difference_image, image_of, image_pixels

QTest: Any = QtTest.QTest
"""Its type stubs take its static methods for methods."""


def noise(width: int, height: int, seed: int) -> QImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return image_of(pixels)


@pytest.fixture
def view(app: QApplication) -> FrameView:
    shown = FrameView()
    shown.resize(400, 300)
    shown.set_frame_size(QSize(200, 100))
    shown.set_images(noise(200, 100, 1), noise(200, 100, 2))
    shown.show()
    return shown


def grabbed(view: FrameView) -> QImage:
    return view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def test_one_to_one_shows_every_pixel_as_it_is(view: FrameView) -> None:
    view.set_zoom(1.0)
    target = view.picture_rect().toRect()
    shown = image_pixels(grabbed(view).copy(target))[..., :3]
    assert np.array_equal(shown, image_pixels(noise(200, 100, 2))[..., :3])


@pytest.mark.parametrize("factor", ["1", "1.25", "1.5", "2"])
def test_one_to_one_is_exact_at_every_scale_factor_of_the_display(factor: str) -> None:
    """A process of its own, because Qt reads the factor once; the view stands at odd places."""
    code = """
import sys
import numpy as np
from PyQt6.QtCore import QSize
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication, QWidget
from imf_ui.widgets.frame_view import FrameView, image_of, image_pixels
app = QApplication([])
host = QWidget(); host.resize(500, 400)
view = FrameView(host); view.setGeometry(33, 17, 401, 307)
pixels = np.random.default_rng(1).integers(0, 256, (100, 200, 4), dtype=np.uint8)
view.set_frame_size(QSize(200, 100)); view.set_images(None, image_of(pixels)); view.set_zoom(1.0)
host.show(); view.clearFocus()
ratio = view.devicePixelRatioF()
assert ratio == float(sys.argv[1]), ratio
shown = image_pixels(host.grab().toImage().convertToFormat(QImage.Format.Format_RGB32))[..., :3]
wanted = pixels[..., :3]
hits = np.argwhere((shown == wanted[0, 0]).all(axis=2))
assert any(
    np.array_equal(shown[y:y + 100, x:x + 200], wanted) for y, x in hits
    if y + 100 <= shown.shape[0] and x + 200 <= shown.shape[1]
), "the picture is not there pixel by pixel"
"""
    environment = {**os.environ, "QT_SCALE_FACTOR": factor, "QT_QPA_PLATFORM": "offscreen"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code, factor],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_pixel_under_the_mouse_is_the_pixel_of_the_clip(view: FrameView) -> None:
    view.set_zoom(8.0, QPointF(200, 150))
    picked: list[tuple[int, int, QColor]] = []
    view.pixel_picked.connect(lambda x, y, colour: picked.append((x, y, colour)))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPointF(211, 143).toPoint())
    ((x, y, colour),) = picked
    wanted = noise(200, 100, 2).pixelColor(x, y)
    assert colour.rgb() == wanted.rgb()
    assert grabbed(view).pixelColor(211, 143).rgb() == wanted.rgb()


def test_zooming_keeps_the_place_under_the_cursor(view: FrameView) -> None:
    place = QPointF(260, 120)
    before = view.pixel_at(place)
    view.zoom_by(4, place)
    after = view.pixel_at(place)
    assert before is not None
    assert after is not None
    assert abs(before.x() - after.x()) <= 1
    assert abs(before.y() - after.y()) <= 1


def test_the_wipe_shows_the_source_left_and_the_result_right(view: FrameView) -> None:
    view.set_mode(Compare.WIPE)
    view.set_zoom(1.0)
    view.set_wipe(0.5)
    target = view.picture_rect().toRect()
    shown = image_pixels(grabbed(view).copy(target))[..., :3]
    source, result = (image_pixels(noise(200, 100, seed))[..., :3] for seed in (1, 2))
    # The line and its grip cover the middle.
    assert np.array_equal(shown[:, :80], source[:, :80])
    assert np.array_equal(shown[:, 120:], result[:, 120:])


def test_the_wipe_follows_mouse_and_bracket_keys(view: FrameView) -> None:
    view.set_mode(Compare.WIPE)
    target = view.picture_rect()
    start = QPointF(target.x() + target.width() * 0.5, 150).toPoint()
    end = QPointF(target.x() + target.width() * 0.25, 150).toPoint()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(view, end)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)
    assert view.wipe == pytest.approx(0.25, abs=0.01)
    QTest.keyClick(view, Qt.Key.Key_BracketRight)
    assert view.wipe == pytest.approx(0.27, abs=0.01)
    for _ in range(40):
        QTest.keyClick(view, Qt.Key.Key_BracketLeft)
    assert view.wipe == 0.0


def test_side_by_side_shows_both_in_the_same_place(view: FrameView) -> None:
    view.set_mode(Compare.SIDE)
    view.set_zoom(1.0)
    shown = grabbed(view)
    left, right = view.pixel_at(QPointF(100, 150)), view.pixel_at(QPointF(100 + 201, 150))
    assert left is not None
    assert left == right
    assert shown.pixelColor(100, 150).rgb() == noise(200, 100, 1).pixelColor(left).rgb()
    assert shown.pixelColor(301, 150).rgb() == noise(200, 100, 2).pixelColor(left).rgb()


def test_the_difference_of_equal_pictures_is_black() -> None:
    same = noise(40, 30, 3)
    assert not image_pixels(difference_image(same, same))[..., :3].any()
    apart = image_pixels(difference_image(same, noise(40, 30, 4)))[..., :3]
    assert apart.mean() > 100


def test_a_smaller_preview_covers_the_same_place(view: FrameView) -> None:
    full = view.picture_rect()
    view.set_images(None, noise(50, 25, 5))
    assert view.picture_rect() == full
    assert view.pixel_at(full.center()) is not None
