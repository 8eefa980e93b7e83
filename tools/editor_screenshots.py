"""Regenerates the pictures of docs/editor.md: a first five minutes, with the real `flow` engine.

    python tools/editor_screenshots.py [OUTPUT_FOLDER]

The clip is the editor's own painted sample. Without a display it runs offscreen.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication, QWidget

from imf_ui.i18n import set_language
from imf_ui.model.queue import JobState
from imf_ui.services.app_services import Services
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = (1366, 800)
PATIENCE_SECONDS = 400
QUALITY = 84


def wait_for(condition: Callable[[], object]) -> None:
    """Run the event loop until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the editor did not get there in time")
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication([sys.argv[0]])
    set_language("en")
    apply_theme(app, "dark")
    home = Path(tempfile.mkdtemp(prefix="imf-editor-"))
    services = Services(home=home)
    window = MainWindow(services)
    window.resize(*SIZE)
    window.show()

    def take(name: str, of: QWidget | None = None) -> None:
        app.processEvents()
        path = folder / f"editor-{name}.jpg"
        (of or window).grab().toImage().save(str(path), "JPEG", QUALITY)
        print(f"{path} {path.stat().st_size // 1024} kB")

    take("1-start")
    services.open_sample()
    wait_for(lambda: services.session.schedule() is not None)
    wait_for(lambda: window.retime.viewer.view.accessibleDescription())
    wait_for(lambda: services.worker.state in ("ready", "stopped"))
    window.trigger("preset_slow_quarter")
    schedule = services.session.schedule()
    assert schedule is not None
    made = next(
        n
        for n in range(schedule.count // 2, schedule.count)
        if abs(schedule.frame(n).timestep - 0.5) < 0.2
    )
    services.player.seek(made)
    wait_for(lambda: window.retime.viewer.view.accessibleDescription().startswith("New"))
    services.preview.set_range(max(made - 20, 0), made + 6)
    wait_for(lambda: all(services.preview.states()[made - 4 : made + 4]))
    window.retime.control.select([2])
    window.retime.curve_panel._show_states()
    take("2-slow-in-the-middle")
    window.trigger("compare_wipe")
    window.trigger("curve_view")
    window.retime.viewer.view.set_wipe(0.49)
    take("3-wipe")
    window.trigger("compare_result")
    window.trigger("curve_view")
    # A short part, so that the pictures are there soon.
    window.retime.edit_actions.mark(first=made - 10)
    window.retime.edit_actions.mark(last=made + 10)
    dialog = window.jobs.export_as()
    assert dialog is not None
    dialog.path.setText(str(home / "sample_retimed.mp4"))
    take("4-export", dialog)
    dialog.ok.click()
    job = services.queue.jobs[-1].id
    wait_for(
        lambda: services.queue.job(job).done > 0 or services.queue.job(job).state is JobState.DONE
    )
    take("5-queue")
    wait_for(lambda: services.queue.job(job).state in (JobState.DONE, JobState.FAILED))
    take("6-done")
    if services.queue.job(job).state is not JobState.DONE:
        raise SystemExit(f"the export failed: {services.queue.job(job).error_text}")
    window.open_path(str(home / "sample_retimed.mp4"))
    wait_for(
        lambda: services.session.clip is not None and len(services.session.document.clips) == 2
    )
    wait_for(lambda: services.session.schedule() is not None)
    services.player.seek(made)
    wait_for(lambda: not services.preview.busy)
    apply_theme(app, "light")
    light = MainWindow(services)
    light.resize(*SIZE)
    light.show()
    services.preview.refresh()
    wait_for(lambda: light.retime.viewer.view.images()[1] is not None)
    wait_for(lambda: light.retime.curve_panel.timeline._thumbnails)
    wait_for(lambda: services.worker.state == "ready")
    light.grab().toImage().save(str(folder / "editor-7-light.jpg"), "JPEG", QUALITY)
    services.close()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
