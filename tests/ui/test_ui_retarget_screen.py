"""The retarget screen: its strip, its playing, its mask, and one undo step for each change."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PyQt6 import QtTest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QApplication

from imf_ui.panels.retarget import RetargetPanel
from imf_ui.panels.retarget_panes import masked
from imf_ui.widgets.token_strip import TokenStrip
from imf_ui.window import MainWindow

QTest: Any = QtTest.QTest

type Wait = Callable[..., None]

COUNT = 6


@pytest.fixture
def moving(
    editor: Callable[..., MainWindow],
    make_clip: Callable[..., Path],
    texture: Callable[..., object],
    tmp_path: Path,
    wait_until: Wait,
) -> MainWindow:
    """An editor with a picture and a motion on its retarget screen, the first result made."""
    picture = tmp_path / "face.png"
    cv2.imwrite(str(picture), np.asarray(texture(0, 96, 96, 3.0))[..., ::-1])
    window = editor()
    window.trigger("screen_retarget")
    clip = make_clip("drive.mp4", count=COUNT, width=96, height=96, speed_px=3.0)
    window.retarget.take([str(picture), str(clip)])
    wait_until(lambda: window.retarget.result.view.images()[1] is not None)
    return window


def test_the_strip_shows_the_motion_of_every_frame(moving: MainWindow, wait_until: Wait) -> None:
    service, strip = moving.services.retarget, moving.retarget.strip
    wait_until(lambda: service.strip.is_whole)
    assert strip.maximum() == COUNT - 1
    assert len(service.strip.lengths) == COUNT
    anchor = service.strip.anchor
    assert anchor is not None
    assert service.strip.lengths[anchor] == pytest.approx(0, abs=1e-6)
    assert max(service.strip.lengths) > 0
    before = strip.grab().toImage()
    strip.set_motion([], [], None, None)
    assert strip.grab().toImage() != before
    assert str(anchor) in moving.retarget.settings.anchor.text()


def test_strength_keeps_the_motion_that_was_read_and_another_model_does_not(
    moving: MainWindow, wait_until: Wait
) -> None:
    service, panel = moving.services.retarget, moving.retarget
    wait_until(lambda: service.strip.is_whole)
    read = service.strip
    panel.settings.strength.setValue(150)
    assert panel.setup.strength == Fraction(3, 2)
    assert service.strip is read
    wait_until(lambda: panel._is_whole)
    panel.settings.model.setCurrentIndex(panel.settings.model.findData("transport"))
    panel.settings.model.activated.emit(panel.settings.model.currentIndex())
    assert panel.setup.model == "transport"
    assert service.strip is not read
    assert moving.session.undo_stack.count() == 4


def test_every_model_of_the_engine_can_be_chosen(moving: MainWindow) -> None:
    combo = moving.retarget.settings.model
    names = {combo.itemData(row) for row in range(combo.count())}
    assert {"auto", *moving.services.worker.retargeters} <= names


def test_it_plays_through_all_frames_in_a_loop_and_stops(
    moving: MainWindow, wait_until: Wait
) -> None:
    panel: RetargetPanel = moving.retarget
    panel.strip.setFocus()
    seen: list[int] = []
    moving.services.retarget.frameReady.connect(
        lambda n, _driving, _result, whole: seen.append(n) if whole else None
    )
    QTest.keyClick(panel.strip, Qt.Key.Key_Space)
    assert panel.plays
    wait_until(lambda: seen.count(1) > 1)
    assert set(range(COUNT)) <= set(seen)
    QTest.keyClick(panel.strip, Qt.Key.Key_K)
    assert not panel.plays
    panel.seek(2)
    QTest.keyClick(panel.strip, Qt.Key.Key_Right)
    assert panel.strip.value() == 3
    place = QPoint(round(panel.strip.x_of(1)), 20)
    QTest.mouseClick(panel.strip, Qt.MouseButton.LeftButton, pos=place)
    assert panel.strip.value() == 1


def test_the_frame_at_the_playhead_becomes_the_anchor_and_undo_takes_it_back(
    moving: MainWindow, wait_until: Wait
) -> None:
    panel = moving.retarget
    panel.seek(3)
    panel.settings.anchor_here.click()
    assert panel.setup.anchor == 3
    wait_until(lambda: moving.services.retarget.strip.is_whole)
    assert moving.services.retarget.strip.lengths[3] == pytest.approx(0, abs=1e-6)
    moving.trigger("undo")
    assert panel.setup.anchor is None


def test_a_mask_keeps_its_black_parts_and_one_of_another_size_is_told(
    moving: MainWindow, tmp_path: Path, wait_until: Wait
) -> None:
    panel = moving.retarget
    mask = np.zeros((96, 96), np.uint8)
    mask[:, 48:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    cv2.imwrite(str(tmp_path / "small.png"), mask[:40])
    panel.seek(COUNT - 1)
    panel.settings.changed.emit({"mask": str(tmp_path / "mask.png")})
    wait_until(lambda: panel._is_whole)
    assert panel.settings.mask_name.text() == "mask.png"
    wait_until(lambda: panel._shown[1])
    panel.settings.changed.emit({"mask": str(tmp_path / "small.png")})
    wait_until(lambda: panel.result.view.images()[1] is None)
    assert "give a mask" in panel.result.view._message
    panel.settings.mask_clear.click()
    assert panel.setup.mask == ""
    wait_until(lambda: panel.result.view.images()[1] is not None)


def test_what_a_mask_keeps_still_is_darkened() -> None:
    picture = np.full((4, 4, 4), 200, np.uint8)
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:, 2:] = 255
    shown = masked(picture, mask)
    assert (shown[:, 2:] == picture[:, 2:]).all()
    assert (shown[:, :2, :3] < 100).all()
    assert masked(picture, mask[:2]) is picture


def test_two_results_never_share_a_file(moving: MainWindow) -> None:
    moving.retarget.add_to_queue()
    moving.retarget.add_to_queue()
    first, second = (job.output for job in moving.services.queue.jobs)
    assert first != second


def test_the_strip_says_how_strong_the_motion_is(app: QApplication) -> None:
    strip = TokenStrip()
    strip.set_length(4)
    strip.set_motion([0, 2], [0.0, 2.0], np.array([[0.0, 1.0]], np.float32), 0)
    strip.set_playhead(3)
    assert strip.accessibleDescription().startswith("100 %")
    strip.set_playhead(1)
    assert strip.accessibleDescription().startswith("0 %")
    strip.close()
