"""Threads that read frames and carry out tasks, the latest wish of everybody first."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from imf_plugin.media.read import Reader

_MOST_READERS = 3
_HASTE_SECONDS = 0.12
"""Wishes that follow each other faster than this are a drag, not a look at each frame."""


@dataclass(frozen=True, kw_only=True)
class FrameWish:
    """A frame that somebody wants."""

    path: str
    index: int
    scale: int = 1


class Readers:
    """A few open files of one thread."""

    def __init__(self, open_reader: Callable[[str], Reader]) -> None:
        self._open_reader = open_reader
        self._open: OrderedDict[str, Reader] = OrderedDict()
        self._last: dict[str, int] = {}

    def last(self, path: str) -> int:
        """Return the frame that was read last, -1 when there was none."""
        return self._last.get(path, -1)

    def note(self, path: str, index: int) -> None:
        """Remember the frame that was read last."""
        self._last[path] = index

    def get(self, path: str) -> Reader:
        """Return the reader of a file, opened if it is not."""
        if path not in self._open:
            self._open[path] = self._open_reader(path)
            while len(self._open) > _MOST_READERS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def close(self) -> None:
        """Release the files."""
        for reader in self._open.values():
            reader.close()


class Reading:
    """A thread that reads the wishes of everybody's latest list, in its order."""

    def __init__(
        self,
        name: str,
        read: Callable[[Readers, FrameWish], None],
        open_reader: Callable[[str], Reader],
    ) -> None:
        self._read = read
        self._open_reader = open_reader
        self._wishes: dict[str, list[FrameWish]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._wished: dict[str, tuple[FrameWish, float]] = {}
        self._wanter = ""
        self._haste: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_hurried(self) -> bool:
        """Whether the one whose wish is being read changed it shortly before."""
        return self._wanter in self._haste

    def is_outdated_after(self, seconds: float) -> bool:
        """Wait for another wish of the same wanter; False when none comes in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._wanter in self._wishes or self._stopped, timeout=seconds
            )

    def want(self, wishes: list[FrameWish], wanter: str = "") -> None:
        """Read these; what the same wanter wished before and was not begun is forgotten."""
        with self._changed:
            self._note_haste(wishes, wanter)
            self._wishes.pop(wanter, None)
            if wishes:
                self._wishes[wanter] = wishes
            self._changed.notify()

    def _note_haste(self, wishes: list[FrameWish], wanter: str) -> None:
        """Note whether a wish follows another one so soon that only a drag can be the cause."""
        if not wishes:
            return
        before, at = self._wished.get(wanter, (None, 0.0))
        now = time.monotonic()
        if wishes[0] != before:
            hurried = now - at < _HASTE_SECONDS
            self._haste.add(wanter) if hurried else self._haste.discard(wanter)
            self._wished[wanter] = (wishes[0], now)

    def _next_wish(self) -> FrameWish:
        """Take the first wish of the one who asked first and still waits."""
        wanter, wishes = next(iter(self._wishes.items()))
        self._wanter = wanter
        wish = wishes.pop(0)
        if not wishes:
            del self._wishes[wanter]
        return wish

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped, self._wishes = True, {}
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        readers = Readers(self._open_reader)
        while True:
            with self._changed:
                while not self._wishes and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    break
                wish = self._next_wish()
            try:
                self._read(readers, wish)
            except RuntimeError:
                break  # the window is gone, and its signals with it
        readers.close()


class Tasks:
    """A thread that carries out tasks one after another."""

    def __init__(self, name: str) -> None:
        self._tasks: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self.is_outdated = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, task: Callable[[], None]) -> None:
        """Carry out a task after those that wait."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def clear(self) -> None:
        """Forget what was not begun, and let the task under way know that nobody waits."""
        with self._changed:
            self._tasks.clear()
            self.is_outdated = True

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped, self.is_outdated = True, True
            self._tasks.clear()
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._tasks and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                task = self._tasks.pop(0)
                self.is_outdated = False
            try:
                task()
            except RuntimeError:
                return
