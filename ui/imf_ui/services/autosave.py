"""Nothing is lost: every edit goes into a journal at once, and snapshots keep that short.

A session has a folder with ``snapshot.json`` (a project file and a sequence number),
``journal.jsonl`` (one edit a line) and ``lock``, which the process holds as long as it lives. A
folder whose lock is free belongs to a session that did not end well, and can be recovered.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PyQt6.QtCore import QObject, QTimer

from imf_plugin.engine.parts import try_lock
from imf_ui.model.document import Document
from imf_ui.model.ops import Op, SetView, op_from_json, op_to_json
from imf_ui.model.projectfile import project_from_text, project_to_text
from imf_ui.model.values import BadValue
from imf_ui.services.session import Session

SNAPSHOT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class RecoverableSession:
    """A session that did not end well."""

    id: str
    saved_at: float
    """When its last edit was written, seconds since 1970."""
    edits: int
    """Edits that no project file holds."""
    project: Path | None
    """The project file that it belonged to."""
    clips: tuple[str, ...] = ()
    """Names of its clips."""


class Autosave(QObject):
    """Writes the journal of a session and finds those of others."""

    def __init__(self, session: Session, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder = folder
        self._mine: Path | None = None
        self._lock: IO[bytes] | None = None
        self._journal = -1
        self._sequence = 0
        self._edits = 0
        self.written_at = 0.0
        """When the last edit was written, seconds since 1970."""
        self._syncer: _Syncer | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(SNAPSHOT_SECONDS * 1000)
        self._timer.timeout.connect(self._snapshot_if_needed)
        session.applied.connect(self._on_applied)
        session.replaced.connect(self._on_replaced)
        session.projectChanged.connect(self._on_project)

    @property
    def edits(self) -> int:
        """Edits since the project was saved, as the journal holds them."""
        return self._edits

    def start(self) -> None:
        """Begin a journal; called once, after other sessions were looked for."""
        self._syncer = _Syncer()
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._mine = self._folder / f"{time.time_ns():x}-{os.getpid()}"
            self._mine.mkdir()
            self._lock = (self._mine / "lock").open("ab")
            try_lock(self._lock)
            self._snapshot()
            self._timer.start()

    def close(self) -> None:
        """End well: nothing is left to recover."""
        self._timer.stop()
        if self._syncer is not None:
            self._syncer.stop()
            self._syncer = None
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._mine is not None:
            shutil.rmtree(self._mine, ignore_errors=True)
            self._mine = None

    def recoverable(self) -> list[RecoverableSession]:
        """Return the sessions that did not end well and hold edits, newest first."""
        found = [self._described(path) for path in self._orphans()]
        return sorted(
            (one for one in found if one is not None), key=lambda one: one.saved_at, reverse=True
        )

    def recover(self, session_id: str) -> tuple[Document, Path | None]:
        """Return the document of a session that did not end well, and its project file."""
        document, _, head = _replayed(self._folder / session_id)
        project = head.get("project")
        return document, Path(project) if project else None

    def discard(self, session_id: str) -> None:
        """Forget a session."""
        shutil.rmtree(self._folder / session_id, ignore_errors=True)

    def _orphans(self) -> list[Path]:
        orphans = []
        for path in self._folder.glob("*-*") if self._folder.is_dir() else ():
            if path == self._mine:
                continue
            with contextlib.suppress(OSError), (path / "lock").open("ab") as lock:
                if try_lock(lock):
                    orphans.append(path)
        return orphans

    def _described(self, path: Path) -> RecoverableSession | None:
        try:
            document, edits, head = _replayed(path)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path, ignore_errors=True)
            return None
        project = Path(head["project"]) if head.get("project") else None
        saved_at = max(
            (path / name).stat().st_mtime
            for name in ("snapshot.json", "journal.jsonl")
            if (path / name).exists()
        )
        if not edits or (project and project.exists() and project.stat().st_mtime > saved_at):
            # An older journal is never offered over a newer save.
            shutil.rmtree(path, ignore_errors=True)
            return None
        return RecoverableSession(
            id=path.name,
            saved_at=saved_at,
            edits=edits,
            project=project,
            clips=tuple(clip.name for clip in document.clips),
        )

    def _on_applied(self, op: Op) -> None:
        if self._journal < 0:
            return
        if not isinstance(op, SetView):
            self._edits += 1
        self._sequence += 1
        line = json.dumps({"n": self._sequence, **op_to_json(op)}) + "\n"
        with contextlib.suppress(OSError):
            # In the system's hands a line survives the end of this process; another thread sees
            # to it that it survives a power cut too.
            os.write(self._journal, line.encode())
            self.written_at = time.time()
            if self._syncer is not None:
                self._syncer.sync(self._journal)

    def _on_replaced(self) -> None:
        self._edits = 0
        self._snapshot()

    def _on_project(self) -> None:
        if self._session.is_clean:
            self._edits = 0
            self._snapshot()

    def _snapshot_if_needed(self) -> None:
        if self._edits:
            self._snapshot()

    def _snapshot(self) -> None:
        """Write the whole document and begin an empty journal."""
        if self._mine is None:
            return
        with contextlib.suppress(OSError):
            head = {
                "sequence": self._sequence,
                "edits": self._edits,
                "project": str(self._session.path) if self._session.path else "",
            }
            text = json.dumps(head) + "\n" + project_to_text(self._session.document)
            temporary = self._mine / "snapshot.tmp"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._mine / "snapshot.json")
            # Lines up to the snapshot's number are skipped when replayed, so that it does not
            # matter whether the journal is emptied before the end comes.
            if self._journal >= 0:
                os.close(self._journal)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._journal = os.open(self._mine / "journal.jsonl", flags)


def _replayed(path: Path) -> tuple[Document, int, dict[str, Any]]:
    """Return the document of a session, the edits in it, and the head of its snapshot."""
    head_line, _, text = (path / "snapshot.json").read_text(encoding="utf-8").partition("\n")
    head: dict[str, Any] = json.loads(head_line)
    document = project_from_text(text, str(path)).document
    edits = int(head["edits"])
    journal = path / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n") if journal.exists() else []
    for line in lines:
        try:
            data = json.loads(line)
            number = data.pop("n")
            op = op_from_json(data)
        except (ValueError, KeyError, AttributeError, BadValue):
            break  # the line that the end cut off
        if number <= head["sequence"]:
            continue
        document = op.apply(document)
        edits += not isinstance(op, SetView)
    return document, edits, head


class _Syncer:
    """A thread that flushes a file to the disk, as often as it can but never more than needed."""

    def __init__(self) -> None:
        self._wanted: int | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="imf-sync", daemon=True)
        self._thread.start()

    def sync(self, descriptor: int) -> None:
        with self._changed:
            self._wanted = descriptor
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._wanted is None and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                descriptor, self._wanted = self._wanted, None
            with contextlib.suppress(OSError):
                # A journal that was just closed for a snapshot needs no flushing any more.
                os.fdatasync(descriptor if descriptor is not None else -1)
