"""A render in resumable parts: the folder beside the output, its manifest and its lock.

The folder ``.NAME.imf-parts`` holds ``job.json`` and one file (or folder of images) for each
finished part. A part appears under its final name only when it is complete, so whatever killed
the run before, what is there can be trusted. ``job.json`` holds a digest of everything that
decides the pixels: plan, input, model, encoding; a folder of another job is never reused.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imf_plugin.errors import OutputRefused
from imf_plugin.timeline.plan import PlannedFrame

PART_FRAMES = 120
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of output frames that is rendered and encoded on its own."""

    number: int
    """Position of the part, from 0."""
    start: int
    """First output frame."""
    frames: Sequence[PlannedFrame]
    """Its frames of the plan."""


def split_parts(frames: Sequence[PlannedFrame], part_frames: int = PART_FRAMES) -> list[Part]:
    """Cut a plan into parts; depends on the plan alone, so that every machine cuts alike."""
    return [
        Part(number=number, start=start, frames=frames[start : start + part_frames])
        for number, start in enumerate(range(0, len(frames), part_frames))
    ]


def job_digest(*ingredients: str) -> str:
    """Return a digest of everything that decides the pixels of a render."""
    digest = hashlib.sha256()
    for ingredient in (str(_VERSION), *ingredients):
        data = ingredient.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class PartsFolder:
    """The parts of one render on disk, held by one process at a time.

    Args:
        output: The render's output; the folder lies beside it.
        digest: See `job_digest`.
        suffix: Ending of part files, such as ``.mkv``; empty when a part is a folder.
        resume: Whether finished parts of the same job are kept.
    """

    def __init__(self, output: Path, digest: str, *, suffix: str, resume: bool = True) -> None:
        self.path = output.parent / f".{output.name}.imf-parts"
        self._digest = digest
        self._suffix = suffix
        self._resume = resume
        self._output = output
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> "PartsFolder":
        """Lock the folder, and empty it unless it belongs to this very job."""
        self.path.mkdir(exist_ok=True)
        self._acquire()
        if not (self._resume and self._is_same_job()):
            self._empty()
            self._write_job()
        for leftover in self.path.glob("tmp-*"):
            _remove(leftover)
        return self

    def __exit__(self, *exception: object) -> None:
        """Unlock; without a single finished part the folder goes too."""
        nothing_kept = self.path.exists() and not any(self.path.glob("part-*"))
        if nothing_kept:
            self._empty()
        self._release()
        if nothing_kept:
            shutil.rmtree(self.path, ignore_errors=True)

    def finished(self, number: int) -> bool:
        """Say whether a part is complete."""
        return self.file(number).exists()

    def file(self, number: int) -> Path:
        """Return where a complete part lies."""
        return self.path / f"part-{number:06}{self._suffix}"

    def temporary(self, number: int) -> Path:
        """Return where a part is written until it is complete."""
        return self.path / f"tmp-{number:06}{self._suffix}"

    def commit(self, number: int) -> None:
        """Give a complete part its final name."""
        _flush_to_disk(self.temporary(number))
        os.replace(self.temporary(number), self.file(number))

    def discard(self) -> None:
        """Remove the folder, the output being complete."""
        self._empty()

    def _is_same_job(self) -> bool:
        try:
            job = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(job, dict) and job.get("digest") == self._digest

    def _write_job(self) -> None:
        text = json.dumps({"format": "imf-parts", "version": _VERSION, "digest": self._digest})
        temporary = self.path / "tmp-job.json"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self.path / "job.json")

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name != "lock":
                _remove(entry)

    def _acquire(self) -> None:
        self._lock = (self.path / "lock").open("ab")
        if not try_lock(self._lock):
            self._lock.close()
            self._lock = None
            raise OutputRefused(
                f"another render is writing {self._output}; wait for it, or give another output"
            )

    def _release(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None


def try_lock(stream: IO[bytes]) -> bool:
    """Lock a file for this process; the system unlocks it however the process ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _flush_to_disk(path: Path) -> None:
    """Make sure that a part survives a power cut before its final name says that it is whole."""
    for file in _files(path):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.iterdir() if file.is_file())
    else:
        yield path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
