"""Bad input: one clear sentence that names the thing, exit code 1, nothing left behind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imf_plugin.cli.main import main

type ClipMaker = Callable[..., Path]


def fails(arguments: list[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, which must fail with one line, and return that line."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert code == 1, said.err
    errors = [line for line in said.err.splitlines() if line.startswith("imf: error: ")]
    assert len(errors) == 1
    assert said.err.splitlines()[-1] == errors[0]
    assert "Traceback" not in said.err
    return errors[0]


def left_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "missing.mp4"),
        ("notes.mp4", b"this is text\n" * 99, "notes.mp4"),
        ("empty.mp4", b"", "empty.mp4"),
        ("noise.mkv", bytes(range(256)) * 64, "noise.mkv"),
    ],
)
def test_a_file_that_is_no_video_is_named(
    name: str,
    content: bytes | None,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    before = left_in(tmp_path)
    assert message in fails(["slowmo", path, "-x", "2", "-o", tmp_path / "out.mp4"], capsys)
    assert left_in(tmp_path) == before


def test_a_folder_without_images_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "readme.txt").write_text("no pictures")
    assert "shots" in fails(["slowmo", folder, "-x", "2", "-o", tmp_path / "out"], capsys)
    assert left_in(tmp_path) == {"shots"}


@pytest.mark.parametrize("factor", ["0", "-2", "nan", "1", "1e9", "fast"])
def test_an_impossible_factor_is_refused(
    factor: str, make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip()
    line = fails(["slowmo", clip, "-x", factor, "-o", tmp_path / "out.mp4"], capsys)
    assert "factor" in line
    assert left_in(tmp_path) == {"clip.mp4"}


@pytest.mark.parametrize("rate", ["0", "-24", "nan", "1e9"])
def test_an_impossible_rate_is_refused(
    rate: str, make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(["fps", make_clip(), "--to", rate, "-o", tmp_path / "out.mp4"], capsys)
    assert "frame rate" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "rife"], ["rife", "flow"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--device", "tpu"], ["tpu", "cpu"]),
        (["--codec", "divx"], ["divx", "h264"]),
        (["--codec", "ffv1"], ["ffv1", ".mkv"]),
        (["--tile", "12"], ["tile", "12"]),
        (["--cuts", "one"], ["--cuts", "one"]),
        (["--cuts", "99"], ["99", "0 to 5"]),
    ],
)
def test_an_impossible_option_says_what_is_possible(
    options: list[str],
    words: list[str],
    make_clip: ClipMaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = make_clip()
    line = fails(["slowmo", clip, "-x", "2", "-o", tmp_path / "out.mp4", *options], capsys)
    assert all(word in line for word in words), line
    assert left_in(tmp_path) == {"clip.mp4"}


def test_an_existing_output_is_kept_unless_told_otherwise(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    clip = make_clip()
    assert "--overwrite" in fails(["slowmo", clip, "-x", "2", "-o", out], capsys)
    assert out.read_bytes() == b"precious"
    assert main(["slowmo", str(clip), "-x", "2", "-o", str(out), "--overwrite"]) == 0
    assert out.read_bytes() != b"precious"


def test_the_input_is_never_the_output(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip()
    before = clip.read_bytes()
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    for output in (clip, link):
        fails(["slowmo", clip, "-x", "2", "-o", output, "--overwrite"], capsys)
    assert clip.read_bytes() == before


def test_a_missing_output_folder_is_named(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nowhere" / "out.mp4"
    assert "nowhere" in fails(["slowmo", make_clip(), "-x", "2", "-o", out], capsys)
    assert not out.parent.exists()


def test_a_malformed_curve_is_shown_with_its_line(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = tmp_path / "ramp.json"
    curve.write_text('{"kind": "speed", "keys": [\n {"at": 0, "speed": 0}\n]}')
    line = fails(["retime", make_clip(), "--curve", curve, "-o", tmp_path / "out.mp4"], capsys)
    assert "ramp.json, line 2" in line


def test_a_newline_in_a_file_name_does_not_break_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(["slowmo", tmp_path / "a\nb.mp4", "-x", "2"], capsys)
    assert "a\\nb.mp4" in line


@pytest.mark.parametrize(
    "name",
    ["-clip.mp4", "a b.mp4", "$(touch x);'\".mp4", "zażółć.mp4", "line\nbreak.mp4", "50%d.mp4"],
)
def test_any_file_name_is_safe(
    name: str, make_clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(count=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    output = f"slow {name}"
    assert main(["slowmo", "-x", "2", "--quiet", "-o", output, "--", name]) == 0
    assert left_in(tmp_path) == {name, output}


def test_wrong_usage_has_exit_code_2() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "imf_plugin.cli.main", "slowmo", "--sideways"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "usage:" in result.stderr
