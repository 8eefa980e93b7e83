"""Journeys through the editor: opening, playing, marking, bending the curve, undoing."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PyQt6 import QtTest
from PyQt6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PyQt6.QtWidgets import QApplication, QLineEdit, QWidget

from imf_plugin.timeline.plan import Decision
from imf_ui.model.presets import BUILT_IN
from imf_ui.model.projectfile import project_to_text
from imf_ui.widgets.frame_view import Compare
from imf_ui.widgets.key_table import SPEED
from imf_ui.window import MainWindow

QTest: Any = QtTest.QTest
"""Its type stubs take its static methods for methods."""

type Opened = Callable[..., MainWindow]
type Wait = Callable[..., None]


def drop(window: QWidget, paths: list[Path]) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(200, 200), action, mime, buttons, keys)
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    window.dropEvent(QDropEvent(QPointF(200, 200), action, mime, buttons, keys))


def press(window: MainWindow, key: Qt.Key, keys: Qt.KeyboardModifier | None = None) -> None:
    target = window.retime.viewer.view
    target.setFocus()
    QTest.keyClick(target, key, keys or Qt.KeyboardModifier.NoModifier)


def drag(
    window: MainWindow,
    start: QPointF,
    end: QPointF,
    keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    port = window.retime.curve_panel.curve.viewport()
    assert port is not None
    QTest.mousePress(port, Qt.MouseButton.LeftButton, keys, start.toPoint())
    for share in (0.3, 0.7, 1.0):
        # QTest.mouseMove sends no modifiers, so the event is made by hand.
        move(port, (start + (end - start) * share), keys)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, keys, end.toPoint())


def move(port: QWidget, place: QPointF, keys: Qt.KeyboardModifier) -> None:
    there = QPointF(port.mapToGlobal(place.toPoint()))
    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(QEvent.Type.MouseMove, place, there, left, left, keys)
    QApplication.sendEvent(port, event)


def key_place(window: MainWindow, number: int) -> QPointF:
    picture = window.retime.control.picture
    assert picture is not None
    points = picture.speed_points() if window.retime.control.is_speed else picture.time_points()
    point = points[number]
    return window.retime.curve_panel.curve.place_of(point.frame, point.value)


def keys_of(window: MainWindow) -> list[tuple[int, int]]:
    clip = window.session.clip
    assert clip is not None
    return [(key.at, key.source) for key in clip.curve.keys]


def test_journey_01_a_dropped_clip_shows_its_first_frame(
    editor: Opened, make_clip: Callable[..., Path], wait_until: Wait
) -> None:
    window = editor()
    assert window.screen_name == "start"
    drop(window, [make_clip()])
    wait_until(lambda: window.session.schedule() is not None)
    wait_until(lambda: window.retime.viewer.view.images()[1] is not None)
    assert window.screen_name == "edit"
    assert window.windowTitle().startswith("clip")


def test_journey_02_sixty_eight_dropped_files_are_sixty_eight_jobs(
    editor: Opened, make_clip: Callable[..., Path], wait_until: Wait
) -> None:
    window = editor()
    first = make_clip("a00.mp4", count=3, width=32, height=32)
    paths = [first]
    for number in range(1, 68):
        copy = first.with_name(f"a{number:02}.mp4")
        copy.write_bytes(first.read_bytes())
        paths.append(copy)
    drop(window, paths)
    wait_until(lambda: len(window.services.queue.jobs) == 68)
    jobs = window.services.queue.jobs
    assert len({job.output for job in jobs}) == 68
    assert window.screen_name == "queue"
    assert len(window.queue.cards) == 68


def test_journey_03_jkl_plays_both_ways_and_doubles(opened: Opened, wait_until: Wait) -> None:
    window = opened(count=60)
    player = window.services.player
    press(window, Qt.Key.Key_L)
    press(window, Qt.Key.Key_L)
    assert player.rate == 2.0
    assert window.retime.viewer.transport.speed_label.text() == "2×"
    press(window, Qt.Key.Key_K)
    assert player.rate == 0.0
    player.seek(50)
    seen: list[int] = []
    player.frameWanted.connect(seen.append)
    press(window, Qt.Key.Key_J)
    wait_until(lambda: len(seen) >= 6)
    press(window, Qt.Key.Key_K)
    steps = [later - earlier for earlier, later in pairwise(seen) if later]
    assert all(step < 0 for step in steps if step)


def test_journey_03_with_k_held_j_and_l_go_one_frame(opened: Opened) -> None:
    window = opened(count=30)
    player, view = window.services.player, window.retime.viewer.view
    view.setFocus()
    player.seek(10)
    QTest.keyPress(view, Qt.Key.Key_K)
    for _ in range(3):
        QTest.keyClick(view, Qt.Key.Key_L)
    assert (player.position, player.rate) == (13, 0.0)
    QTest.keyClick(view, Qt.Key.Key_J)
    assert (player.position, player.rate) == (12, 0.0)
    QTest.keyRelease(view, Qt.Key.Key_K)
    QTest.keyClick(view, Qt.Key.Key_L)
    assert player.rate == 1.0
    QTest.keyPress(view, Qt.Key.Key_K)
    assert player.rate == 0.0
    # The key may be let go while another program has the keyboard.
    QApplication.sendEvent(window.retime, QEvent(QEvent.Type.WindowDeactivate))
    QTest.keyClick(view, Qt.Key.Key_J)
    assert player.rate == -1.0
    player.pause()


def test_journey_04_the_preview_of_a_marked_range_makes_only_that(
    opened: Opened, wait_until: Wait
) -> None:
    window = opened()
    window.trigger("preset_slow_half")
    window.services.player.seek(5)
    press(window, Qt.Key.Key_I)
    window.services.player.seek(9)
    press(window, Qt.Key.Key_O)
    clip = window.session.clip
    assert clip is not None
    assert (clip.marks.first, clip.marks.last) == (5, 9)
    press(window, Qt.Key.Key_P)
    wait_until(lambda: all(window.services.preview.states()[5:10]))
    # Eight frames beyond the playhead are made ahead for playing; nothing else is.
    assert window.services.preview.states()[18:].count(2) == 0
    press(window, Qt.Key.Key_I, Qt.KeyboardModifier.ShiftModifier)
    assert window.services.player.position == 5
    press(window, Qt.Key.Key_O, Qt.KeyboardModifier.ShiftModifier)
    assert window.services.player.position == 9


def test_journey_05_steps_jumps_and_typed_positions(opened: Opened) -> None:
    window = opened(count=48)
    player = window.services.player
    press(window, Qt.Key.Key_End)
    assert player.position == 47
    press(window, Qt.Key.Key_Left)
    assert player.position == 46
    press(window, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert player.position == 36
    press(window, Qt.Key.Key_Home)
    press(window, Qt.Key.Key_Right)
    assert player.position == 1
    field = window.retime.viewer.transport.position
    for text, frame in (("12", 12), ("1s", 24), ("00:00:01:06", 30), ("+4", 34)):
        press(window, Qt.Key.Key_G)
        field.setText(text)
        QTest.keyClick(field, Qt.Key.Key_Return)
        assert player.position == frame, text
    press(window, Qt.Key.Key_G)
    field.setText("soon")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert field.is_refused
    assert player.position == 34


def test_journey_06_keys_by_mouse_each_one_step_of_undo(opened: Opened) -> None:
    window = opened(count=48)
    window.retime.curve_panel.snap.setChecked(False)
    curve, stack = window.retime.curve_panel.curve, window.session.undo_stack
    port = curve.viewport()
    assert port is not None
    before = stack.count()
    place = curve.place_of(24.0, 1.0)
    QTest.mouseDClick(port, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert len(keys_of(window)) == 3
    assert stack.count() == before + 1

    first = keys_of(window)
    start = key_place(window, 1)
    drag(window, start, start + QPointF(0, 40))
    assert stack.count() == before + 2
    dragged = keys_of(window)
    assert dragged != first
    clip = window.session.clip
    assert clip is not None
    assert float(clip.curve.key_speed(1)) < 1
    window.trigger("undo")
    assert keys_of(window) == first
    window.trigger("redo")
    assert keys_of(window) == dragged
    window.trigger("undo")

    # In the time picture Ctrl keeps the moment and Alt keeps the value.
    window.trigger("curve_view")
    start = key_place(window, 1)
    drag(window, start, start + QPointF(60, -30), Qt.KeyboardModifier.ControlModifier)
    assert keys_of(window)[1][0] == first[1][0]
    assert keys_of(window)[1][1] > first[1][1]
    window.trigger("undo")
    start = key_place(window, 1)
    drag(window, start, start + QPointF(60, -30), Qt.KeyboardModifier.AltModifier)
    assert keys_of(window)[1][0] > first[1][0]
    assert keys_of(window)[1][1] == first[1][1]
    window.trigger("undo")

    # A box selects, Delete removes what may go.
    window.trigger("curve_view")
    place = key_place(window, 1)
    drag(window, place + QPointF(-40, -14), place + QPointF(40, 30))
    assert window.retime.control.selected == [1]
    window.trigger("delete_keys")
    assert len(keys_of(window)) == 2
    window.trigger("undo")
    assert keys_of(window) == first


def test_journey_07_the_same_with_the_keyboard_alone(opened: Opened, wait_until: Wait) -> None:
    window = opened(count=48)
    window.services.player.seek(24)
    press(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert len(keys_of(window)) == 3
    table = window.retime.inspector.table
    table.setFocus()
    model = table.model()
    assert model is not None
    table.setCurrentIndex(model.index(1, SPEED))
    QTest.keyClick(table, Qt.Key.Key_Return)
    field = table.findChild(QLineEdit)
    assert field is not None
    field.selectAll()
    QTest.keyClicks(field, "25")
    QTest.keyClick(field, Qt.Key.Key_Return)
    wait_until(lambda: window.session.undo_stack.undoText() == "Edit key")
    clip = window.session.clip
    assert clip is not None
    assert clip.curve.key_speed(1) == Fraction(1, 4)
    table.set_selected([1])
    QTest.keyClick(table, Qt.Key.Key_Delete)
    assert len(keys_of(window)) == 2
    window.trigger("undo")
    assert len(keys_of(window)) == 3


def test_journey_08_presets_undo_saved_and_used_on_another_clip(
    opened: Opened, make_clip: Callable[..., Path], wait_until: Wait
) -> None:
    window = opened(count=48)
    bar = window.retime.inspector.presets
    plain = keys_of(window)
    QTest.mouseClick(bar.buttons["hit"], Qt.MouseButton.LeftButton)
    hit = keys_of(window)
    assert len(hit) > 3
    window.trigger("undo")
    assert keys_of(window) == plain
    window.trigger("redo")
    assert keys_of(window) == hit
    window.retime.edit_actions.save_preset_as("Mine")
    window.retime.refresh_presets()
    assert len(bar.buttons) == len(BUILT_IN) + 1
    window.open_path(str(make_clip("other.mp4", count=96, rate=Fraction(24))))
    wait_until(lambda: window.session.clip is not None and window.session.clip.name == "other")
    wait_until(lambda: window.session.schedule() is not None)
    own = next(name for name in bar.buttons if name.startswith("own"))
    QTest.mouseClick(bar.buttons[own], Qt.MouseButton.LeftButton)
    clip = window.session.clip
    assert clip is not None
    assert clip.curve.key_speed(0) == 2
    assert clip.curve.keys[-1].source == clip.media.duration


def test_journey_09_backwards_and_freeze_play_right(opened: Opened) -> None:
    window = opened(count=24)
    window.trigger("preset_reverse")
    schedule = window.session.schedule()
    assert schedule is not None
    shown = [schedule.source_frame(number) for number in range(1, schedule.count)]
    assert shown == sorted(shown, reverse=True)
    window.trigger("reset_speed")
    window.services.player.seek(12)
    window.trigger("preset_freeze")
    schedule = window.session.schedule()
    assert schedule is not None
    assert schedule.count == 24 + 24
    assert {schedule.frame(number).before for number in range(12, 36)} == {12}


def test_journey_10_half_speed_and_back_leaves_no_trace(opened: Opened) -> None:
    window = opened(count=25)
    before = project_to_text(window.session.document)
    for text in ("50 %", "100 %"):
        field = window.retime.inspector.whole_speed
        field.setFocus()
        field.setText(text)
        QTest.keyClick(field, Qt.Key.Key_Return)
    assert project_to_text(window.session.document) == before
    schedule = window.session.schedule()
    assert schedule is not None
    assert schedule.count == 25


def test_journey_11_wiping_and_zooming_to_the_pixel(opened: Opened, wait_until: Wait) -> None:
    window = opened()
    view = window.retime.viewer.view
    window.session.set_view(preview_scale=1)
    window.services.preview.refresh()

    def is_full() -> bool:
        shown = view.images()[1]
        return shown is not None and shown.width() == 96

    wait_until(is_full)
    press(window, Qt.Key.Key_3)
    assert view.mode is Compare.WIPE
    press(window, Qt.Key.Key_BracketLeft)
    assert view.wipe < 0.5
    press(window, Qt.Key.Key_1)
    view.set_zoom(8.0)
    pixel = view.pixel_at(QPointF(view.rect().center()))
    image = view.images()[1]
    assert pixel is not None
    assert image is not None
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.rect().center())
    red, green, blue, _ = image.pixelColor(pixel).getRgb()
    words = f"{pixel.x()}, {pixel.y()}   {red} {green} {blue}"
    assert window.retime.viewer.pixel_label.text() == words


def test_journey_12_fast_scrubbing_ends_on_the_last_wanted_frame(
    opened: Opened, wait_until: Wait
) -> None:
    window = opened(count=60)
    window.trigger("preset_slow_half")
    shown: list[tuple[int, bool]] = []
    window.services.preview.frameShown.connect(
        lambda number, _a, _b, _planned, final: shown.append((number, final))
    )
    timeline = window.retime.curve_panel.timeline
    wanted = [(number * 37) % 119 for number in range(200)]
    for number in wanted:
        timeline.seek_wanted.emit(number)
        if number % 5 == 0:
            QTest.qWait(1)
    wait_until(lambda: bool(shown) and shown[-1] == (wanted[-1], True))
    settled = len(shown)
    QTest.qWait(200)
    assert {number for number, _ in shown[settled:]} <= {wanted[-1]}


def test_journey_13_moving_a_key_reuses_frames_that_stay_the_same(
    opened: Opened, wait_until: Wait
) -> None:
    window = opened(count=24)
    window.trigger("preset_slow_half")
    window.services.preview.set_range(0, 20)
    schedule = window.session.schedule()
    assert schedule is not None
    made = [n for n in range(21) if schedule.frame(n).decision is Decision.INTERPOLATE]
    assert made

    def ready() -> bool:
        states = window.services.preview.states()
        return all(states[number] == 2 for number in made)

    wait_until(ready)
    # The second half gets another speed; the first keeps its moments.
    window.services.player.seek(24)
    window.trigger("add_key")
    window.retime.control.drag_stretch(1, 1.0)
    assert ready()


def test_dragging_a_stretch_of_even_speed_changes_that_speed(opened: Opened) -> None:
    window = opened(count=48)
    curve = window.retime.curve_panel.curve
    start = curve.place_of(20.0, 1.0)
    drag(window, start, curve.place_of(20.0, 0.5))
    clip = window.session.clip
    assert clip is not None
    assert float(clip.curve.key_speed(0)) == pytest.approx(0.5, abs=0.06)
    assert curve.readout == ""


def test_the_readout_shows_the_speed_while_dragging(opened: Opened) -> None:
    window = opened(count=48)
    curve = window.retime.curve_panel.curve
    port = curve.viewport()
    assert port is not None
    start, end = curve.place_of(20.0, 1.0), curve.place_of(20.0, 0.25)
    none = Qt.KeyboardModifier.NoModifier
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start.toPoint())
    move(port, (start + end) / 2, none)
    move(port, end, none)
    assert "25 %" in curve.readout
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end.toPoint())
    assert window.session.undo_stack.undoText() == "Change speed"
