"""The retime panel in a program that is not the editor: the ten lines of the manual, run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication

import imf_ui.panels.retime as retime

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "editor.md"

RUNNER = """
import sys
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

program, clip = sys.argv[1].replace("clip.mp4", sys.argv[2]), sys.argv[2]
names = {}
run = QApplication.exec

def until_bent(*_):
    panel, app = names["panel"], QApplication.instance()
    def look():
        if panel.curve() is not None and panel.services.session.schedule() is not None:
            panel.trigger("preset_slow_quarter")
            app.quit()
    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(20)
    QTimer.singleShot(60000, app.quit)
    run()
    least, own = panel.minimumSizeHint(), panel.size()
    print("roomy", own.width() >= least.width() and own.height() >= least.height())
    from imf_ui.theme import current_theme
    print("theme", current_theme().name)

QApplication.exec = until_bent
exec(program, names)
"""


def program_of_the_manual() -> str:
    text = MANUAL.read_text("utf-8").partition("## The panel in your own program")[2]
    lines = text.split("\n## ")[0].splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_the_ten_lines_of_the_manual_host_the_panel_in_the_host_s_own_look(
    app: QApplication, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    program = program_of_the_manual()
    assert 8 <= len(program.strip().splitlines()) <= 12
    clip = make_clip(count=24)
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "IMF_EDITOR_HOME": str(tmp_path / "home"),
        "IMF_EDITOR_ENGINE": "fake",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, program, str(clip)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.split("\n")
    assert "6 keys" in said
    assert "roomy True" in said
    # Qt's own look is light offscreen; what the panel paints itself follows it.
    assert "theme light" in said


@pytest.mark.parametrize("line", ["panel.open(", "curve_changed", "close_services"])
def test_the_module_shows_the_same_program_as_the_manual(line: str) -> None:
    assert line in (retime.__doc__ or "")
    assert line in program_of_the_manual()
