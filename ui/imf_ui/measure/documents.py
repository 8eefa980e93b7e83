"""The document, its file and its journal, measured."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from imf_ui.measure.bench import Figure, percentile
from imf_ui.model.curve import identity_curve
from imf_ui.model.curve_edits import at_speed, with_hold, with_key, with_key_speed
from imf_ui.model.document import Clip, CutSettings, Document, Marks, MediaRef, RenderSettings
from imf_ui.model.ops import (
    AddClip,
    MoveClip,
    Op,
    RemoveClip,
    Rename,
    SetCurve,
    SetCuts,
    SetMarks,
    SetRender,
)
from imf_ui.model.projectfile import load_project, project_to_text, save_project
from imf_ui.model.timebase import TICKS_PER_SECOND
from imf_ui.services.autosave import Autosave
from imf_ui.services.session import Session

_LENGTH = 4 * TICKS_PER_SECOND
_RUNS, _OPS = 200, 200


def _clip(clip_id: str) -> Clip:
    media = MediaRef(path="/clip.mp4", duration=_LENGTH, frame_count=100)
    return Clip(id=clip_id, name=clip_id, media=media, curve=identity_curve(_LENGTH))


def _document() -> Document:
    return Document(clips=(_clip("c1"), _clip("c2")), active="c1")


def _random_op(chance: random.Random, document: Document) -> Op:
    ids = [clip.id for clip in document.clips]
    if not ids or chance.random() < 0.1:
        return AddClip(clip=_clip(document.free_id()), index=chance.randrange(3))
    target = chance.choice(ids)
    curve = document.clip(target).curve
    speed = Fraction(chance.randrange(1, 400), 100)
    kind = chance.randrange(8)
    try:
        if kind == 0 and len(curve.keys) < 30:
            return SetCurve(id=target, curve=with_key(curve, chance.randrange(1, curve.duration)))
        if kind == 1:
            return SetCurve(id=target, curve=with_key_speed(curve, 0, speed))
        if kind == 2 and len(curve.keys) < 30:
            moment = chance.randrange(1, curve.duration)
            return SetCurve(id=target, curve=with_hold(curve, moment, TICKS_PER_SECOND))
    except ValueError:
        return SetCurve(id=target, curve=at_speed(speed, 0, _LENGTH))
    return chance.choice(
        (
            SetCurve(id=target, curve=at_speed(speed, 0, _LENGTH)),
            RemoveClip(id=target),
            MoveClip(id=target, index=chance.randrange(4)),
            Rename(id=target, name=str(kind)),
            SetMarks(id=target, marks=Marks(first=kind)),
            SetCuts(id=target, cuts=CutSettings(manual=(kind,))),
            SetRender(id=target, render=RenderSettings(crf=kind)),
        )
    )


def undo() -> Iterator[Figure]:
    """Criterion 8, through the window's own undo stack."""
    failures = 0
    for seed in range(_RUNS):
        chance, session = random.Random(seed), Session()
        session.adopt(_document(), None, is_clean=True)
        first = project_to_text(session.document)
        for _ in range(_OPS):
            session.do(_random_op(chance, session.document))
        last = project_to_text(session.document)
        while session.undo_stack.canUndo():
            session.undo_stack.undo()
        failures += project_to_text(session.document) != first
        while session.undo_stack.canRedo():
            session.undo_stack.redo()
        failures += project_to_text(session.document) != last
        session.undo_stack.clear()
    yield Figure(
        number="8",
        words=f"{_RUNS} runs of {_OPS} random edits undone and redone: other bytes than before",
        limit="0",
        measured=f"{failures}",
        met=failures == 0,
    )


def files(folder: Path) -> Iterator[Figure]:
    """Criteria 10 and 11."""
    document = _document()
    chance = random.Random(1)
    same, times = 0, []
    for number in range(50):
        for _ in range(10):
            document = _random_op(chance, document).apply(document)
        path = folder / f"p{number}.imfp"
        began = time.perf_counter()
        save_project(path, document)
        times.append((time.perf_counter() - began) * 1000)
        first = path.read_bytes()
        save_project(path, load_project(path).document)
        same += path.read_bytes() == first
    yield Figure(
        number="10",
        words="save, open, save: the same bytes, of 50 random projects",
        limit="50",
        measured=f"{same} (a save takes {percentile(times, 50):.1f} ms)",
        met=same == 50,
    )
    here = identity_curve(_LENGTH)
    back = sum(
        at_speed(Fraction(1), (slow := at_speed(Fraction(n, 100), 0, _LENGTH)).keys[0].source,
                 slow.keys[-1].source) == here
        for n in range(1, 401)
    )  # fmt: skip
    yield Figure(
        number="11",
        words="1.0x, then each of 400 speeds from 1 % to 400 %, then 1.0x: the same curve",
        limit="400",
        measured=f"{back}",
        met=back == 400,
    )


_EDITING = """
import sys, time
from pathlib import Path
from PyQt6.QtWidgets import QApplication
from imf_ui.measure.documents import _document
from imf_ui.model.document import Marks
from imf_ui.model.ops import SetMarks
from imf_ui.services.autosave import Autosave
from imf_ui.services.session import Session
app = QApplication([])
session = Session()
session.adopt(_document(), None)
autosave = Autosave(session, Path(sys.argv[1]))
autosave.start()
for number in range(1, 10**6):
    session.do(SetMarks(id="c1", marks=Marks(first=number)))
    print(number, flush=True)
"""


def journal(folder: Path) -> Iterator[Figure]:
    """Criterion 17: killed at any moment."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    lost: list[int] = []
    for number in range(6):
        home = folder / f"kill{number}"
        process = subprocess.Popen(
            [sys.executable, "-c", _EDITING, str(home)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen = int(line)
            if seen > 3 + number * 37:
                process.kill()
                break
        seen = max([seen, *map(int, process.stdout.read().split())])
        process.wait()
        autosave = Autosave(Session(), home)
        document, _ = autosave.recover(autosave.recoverable()[0].id)
        lost.append(max(seen - (document.clip("c1").marks.first or 0), 0))
    times = _journal_times(folder / "times")
    yield Figure(
        number="17",
        words=f"edits lost by kill -9 amid edits, {len(lost)} times; time to write an edit, p95",
        limit="at most 1",
        measured=f"at most {max(lost)}; {percentile(times, 95):.2f} ms",
        met=max(lost) <= 1,
    )


def _journal_times(home: Path) -> list[float]:
    session = Session()
    session.adopt(_document(), None)
    autosave = Autosave(session, home)
    autosave.start()
    times = []
    for number in range(300):
        began = time.perf_counter()
        session.do(SetMarks(id="c1", marks=Marks(first=number + 1)))
        times.append((time.perf_counter() - began) * 1000)
    autosave.close()
    session.undo_stack.clear()
    return times


def imports() -> Iterator[Figure]:
    """Criterion 27."""
    code = (
        "import sys; sys.modules['PyQt6'] = None\n"
        "import importlib, pkgutil, imf_plugin, imf_kernels, imf_hosts, imf_ui.model as m\n"
        "import imf_ui.services.worker_main\n"
        "all(map(importlib.import_module, [f'{m.__name__}.{x.name}'"
        " for x in pkgutil.iter_modules(m.__path__)]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    yield Figure(
        number="27",
        words="imf_plugin, imf_kernels, imf_hosts, imf_ui.model and the worker without PyQt6",
        limit="all import",
        measured="all import" if found.returncode == 0 else found.stderr.decode()[-200:],
        met=found.returncode == 0,
    )


def run(wanted: set[str]) -> Iterator[Figure]:
    """Measure what is wanted; everything when nothing is named."""
    with tempfile.TemporaryDirectory(prefix="imf-measure-") as name:
        folder = Path(name)
        if not wanted or "8" in wanted:
            yield from undo()
        if not wanted or wanted & {"10", "11"}:
            yield from files(folder)
        if not wanted or "17" in wanted:
            yield from journal(folder)
        if not wanted or "27" in wanted:
            yield from imports()
