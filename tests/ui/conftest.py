"""The editor under test: offscreen, with a home of its own and an engine that cross-fades."""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("PyQt6", reason="PyQt6 is not installed")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtCore import QEvent, QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from imf_ui.i18n import set_language
from imf_ui.measure.watchdog import LIMIT_MS, WatchedApplication
from imf_ui.services.app_services import Services
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

type Wait = Callable[..., None]
type Editor = Callable[..., MainWindow]

PATIENCE_MS = 120_000
_SLOWEST: dict[str, float] = {}
"""For each test the longest that one event kept the window's thread busy, in milliseconds."""
_ENDED: list[Services] = []
"""Kept to the end of the run: Qt's objects must not be collected in the middle of another test."""


@pytest.fixture(scope="session")
def app() -> QApplication:
    """The application, dressed as by default."""
    existing = QApplication.instance()
    made = existing if isinstance(existing, QApplication) else WatchedApplication(["imf-editor"])
    set_language("en")
    apply_theme(made, "dark")
    return made


@pytest.fixture(autouse=True)
def watchdog(app: QApplication, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which one event kept the window's thread busy for too long."""
    if not isinstance(app, WatchedApplication):
        yield
        return
    app.slow.clear()
    app.slowest_ms = 0.0
    yield
    _SLOWEST[request.node.nodeid] = app.slowest_ms
    # What is not pure arithmetic takes up to twice its time on a loaded machine.
    slow = [one for one in app.slow if one.milliseconds > 2 * LIMIT_MS]
    assert not slow, "\n".join(
        f"{one.milliseconds:.0f} ms: {one.words}\n{one.stack}" for one in slow
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the longest that the window's thread was kept busy."""
    if _SLOWEST:
        test = max(_SLOWEST, key=_SLOWEST.__getitem__)
        over = sum(slowest > LIMIT_MS for slowest in _SLOWEST.values())
        terminalreporter.write_line(
            f"editor: longest slot {_SLOWEST[test]:.0f} ms of processor, in {test}; "
            f"{over} of {len(_SLOWEST)} tests over {LIMIT_MS:.0f} ms"
        )


@pytest.fixture
def wait_until(app: QApplication) -> Wait:
    """A function that runs the event loop until a condition holds."""

    def wait(condition: Callable[[], object], patience_ms: int = PATIENCE_MS) -> None:
        loop, late = QEventLoop(), [False]

        def look() -> None:
            if condition():
                loop.quit()

        def give_up() -> None:
            late[0] = True
            loop.quit()

        poll, end = QTimer(), QTimer()
        poll.timeout.connect(look)
        end.setSingleShot(True)
        end.timeout.connect(give_up)
        poll.start(5)
        end.start(patience_ms)
        if not condition():
            loop.exec()
        poll.stop()
        end.stop()
        assert not late[0], "waited in vain"

    return wait


def watch_triggers(app: WatchedApplication, window: MainWindow) -> None:
    """Let the watchdog see what tests trigger directly, as a menu would."""
    trigger = window.trigger

    def watched(action: str) -> object:
        with app.watched(lambda: f"action {action}"):
            return trigger(action)

    window.trigger = watched  # type: ignore[method-assign, assignment]


@pytest.fixture
def editor(app: QApplication, tmp_path: Path) -> Iterator[Editor]:
    """A function that opens the editor's window with the fake engine."""
    made: list[MainWindow] = []

    def open_window(
        engine: str | None = "fake", home: str = "home", **options: object
    ) -> MainWindow:
        services = Services(engine=engine, home=tmp_path / home, warm=False, **options)  # type: ignore[arg-type]
        window = MainWindow(services)
        window.resize(1280, 760)
        window.show()
        made.append(window)
        if isinstance(app, WatchedApplication):
            watch_triggers(app, window)
        return window

    yield open_window
    for window in made:
        window.abandon()
        window.services.close()
        _ENDED.append(window.services)
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    app.processEvents()


@pytest.fixture
def opened(editor: Editor, make_clip: Callable[..., Path], wait_until: Wait) -> Editor:
    """A function that opens the editor with a clip in it and its first frame shown."""

    def open_clip(engine: str | None = "fake", **clip: object) -> MainWindow:
        options = {"count": 12, "width": 96, "height": 64, "rate": Fraction(24), **clip}
        path = make_clip(**options)
        window = editor(engine)
        window.open_path(str(path))
        wait_until(lambda: window.session.schedule() is not None)
        wait_until(lambda: window.retime.viewer.view.images()[1] is not None)
        return window

    return open_clip
