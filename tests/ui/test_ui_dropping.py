"""Whatever a person drops: what becomes of it, and what is said where nothing can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PyQt6 import QtTest
from PyQt6.QtCore import Qt

from imf_ui.model.errors import _TABLE, ErrorCode, explain
from imf_ui.panels.dropping import sequence_of, sorted_out
from imf_ui.window import MainWindow

QTest: Any = QtTest.QTest

type Wait = Callable[..., None]
type Editor = Callable[..., MainWindow]


def an_image(path: Path, value: int = 90) -> str:
    cv2.imwrite(str(path), np.full((48, 64, 3), value, np.uint8))
    return str(path)


def test_a_folder_of_videos_stands_for_its_videos_and_one_of_images_for_a_clip(
    tmp_path: Path,
) -> None:
    videos, images = tmp_path / "videos", tmp_path / "images"
    videos.mkdir()
    images.mkdir()
    for name in ("b.mp4", "a.MOV", "notes.txt"):
        (videos / name).touch()
    an_image(images / "1.png")
    dropped = sorted_out([str(videos), str(images), "x.imfp", "one.jpg"])
    assert dropped.clips == (str(videos / "a.MOV"), str(videos / "b.mp4"), str(images))
    assert dropped.projects == ("x.imfp",)
    assert dropped.images == ("one.jpg",)


def test_two_images_become_a_clip_to_morph_between(
    editor: Editor, tmp_path: Path, wait_until: Wait
) -> None:
    window = editor()
    pair = [an_image(tmp_path / "one.png", 40), an_image(tmp_path / "two.png", 200)]
    window.open_paths(pair)
    wait_until(lambda: window.session.schedule() is not None)
    clip = window.session.clip
    assert clip is not None
    assert clip.media.frame_count == 2
    again = sequence_of(pair, window.services.home)
    assert str(again) == clip.media.path


def test_a_single_picture_goes_to_the_retarget_screen(editor: Editor, tmp_path: Path) -> None:
    window = editor()
    picture = an_image(tmp_path / "face.png")
    window.open_paths([picture])
    assert window.screen_name == "retarget"
    assert window.retarget.setup.reference == picture
    assert "video" in window.status.message.text()


def test_a_text_file_is_refused_with_another_to_choose_and_the_editor_goes_on(
    opened: Editor, tmp_path: Path, wait_until: Wait
) -> None:
    window = opened()
    (tmp_path / "notes.txt").write_text("hello")
    window.open_path(str(tmp_path / "notes.txt"))
    wait_until(lambda: window.errors.open_dialogs)
    dialog = window.errors.open_dialogs[-1]
    chosen: list[bool] = []
    window.files.choose_and_open = lambda: chosen.append(True)  # type: ignore[method-assign]
    dialog.reject()
    window.open_path(str(tmp_path / "notes.txt"))
    wait_until(lambda: window.errors.open_dialogs)
    window.errors.open_dialogs[-1].buttons["locate"].click()
    assert chosen == [True]
    window.trigger("preset_slow_half")
    assert len(window.session.document.clips) == 1


def test_without_a_clip_the_edit_actions_are_greyed_and_the_rest_says_what_to_do(
    editor: Editor,
) -> None:
    window = editor()
    assert not window.qt_actions["preset_slow_half"].isEnabled()
    for action in ("export", "export_as", "preset_slow_half", "fit_length_nowhere"):
        window.status.message.setText("")
        window.trigger(action)
        assert window.status.message.text() == "Open a video first"


def test_edits_of_the_clip_are_not_offered_where_it_is_not_seen(opened: Editor) -> None:
    window = opened()
    assert window.qt_actions["preset_slow_half"].isEnabled()
    window.trigger("screen_queue")
    assert not window.qt_actions["preset_slow_half"].isEnabled()
    window.trigger("screen_retarget")
    assert window.retarget.qt_actions["play_pause"].isVisible()
    assert not window.qt_actions["play_pause"].isVisible()
    window.trigger("screen_edit")
    assert window.qt_actions["play_pause"].isVisible()


def test_undo_says_what_it_took_back(opened: Editor) -> None:
    window = opened()
    window.trigger("preset_slow_half")
    window.trigger("undo")
    assert window.status.message.text().startswith("Undone: ")
    window.trigger("redo")
    assert window.status.message.text().startswith("Done again: ")


def test_every_way_out_of_every_failure_does_something(opened: Editor, tmp_path: Path) -> None:
    window = opened()
    job = window.services.export(window.session.clip, str(tmp_path / "out.mkv"))
    for code in ErrorCode:
        if code not in _TABLE:
            continue
        offered = {action.id for action in explain(code, "x").actions} - {"close"}
        known = window.errors.ways_out(explain(code, "x"))
        known |= window.errors.ways_out_of_job(window.services.queue.job(job))
        assert offered <= {*known, "retry", "locate"}, code


def test_undoing_everything_leads_back_to_the_start_screen_and_redoing_to_the_clip(
    opened: Editor,
) -> None:
    window = opened()
    window.trigger("preset_slow_half")
    while window.session.undo_stack.canUndo():
        window.trigger("undo")
    assert window.screen_name == "start"
    while window.session.undo_stack.canRedo():
        window.trigger("redo")
    assert window.screen_name == "edit"


def test_a_freeze_at_the_very_start_shows_the_first_frame_itself(opened: Editor) -> None:
    window = opened()
    window.services.player.seek(0)
    window.trigger("preset_freeze")
    schedule = window.session.schedule()
    assert schedule is not None
    assert schedule.counts.made == 0
    cells = window.retime.inspector.table.model()
    assert cells is not None
    assert cells.data(cells.index(0, 1)) == "0"


def test_a_speed_typed_into_the_field_counts_when_the_field_is_left(opened: Editor) -> None:
    window = opened()
    field = window.retime.inspector.whole_speed
    field.setFocus()
    for key in (Qt.Key.Key_5, Qt.Key.Key_0):
        QTest.keyClick(field, key)
    window.retime.viewer.view.setFocus()
    clip = window.session.clip
    assert clip is not None
    assert clip.curve.duration == 2 * clip.media.duration
    steps = window.session.undo_stack.count()
    field.setFocus()
    window.retime.viewer.view.setFocus()
    assert window.session.undo_stack.count() == steps
