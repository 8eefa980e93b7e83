"""Documents: every edit can be undone, every file comes back to the byte, without Qt."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imf_ui.model.curve import SpeedCurve, identity_curve
from imf_ui.model.curve_edits import at_speed, with_hold, with_key, with_key_speed
from imf_ui.model.document import (
    Clip,
    CutSettings,
    Document,
    Marks,
    MediaRef,
    RenderSettings,
    RetargetSetup,
    ViewState,
)
from imf_ui.model.ops import (
    Activate,
    AddClip,
    Macro,
    MoveClip,
    Op,
    RemoveClip,
    Rename,
    SetCurve,
    SetCuts,
    SetMarks,
    SetMedia,
    SetRender,
    SetRetarget,
    SetView,
    op_from_json,
    op_to_json,
)
from imf_ui.model.projectfile import (
    ProjectError,
    backup_of,
    load_project,
    missing_media,
    project_from_text,
    project_to_text,
    relink,
    save_project,
)
from imf_ui.model.timebase import TICKS_PER_SECOND as SECOND
from imf_ui.model.values import BadValue

F = Fraction
CLIP = 4 * SECOND


def media(name: str = "clip.mp4") -> MediaRef:
    return MediaRef(path=f"/videos/{name}", frame_count=100, duration=CLIP, width=64, height=48)


def a_clip(clip_id: str = "c1", curve: SpeedCurve | None = None) -> Clip:
    return Clip(id=clip_id, name=clip_id, media=media(), curve=curve or identity_curve(CLIP))


def a_document() -> Document:
    slow = with_key_speed(with_key(identity_curve(CLIP), SECOND), 1, F(1, 3))
    return Document(clips=(a_clip("c1", slow), a_clip("c2")), active="c2")


def random_op(draw: st.DrawFn, document: Document) -> Op:
    ids = [clip.id for clip in document.clips]
    if not ids or draw(st.integers(0, 9)) == 0:
        clip = a_clip(document.free_id())
        return AddClip(clip=clip, index=draw(st.integers(0, 3)), activate=draw(st.booleans()))
    target = draw(st.sampled_from(ids))
    clip = document.clip(target)
    speed = F(draw(st.integers(1, 400)), 100)
    choices: list[Op] = [
        RemoveClip(id=target),
        MoveClip(id=target, index=draw(st.integers(0, 5))),
        Activate(id=target),
        Rename(id=target, name=draw(st.text(max_size=3))),
        SetCurve(id=target, curve=at_speed(speed, 0, CLIP)),
        SetCurve(id=target, curve=with_hold(clip.curve, clip.curve.duration // 2, SECOND)),
        SetMarks(id=target, marks=Marks(first=3, last=draw(st.integers(3, 60)))),
        SetCuts(id=target, cuts=CutSettings(manual=(draw(st.integers(1, 99)),), dedup=True)),
        SetRender(id=target, render=RenderSettings(rate=speed * 10, crf=draw(st.integers(0, 40)))),
        SetMedia(id=target, media=media("other.mp4")),
        SetRetarget(retarget=RetargetSetup(strength=speed, driving="/d.mp4")),
        SetView(view=ViewState(playhead=draw(st.integers(0, 99)))),
    ]
    op = draw(st.sampled_from(choices))
    return Macro(ops=(op, Rename(id="gone", name="x"))[:1]) if draw(st.booleans()) else op


@st.composite
def runs(draw: st.DrawFn) -> list[Op]:
    """Edits that fit each other, as a user would make them."""
    document, ops = a_document(), list[Op]()
    for _ in range(draw(st.integers(1, 30))):
        ops.append(random_op(draw, document))
        document = ops[-1].apply(document)
    return ops


@settings(max_examples=30, deadline=None)
@given(runs())
def test_any_run_of_edits_undone_gives_the_first_bytes(ops: list[Op]) -> None:
    document = a_document()
    first = project_to_text(document)
    back: list[Op] = []
    for op in ops:
        # Through the journal's form, so that recovery replays exactly this.
        op = op_from_json(json.loads(json.dumps(op_to_json(op))))
        back.append(op.inverse(document))
        document = op.apply(document)
    assert project_from_text(project_to_text(document), "p").document == document
    for inverse in reversed(back):
        document = inverse.apply(document)
    assert project_to_text(document) == first


def test_every_edit_says_what_it_touches_and_what_it_is_called() -> None:
    for kind in Op.__subclasses__():
        assert kind.words
        assert kind is Macro or kind.touched


def test_a_project_file_holds_no_float_and_is_sorted() -> None:
    text = project_to_text(a_document())

    def no_float(text: str) -> float:
        raise AssertionError(f"a float in the project file: {text}")

    data = json.loads(text, parse_float=no_float)
    assert list(data) == sorted(data)
    assert text == project_to_text(project_from_text(text, "p").document)


def test_saving_opening_and_saving_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.imfp"
    save_project(path, a_document())
    first = path.read_bytes()
    save_project(path, load_project(path).document)
    assert path.read_bytes() == first
    assert backup_of(path).read_bytes() == first


def test_members_of_a_later_version_are_kept_and_the_file_opens_read_only(tmp_path: Path) -> None:
    data = json.loads(project_to_text(a_document()))
    data["schema"] = 7
    data["colour_grade"] = {"lift": [1, 2]}
    data["clips"][0]["curve"]["glow"] = 3
    data["clips"][0]["stabilise"] = "strongly"
    path = tmp_path / "new.imfp"
    path.write_text(json.dumps(data), encoding="utf-8")
    loaded = load_project(path)
    assert loaded.is_read_only
    save_project(path, loaded.document)
    again = json.loads(path.read_text(encoding="utf-8"))
    assert again["colour_grade"] == {"lift": [1, 2]}
    assert again["clips"][0]["stabilise"] == "strongly"
    assert again["schema"] == 7


def test_a_broken_file_gives_way_to_its_backup(tmp_path: Path) -> None:
    path = tmp_path / "a.imfp"
    save_project(path, a_document())
    save_project(path, replace(a_document(), active="c1"))
    path.write_text("{ half a fi", encoding="utf-8")
    loaded = load_project(path)
    assert loaded.from_backup
    assert loaded.document == a_document()
    assert "damaged" in loaded.notes[0]
    backup_of(path).unlink()
    with pytest.raises(ProjectError, match="damaged"):
        load_project(path)


@pytest.mark.parametrize(
    ("member", "value"),
    [("clips", 3), ("active", "nobody"), ("view", {"playhead": "late"}), ("clips", [{"id": 1}])],
)
def test_nonsense_in_a_file_is_named(member: str, value: object) -> None:
    data = json.loads(project_to_text(a_document()))
    data[member] = value
    with pytest.raises(ProjectError, match="damaged"):
        project_from_text(json.dumps(data), "a.imfp")


def test_media_that_moves_with_its_project_is_found_again(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "clip.mp4").write_bytes(b"x")
    here = replace(media(), path=str(old / "clip.mp4"))
    document = Document(clips=(replace(a_clip(), media=here),), active="c1")
    save_project(old / "p.imfp", document)
    old.rename(new)
    loaded = load_project(new / "p.imfp")
    assert loaded.document.clip().media.path == str(new / "clip.mp4")


def test_one_found_clip_brings_the_others_of_its_folder(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"12345")
    document = Document(
        clips=tuple(
            replace(a_clip(name), media=replace(media(f"{name}.mp4"), size_bytes=5))
            for name in ("a", "b", "c")
        ),
        active="a",
    )
    op = relink(document, "a", tmp_path / "a.mp4")
    assert op is not None
    found = op.apply(document)
    assert [clip.id for clip in missing_media(found)] == ["c"]
    assert op.inverse(document).apply(found) == document


def test_an_edit_that_is_none_is_refused() -> None:
    for data in ({"op": "Explode"}, {"op": "SetMarks", "id": 3}, "x", {"op": "Macro", "ops": 1}):
        with pytest.raises(BadValue):
            op_from_json(data)


def test_the_model_works_without_qt() -> None:
    code = (
        "import sys; sys.modules['PyQt6'] = None\n"
        "import pkgutil, importlib, imf_ui.model as m, imf_plugin, imf_kernels, imf_hosts\n"
        "names = [f'{m.__name__}.{x.name}' for x in pkgutil.iter_modules(m.__path__)]\n"
        "assert all(map(importlib.import_module, names))\n"
        "import imf_ui.services.worker_main, imf_ui.services.making, imf_ui.services.long_tasks\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr


def test_the_editors_own_process_does_not_load_the_engine() -> None:
    code = (
        "import sys, imf_ui.services.app_services\n"
        "loaded = [name for name in ('torch', 'triton', 'scipy') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "", "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
