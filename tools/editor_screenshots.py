"""Regenerates the pictures of docs/editor.md: a new user's first five minutes in a real window.

    python tools/editor_screenshots.py [OUTPUT_FOLDER]

It needs Xvfb, openbox, xdotool and ImageMagick's `import`. The editor runs with the real
engine on a display of its own; mouse and keys are real X events, a file is dragged in from another
program. The clip is the editor's own painted sample of 1280 x 720. Every step is checked: a
picture is taken only after what it shows has happened.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEEDED = ("Xvfb", "openbox", "xdotool", "import")
DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1366, 800
PATIENCE_SECONDS = 240
QUALITY = 84
FACE_PX = 512

FILES = """
import sys
from PyQt6.QtCore import QMimeData, QPoint, Qt, QUrl
from PyQt6.QtGui import QDrag
from PyQt6.QtWidgets import QApplication, QLabel

class File(QLabel):
    def mousePressEvent(self, event):
        drag, mime = QDrag(self), QMimeData()
        mime.setUrls([QUrl.fromLocalFile(sys.argv[1])])
        drag.setMimeData(mime)
        drag.setPixmap(self.grab())
        drag.setHotSpot(QPoint(20, 20))
        drag.exec(Qt.DropAction.CopyAction)

app = QApplication(["files"])
file = File("  clip.mp4")
file.setWindowFlags(Qt.WindowType.X11BypassWindowManagerHint | Qt.WindowType.WindowStaysOnTopHint)
file.setStyleSheet("background: #e9edf5; color: #222; border: 1px solid #888; font-size: 11pt;")
file.setGeometry(60, 620, 150, 54)
file.show()
print("ready", flush=True)
app.exec()
"""


def painted_face(
    number: int, skin: tuple[int, int, int], hair: tuple[int, int, int]
) -> "NDArray[np.uint8]":
    """Paint a face that leans and opens its mouth, ``[H, W, 3]`` in BGR."""
    import cv2

    grain = np.random.default_rng(3).normal(0, 5, (FACE_PX, FACE_PX, 3))
    ground = np.linspace(90, 40, FACE_PX)[:, None, None] + np.array([60, 40, 30])
    picture: NDArray[np.uint8] = np.clip(ground + grain, 0, 255).astype(np.uint8)
    swing = np.sin(number / 24 * 2 * np.pi)
    x, y = round(256 + 26 * swing), round(262 - 10 * abs(swing))
    lean, smooth = 9 * swing, cv2.LINE_AA
    cv2.ellipse(picture, (x, y - 30), (142, 168), lean, 0, 360, hair, -1, smooth)
    cv2.ellipse(picture, (x, y + 8), (112, 146), lean, 0, 360, skin, -1, smooth)
    for side in (-1, 1):
        eye = (x + side * 44, round(y - 22 + side * lean * 0.8))
        cv2.ellipse(picture, eye, (20, 12), lean, 0, 360, (250, 250, 250), -1, smooth)
        cv2.circle(picture, (eye[0] + round(5 * swing), eye[1]), 8, (40, 30, 20), -1, smooth)
        brow = (eye[0], eye[1] - 30 - round(6 * abs(swing)))
        cv2.ellipse(picture, brow, (26, 7), lean, 180, 360, hair, 5, smooth)
    opened = round(5 + 16 * abs(swing))
    cv2.ellipse(picture, (x, y + 80), (36, opened), lean, 0, 360, (60, 50, 150), -1, smooth)
    cv2.line(picture, (x, y - 4), (x + round(6 * swing), y + 36), hair, 4, smooth)
    return picture


class Desk:
    """A display with a window manager, and hands that use it while the editor goes on."""

    def __init__(self) -> None:
        number = next(n for n in range(90, 200) if not Path(f"/tmp/.X11-unix/X{n}").exists())
        self._started: list[subprocess.Popen[bytes]] = []
        self._start(
            "Xvfb", f":{number}", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"
        )
        while not Path(f"/tmp/.X11-unix/X{number}").exists():
            time.sleep(0.05)
        os.environ["DISPLAY"], os.environ["QT_QPA_PLATFORM"] = f":{number}", "xcb"
        time.sleep(0.5)
        self._start("openbox")

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        silent = subprocess.DEVNULL
        self._started.append(subprocess.Popen(command, stdout=silent, stderr=silent))
        return self._started[-1]

    def show_file(self, path: Path) -> None:
        """Show a file to drag, in a program of its own."""
        self._start(sys.executable, "-c", FILES, str(path))

    def take_file_away(self) -> None:
        """End the program with the file."""
        self._end(self._started.pop())

    def close(self) -> None:
        """End everything."""
        for process in reversed(self._started):
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def main(folder: Path) -> None:
    """Take all pictures."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    desk = Desk()
    try:
        journey = FirstMinutes(desk, folder)
        journey.run()
    finally:
        desk.close()
    os._exit(0)


class FirstMinutes:
    """The journey, step by step."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        from PyQt6.QtWidgets import QApplication

        from imf_ui.i18n import set_language
        from imf_ui.services.app_services import Services
        from imf_ui.services.sample import sample_clip
        from imf_ui.theme import apply_theme
        from imf_ui.window import MainWindow

        self.desk, self.folder = desk, folder
        self.home = Path(tempfile.mkdtemp(prefix="imf-editor-"))
        self.clip = self.home / "clip.mp4"
        Path(sample_clip(self.home)).rename(self.clip)
        self.app = QApplication([sys.argv[0]])
        set_language("en")
        apply_theme(self.app, "dark")
        self.services = Services(home=self.home)
        self.window = MainWindow(self.services)
        self.window.setGeometry(0, 0, WIDTH, HEIGHT)
        self.window.showFullScreen()
        self.rest(1.5)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the editor run until something holds."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain: {what}")
            self.rest(0.02)

    def rest(self, seconds: float) -> None:
        """Let the editor run for a time."""
        from PyQt6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(round(1000 * seconds), loop.quit)
        loop.exec()

    def hand(self, *words: str) -> None:
        """Use mouse or keyboard, while the editor goes on."""
        process = subprocess.Popen(["xdotool", *words])
        while process.poll() is None:
            self.rest(0.01)

    def move_to(self, x: float, y: float, steps: int = 12) -> None:
        """Move the mouse as a person does, not in one jump."""
        found = subprocess.run(
            ["xdotool", "getmouselocation", "--shell"], capture_output=True, text=True, check=True
        ).stdout
        at = dict(line.split("=") for line in found.split())
        for step in range(1, steps + 1):
            share = step / steps
            place = (int(at["X"]) * (1 - share) + x * share, int(at["Y"]) * (1 - share) + y * share)
            self.hand("mousemove", str(round(place[0])), str(round(place[1])))
            self.rest(0.015)

    def point_at(self, widget: object, x: float | None = None, y: float | None = None) -> None:
        """Move the mouse to a widget's middle, or a place in it."""
        from PyQt6.QtCore import QPoint
        from PyQt6.QtWidgets import QWidget

        assert isinstance(widget, QWidget)
        place = QPoint(
            round(widget.width() / 2 if x is None else x),
            round(widget.height() / 2 if y is None else y),
        )
        there = widget.mapToGlobal(place)
        self.move_to(there.x(), there.y())

    def click(self, widget: object) -> None:
        """Press the left button on a widget."""
        self.point_at(widget)
        self.hand("click", "1")
        self.rest(0.3)

    def take(self, name: str) -> None:
        """Photograph the whole screen."""
        self.rest(0.4)
        path = self.folder / f"editor-{name}.jpg"
        command = ["import", "-window", "root", "-quality", str(QUALITY), str(path)]
        process = subprocess.Popen(command)
        while process.poll() is None:
            self.rest(0.02)
        print(f"{path} {path.stat().st_size // 1024} kB")

    def run(self) -> None:
        """Drop, bend, look, compare, export, play; then the other screens."""
        self.drop_the_clip()
        self.bend_its_speed()
        self.compare()
        self.export()
        self.play_the_result()
        self.move_a_picture()
        self.show_another_look()
        self.services.close()

    def drop_the_clip(self) -> None:
        """Drag a file from another program over the window, and let it go there."""
        session = self.services.session
        self.desk.show_file(self.clip)
        self.rest(2.5)
        self.move_to(110, 645)
        self.hand("mousedown", "1")
        self.move_to(300, 560)
        self.move_to(683, 330, steps=25)
        self.until(lambda: self.window.start.zone.property("drop") == "active", "the drop zone")
        self.take("1-drop")
        self.hand("mouseup", "1")
        self.until(lambda: session.schedule() is not None, "the clip")
        self.until(
            lambda: self.window.retime.viewer.view.accessibleDescription(), "the first frame"
        )
        self.desk.take_file_away()
        self.until(lambda: self.services.worker.state in ("ready", "stopped"), "the engine")
        self.until(lambda: self.window.retime.curve_panel.timeline._thumbnails, "thumbnails")
        self.take("2-opened")

    def bend_its_speed(self) -> None:
        """Press the ramp from 100 % to 25 % and back, drag it, and look at a frame in between."""
        window, services = self.window, self.services
        self.click(window.retime.inspector.presets.buttons["slow_quarter"])
        self.until(lambda: services.session.undo_stack.count() == 2, "the preset")
        schedule = services.session.schedule()
        assert schedule is not None
        made = next(
            n
            for n in range(schedule.count // 2, schedule.count)
            if abs(schedule.frame(n).timestep - 0.5) < 0.2
        )
        self.made = made
        timeline = window.retime.curve_panel.timeline
        self.point_at(timeline, timeline.x_of(made + 0.2), 40)
        self.hand("click", "1")
        self.until(
            lambda: window.retime.viewer.view.accessibleDescription().startswith("New"),
            "the frame in between",
        )
        services.preview.set_range(max(made - 16, 0), made + 6)
        self.until(lambda: all(services.preview.states()[made - 12 : made + 5]), "more frames")
        self.take("3-slow-in-the-middle")
        steps = services.session.undo_stack.count()
        curve = window.retime.curve_panel.curve
        flat = curve.place_of(*self._flat_part())
        self.point_at(curve, flat.x(), flat.y())
        self.hand("mousedown", "1")
        self.move_to(
            curve.mapToGlobal(flat.toPoint()).x(), curve.mapToGlobal(flat.toPoint()).y() - 14
        )
        self.take("4-dragging")
        self.hand("mouseup", "1")
        self.until(lambda: services.session.undo_stack.count() == steps + 1, "one step of undo")
        self.hand("key", "ctrl+z")
        self.until(lambda: not services.session.undo_stack.isClean(), "undo")
        self.rest(0.5)

    def _flat_part(self) -> tuple[float, float]:
        """Frame and percent of the slow stretch, a little left of its middle."""
        points = self.window.retime.curve_panel.curve._points
        return (2 * points[2].frame + points[3].frame) / 3, points[2].value

    def compare(self) -> None:
        """Wipe between source and result, with the keyboard."""
        self.window.retime.viewer.view.setFocus()
        self.hand("key", "3")
        self.until(lambda: self.window.retime.viewer.compare.value() == "wipe", "the wipe")
        self.window.services.player.seek(self.made)
        self.until(
            lambda: self.window.retime.viewer.view.accessibleDescription().startswith("New"),
            "the frame in between",
        )
        self.take("5-wipe")
        self.hand("key", "1")

    def export(self) -> None:
        """Mark a part, so that the pictures are there soon, and export it in two clicks."""
        from imf_ui.model.queue import JobState
        from imf_ui.panels.export_dialog import ExportDialog

        window, services = self.window, self.services
        services.player.seek(self.made - 14)
        self.rest(0.2)
        self.hand("key", "i")
        services.player.seek(self.made + 14)
        self.rest(0.2)
        self.hand("key", "o")
        self.until(
            lambda: services.session.clip and services.session.clip.marks.last is not None,
            "the marks",
        )
        self.click(window.retime.inspector.export_button)
        self.until(lambda: window.jobs.dialog is not None, "the export dialog")
        dialog = window.jobs.dialog
        assert isinstance(dialog, ExportDialog)
        self.take("6-export")
        self.click(dialog.ok)
        self.until(lambda: services.queue.jobs, "the job")
        self.job = services.queue.jobs[-1].id
        self.until(
            lambda: (
                services.queue.job(self.job).stage == "render"
                and services.queue.job(self.job).done > 4
            ),
            "the render",
        )
        self.take("7-queue")
        self.until(
            lambda: services.queue.job(self.job).state in (JobState.DONE, JobState.FAILED),
            "the end",
        )
        if services.queue.job(self.job).state is not JobState.DONE:
            raise SystemExit(f"the export failed: {services.queue.job(self.job).error_text}")

    def play_the_result(self) -> None:
        """Press play on the finished job."""
        from imf_ui.panels.result_player import ResultPlayer

        self.click(self.window.queue.cards[self.job].buttons["play"])
        self.until(lambda: self.window.queue.findChildren(ResultPlayer), "the player")
        player = self.window.queue.findChildren(ResultPlayer)[0]
        self.until(lambda: player.plays and player.number > 3, "playing")
        self.rest(0.4)
        self.take("8-result")
        self.hand("key", "Escape")
        self.rest(0.3)

    def move_a_picture(self) -> None:
        """Let one painted face follow another."""
        import av
        import cv2

        folk = ((196, 208, 236), (62, 74, 120)), ((150, 196, 160), (52, 96, 64))
        cv2.imwrite(str(self.home / "picture.png"), painted_face(0, *folk[0]))
        with av.open(str(self.home / "nodding.mp4"), "w") as container:
            stream = container.add_stream("libx264", 24, {"crf": "14"})
            stream.width, stream.height, stream.pix_fmt = FACE_PX, FACE_PX, "yuv420p"
            for number in range(25):
                painted = painted_face(number, *folk[1])
                frame = av.VideoFrame.from_ndarray(painted, format="bgr24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        self.click(self.window._tabs["retarget"])
        files = [str(self.home / name) for name in ("picture.png", "nodding.mp4")]
        self.window.retarget.take(files)
        service = self.services.retarget
        self.until(lambda: service.strip.is_whole, "the motion")
        strip = self.window.retarget.strip
        self.point_at(strip, strip.x_of(7), 30)
        self.hand("click", "1")
        self.until(lambda: 7 in service.made, "the moved picture")
        self.take("9-retarget")

    def show_another_look(self) -> None:
        """Build the window anew in the light theme, as the settings do."""
        from imf_ui.theme import apply_theme
        from imf_ui.window import MainWindow

        apply_theme(self.app, "light")
        light = MainWindow(self.services)
        self.window.hide()
        light.showFullScreen()
        light.show_screen("edit")
        self.services.player.seek(self.made)
        self.services.preview.refresh()
        self.until(lambda: light.retime.viewer.view.images()[1] is not None, "the picture")
        self.until(lambda: light.retime.curve_panel.timeline._thumbnails, "thumbnails")
        self.until(lambda: not self.services.preview.busy, "the previews")
        self.window = light
        self.take("10-light")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
