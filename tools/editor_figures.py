"""Prints what the editor's window costs on this machine; see docs/editor.md.

    python tools/editor_figures.py [CLIP]

Without a clip the editor's own painted sample is used. Runs offscreen unless QT_QPA_PLATFORM says
otherwise. Times are in milliseconds unless a unit stands beside them.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
BEGAN = time.perf_counter()

from PyQt6.QtCore import QEventLoop, QPointF, Qt, QTimer
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from imf_ui.model import curve_edits
from imf_ui.model.ops import SetCurve
from imf_ui.services.app_services import Services
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

PATIENCE_SECONDS = 120
SCRUBS, DRAG_STEPS, KEYS = 200, 60, 50


def wait_for(condition: Callable[[], object]) -> bool:
    """Run the event loop until something holds, or for too long."""
    end = time.perf_counter() + PATIENCE_SECONDS
    while not condition():
        if time.perf_counter() > end:
            return False
        loop = QEventLoop()
        QTimer.singleShot(2, loop.quit)
        loop.exec()
    return True


def told(name: str, values: Sequence[float]) -> None:
    """Print percentiles of times in seconds."""
    ordered = sorted(1000 * value for value in values)
    p95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    print(
        f"{name:44} p50 {statistics.median(ordered):7.1f}  p95 {p95:7.1f}  max {ordered[-1]:7.1f}"
        f"  (n={len(ordered)})"
    )


def scrubs(window: MainWindow) -> list[float]:
    """Times from asking for a frame in the cache to its being painted."""
    services, view = window.services, window.retime.viewer.view
    schedule = services.session.schedule()
    assert schedule is not None
    last = min(schedule.count, 24)
    for number in range(last):
        services.player.seek(number)
        wait_for(lambda: services.preview.states()[services.player.position] > 0)
    times = []
    for step in range(SCRUBS):
        began = time.perf_counter()
        services.player.seek(step * 7 % last)
        view.repaint()
        times.append(time.perf_counter() - began)
    return times


def drags(window: MainWindow) -> list[float]:
    """Times of one step of dragging one of many keys, with everything that follows it."""
    session, curve = window.session, window.retime.curve_panel.curve
    clip = session.clip
    assert clip is not None
    shape = clip.curve
    for number in range(1, KEYS - 1):
        shape = curve_edits.with_key(shape, clip.curve.duration * number // KEYS)
    session.do(SetCurve(id=clip.id, curve=shape))
    picture, port = window.retime.control.picture, curve.viewport()
    assert picture is not None
    assert port is not None
    point = picture.speed_points()[KEYS // 2]
    place = curve.place_of(point.frame, point.value)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=place.toPoint())
    times = []
    for step in range(DRAG_STEPS):
        began = time.perf_counter()
        QTest.mouseMove(port, (place + QPointF(0, 4 + step)).toPoint())
        QApplication.processEvents()
        port.repaint()
        times.append(time.perf_counter() - began)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=place.toPoint())
    return times


def gaps(seconds: float) -> list[float]:
    """Times between turns of the event loop, asked for every 5 ms."""
    seen: list[float] = []
    last = [time.perf_counter()]

    def beat() -> None:
        now = time.perf_counter()
        seen.append(now - last[0])
        last[0] = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(beat)
    timer.start(5)
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
    timer.stop()
    return seen


def main() -> None:
    """Measure and print."""
    app = QApplication([sys.argv[0]])
    apply_theme(app, "dark")
    services = Services(home=Path(tempfile.mkdtemp(prefix="imf-editor-")))
    window = MainWindow(services)
    window.resize(1366, 768)
    window.show()
    app.processEvents()
    loads = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPU cores, load {loads:.1f}, {app.platformName()}")
    print(f"{'start to window shown, imports included':44} {time.perf_counter() - BEGAN:.2f} s")
    began = time.perf_counter()
    if len(sys.argv) > 1:
        window.open_path(sys.argv[1])
    else:
        services.open_sample()
    wait_for(lambda: window.retime.viewer.view.images()[1] is not None)
    print(f"{'opening to first frame shown':44} {time.perf_counter() - began:.2f} s")
    wait_for(lambda: services.session.schedule() is not None)
    told("scrub, frame at hand: asked to painted", scrubs(window))
    told("turns of the event loop, idle", gaps(2))
    window.trigger("preset_slow_half")
    wait_for(lambda: services.worker.state in ("ready", "busy", "stopped"))
    services.preview.set_range(0, 60)
    told("turns of the event loop, frames being made", gaps(5))
    services.preview.stop_range()
    window.trigger("reset_speed")
    told(f"one step of a drag, {KEYS} keys", drags(window))
    used, budget = services.cache.used_bytes, services.cache.budget_bytes
    print(f"{'frame cache':44} {used / 2**20:.0f} of {budget / 2**20:.0f} MB")
    services.close()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
