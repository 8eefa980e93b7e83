"""The window while it is used, measured: scrubbing, dragging, playing."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from PyQt6 import QtTest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtWidgets import QApplication

from imf_ui.measure.bench import (
    Figure,
    PaintWatch,
    add_tone,
    paint_clip,
    percentile,
    services,
    wait,
)
from imf_ui.model.curve_edits import with_key
from imf_ui.model.ops import SetCurve
from imf_ui.services.audio import Sound
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

QTest: Any = QtTest.QTest
"""Its type stubs take its static methods for methods."""
_KEYS, _STEPS, _SCRUBS, _SECONDS = 50, 120, 300, 10


@contextmanager
def _window(clip: Path) -> Iterator[MainWindow]:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    apply_theme(app, "dark")
    with services() as made:
        window = MainWindow(made)
        window.resize(1366, 768)
        window.show()
        window.open_path(str(clip))
        wait(lambda: made.session.schedule() is not None)
        wait(lambda: window.retime.viewer.view.images()[1] is not None)
        try:
            yield window
        finally:
            window.abandon()
            app.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def scrubbing(folder: Path) -> Iterator[Figure]:
    """Criterion 1: frames at hand, from the wish to the paint."""
    clip = paint_clip(folder / "scrub.mp4", count=60, width=1280, height=720)
    with _window(clip) as window:
        made, view = window.services, window.retime.viewer.view
        for number in range(60):
            made.player.seek(number)
            wait(lambda: made.preview.key(made.player.position) in made.cache)
        took = []
        for step in range(_SCRUBS):
            began = time.perf_counter()
            made.player.seek(step * 7 % 60)
            view.repaint()
            took.append((time.perf_counter() - began) * 1000)
    p50, p95 = percentile(took, 50), percentile(took, 95)
    yield Figure(
        number="1",
        words=f"{_SCRUBS} scrubs to frames in the cache, 720p, wish to painted, p95",
        limit="50 ms",
        measured=f"{p95:.1f} ms (p50 {p50:.1f} ms)",
        met=p95 < 50,
    )


def dragging(folder: Path) -> Iterator[Figure]:
    """Criterion 9: a drag is one step of undo, and each of its steps is quick."""
    clip = paint_clip(folder / "drag.mp4", count=60, width=640, height=360)
    with _window(clip) as window:
        session, panel = window.session, window.retime.curve_panel
        about = session.document.clip()
        shape = about.curve
        for number in range(1, _KEYS - 1):
            shape = with_key(shape, about.curve.duration * number // _KEYS)
        session.do(SetCurve(id=about.id, curve=shape))
        picture, port = window.retime.control.picture, panel.curve.viewport()
        assert picture is not None
        assert port is not None
        point = picture.speed_points()[_KEYS // 2]
        place = panel.curve.place_of(point.frame, point.value)
        depth = session.undo_stack.index()
        QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=place.toPoint())
        busy, whole = [], []
        for step in range(_STEPS):
            began, ran = time.perf_counter(), time.thread_time()
            QTest.mouseMove(port, (place + QPointF(0, 4 + step % 60)).toPoint())
            QApplication.processEvents()
            busy.append((time.thread_time() - ran) * 1000)
            whole.append((time.perf_counter() - began) * 1000)
        QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=place.toPoint())
        steps = session.undo_stack.index() - depth
    p50, p95 = percentile(busy, 50), percentile(busy, 95)
    yield Figure(
        number="9",
        words=f"undo steps of a drag; processor time of one step with {_KEYS} keys, painted, p95",
        limit="1; 8 ms (loaded machine: 16 ms)",
        measured=f"{steps}; {p95:.1f} ms (p50 {p50:.1f} ms; by the clock p50 "
        f"{percentile(whole, 50):.1f} ms, p95 {percentile(whole, 95):.1f} ms)",
        met=steps == 1 and p95 < 16,
        met_undoubled=p95 < 8,
    )


class _SteadyAudio:
    """Stands for a sound device: from the moment it is started it plays, second by second."""

    def __init__(self) -> None:
        self.began: tuple[float, float] | None = None

    def start(self, path: str, seconds: float) -> None:
        """Begin."""
        self.began = (time.perf_counter(), seconds)

    def stop(self) -> None:
        """End."""
        self.began = None

    def position(self) -> float | None:
        """Return the moment of the file that is heard now."""
        if self.began is None:
            return None
        return self.began[1] + time.perf_counter() - self.began[0]


def _play(window: MainWindow, rate: int) -> tuple[int, list[float]]:
    """Play from the start to the end; return frames not painted in time and the drifts in ms."""
    made, view = window.services, window.retime.viewer.view
    audio = _SteadyAudio()
    sound = Sound(made.session, made.media, made.player, audio)
    final: list[int] = []
    painted: set[int] = set()
    drifts: list[float] = []

    def shown(number: int, source: object, result: object, planned: object, is_final: bool) -> None:
        if is_final:
            final.append(number)

    def paint() -> None:
        if final and final[-1] not in painted:
            painted.add(final[-1])
            heard = audio.position()
            if heard is not None:
                drifts.append((heard - final[-1] / rate) * 1000)

    made.preview.frameShown.connect(shown)
    watch = PaintWatch(paint)
    view.installEventFilter(watch)
    made.player.seek(0)
    wait(lambda: 0 in painted)
    made.player.play()
    wait(lambda: made.player.rate == 0, 60)
    schedule = made.session.schedule()
    assert schedule is not None
    wait(lambda: schedule.count - 1 in painted)
    made.preview.frameShown.disconnect(shown)
    view.removeEventFilter(watch)
    sound.close()
    return schedule.count - len(painted), drifts


def playing(folder: Path) -> Iterator[Figure]:
    """Criterion 15: what is not painted in time, and sound against picture."""
    told, fine = [], True
    for rate in (30, 60):
        silent = paint_clip(
            folder / f"play{rate}.mp4",
            count=rate * _SECONDS,
            width=1280,
            height=720,
            rate=Fraction(rate),
        )
        clip = add_tone(silent, folder / f"sound{rate}.mp4", _SECONDS)
        with _window(clip) as window:
            missed, drifts = _play(window, rate)
        worst = max(abs(drift) for drift in drifts)
        fine = fine and missed == 0 and percentile([abs(d) for d in drifts], 95) < 40
        told.append(
            f"{rate} fps: {missed} of {rate * _SECONDS} missed, drift p95 "
            f"{percentile([abs(d) for d in drifts], 95):.0f}, max {worst:.0f} ms"
        )
    yield Figure(
        number="15",
        words=f"720p played for {_SECONDS} s: frames not painted; picture against sound as started",
        limit="0; 40 ms",
        measured="; ".join(told),
        met=fine,
    )


def run(wanted: set[str]) -> Iterator[Figure]:
    """Measure what is wanted; everything when nothing is named."""
    with tempfile.TemporaryDirectory(prefix="imf-measure-") as name:
        for measure, number in ((scrubbing, "1"), (dragging, "9"), (playing, "15")):
            if not wanted or number in wanted:
                yield from measure(Path(name))
