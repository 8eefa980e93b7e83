"""Timeline, transport, time field, key table, dialogs."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from PyQt6 import QtTest
from PyQt6.QtCore import QPoint, Qt, QTimer
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication, QLabel, QSlider

from imf_ui.i18n import load_catalogue, set_language
from imf_ui.measure.watchdog import WatchedApplication
from imf_ui.model.errors import _IN_GENERAL, ErrorCode, explain
from imf_ui.panels.explaining import why_of
from imf_ui.services.framecache import FrameCache
from imf_ui.widgets.error_dialog import ErrorDialog, Fix
from imf_ui.widgets.key_table import AT, SHAPE, SPEED, KeyRow, KeyTable
from imf_ui.widgets.shortcut_sheet import ShortcutSheet
from imf_ui.widgets.timecode_edit import TimecodeEdit
from imf_ui.widgets.timeline import Timeline
from imf_ui.widgets.transport import TransportBar

QTest: Any = QtTest.QTest
"""Its type stubs take its static methods for methods."""


def parse(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("give a frame such as 36")
    return int(text)


@pytest.fixture
def timeline(app: QApplication) -> Timeline:
    shown = Timeline()
    shown.resize(800, 80)
    shown.set_length(100)
    shown.show()
    return shown


def test_a_press_on_the_timeline_asks_for_the_frame_under_it(timeline: Timeline) -> None:
    wanted: list[int] = []
    timeline.seek_wanted.connect(wanted.append)
    QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=QPoint(round(timeline.x_of(40)), 40))
    assert wanted == [40]


def test_thumbnails_are_seen_whole_side_by_side(timeline: Timeline) -> None:
    shade = [QImage(80, 46, QImage.Format.Format_RGB32) for _ in range(24)]
    for number, image in enumerate(shade):
        image.fill(QColor(10 * number, 0, 0))
        # The right edge of each picture is what must not be cut off.
        for row in range(46):
            image.setPixelColor(76, row, QColor(0, 255, 0))
    timeline.set_thumbnails([(number * 100 / 24, image) for number, image in enumerate(shade)])
    shown = timeline.grab().toImage()
    line = [shown.pixelColor(x, 40).green() > 150 for x in range(shown.width())]
    edges = sum(now and not before for before, now in pairwise(line))
    assert edges in range(7, 11)


def test_arrow_keys_move_the_timeline_by_frames(timeline: Timeline) -> None:
    wanted: list[int] = []
    timeline.seek_wanted.connect(wanted.append)
    timeline.setFocus()
    timeline.set_playhead(10)
    QTest.keyClick(timeline, Qt.Key.Key_Right)
    assert wanted == [11]


def test_places_and_frames_are_each_other_s_inverse_when_zoomed(timeline: Timeline) -> None:
    timeline.set_view(20, 40)
    assert timeline.view == (20, 40)
    for frame in range(20, 40):
        assert timeline.frame_at(timeline.x_of(frame)) == frame


def test_the_view_stays_within_the_clip(timeline: Timeline) -> None:
    timeline.set_view(-50, 30)
    assert timeline.view == (0, 80)
    timeline.set_view(90, 300)
    assert timeline.view == (0, 100)


def test_a_mark_is_dragged_along_the_ruler(timeline: Timeline) -> None:
    wanted: list[tuple[int, int]] = []
    timeline.marks_wanted.connect(lambda first, last: wanted.append((first, last)))
    timeline.set_marks(20, None)
    QTest.mousePress(timeline, Qt.MouseButton.LeftButton, pos=QPoint(round(timeline.x_of(20)), 10))
    QTest.mouseMove(timeline, QPoint(round(timeline.x_of(30)), 10))
    QTest.mouseRelease(
        timeline, Qt.MouseButton.LeftButton, pos=QPoint(round(timeline.x_of(30)), 10)
    )
    assert wanted[-1] == (30, -1)


def test_a_screen_reader_meets_the_timeline_as_a_slider_with_its_value(timeline: Timeline) -> None:
    timeline.set_playhead(33)
    # PyQt6 wraps no accessibility interfaces; Qt gives every QSlider that of a slider.
    assert isinstance(timeline, QSlider)
    assert timeline.accessibleName() == "Timeline, output frame"
    assert timeline.value() == 33


def test_the_time_field_takes_sense_and_refuses_nonsense(app: QApplication) -> None:
    field = TimecodeEdit(parse, lambda frame: f"00:00.{frame:02}")
    wanted: list[int] = []
    field.frame_wanted.connect(wanted.append)
    field.set_frame(7)
    assert field.text() == "00:00.07"
    field.show()
    field.begin()
    QTest.keyClicks(field, "tomorrow")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert field.is_refused
    assert "36" in field.accessibleDescription()
    assert wanted == []
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert not field.is_refused
    assert field.text() == "00:00.07"
    field.setText("12")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert wanted == [12]


def test_the_transport_says_which_way_it_plays(app: QApplication) -> None:
    bar = TransportBar(parse, str)
    bar.set_playing(-2.0)
    assert bar.speed_label.text() == "-2×"
    assert bar.play.accessibleName().startswith("Pause")
    bar.set_playing(0.0)
    assert bar.speed_label.text() == ""
    assert bar.play.accessibleName().startswith("Play")


ROWS = [
    KeyRow(at="00:00.00", source="0", speed="100 %", shape="constant"),
    KeyRow(at="00:01.00", source="24", speed="25 %", shape="ramp"),
]


@pytest.fixture
def table(app: QApplication) -> KeyTable:
    shown = KeyTable()
    shown.set_rows(ROWS)
    shown.show()
    return shown


def test_a_typed_cell_becomes_a_wish(table: KeyTable) -> None:
    wanted: list[tuple[int, int, str]] = []
    table.edit_wanted.connect(lambda *wish: wanted.append(wish))
    model = table.model()
    assert model is not None
    model.setData(model.index(1, SPEED), "50 %")
    model.setData(model.index(1, AT), "00:01.00")
    model.setData(model.index(0, SHAPE), "hold")
    assert wanted == [(1, SPEED, "50 %"), (0, SHAPE, "hold")]


def test_delete_and_insert_work_on_keys(table: KeyTable) -> None:
    gone: list[list[int]] = []
    added: list[bool] = []
    table.delete_wanted.connect(gone.append)
    table.add_wanted.connect(lambda: added.append(True))
    table.set_selected([1])
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_Delete)
    QTest.keyClick(table, Qt.Key.Key_Insert)
    assert gone == [[1]]
    assert added == [True]


def test_a_cell_is_announced_as_a_sentence(table: KeyTable) -> None:
    model = table.model()
    assert model is not None
    words = model.data(model.index(1, SPEED), Qt.ItemDataRole.AccessibleTextRole)
    assert words == "Key 2, Speed: 25 %"


def test_the_error_dialog_hands_back_the_way_out(app: QApplication) -> None:
    dialog = ErrorDialog(
        "The memory ran out",
        "The picture is too large for the device.",
        [Fix(name="retry_tiles", words="Retry with tiles"), Fix(name="cpu", words="On the CPU")],
        details="traceback",
    )
    dialog.show()
    assert dialog.buttons["retry_tiles"].isDefault()
    QTest.mouseClick(dialog.buttons["cpu"], Qt.MouseButton.LeftButton)
    assert dialog.chosen == "cpu"
    assert dialog.result() == ErrorDialog.DialogCode.Accepted


def test_the_sheet_of_keys_can_be_searched(app: QApplication) -> None:
    sheet = ShortcutSheet([("Play", [("Play or pause", "Space"), ("Stop", "K")])])
    assert sheet.shown_rows() == 2
    sheet.search.setText("pause")
    assert sheet.shown_rows() == 1


def test_labels_in_the_widgets_are_never_cut(
    app: QApplication, table: KeyTable, timeline: Timeline
) -> None:
    bar = TransportBar(parse, str)
    bar.set_position(99999, 100000)
    bar.resize(bar.minimumSizeHint())
    bar.show()
    cut = [
        one.text()
        for one in bar.findChildren(QLabel)
        if one.fontMetrics().horizontalAdvance(one.text()) > one.width()
    ]
    assert cut == []


def test_the_watchdog_sees_a_slot_that_takes_long_and_where(
    app: QApplication, wait_until: Callable[..., None]
) -> None:
    assert isinstance(app, WatchedApplication)
    done: list[bool] = []

    class Dawdling(list[None]):
        """Takes its time to be gone through."""

        def __iter__(self) -> Iterator[None]:
            end = time.thread_time() + 0.15
            while time.thread_time() < end:
                pass
            return iter(())

    QTimer.singleShot(0, lambda: done.append(not FrameCache().states(Dawdling())))
    wait_until(lambda: done)
    found = [slow for slow in app.slow if slow.milliseconds >= 140]
    assert found
    assert "Timer" in found[0].words or "MetaCall" in found[0].words
    assert "framecache.py" in found[0].stack
    app.slow.clear()
    app.slowest_ms = 0.0


@pytest.fixture
def german() -> Iterator[None]:
    set_language("de")
    yield
    set_language("en")


@pytest.mark.parametrize("code", [code for code in ErrorCode if code in _IN_GENERAL])
def test_in_german_the_reason_comes_first_and_the_engine_s_words_second(
    code: ErrorCode, german: None
) -> None:
    told = why_of(explain(code, "the moon is in the way"))
    general = load_catalogue("de")[_IN_GENERAL[code]]
    assert told.startswith(f"{general} Das Rechenwerk meldet: The moon is in the way.")
    assert why_of(explain(code)).startswith(general)


def test_in_english_the_engine_speaks_for_itself() -> None:
    told = explain(ErrorCode.MEDIA_UNREADABLE, "a.mp4 is empty: copy it again")
    assert why_of(told) == "A.mp4 is empty: copy it again."
