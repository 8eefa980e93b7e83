"""The render queue: one render after another in a worker of its own, written down at every change.

The engine keeps finished parts beside the output, so a render that was paused, cancelled, crashed
or cut off by a power failure goes on where it stopped; the queue only has to ask again.
"""

import json
import time
from base64 import b64decode
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from imf_ui.model.document import Clip, Document
from imf_ui.model.errors import Explained
from imf_ui.model.eta import Eta
from imf_ui.model.queue import (
    Job,
    JobState,
    RetimeSpec,
    moved,
)
from imf_ui.model.schedule import Findings
from imf_ui.model.values import BadValue, from_json, to_json
from imf_ui.services.job_building import failure_of, free_path, job_of_clip, job_of_retarget
from imf_ui.services.worker import WorkerClient

_CRASHES = 2
"""How often a job is begun again by itself after the engine crashed."""


class RenderQueue(QObject):
    """Holds the jobs and carries them out."""

    jobsChanged = pyqtSignal()
    """Jobs came, went or changed places."""
    jobChanged = pyqtSignal(str)
    """A job's state or progress is another."""
    jobFinished = pyqtSignal(str)
    """A job is done or failed."""
    pictureReady = pyqtSignal(str, bytes)
    """Id of a job under way, and a small JPEG of the frame that it made last."""

    def __init__(self, folder: Path, worker: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = folder / "queue.json"
        self._worker = worker
        self._jobs: tuple[Job, ...] = self._read()
        self._running = ""
        self._request = 0
        self._eta = Eta()
        self._crashes: dict[str, int] = {}
        self._is_on = False
        self._logs: dict[str, list[str]] = {}

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs in their order."""
        return self._jobs

    @property
    def is_on(self) -> bool:
        """Whether queued jobs are begun by themselves."""
        return self._is_on

    @property
    def running(self) -> str:
        """Id of the job under way, paused ones included; empty when there is none."""
        return self._running

    def job(self, job_id: str) -> Job:
        """Return a job by its id.

        Raises:
            KeyError: If there is none.
        """
        for job in self._jobs:
            if job.id == job_id:
                return job
        raise KeyError(job_id)

    def error(self, job_id: str) -> Explained | None:
        """Return why a job failed, in words."""
        job = self.job(job_id)
        return failure_of(job) if job.error_code else None

    def log(self, job_id: str) -> str:
        """Return what the engine said about a job."""
        job = self.job(job_id)
        return "\n".join([*job.notes, *self._logs.get(job_id, []), job.error_details]).strip()

    def add(self, job: Job, *, start: bool = True) -> str:
        """Put a job at the end, and begin if nothing is under way."""
        self._jobs = (*self._jobs, replace(job, id=self._free_id()))
        self._write()
        self.jobsChanged.emit()
        if start:
            self.start_all()
        return self._jobs[-1].id

    def add_clip(
        self, clip: Clip, output: str, *, findings: Findings | None = None, **options: Any
    ) -> str:
        """Put a clip's render into the queue."""
        return self.add(job_of_clip(clip, output, findings=findings, **options))

    def add_file(self, path: str, output: str = "", *, factor: Fraction = Fraction(2)) -> str:
        """Put a slow motion of a whole file into the queue, without opening it first."""
        file = Path(path)
        name = f"{file.stem}_x{factor}".replace("/", "-")
        suffix = file.suffix if file.suffix.lower() in (".mp4", ".mov", ".mkv", ".webm") else ".mp4"
        return self.add(
            Job(
                id="",
                name=file.name,
                output=output or str(free_path(file.with_name(f"{name}{suffix}"))),
                retime=RetimeSpec(source=path, factor=factor),
            ),
            start=False,
        )

    def add_retarget(self, document: Document, output: str, **options: Any) -> str:
        """Put the retargeting of a document into the queue."""
        return self.add(job_of_retarget(document, output, **options))

    def start_all(self) -> None:
        """Begin queued jobs, one after another."""
        self._is_on = True
        self._begin_next()

    def stop_after_current(self) -> None:
        """Begin no other job."""
        self._is_on = False

    def pause_all(self) -> None:
        """Let everything stand still: the job under way, and those that wait."""
        self._is_on = False
        if self._running and self.job(self._running).state is JobState.RUNNING:
            self.pause(self._running)

    def resume_all(self) -> None:
        """Let everything that stands still go on, and begin what waits."""
        for job in self._jobs:
            if job.state is JobState.PAUSED:
                self.resume(job.id)
        self.start_all()

    def pause(self, job_id: str) -> None:
        """Let a running job stand still, or keep a queued one from beginning."""
        job = self.job(job_id)
        if job.state is JobState.RUNNING:
            self._worker.pause(self._request)
        if job.state in (JobState.RUNNING, JobState.QUEUED):
            self._eta.pause()
            self._put(job.to(JobState.PAUSED, fps=0.0, eta_seconds=None))

    def resume(self, job_id: str) -> None:
        """Let a paused job go on."""
        job = self.job(job_id)
        if job.state is not JobState.PAUSED:
            return
        if job_id == self._running:
            self._worker.resume(self._request)
            self._put(job.to(JobState.RUNNING))
        else:
            self._put(job.to(JobState.QUEUED))
            self.start_all()

    def cancel(self, job_id: str) -> None:
        """Stop a job; what is finished is kept."""
        job = self.job(job_id)
        if job_id == self._running:
            self._put(job.to(JobState.CANCELLING))
            self._worker.cancel(self._request)
        elif job.state in (JobState.QUEUED, JobState.PAUSED):
            self._put(job.to(JobState.CANCELLED))

    def retry(self, job_id: str, **options: Any) -> None:
        """Begin a job again, with other options perhaps; finished parts are used if they fit."""
        job = self.job(job_id)
        if job_id == self._running or job.state is JobState.QUEUED:
            return
        self._crashes.pop(job_id, None)
        queued = job.to(
            JobState.QUEUED,
            output=options.pop("output", job.output),
            options=replace(job.options, **options),
            error_code="",
            error_text="",
            error_details="",
        )
        self._put(queued)
        self.start_all()

    def retry_failed(self) -> None:
        """Begin everything again that failed or was cancelled."""
        for job in self._jobs:
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                self.retry(job.id)

    def change(self, job_id: str, **changes: Any) -> None:
        """Change what a job is, such as its output; not while it runs."""
        if job_id == self._running:
            raise ValueError("a job under way cannot be changed; cancel it first")
        self._put(replace(self.job(job_id), **changes))

    def remove(self, job_id: str) -> None:
        """Take a job out; one under way is stopped first."""
        if job_id == self._running:
            self.cancel(job_id)
            return
        self._jobs = tuple(job for job in self._jobs if job.id != job_id)
        self._write()
        self.jobsChanged.emit()

    def clear_done(self) -> None:
        """Take out what is done."""
        self._jobs = tuple(job for job in self._jobs if job.state is not JobState.DONE)
        self._write()
        self.jobsChanged.emit()

    def move(self, job_id: str, index: int) -> None:
        """Put a job at another place."""
        place = [job.id for job in self._jobs].index(job_id)
        self._jobs = moved(self._jobs, place, index)
        self._write()
        self.jobsChanged.emit()

    def duplicate(self, job_id: str, output: str) -> str:
        """Add the same job with another output, without beginning it."""
        job = self.job(job_id)
        fresh = Job(
            id="",
            name=job.name,
            output=output,
            retime=job.retime,
            retarget=job.retarget,
            options=job.options,
        )
        return self.add(fresh, start=False)

    def parts_folder(self, job_id: str) -> Path:
        """Return where the finished parts of a job lie."""
        output = Path(self.job(job_id).output)
        return output.parent / f".{output.name}.imf-parts"

    def finished_parts(self, job_id: str) -> list[Path]:
        """Return the finished parts of a job that is not done; each can be played."""
        return sorted(self.parts_folder(job_id).glob("part-*"))

    def close(self) -> None:
        """Write down the queue; a job under way goes on at the next start."""
        self._is_on = False
        if self._running:
            job = self.job(self._running)
            self._running = ""
            self._jobs = tuple(
                replace(one, state=JobState.QUEUED) if one.id == job.id else one
                for one in self._jobs
            )
        self._write()

    def _begin_next(self) -> None:
        if self._running or not self._is_on:
            return
        job = next((job for job in self._jobs if job.state is JobState.QUEUED), None)
        if job is None:
            return
        self._running = job.id
        self._eta = Eta()
        self._put(job.to(JobState.RUNNING, stage="", fps=0.0, eta_seconds=None))
        kind = "render" if job.retime else "retarget"
        spec = (
            {"retime": to_json(job.retime)} if job.retime else {"retarget": to_json(job.retarget)}
        )
        command = {"cmd": kind, "output": job.output, "options": to_json(job.options), **spec}
        self._request = self._worker.request(command, lambda event: self._on_event(job.id, event))

    def _on_event(self, job_id: str, event: dict[str, Any]) -> None:
        try:
            job = self.job(job_id)
        except KeyError:
            return
        name = event["event"]
        if name == "progress":
            self._on_progress(job, event)
        elif name == "picture":
            self.pictureReady.emit(job_id, b64decode(event["jpeg"]))
        elif name == "done":
            self._finish(
                job.to(
                    JobState.DONE,
                    done=event["frames"],
                    total=event["frames"],
                    notes=(*job.notes, *event["warnings"]),
                    fps=0.0,
                    eta_seconds=None,
                )
            )
        elif name == "error":
            self._on_error(job, event)

    def _on_progress(self, job: Job, event: dict[str, Any]) -> None:
        if event["note"]:
            self._logs.setdefault(job.id, []).append(event["note"])
            return
        if event["stage"] != job.stage:
            self._eta.pause()
        self._eta.add(time.monotonic(), event["done"])
        renders = event["stage"] == "render"
        self._put(
            replace(
                job,
                stage=event["stage"],
                done=event["done"],
                total=event["total"],
                fps=self._eta.frames_per_second() if renders else 0.0,
                eta_seconds=self._eta.remaining_seconds(event["done"], event["total"])
                if renders
                else None,
            ),
            write=event["stage"] != job.stage,
        )

    def _on_error(self, job: Job, event: dict[str, Any]) -> None:
        code = event["code"]
        crashed = code in ("worker_crashed", "worker_hung")
        if job.state is JobState.CANCELLING or code == "cancelled":
            self._finish(job.to(JobState.CANCELLED, fps=0.0, eta_seconds=None))
        elif crashed and self._crashes.get(job.id, 0) < _CRASHES:
            self._crashes[job.id] = self._crashes.get(job.id, 0) + 1
            self._logs.setdefault(job.id, []).append("the engine ended unexpectedly; going on")
            self._running = ""
            self._put(replace(job, state=JobState.QUEUED))
            QTimer.singleShot(300, self._begin_next)
        else:
            self._finish(
                job.to(
                    JobState.FAILED,
                    error_code=code,
                    error_text=event["text"],
                    error_details=event.get("details", ""),
                    fps=0.0,
                    eta_seconds=None,
                )
            )

    def _finish(self, job: Job) -> None:
        self._running = ""
        self._put(job)
        self.jobFinished.emit(job.id)
        self._begin_next()

    def _put(self, job: Job, *, write: bool = True) -> None:
        self._jobs = tuple(job if one.id == job.id else one for one in self._jobs)
        if write:
            self._write()
        self.jobChanged.emit(job.id)

    def _free_id(self) -> str:
        taken = {job.id for job in self._jobs}
        number = len(self._jobs) + 1
        while f"j{number}" in taken:
            number += 1
        return f"j{number}"

    def _read(self) -> tuple[Job, ...]:
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            jobs = tuple(from_json(Job, one) for one in data["jobs"])
        except (OSError, ValueError, KeyError, TypeError, BadValue):
            return ()
        # What ran when the program ended goes on, but not before the user says so.
        broken_off = (JobState.RUNNING, JobState.CANCELLING)
        return tuple(
            replace(job, state=JobState.PAUSED) if job.state in broken_off else job for job in jobs
        )

    def _write(self) -> None:
        text = json.dumps({"version": 1, "jobs": [to_json(job) for job in self._jobs]}, indent=1)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(".tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            return
