"""Parts of a render on disk."""

from fractions import Fraction
from pathlib import Path

import pytest

from imf_plugin.engine.parts import PartsFolder, job_digest, split_parts
from imf_plugin.errors import OutputRefused
from imf_plugin.timeline.plan import Decision, PlannedFrame


def planned(count: int) -> list[PlannedFrame]:
    return [
        PlannedFrame(
            time=Fraction(n),
            before=n,
            after=n,
            timestep=Fraction(0),
            decision=Decision.REAL,
            reason="source frame",
        )
        for n in range(count)
    ]


def folder(output: Path, digest: str = "job", *, resume: bool = True) -> PartsFolder:
    return PartsFolder(output, digest, suffix=".mkv", resume=resume)


def write(parts: PartsFolder, number: int) -> None:
    parts.temporary(number).write_bytes(b"frames")
    parts.commit(number)


def test_parts_cover_the_plan_in_order() -> None:
    parts = split_parts(planned(250), part_frames=100)
    assert [(part.number, part.start, len(part.frames)) for part in parts] == [
        (0, 0, 100),
        (1, 100, 100),
        (2, 200, 50),
    ]


def test_finished_parts_are_found_again(tmp_path: Path) -> None:
    with folder(tmp_path / "out.mkv") as parts:
        write(parts, 0)
        parts.temporary(1).write_bytes(b"half a pa")
    with folder(tmp_path / "out.mkv") as parts:
        assert parts.finished(0)
        assert not parts.finished(1)
        assert not parts.temporary(1).exists()


@pytest.mark.parametrize(("digest", "resume"), [("another job", True), ("job", False)])
def test_parts_of_another_job_are_never_used(tmp_path: Path, digest: str, resume: bool) -> None:
    with folder(tmp_path / "out.mkv") as parts:
        write(parts, 0)
    with folder(tmp_path / "out.mkv", digest, resume=resume) as parts:
        assert not parts.finished(0)


def test_a_damaged_manifest_means_starting_afresh(tmp_path: Path) -> None:
    with folder(tmp_path / "out.mkv") as parts:
        write(parts, 0)
        (parts.path / "job.json").write_text("{", encoding="utf-8")
    with folder(tmp_path / "out.mkv") as parts:
        assert not parts.finished(0)


def test_without_a_finished_part_nothing_stays_behind(tmp_path: Path) -> None:
    with folder(tmp_path / "out.mkv") as parts:
        parts.temporary(0).write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_complete_render_leaves_no_folder(tmp_path: Path) -> None:
    with folder(tmp_path / "out.mkv") as parts:
        write(parts, 0)
        parts.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_renders_of_one_output_do_not_mix(tmp_path: Path) -> None:
    with (
        folder(tmp_path / "out.mkv"),
        pytest.raises(OutputRefused, match=r"another render is writing .*out\.mkv"),
        folder(tmp_path / "out.mkv"),
    ):
        pass


def test_a_digest_depends_on_where_its_ingredients_end() -> None:
    assert job_digest("ab", "c") != job_digest("a", "bc")
    assert job_digest("a") == job_digest("a")
