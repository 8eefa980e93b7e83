"""Finds what keeps the window's thread busy too long, with the place in the program.

Counted is the thread's own processor time, so that a busy machine does not look like a slow editor.
"""

import faulthandler
import gc
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QEvent, QObject
from PyQt6.QtWidgets import QApplication

LIMIT_MS = 50.0
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Slow:
    """One event whose handling took long."""

    milliseconds: float
    """Processor time of the window's thread, without events that were handled meanwhile."""
    words: str
    """What was handled by what."""
    stack: str
    """Where the program was after some of that time; empty when it was not caught in the act."""


class WatchedApplication(QApplication):
    """An application that times every event it hands over."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.slow: list[Slow] = []
        """What was over the limit since the list was last emptied."""
        self.slowest_ms = 0.0
        self._inner = [0.0]
        self._busy_since = 0.0
        self._stack = ""
        self._collecting = 0.0
        gc.callbacks.append(self._on_collection)
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    def notify(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Hand over an event, and see how long that takes."""
        kind = event.type().name if event is not None else "no event"
        with self.watched(lambda: f"{kind} handled by {type(receiver).__name__}"):
            return super().notify(receiver, event)

    @contextmanager
    def watched(self, words: Callable[[], str]) -> Iterator[None]:
        """See how long something takes that is done without an event."""
        self._inner.append(0.0)
        if len(self._inner) == 2:
            self._busy_since, self._stack = time.monotonic(), ""
        began = time.thread_time()
        try:
            yield
        finally:
            whole = (time.thread_time() - began) * 1000
            own = whole - self._inner.pop()
            self._inner[-1] += whole
            if len(self._inner) == 1:
                self._busy_since, self._inner[0] = 0.0, 0.0
            self._note(own, words)

    def _note(self, milliseconds: float, words: Callable[[], str]) -> None:
        self.slowest_ms = max(self.slowest_ms, milliseconds)
        if milliseconds > LIMIT_MS:
            self.slow.append(Slow(milliseconds=milliseconds, words=words(), stack=self._stack))

    def _on_collection(self, phase: str, _about: dict[str, int]) -> None:
        """Leave out the tidying of Python's memory, which here is mostly that of the tests."""
        if threading.current_thread() is not threading.main_thread():
            return
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self._inner[-1] += (time.thread_time() - self._collecting) * 1000

    def _look(self) -> None:
        """Write down where the window's thread is while it takes long."""
        with tempfile.TemporaryFile("w+") as file:
            while True:
                time.sleep(_LOOK_SECONDS)
                since = self._busy_since
                if since and time.monotonic() - since > LIMIT_MS / 1000 and not self._stack:
                    file.seek(0)
                    file.truncate()
                    # Unlike frames that are looked at, this keeps none of their objects alive.
                    faulthandler.dump_traceback(file)
                    file.seek(0)
                    self._stack = _editor_part(file.read())


def _editor_part(dump: str) -> str:
    """Return what a dump says of the window's thread within the editor, from the inside out."""
    name = f"Thread 0x{threading.main_thread().ident or 0:016x}"
    part = next((part for part in dump.split("\n\n") if part.startswith(name)), "")
    lines = [line for line in part.splitlines() if f"{Path('imf_ui')}/" in line]
    return "\n".join(line for line in lines if "watchdog.py" not in line)
