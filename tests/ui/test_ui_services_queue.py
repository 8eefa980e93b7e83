"""The render queue: pause, order, cancel, retry, and renders that survive whatever happens."""

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication

from imf_plugin.media.read import open_media
from imf_ui.model.errors import ErrorCode
from imf_ui.model.queue import Job, JobState, RetimeSpec
from imf_ui.services.jobs import RenderQueue
from imf_ui.services.worker import WorkerClient

F = Fraction
type Wait = Callable[..., None]
type Build = Callable[..., RenderQueue]


@pytest.fixture
def build(app: QApplication, tmp_path: Path) -> Iterator[Build]:
    made: list[tuple[RenderQueue, WorkerClient]] = []

    def queue(engine: str = "fake", home: str = "home") -> RenderQueue:
        worker = WorkerClient(engine=engine)
        made.append((RenderQueue(tmp_path / home, worker), worker))
        return made[-1][0]

    yield queue
    for one, worker in made:
        one.close()
        worker.close()
    app.processEvents()


@pytest.fixture
def clip(make_clip: Callable[..., Path]) -> str:
    return str(make_clip(count=30, width=64, height=48))


def a_job(clip: str, output: Path, factor: int = 8) -> Job:
    return Job(
        id="",
        name=output.stem,
        output=str(output),
        retime=RetimeSpec(source=clip, factor=F(factor), find_cuts=False),
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def states(queue: RenderQueue) -> list[str]:
    return [job.state.value for job in queue.jobs]


def test_jobs_are_paused_moved_cancelled_and_begun_again(
    build: Build, clip: str, tmp_path: Path, wait_until: Wait
) -> None:
    queue = build("fake:slow=15")
    first = queue.add(a_job(clip, tmp_path / "a.mkv"))
    second = queue.add(a_job(clip, tmp_path / "b.mkv", 2))
    third = queue.add(a_job(clip, tmp_path / "c.mkv", 2))
    wait_until(lambda: queue.job(first).done > 20)
    queue.pause(first)
    assert queue.job(first).state is JobState.PAUSED
    time.sleep(0.2)
    QApplication.processEvents()
    stood_at = queue.job(first).done
    time.sleep(0.5)
    QApplication.processEvents()
    assert queue.job(first).done == stood_at
    queue.move(third, 1)
    assert [job.id for job in queue.jobs] == [first, third, second]
    queue.cancel(second)
    queue.resume(first)
    wait_until(lambda: queue.job(first).done > stood_at)
    began = time.monotonic()
    queue.cancel(first)
    assert queue.job(first).state is JobState.CANCELLING
    wait_until(lambda: queue.job(first).state is JobState.CANCELLED)
    assert time.monotonic() - began < 2
    wait_until(lambda: queue.job(third).state is JobState.DONE)
    assert states(queue) == ["cancelled", "done", "cancelled"]
    with open_media(tmp_path / "c.mkv") as reader:
        assert reader.info.frame_count == 60
    queue.retry(second)
    wait_until(lambda: queue.job(second).state is JobState.DONE)
    assert not (tmp_path / "a.mkv").exists()


def test_a_render_whose_engine_crashes_goes_on_and_gives_the_same_bytes(
    build: Build, clip: str, tmp_path: Path, wait_until: Wait
) -> None:
    whole = build("fake", "one")
    whole.add(a_job(clip, tmp_path / "whole.mkv"))
    broken = build(f"fake:crash=180,once={tmp_path / 'crashed'}", "two")
    job = broken.add(a_job(clip, tmp_path / "broken.mkv"))
    wait_until(lambda: whole.jobs[0].state is JobState.DONE, 60_000)
    wait_until(lambda: broken.job(job).state in (JobState.DONE, JobState.FAILED), 60_000)
    assert broken.job(job).state is JobState.DONE
    assert (tmp_path / "crashed").exists()
    assert "going on after 120 of 240" in broken.log(job)
    assert digest(tmp_path / "whole.mkv") == digest(tmp_path / "broken.mkv")


def test_a_render_that_hangs_is_ended_when_it_is_cancelled(
    build: Build, clip: str, tmp_path: Path, wait_until: Wait
) -> None:
    queue = build("fake:hang=140")
    job = queue.add(a_job(clip, tmp_path / "a.mkv"))
    wait_until(lambda: queue.finished_parts(job), 60_000)
    time.sleep(0.3)
    began = time.monotonic()
    queue.cancel(job)
    wait_until(lambda: queue.job(job).state is JobState.CANCELLED)
    assert time.monotonic() - began < 3
    assert len(queue.finished_parts(job)) == 1


def test_memory_that_runs_out_fails_with_a_way_out_that_works(
    build: Build, clip: str, tmp_path: Path, wait_until: Wait
) -> None:
    queue = build("fake:oom=1")
    job = queue.add(a_job(clip, tmp_path / "a.mkv", 2))
    wait_until(lambda: queue.job(job).state is JobState.FAILED, 60_000)
    error = queue.error(job)
    assert error is not None
    assert error.code is ErrorCode.OUT_OF_MEMORY
    queue.retry(job, tile="512")
    wait_until(lambda: queue.job(job).state is JobState.DONE, 60_000)
    assert queue.error(job) is None
    assert queue.job(job).error_details == ""


def test_a_full_disk_is_told_with_the_space_that_is_left(
    build: Build, clip: str, tmp_path: Path
) -> None:
    queue = build()
    failed = replace(
        a_job(clip, tmp_path / "a.mkv"),
        state=JobState.FAILED,
        error_code="disk_full",
        error_text="the disk is full: ffmpeg could not encode a.mkv",
    )
    error = queue.error(queue.add(failed, start=False))
    assert error is not None
    assert re.search(r"Free space there: [\d,]+ MB\.", error.why)
    assert "Finished parts are kept" in error.why
    assert error.actions[0].id == "retry"


def test_the_queue_is_there_again_after_the_editor_died(
    build: Build, clip: str, tmp_path: Path
) -> None:
    queue = build()
    queue.stop_after_current()
    running = queue.add(a_job(clip, tmp_path / "a.mkv"), start=False)
    queue.add_file(clip)
    text = json.loads((tmp_path / "home" / "queue.json").read_text(encoding="utf-8"))
    text["jobs"][0]["state"] = "running"
    (tmp_path / "home" / "queue.json").write_text(json.dumps(text), encoding="utf-8")
    again = build()
    assert [job.id for job in again.jobs] == [job.id for job in queue.jobs]
    # What ran goes on when the user says so, from its finished parts.
    assert again.job(running).state is JobState.PAUSED
    assert again.jobs[1].output.endswith("clip_x2.mp4")
    assert again.jobs[1].state is JobState.QUEUED


def test_an_output_that_exists_is_not_replaced_unasked(
    build: Build, clip: str, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "a.mkv").write_bytes(b"precious")
    queue = build()
    job = queue.add(a_job(clip, tmp_path / "a.mkv", 2))
    wait_until(lambda: queue.job(job).state is JobState.FAILED, 60_000)
    error = queue.error(job)
    assert error is not None
    assert error.code is ErrorCode.OUTPUT_EXISTS
    assert (tmp_path / "a.mkv").read_bytes() == b"precious"
    copy = queue.duplicate(job, str(tmp_path / "b.mkv"))
    assert queue.job(copy).state is JobState.QUEUED
    queue.remove(job)
    assert [one.id for one in queue.jobs] == [copy]


def test_sixty_eight_files_are_sixty_eight_jobs_at_once(build: Build, tmp_path: Path) -> None:
    queue = build()
    began = time.monotonic()
    for number in range(68):
        queue.add_file(str(tmp_path / f"clip{number}.mp4"))
    assert time.monotonic() - began < 2
    assert len({job.output for job in queue.jobs}) == 68


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_journey_20_a_render_that_fills_the_disk_says_so_and_goes_on_when_there_is_room(
    build: Build, make_clip: Callable[..., Path], tmp_path: Path, small_disk: Path, wait_until: Wait
) -> None:
    clip = str(make_clip(count=30, width=128, height=96))
    job = a_job(clip, tmp_path / "whole.mkv")
    lossless = replace(job, options=replace(job.options, codec="ffv1"))
    queue = build("fake")
    whole = queue.add(lossless)
    wait_until(lambda: queue.job(whole).state in (JobState.DONE, JobState.FAILED))
    needed = (tmp_path / "whole.mkv").stat().st_size
    assert needed > 2.2 * 2**20
    filling = queue.add(replace(lossless, output=str(small_disk / "out.mkv")))
    wait_until(lambda: queue.job(filling).state is JobState.FAILED)
    told = queue.error(filling)
    assert told is not None
    assert told.code is ErrorCode.DISK_FULL
    assert "MB" in told.why
    assert "kept" in told.why
    assert [action.id for action in told.actions][:2] == ["retry", "choose_output"]
    kept = len(queue.finished_parts(filling))
    assert kept >= 1
    assert not (small_disk / "out.mkv").exists()
    # The editor goes on: another job renders elsewhere meanwhile.
    other = queue.add(a_job(clip, tmp_path / "other.mkv", 2))
    wait_until(lambda: queue.job(other).state is JobState.DONE)
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    queue.retry(filling)
    wait_until(lambda: queue.job(filling).state in (JobState.DONE, JobState.FAILED))
    assert queue.job(filling).state is JobState.DONE
    assert "going on after 120 of 240" in queue.log(filling)
    assert digest(small_disk / "out.mkv") == digest(tmp_path / "whole.mkv")
