"""Journeys through the queue, failures, projects and other programs."""

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PyQt6 import QtTest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from imf_ui import i18n
from imf_ui.model.errors import ErrorCode, explain
from imf_ui.model.projectfile import backup_of
from imf_ui.model.queue import JobState
from imf_ui.panels.explaining import error_dialog
from imf_ui.panels.relink import RelinkDialog
from imf_ui.panels.retime import RetimePanel
from imf_ui.services.actions import ACTIONS
from imf_ui.services.app_services import Services
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

QTest: Any = QtTest.QTest
"""Its type stubs take its static methods for methods."""

type Opened = Callable[..., MainWindow]
type Wait = Callable[..., None]


def state(window: MainWindow, job_id: str) -> JobState:
    return window.services.queue.job(job_id).state


def export(window: MainWindow, output: Path) -> str:
    """Export as a user does: the dialog, then one press."""
    dialog = window.jobs.export_as()
    assert dialog is not None
    dialog.kind.setCurrentIndex(dialog.kind.findData("ffv1"))
    dialog.path.setText(str(output))
    QTest.mouseClick(dialog.ok, Qt.MouseButton.LeftButton)
    return window.services.queue.jobs[-1].id


def test_journey_14_the_queue_pauses_reorders_cancels_and_retries(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened("fake:slow=60", count=12)
    window.trigger("preset_slow_half")
    first = export(window, tmp_path / "one.mkv")
    second = export(window, tmp_path / "two.mkv")
    third = export(window, tmp_path / "three.mkv")
    queue, panel = window.services.queue, window.queue
    assert window.screen_name == "queue"
    wait_until(lambda: queue.job(first).done > 0)
    panel.cards[first].buttons["pause"].click()
    wait_until(lambda: state(window, first) is JobState.PAUSED)
    panel.cards[third].buttons["up"].click()
    assert [job.id for job in queue.jobs] == [first, third, second]
    panel.cards[first].buttons["resume"].click()
    panel.cards[second].buttons["cancel"].click()
    assert state(window, second) is JobState.CANCELLED
    wait_until(lambda: state(window, first) is JobState.DONE)
    wait_until(lambda: state(window, third) is JobState.DONE)
    panel.cards[second].buttons["retry"].click()
    wait_until(lambda: state(window, second) is JobState.DONE)
    results = [(tmp_path / name).read_bytes() for name in ("one.mkv", "two.mkv", "three.mkv")]
    assert len(results[0]) > 1000


def test_everything_in_the_queue_is_paused_and_goes_on_at_once(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened("fake:slow=60", count=12)
    window.trigger("preset_slow_half")
    first = export(window, tmp_path / "one.mkv")
    second = export(window, tmp_path / "two.mkv")
    panel = window.queue
    wait_until(lambda: window.services.queue.job(first).stage == "render")
    panel.pause_all.click()
    assert state(window, first) is JobState.PAUSED
    assert panel.start_all.isEnabled()
    assert not panel.pause_all.isEnabled()
    done = window.services.queue.job(first).done
    QTest.qWait(400)
    assert window.services.queue.job(first).done <= done + 2
    assert state(window, second) is JobState.QUEUED
    panel.start_all.click()
    wait_until(lambda: state(window, second) is JobState.DONE)
    assert state(window, first) is JobState.DONE
    panel.clear_done.click()
    assert window.services.queue.jobs == ()
    assert panel.cards == {}


def test_the_queue_shows_the_running_job_s_picture_and_plays_what_is_finished(
    opened: Opened, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = opened("fake:slow=250", count=12)
    window.trigger("preset_slow_half")
    job = export(window, tmp_path / "one.mkv")
    card = window.queue.cards[job]
    first = card.picture.image
    assert first is not None
    shown: list[bytes] = []
    window.services.queue.pictureReady.connect(lambda _job, jpeg: shown.append(jpeg))
    wait_until(lambda: len(shown) > 1)
    assert card.picture.image != first
    assert shown[-1] != shown[0]
    assert card.buttons["parts"].isHidden()
    wait_until(lambda: window.services.queue.job(job).fps > 0)
    assert "fps" in card.numbers.text()
    card.buttons["cancel"].click()
    wait_until(lambda: state(window, job) is JobState.CANCELLED)
    # As a long render leaves them.
    folder = window.services.queue.parts_folder(job)
    folder.mkdir(exist_ok=True)
    for number in (0, 1):
        (folder / f"part-{number:06}.mkv").touch()
    opened_files: list[str] = []
    monkeypatch.setattr("imf_ui.panels.queue.open_file", opened_files.append)
    window.queue.refresh()
    card.buttons["parts"].click()
    listed = Path(opened_files[0]).read_text().splitlines()
    assert listed[1:] == [str(folder / "part-000000.mkv"), str(folder / "part-000001.mkv")]


def test_a_result_is_played_beside_the_work(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened(count=8)
    window.trigger("preset_slow_half")
    job = export(window, tmp_path / "one.mkv")
    wait_until(lambda: state(window, job) is JobState.DONE)
    player = window.queue.play_result(window.services.queue.job(job).output)
    seen: set[int] = set()
    window.services.media.frameReady.connect(lambda _path, index, _scale: seen.add(index))
    wait_until(lambda: player.plays and player.view.images()[1] is not None)
    assert player.position.maximum() == 15
    wait_until(lambda: len(seen) > 8)
    QTest.keyClick(player, Qt.Key.Key_Space)
    assert not player.plays
    player.seek(3)
    QTest.keyClick(player, Qt.Key.Key_Right)
    assert player.number == 4
    player.reject()
    assert len(window.session.document.clips) == 1


def test_a_cancelled_render_says_so_at_once_and_stops_soon(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened("fake:slow=100", count=12)
    window.trigger("preset_slow_quarter")
    job = export(window, tmp_path / "one.mkv")
    wait_until(lambda: window.services.queue.job(job).done > 0)
    card = window.queue.cards[job]
    card.buttons["cancel"].click()
    assert card.state.text() == "Cancelling…"
    wait_until(lambda: state(window, job) is JobState.CANCELLED, 10_000)
    assert not card.buttons["retry"].isHidden()


def test_journey_15_memory_runs_out_and_the_dialog_s_button_helps(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened("fake:oom=2", count=8)
    window.trigger("preset_slow_half")
    window.services.worker.close()
    job = export(window, tmp_path / "one.mkv")
    wait_until(lambda: state(window, job) is JobState.FAILED)
    wait_until(lambda: window.errors.open_dialogs)
    dialog = window.errors.open_dialogs[-1]
    QTest.mouseClick(dialog.buttons["retry_tiles"], Qt.MouseButton.LeftButton)
    wait_until(lambda: state(window, job) is JobState.DONE)
    assert window.services.queue.job(job).options.tile == "512"


def test_journey_16_a_crash_in_the_middle_changes_no_byte_of_the_result(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    flag = tmp_path / "crashed"
    window = opened(f"fake:crash=6,once={flag}", count=12)
    # The preview's engine must not use up the one crash.
    window.services.worker.close()
    window.trigger("preset_slow_half")
    broken = export(window, tmp_path / "broken.mkv")
    wait_until(lambda: state(window, broken) is JobState.DONE)
    assert flag.exists()
    whole = export(window, tmp_path / "whole.mkv")
    wait_until(lambda: state(window, whole) is JobState.DONE)
    assert (tmp_path / "broken.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_journey_18_projects_reopen_to_the_byte_and_survive_damage(
    opened: Opened, editor: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened()
    window.trigger("preset_slow_quarter")
    file = tmp_path / "work.imfp"
    assert window.files.save_to(file)
    first = file.read_bytes()
    again = editor(home="second")
    again.files.open_project(file)
    wait_until(lambda: again.session.schedule() is not None)
    assert again.files.save_to(file)
    assert file.read_bytes() == first
    assert backup_of(file).read_bytes() == first
    # A newer program's file opens to look at.
    newer = tmp_path / "newer.imfp"
    newer.write_text(file.read_text().replace('"schema": 1', '"schema": 99'))
    third = editor(home="third")
    third.files.open_project(newer)
    wait_until(lambda: third.session.clip is not None)
    assert third.session.is_read_only
    # A broken file falls back to the version before.
    file.write_text("{ broken")
    fourth = editor(home="fourth")
    fourth.files.open_project(file)
    wait_until(lambda: fourth.session.clip is not None)
    assert fourth.session.clip == window.session.clip


def test_journey_19_moved_media_is_found_again_with_its_neighbours(
    opened: Opened, editor: Opened, make_clip: Callable[..., Path], tmp_path: Path, wait_until: Wait
) -> None:
    window = opened()
    window.open_path(str(make_clip("second.mp4")))
    wait_until(lambda: len(window.session.document.clips) == 2)
    file = tmp_path / "work.imfp"
    window.files.save_to(file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("clip.mp4", "second.mp4"):
        (tmp_path / name).rename(elsewhere / name)
    again = editor(home="second")
    again.files.open_project(file)
    wait_until(lambda: isinstance(again.jobs.dialog, RelinkDialog))
    dialog = again.jobs.dialog
    assert isinstance(dialog, RelinkDialog)
    assert dialog.list.count() == 2
    dialog.found.emit(str(tmp_path / "clip.mp4"), str(elsewhere / "clip.mp4"))
    paths = {clip.media.path for clip in again.session.document.clips}
    assert paths == {str(elsewhere / "clip.mp4"), str(elsewhere / "second.mp4")}
    wait_until(lambda: again.session.schedule() is not None)


def test_journey_20_a_full_disk_is_told_with_a_way_out(
    app: QApplication, opened: Opened, tmp_path: Path
) -> None:
    failure = explain(ErrorCode.DISK_FULL, "1200 MB are needed and 3 MB are free on /media")
    dialog = error_dialog(failure)
    assert "1200 MB" in failure.why
    assert dialog.buttons
    window = opened()
    asked = window.jobs.export_as()
    assert asked is not None
    asked.path.setText(str(tmp_path / "nowhere" / "out.mp4"))
    assert not asked.ok.isEnabled()
    assert "nowhere" in asked.room.text()


def test_journey_20_a_render_that_fills_the_disk_goes_on_when_there_is_room(
    opened: Opened, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened(f"fake:full=6,once={tmp_path / 'filled'}", count=12)
    # The preview's engine must not use up the one failure.
    window.services.worker.close()
    window.trigger("preset_slow_half")
    job = export(window, tmp_path / "one.mkv")
    wait_until(lambda: state(window, job) is JobState.FAILED)
    wait_until(lambda: window.errors.open_dialogs)
    dialog = window.errors.open_dialogs[-1]
    assert "disk is full" in dialog.windowTitle()
    failure = window.services.queue.error(job)
    assert failure is not None
    assert "MB" in failure.why
    dialog.buttons["retry"].click()
    wait_until(lambda: state(window, job) is JobState.DONE)
    assert (tmp_path / "one.mkv").is_file()
    window.trigger("undo")


@pytest.mark.parametrize("language", ["de", "pseudo"])
def test_journey_22_no_words_are_cut_in_another_language(opened: Opened, language: str) -> None:
    i18n.set_language(language)
    try:
        window = opened()
        window.resize(1366, 768)
        QTest.qWait(30)
        assert cut_words(window) == []
    finally:
        i18n.set_language("en")


def cut_words(window: MainWindow) -> list[str]:
    """Texts of visible labels and buttons that do not fit."""
    cut = []
    for shown in window.findChildren(QWidget):
        if not shown.isVisible() or not isinstance(shown, QLabel | QAbstractButton):
            continue
        words = shown.text()
        if isinstance(shown, QLabel) and shown.wordWrap():
            continue
        room = shown.width()
        if words and shown.fontMetrics().horizontalAdvance(words.replace("&", "")) > room + 1:
            cut.append(f"{words} ({room} px)")
    return cut


@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
def test_journey_23_the_window_wears_every_theme(
    app: QApplication, opened: Opened, theme: str
) -> None:
    apply_theme(app, theme)
    try:
        window = opened()
        picture = window.grab().toImage()
        colours = {
            picture.pixelColor(x, y).name() for x in range(0, 1280, 7) for y in (10, 500, 750)
        }
        assert len(colours) > 5
    finally:
        apply_theme(app, "dark")


def test_journey_24_everything_fits_a_small_laptop(opened: Opened) -> None:
    window = opened()
    least = window.minimumSizeHint()
    assert least.width() <= 1366
    assert least.height() <= 768 - 40


def test_journey_25_every_control_has_a_name_and_every_action_a_way(opened: Opened) -> None:
    window = opened()
    nameless = [
        f"{type(control).__name__} {control.objectName()}"
        for control in window.findChildren(QWidget)
        if control.focusPolicy() & Qt.FocusPolicy.TabFocus
        and control.isVisibleTo(window)
        and not control.objectName().startswith("qt_")
        and not (control.accessibleName() or getattr(control, "text", str)())
    ]
    assert nameless == []
    placed = {a.id for a in ACTIONS if a.menu}
    assert {a.id for a in ACTIONS} - placed == set()
    assert {a.id for a in ACTIONS} - set(window.qt_actions) == set()
    assert window.services.actions.conflicts() == []
    keys = [k.toString() for a in window.qt_actions.values() for k in a.shortcuts()]
    assert len(keys) == len(set(keys))


def test_the_tab_key_reaches_every_control_of_the_edit_screen(opened: Opened) -> None:
    window = opened()
    window.retime.viewer.view.setFocus()
    reached: set[QWidget] = set()
    for _ in range(200):
        now = window.focusWidget()
        if now is None or now in reached:
            break
        reached.add(now)
        QTest.keyClick(now, Qt.Key.Key_Tab)
    wanted = {
        window.retime.viewer.view,
        window.retime.curve_panel.timeline,
        window.retime.curve_panel.curve,
        window.retime.inspector.table,
        window.retime.inspector.export_button,
        window.retime.viewer.transport.position,
    }
    assert wanted <= reached


def test_journey_26_the_same_job_for_other_programs(opened: Opened) -> None:
    window = opened()
    window.trigger("preset_slow_quarter")
    dialog = window.jobs.export_as()
    assert dialog is not None
    for kind, words in (("cli", "imf "), ("vpy", "imf"), ("comfy", "{")):
        dialog.kind_of_export.button(kind).click()
        assert words in dialog.text.toPlainText()
        assert not dialog.ok.isVisible()
    dialog.reject()


def test_journey_27_a_picture_is_moved_by_a_video(
    editor: Opened, make_clip: Callable[..., Path], tmp_path: Path, wait_until: Wait
) -> None:
    import cv2
    import numpy as np

    picture = tmp_path / "face.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), 120, np.uint8))
    window = editor()
    window.trigger("screen_retarget")
    window.retarget.take([str(picture), str(make_clip("drive.mp4", count=4))])
    wait_until(lambda: window.retarget.reference.view.images()[1] is not None)
    wait_until(lambda: window.retarget.result.view.images()[1] is not None)
    assert window.retarget.export_button.isEnabled()
    stack = window.session.undo_stack
    assert stack.count() == 2
    window.retarget.add_to_queue()
    assert len(window.services.queue.jobs) == 1


def test_journey_28_without_sound_device_gpu_or_weights_it_opens_and_previews(
    opened: Opened, wait_until: Wait
) -> None:
    window = opened(count=6)
    window.trigger("preset_slow_half")
    window.services.player.seek(3)
    wait_until(lambda: window.services.preview.states()[3:4] == b"\x02")
    wait_until(lambda: window.retime.viewer.view.accessibleDescription().startswith("New frame"))


def test_recovery_is_offered_on_the_start_screen(
    opened: Opened, editor: Opened, wait_until: Wait
) -> None:
    window = opened()
    window.trigger("preset_slow_quarter")
    document = window.session.document
    # As if the process had been killed: the journal stays, its lock goes.
    autosave = window.services.autosave
    assert autosave.edits > 0
    os.close(os.dup(0))
    lock = autosave._lock
    assert lock is not None
    lock.close()
    autosave._lock = None
    again = editor()
    again.refresh()
    sessions = again.services.autosave.recoverable()
    assert len(sessions) == 1
    again.jobs.recover(sessions[0].id)
    assert again.session.document.clips == document.clips
    assert again.screen_name == "edit"
    wait_until(lambda: again.session.schedule() is not None)
    autosave._mine = None


def test_the_retime_panel_lives_in_another_program(
    app: QApplication, make_clip: Callable[..., Path], tmp_path: Path, wait_until: Wait
) -> None:
    host = QWidget()
    services = Services(engine="fake", home=tmp_path / "home", warm=False)
    panel = RetimePanel(services)
    box = QHBoxLayout(host)
    box.addWidget(panel)
    host.show()
    curves: list[object] = []
    panel.curve_changed.connect(curves.append)
    panel.open(make_clip(count=24, rate=Fraction(24)))
    wait_until(lambda: panel.curve() is not None)
    panel.trigger("preset_slow_quarter")
    curve = panel.curve()
    assert curve is not None
    assert curve == curves[-1]
    assert len(curve.time_keys) == 6
    host.close()
    services.close()


def test_a_failure_in_a_slot_becomes_a_dialog_and_the_editor_goes_on(
    opened: Opened, app: QApplication
) -> None:
    import sys

    from imf_ui.app import Editor

    window = opened()
    shell = Editor.__new__(Editor)
    shell._app, shell.services, shell.window = app, window.services, window
    kept, sys.__excepthook__ = sys.__excepthook__, lambda *_: None
    try:
        try:
            raise KeyError("a slip")
        except KeyError as error:
            Editor._on_exception(shell, KeyError, error, error.__traceback__)
    finally:
        sys.__excepthook__ = kept
    assert "a slip" in window.errors.open_dialogs[-1]._text
    window.trigger("preset_slow_half")
    assert window.session.undo_stack.count() > 1


def test_rebinding_a_key_is_kept_and_a_clash_is_told(opened: Opened) -> None:
    window = opened()
    actions = window.services.actions
    actions.rebind("play_pause", "K")
    assert [set(ids) for _, ids in actions.conflicts()] == [{"play_pause", "stop"}]
    dialog = window.jobs.edit_settings()
    assert "Stop" in dialog.conflict.text()
    dialog.reject()
    actions.reset()
    assert QKeySequence(actions.keys_of("play_pause")[0]) == QKeySequence("Space")


_ = replace
