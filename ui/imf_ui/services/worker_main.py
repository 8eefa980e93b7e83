"""The worker: the process in which the engine runs, so that nothing it does stops the editor.

Commands come as JSON lines on stdin, events leave as JSON lines on stdout, pictures go through
shared memory (`imf_ui.services.ring`). It knows no PyQt6. When the editor is gone, it goes.
"""

import argparse
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from imf_ui.model.errors import code_of
from imf_ui.services.faking import Faults
from imf_ui.services.ring import RingWriter

BEAT_SECONDS = 0.25


class Worker:
    """Carries out commands, one frame at a time, and long tasks beside them."""

    def __init__(self, engine: str, out: int) -> None:
        self._faults = Faults.parse(engine) if engine.startswith("fake") else None
        self._out = out
        self._lock = threading.Lock()
        self._commands: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._ring: RingWriter | None = None
        self._maker: Any = None
        self._animator: Any = None
        self._tasks: dict[int, Any] = {}
        self._dropped: set[int] = set()

    def send(self, event: str, **members: Any) -> None:
        """Write an event."""
        line = json.dumps({"event": event, **members}) + "\n"
        with self._lock:
            data = line.encode()
            while data:
                data = data[os.write(self._out, data) :]

    def run(self) -> None:
        """Work until the editor is gone."""
        self.send("hello", pid=os.getpid())
        threading.Thread(target=self._read, name="imf-commands", daemon=True).start()
        threading.Thread(target=self._beat, name="imf-beat", daemon=True).start()
        self._warm_up()
        handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "ring": self._set_ring,
            "make": self._make,
            "render": self._start_task,
            "retarget": self._start_task,
            "analyse": self._start_task,
            "animate": self._animate,
            "motion": self._read_motion,
        }
        while (command := self._commands.get()) is not None:
            number = command.get("id", 0)
            if number in self._dropped:
                self.send("error", id=number, code="cancelled", text="cancelled")
                continue
            try:
                handlers[command["cmd"]](command)
            except BaseException as error:
                self.fail(number, error)

    def fail(self, number: int, error: BaseException) -> None:
        """Tell that a command failed."""
        self.send(
            "error",
            id=number,
            code=str(code_of(error)),
            text=str(error) or type(error).__name__,
            details="".join(traceback.format_exception(error)),
        )

    def _warm_up(self) -> None:
        if self._faults is None:
            import torch

            from imf_plugin.engine.session import open_session
            from imf_plugin.models.registry import model_names, resolve_name, retargeter_names

            torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
            device = open_session().device
            words = torch.cuda.get_device_name(device) if device != "cpu" else "CPU"
            models, retargeters = model_names(), retargeter_names()
            chosen = resolve_name("auto")
        else:
            device, words, models, retargeters = "cpu", "CPU (test engine)", ["flow"], ["transport"]
            chosen = "flow"
        self.send(
            "ready",
            device=device,
            words=words,
            models=models,
            retargeters=retargeters,
            auto=chosen,
        )

    def _read(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            name, number = command["cmd"], command.get("id", 0)
            if name in ("cancel", "pause", "resume"):
                self._steer(name, number)
            else:
                self._commands.put(command)
        # The editor is gone; finished parts are on disk, so there is nothing to tidy up.
        os._exit(0)

    def _steer(self, name: str, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            getattr(task, name)()
        elif name == "cancel":
            self._dropped.add(number)

    def _beat(self) -> None:
        event = threading.Event()
        while not event.wait(BEAT_SECONDS):
            self.send("beat")

    def _set_ring(self, command: dict[str, Any]) -> None:
        if self._ring is not None:
            self._ring.close()
        self._ring = RingWriter(command["name"], command["slot_bytes"])

    def _make(self, command: dict[str, Any]) -> None:
        from imf_ui.services.making import Maker, MakeRequest

        if self._maker is None:
            self._maker = Maker(self._faults)
        self._send_picture(command["id"], self._maker.make(MakeRequest.of(command)))

    def _animate(self, command: dict[str, Any]) -> None:
        animator = self._the_animator()
        self._send_picture(command["id"], animator.picture(command["setup"], command["frame"]))

    def _read_motion(self, command: dict[str, Any]) -> None:
        """Tell how far frames are from the anchor; of all that were read, the rows, if asked."""
        animator, setup = self._the_animator(), command["setup"]
        lengths = animator.lengths(setup, command["frames"])
        rows = animator.rows(setup, command["all"]) if command["all"] else []
        self.send("motion", id=command["id"], lengths=lengths, rows=rows, anchor=animator.anchor)

    def _the_animator(self) -> Any:
        from imf_ui.services.animating import Animator

        if self._animator is None:
            self._animator = Animator()
        return self._animator

    def _send_picture(self, number: int, picture: Any) -> None:
        assert self._ring is not None  # the editor sends the ring first
        slot = self._ring.write(picture)
        height, width = picture.shape[:2]
        self.send("frame", id=number, slot=slot, height=height, width=width)

    def _start_task(self, command: dict[str, Any]) -> None:
        from imf_ui.services.long_tasks import LongTask

        task = LongTask(command, self.send, self._faults)
        number = command["id"]
        self._tasks[number] = task
        if number in self._dropped:
            task.cancel()

        def work() -> None:
            try:
                task.run()
            except BaseException as error:
                self.fail(number, error)
            finally:
                self._tasks.pop(number, None)

        threading.Thread(target=work, name=f"imf-{command['cmd']}", daemon=True).start()


def main() -> None:
    """Start a worker; see the module's text."""
    parser = argparse.ArgumentParser(prog="imf-worker")
    parser.add_argument("--engine", default=os.environ.get("IMF_EDITOR_ENGINE", "real"))
    parser.add_argument("--nice", type=int, default=0)
    args = parser.parse_args()
    if args.nice and hasattr(os, "nice"):
        os.nice(args.nice)
    # Whatever a library prints must not get between the events.
    out = os.dup(1)
    os.dup2(2, 1)
    Worker(args.engine, out).run()


if __name__ == "__main__":
    main()
