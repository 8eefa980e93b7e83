"""The session: edits, gestures, files, the journal that survives a kill."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication

from imf_ui.model.curve import identity_curve
from imf_ui.model.curve_edits import at_speed
from imf_ui.model.document import Clip, Marks, MediaRef
from imf_ui.model.ops import AddClip, Rename, SetCurve, SetMarks
from imf_ui.model.projectfile import project_to_text
from imf_ui.model.timebase import TICKS_PER_SECOND as SECOND
from imf_ui.services.actions import ACTIONS, ActionRegistry
from imf_ui.services.autosave import Autosave
from imf_ui.services.session import Session
from imf_ui.services.settings import Settings

F = Fraction
MEDIA = MediaRef(path="/videos/clip.mp4", duration=4 * SECOND, frame_count=100)


@pytest.fixture
def session(app: QApplication) -> Session:
    made = Session()
    clip = Clip(id="c1", name="clip", media=MEDIA, curve=identity_curve(4 * SECOND))
    made.do(AddClip(clip=clip))
    return made


def test_every_edit_is_undone_and_redone_exactly(session: Session) -> None:
    first = project_to_text(session.document)
    session.do(SetCurve(id="c1", curve=at_speed(F(1, 2), 0, 4 * SECOND), name_of_edit="Half"))
    session.do(SetMarks(id="c1", marks=Marks(first=3)))
    last = project_to_text(session.document)
    assert session.undo_stack.undoText() == "Set marks"
    session.undo_stack.undo()
    assert session.undo_stack.undoText() == "Half"
    session.undo_stack.undo()
    assert project_to_text(session.document) == first
    session.undo_stack.redo()
    session.undo_stack.redo()
    assert project_to_text(session.document) == last


def test_a_drag_of_many_edits_is_one_step(session: Session) -> None:
    steps = session.undo_stack.count()
    before = session.document
    session.begin_gesture()
    for percent in range(99, 40, -1):
        session.do(SetCurve(id="c1", curve=at_speed(F(percent, 100), 0, 4 * SECOND)))
    session.do(Rename(id="c1", name="slow"))
    session.end_gesture()
    assert session.undo_stack.count() == steps + 1
    after = session.document
    session.undo_stack.undo()
    assert session.document == before
    session.undo_stack.redo()
    assert session.document == after


def test_two_drags_are_two_steps(session: Session) -> None:
    steps = session.undo_stack.count()
    for speed in (F(1, 2), F(1, 3)):
        session.begin_gesture()
        session.do(SetCurve(id="c1", curve=at_speed(speed, 0, 4 * SECOND)))
        session.end_gesture()
    assert session.undo_stack.count() == steps + 2


def test_a_drag_that_comes_back_or_is_given_up_leaves_no_step(session: Session) -> None:
    steps, before = session.undo_stack.count(), session.document
    slow = at_speed(F(1, 2), 0, 4 * SECOND)
    session.begin_gesture()
    session.do(SetCurve(id="c1", curve=slow))
    session.do(SetCurve(id="c1", curve=identity_curve(4 * SECOND)))
    session.end_gesture()
    assert (session.undo_stack.count(), session.document) == (steps, before)
    session.begin_gesture()
    session.do(SetCurve(id="c1", curve=slow))
    session.cancel_gesture()
    assert (session.undo_stack.count(), session.document) == (steps, before)
    assert not session.undo_stack.canRedo()


def test_an_edit_that_changes_nothing_is_no_step(session: Session) -> None:
    steps = session.undo_stack.count()
    session.do(SetMarks(id="c1", marks=Marks()))
    assert session.undo_stack.count() == steps


def test_the_view_is_no_step_and_does_not_spoil_redo(session: Session) -> None:
    session.do(SetMarks(id="c1", marks=Marks(first=3)))
    session.undo_stack.undo()
    session.set_view(playhead=12)
    assert session.undo_stack.canRedo()
    assert session.document.view.playhead == 12


def test_saving_makes_clean_and_undoing_makes_dirty(session: Session, tmp_path: Path) -> None:
    assert not session.is_clean
    session.save(tmp_path / "a.imfp")
    assert session.is_clean
    session.undo_stack.undo()
    assert not session.is_clean
    session.undo_stack.redo()
    assert session.is_clean
    first = (tmp_path / "a.imfp").read_bytes()
    session.load(tmp_path / "a.imfp")
    session.save()
    assert (tmp_path / "a.imfp").read_bytes() == first


def test_a_session_that_ended_well_leaves_nothing_to_recover(
    session: Session, tmp_path: Path
) -> None:
    autosave = Autosave(session, tmp_path)
    autosave.start()
    session.do(SetMarks(id="c1", marks=Marks(first=1)))
    assert autosave.edits == 1
    autosave.close()
    assert Autosave(Session(), tmp_path).recoverable() == []


_EDITING = """
import os, sys, time
from pathlib import Path
from PyQt6.QtWidgets import QApplication
from imf_ui.model.curve import identity_curve
from imf_ui.model.document import Clip, Marks, MediaRef
from imf_ui.model.ops import AddClip, SetMarks
from imf_ui.services.autosave import Autosave
from imf_ui.services.session import Session
app = QApplication([])
session = Session()
autosave = Autosave(session, Path(sys.argv[1]))
autosave.start()
media = MediaRef(path="/v.mp4", duration=1000, frame_count=10)
session.do(AddClip(clip=Clip(id="c1", name="clip", media=media, curve=identity_curve(1000))))
number = 0
while True:
    number += 1
    session.do(SetMarks(id="c1", marks=Marks(first=number)))
    if number % 7 == 0:
        autosave._snapshot()
    print(number, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("edits", [1, 26, 90])
def test_a_killed_editor_loses_at_most_one_edit(
    edits: int, app: QApplication, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", _EDITING, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen = int(line)
        if seen >= edits:
            break
    process.send_signal(signal.SIGKILL)
    seen = max([seen, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    autosave = Autosave(Session(), tmp_path)
    (found,) = autosave.recoverable()
    document, project = autosave.recover(found.id)
    assert project is None
    assert document.clip().marks.first in (seen, seen + 1)
    assert found.clips == ("clip",)
    autosave.discard(found.id)
    assert autosave.recoverable() == []


def test_an_older_journal_is_never_offered_over_a_newer_save(
    session: Session, tmp_path: Path
) -> None:
    project = tmp_path / "a.imfp"
    session.save(project)
    autosave = Autosave(session, tmp_path / "journals")
    autosave.start()
    session.do(SetMarks(id="c1", marks=Marks(first=1)))
    folder = autosave._mine
    assert folder is not None
    # As if the process had died: the lock is free, the folder stays.
    assert autosave._lock is not None
    autosave._lock.close()
    others = Autosave(Session(), tmp_path / "journals")
    assert [found.project for found in others.recoverable()] == [project]
    later = time.time() + 5
    os.utime(project, (later, later))
    assert others.recoverable() == []
    assert not folder.exists()
    autosave.close()


def test_settings_that_cannot_be_read_give_the_defaults(app: QApplication, tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.set(theme="light", cache_mb=300)
    settings.add_recent("/b.mp4")
    settings.add_recent("/a.mp4")
    settings.add_recent("/b.mp4")
    again = Settings(tmp_path)
    assert (again.values.theme, again.values.cache_mb) == ("light", 300)
    assert again.values.recent == ("/b.mp4", "/a.mp4")
    (tmp_path / "settings.json").write_text("{ broken", encoding="utf-8")
    assert Settings(tmp_path).values.theme == "dark"


def test_no_two_actions_share_a_key_and_keys_can_be_changed(
    app: QApplication, tmp_path: Path
) -> None:
    registry = ActionRegistry(Settings(tmp_path))
    assert registry.conflicts() == []
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    registry.rebind("mark_in", "L")
    assert registry.conflicts() == [("L", ("play_forward", "mark_in"))]
    assert ActionRegistry(Settings(tmp_path)).keys_of("mark_in") == ("L",)
    registry.reset()
    assert registry.keys_of("mark_in") == ("I",)


def test_the_frames_of_another_clip_come_with_it(session: Session) -> None:
    from imf_plugin.timeline.timemap import SourceTiming

    changes: list[int] = []
    session.scheduleChanged.connect(lambda: changes.append(1))
    assert session.schedule() is None
    timing = SourceTiming(frame_times=tuple(F(n, 25) for n in range(100)), duration=F(4))
    session.set_timing(MEDIA.path, timing)
    schedule = session.schedule()
    assert schedule is not None
    assert schedule.count == 100
    session.do(SetCurve(id="c1", curve=at_speed(F(1, 2), 0, 4 * SECOND)))
    assert session.schedule().count == 200  # type: ignore[union-attr]
    other = replace(session.document.clip(), id="c2", curve=identity_curve(4 * SECOND))
    session.do(AddClip(clip=other))
    assert session.schedule().count == 100  # type: ignore[union-attr]
    session.undo_stack.undo()
    assert session.schedule().count == 200  # type: ignore[union-attr]
    assert len(changes) == 4
