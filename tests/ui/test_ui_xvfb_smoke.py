"""A real window under Xvfb and openbox, driven by xdotool; screenshots are kept in ``out/editor``.

The window manager matters: without one no window has the focus, and no shortcut works.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

NEEDED = ("Xvfb", "openbox", "xdotool", "import")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "out" / "editor"
WIDTH, HEIGHT = 1366, 768
PATIENCE_SECONDS = 60
SYSTEM_PYTHON = "/usr/bin/python3"
TREE = """
import sys, time
import pyatspi

def walk(node):
    yield node
    for place in range(min(node.childCount, 400)):
        child = node.getChildAtIndex(place)
        if child is not None:
            yield from walk(child)

end, editor = time.time() + 90, None
while time.time() < end and editor is None:
    running = [app for app in pyatspi.Registry.getDesktop(0) if app]
    editor = next((app for app in running if "imf" in (app.name or "")), None)
    time.sleep(0.5)
if editor is None:
    sys.exit("the editor is not in the tree")
time.sleep(8)
for node in walk(editor):
    states = node.getState()
    focusable = states.contains(pyatspi.STATE_FOCUSABLE) and states.contains(pyatspi.STATE_SHOWING)
    try:
        value = str(node.queryValue().currentValue)
    except NotImplementedError:
        value = ""
    print(int(focusable), node.getRoleName(), node.name or "", value, sep="\\t")
"""
ACCENT_BGR = np.array([0xFF, 0xB0, 0x7C])


class Desk:
    """A display of its own with a window manager, and hands to use it."""

    def __init__(self, number: int) -> None:
        self.environment = {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
        self.environment["PYTHONPATH"] = os.pathsep.join(
            str(ROOT / room) for room in (".", "kernels", "host_integrations", "ui")
        )
        self.started: list[subprocess.Popen[bytes]] = []
        screen = f"{WIDTH}x{HEIGHT}x24"
        self.start("Xvfb", f":{number}", "-screen", "0", screen, "-nolisten", "tcp")
        until(lambda: Path(f"/tmp/.X11-unix/X{number}").exists())
        self.start("openbox")
        # Only a window manager says how many desktops there are.
        until(lambda: self.do("get_num_desktops"))

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        name = Path(command[0]).name
        with (SHOTS / f"{name}.log").open("wb") as log:
            self.started.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            )
        return self.started[-1]

    def do(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def activate(self, name: str) -> str:
        """Give a window the keyboard, however long the window manager takes; return the window.

        It is looked for anew each time: a window that is shown again may be another one.
        """

        def active() -> str:
            for window in self.do("search", "--onlyvisible", "--name", name).split():
                self.do("windowactivate", window)
                time.sleep(0.2)
                self.do("windowfocus", window)
                time.sleep(0.2)
                if self.do("getactivewindow") == window == self.do("getwindowfocus"):
                    return window
            return ""

        return until(active)

    def key(self, *keys: str) -> None:
        for key in keys:
            self.do("key", "--clearmodifiers", key)
            time.sleep(0.15)

    def shot(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        path = SHOTS / f"{name}.png"
        command = ["import", "-window", "root", str(path)]
        subprocess.run(command, env=self.environment, check=True)
        return np.asarray(cv2.imread(str(path)), np.uint8)

    def shot_when(
        self,
        name: str,
        condition: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], bool],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Take shots until one fulfils the condition: how long a window takes is the machine's."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition(picture := self.shot(name)):
            assert time.monotonic() < end, f"waited in vain, see {SHOTS / name}.png"
            time.sleep(0.1)
        return picture

    def close(self) -> None:
        for process in reversed(self.started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until[T](condition: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.fixture
def desk() -> Iterator[Desk]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    number = next(n for n in range(90, 200) if not Path(f"/tmp/.X11-unix/X{n}").exists())
    made = Desk(number)
    yield made
    made.close()


def curve_y(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], x: int) -> int:
    """Return where the curve's line crosses a column in the lower part of the window, or -1."""
    column = picture[HEIGHT * 3 // 4 : HEIGHT - 40, x].astype(int)
    near = np.abs(column - ACCENT_BGR).max(axis=1) < 24
    rows = np.flatnonzero(near)
    return int(rows[0]) + HEIGHT * 3 // 4 if rows.size else -1


@pytest.mark.timeout(240)
def test_journey_29_the_first_five_minutes_in_a_real_window(
    desk: Desk, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """Open, play, bend with mouse and keys, undo, save, export, quit."""
    clip = make_clip(count=24, width=320, height=180, rate=Fraction(24), speed_px=6.0)
    desk.environment["IMF_EDITOR_HOME"] = str(tmp_path / "home")
    editor = desk.start(
        sys.executable,
        "-c",
        "from imf_plugin.cli.ui import editor; raise SystemExit(editor())",
        str(clip),
    )
    window = desk.activate("clip.*imf")
    desk.do("windowmove", window, "0", "0")
    desk.do("windowsize", "--sync", window, str(WIDTH), str(HEIGHT))
    start, middle = 120, 500
    first = desk.shot_when("1-open", lambda picture: curve_y(picture, middle) > 0)
    assert first.std() > 15
    desk.key("space")
    time.sleep(1.0)
    desk.key("k", "alt+1")
    slow = desk.shot_when(
        "2-slow-in-the-middle",
        lambda picture: curve_y(picture, middle) > curve_y(picture, start) + 20 > 20,
    )
    before = curve_y(slow, middle)
    desk.do("mousemove", str(middle), str(before), "mousedown", "1")
    for step in range(1, 7):
        desk.do("mousemove", str(middle), str(before - 5 * step))
        time.sleep(0.05)
    desk.shot_when("3-dragging", lambda picture: 0 < curve_y(picture, middle - 80) < before)
    desk.do("mouseup", "1")
    time.sleep(0.5)
    desk.key("ctrl+z")
    desk.shot_when("4-undone", lambda picture: abs(curve_y(picture, middle) - before) <= 1)
    desk.key("3")
    time.sleep(0.7)
    desk.shot("5-wipe")
    desk.key("1", "question")
    time.sleep(1.0)
    desk.shot("6-keys")
    desk.key("Escape")
    desk.key("ctrl+s")
    until(lambda: desk.do("search", "--onlyvisible", "--name", "Save project"))
    time.sleep(0.5)
    project = tmp_path / "five.imfp"
    desk.key("ctrl+a")
    desk.do("type", str(project))
    desk.key("Return")
    until(project.exists)
    desk.key("ctrl+e")
    result = tmp_path / "clip_retimed.mp4"
    until(result.exists, 120)
    desk.key("ctrl+3")
    time.sleep(1.0)
    desk.shot("7-queue")
    desk.key("ctrl+q")
    until(lambda: editor.poll() is not None)
    assert editor.returncode == 0


def has_atspi() -> bool:
    """Whether a screen reader's view can be had: the system's Python and a session bus."""
    tools = shutil.which("dbus-run-session") and Path("/usr/libexec/at-spi-bus-launcher").exists()
    if not tools or not Path(SYSTEM_PYTHON).exists():
        return False
    asked = [SYSTEM_PYTHON, "-c", "import pyatspi"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


@pytest.mark.timeout(240)
@pytest.mark.skipif(not has_atspi(), reason="not installed: at-spi2-core, python3-pyatspi")
def test_journey_30_a_screen_reader_finds_a_name_for_every_control(
    desk: Desk, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip = make_clip(count=12, width=96, height=64)
    desk.environment |= {
        "IMF_EDITOR_HOME": str(tmp_path / "home"),
        "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
        "EDITOR": sys.executable,
        "CLIP": str(clip),
        "TREE": TREE,
    }
    script = f"""
/usr/libexec/at-spi-bus-launcher --launch-immediately & bus=$!
sleep 1
"$EDITOR" -c "from imf_plugin.cli.ui import editor; raise SystemExit(editor())" "$CLIP" & ui=$!
PYTHONPATH= {SYSTEM_PYTHON} -c "$TREE"; code=$?
kill $ui $bus
exit $code
"""
    done = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", script],
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    (SHOTS / "tree.txt").write_text(done.stdout)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 3]
    focusable = [row for row in rows if row[0] == "1"]
    assert len(focusable) > 50, done.stderr[-2000:]
    assert [role for _, role, name, _ in focusable if not name] == []
    sliders = [row for row in focusable if row[1] == "slider"]
    assert ("Timeline, output frame", "0.0") in {(name, value) for _, _, name, value in sliders}
