"""The editor's end of a worker: starts it, asks it, notices when it dies, and starts it again."""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from imf_ui.services.ring import FrameRing

CANCEL_MS, TERMINATE_MS = 200, 200
_BACK_OFF_MS = (200, 1000, 5000)
_QUIET_MS = 60_000
"""A worker whose heart does not beat for so long hangs."""

type OnEvent = Callable[[dict[str, Any]], None]

FINAL = frozenset({"frame", "motion", "done", "analysed", "error"})
"""Events after which a request is over."""


class WorkerClient(QObject):
    """One worker process and the requests under way in it."""

    stateChanged = pyqtSignal(str)
    """``off``, ``starting``, ``ready``, ``busy`` or ``stopped``."""
    ready = pyqtSignal()
    """The engine is loaded."""
    died = pyqtSignal(str)
    """It ended without being asked to; with what it last wrote to stderr."""

    def __init__(
        self, *, engine: str | None = None, nice: int = 0, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._engine = engine
        self._nice = nice
        self._process: QProcess | None = None
        self._pending: dict[int, OnEvent] = {}
        self._last_id = 0
        self._buffer = b""
        self._ring: FrameRing | None = None
        self._failures = 0
        self._closing = False
        self._ending: dict[int, str] = {}
        self._errors = ""
        self._state = "off"
        self.is_warm = False
        self.device = "cpu"
        self.device_words = ""
        self.models: list[str] = []
        self.automatic_model = ""
        self.retargeters: list[str] = []
        self._pulse = QTimer(self)
        self._pulse.setSingleShot(True)
        self._pulse.setInterval(_QUIET_MS)
        self._pulse.timeout.connect(self._kill)

    @property
    def state(self) -> str:
        """``off``, ``starting``, ``ready``, ``busy`` or ``stopped`` (it died too often)."""
        return self._state

    @property
    def pid(self) -> int:
        """The process's number, 0 when there is none."""
        return self._process.processId() if self._process else 0

    @property
    def last_errors(self) -> str:
        """The end of what the worker wrote to stderr."""
        return self._errors

    def start(self) -> None:
        """Start the process unless it runs."""
        if self._process is not None or self._closing:
            return
        self._buffer, self.is_warm = b"", False
        process = QProcess(self)
        self._process = process
        process.setProcessEnvironment(_environment())
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        arguments = ["-m", "imf_ui.services.worker_main", "--nice", str(self._nice)]
        if self._engine:
            arguments += ["--engine", self._engine]
        self._set_state("starting")
        process.start(sys.executable, arguments)
        self._pulse.start()
        if self._ring is not None:
            self._tell_ring()

    def restart(self) -> None:
        """Start again after it died too often."""
        self._failures = 0
        self.start()

    def request(self, command: dict[str, Any], on_event: OnEvent) -> int:
        """Ask for something; every event of it goes to ``on_event``, the last one of `FINAL`.

        Returns:
            The number of the request, for `cancel`.
        """
        self._last_id += 1
        number = self._last_id
        self._pending[number] = on_event
        self.start()
        self._write({**command, "id": number})
        self._set_state("busy" if self.is_warm else "starting")
        return number

    def reserve(self, picture_bytes: int) -> None:
        """Make sure that pictures of a size can be handed over."""
        if self._ring is not None and self._ring.slot_bytes >= picture_bytes:
            return
        if self._ring is not None:
            self._ring.close()
        self._ring = FrameRing(picture_bytes)
        if self._process is not None:
            self._tell_ring()

    def picture(self, event: dict[str, Any]) -> Any:
        """Return the picture of a ``frame`` event."""
        if self._ring is None:
            raise ValueError("no pictures were asked for")
        return self._ring.read(event["slot"], event["height"], event["width"])

    def cancel(self, number: int) -> None:
        """Stop a request; if it does not stop by itself, the process is ended."""
        if number not in self._pending:
            return
        self._write({"cmd": "cancel", "id": number})
        QTimer.singleShot(CANCEL_MS, lambda: self._escalate(number))

    def pause(self, number: int) -> None:
        """Let a render stand still."""
        self._write({"cmd": "pause", "id": number})

    def resume(self, number: int) -> None:
        """Let a render go on."""
        self._write({"cmd": "resume", "id": number})

    def is_pending(self, number: int) -> bool:
        """Say whether a request is under way."""
        return number in self._pending

    def close(self) -> None:
        """End the process; nothing is called back any more."""
        self._closing = True
        self._pending.clear()
        self._pulse.stop()
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.closeWriteChannel()
            # One that is still loading does not listen yet, and holds nothing that could be lost.
            if not self.is_warm or not process.waitForFinished(CANCEL_MS):
                process.kill()
                process.waitForFinished(2000)
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        self._set_state("off")

    def _tell_ring(self) -> None:
        assert self._ring is not None
        self._write({"cmd": "ring", "name": self._ring.name, "slot_bytes": self._ring.slot_bytes})

    def _write(self, command: dict[str, Any]) -> None:
        if self._process is not None:
            self._process.write((json.dumps(command) + "\n").encode())

    def _read(self) -> None:
        if self._process is None:
            return
        if self._pulse.isActive():
            self._pulse.start()
        self._buffer += self._process.readAllStandardOutput().data()
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self._handle(event)

    def _read_errors(self) -> None:
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode(errors="replace")
            self._errors = (self._errors + text)[-8000:]

    def _handle(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name == "ready":
            self.is_warm, self._failures = True, 0
            self.device, self.device_words = event["device"], event["words"]
            self.models, self.retargeters = event["models"], event["retargeters"]
            self.automatic_model = event["auto"]
            self._set_state("busy" if self._pending else "ready")
            self.ready.emit()
            return
        callback = self._pending.get(event.get("id", 0))
        if callback is None:
            return
        if name in FINAL:
            del self._pending[event["id"]]
            if not self._pending:
                self._set_state("ready")
        callback(event)

    def _escalate(self, number: int) -> None:
        if number not in self._pending or self._process is None:
            return
        self._ending[number] = "cancelled"
        process = self._process
        process.terminate()
        QTimer.singleShot(TERMINATE_MS, lambda: self._kill_if_alive(process))

    def _kill_if_alive(self, process: QProcess) -> None:
        if process is self._process and process.state() != QProcess.ProcessState.NotRunning:
            process.kill()

    def _kill(self) -> None:
        if self._process is not None and self._pending:
            self._ending.update(dict.fromkeys(self._pending, "worker_hung"))
            self._process.kill()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if self._process is not None and error == QProcess.ProcessError.FailedToStart:
            self._errors = self._process.errorString()
            self._failures = len(_BACK_OFF_MS)
            self._on_finished()

    def _on_finished(self) -> None:
        process = self._process
        if process is None or self._closing:
            return
        self._pulse.stop()
        self._read()
        self._read_errors()
        self._process, self.is_warm = None, False
        process.deleteLater()
        asked_to = bool(self._ending)
        pending, self._pending = self._pending, {}
        ending, self._ending = self._ending, {}
        if not asked_to:
            self._failures += 1
        gives_up = self._failures > len(_BACK_OFF_MS)
        self._set_state("stopped" if gives_up else "off")
        for number, callback in pending.items():
            code = ending.get(number, "worker_lost" if gives_up else "worker_crashed")
            text = "the engine ended unexpectedly" if code != "cancelled" else "cancelled"
            callback(
                {
                    "event": "error",
                    "id": number,
                    "code": code,
                    "text": text,
                    "details": self._errors,
                }
            )
        if not asked_to:
            self.died.emit(self._errors)
        if not gives_up and not self._closing:
            delay = 0 if asked_to else _BACK_OFF_MS[min(self._failures, len(_BACK_OFF_MS)) - 1]
            QTimer.singleShot(delay, self.start)

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    roots = []
    for name in ("imf_ui", "imf_plugin", "imf_kernels"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            roots.append(str(Path(next(iter(spec.submodule_search_locations))).parent))
    known = environment.value("PYTHONPATH")
    environment.insert(
        "PYTHONPATH", os.pathsep.join(dict.fromkeys([*roots, *([known] if known else [])]))
    )
    environment.insert("PYTHONUNBUFFERED", "1")
    if not environment.contains("OMP_NUM_THREADS"):
        environment.insert("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    return environment
