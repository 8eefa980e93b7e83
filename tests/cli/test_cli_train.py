from collections.abc import Callable
from pathlib import Path

import pytest

from imf_plugin.cli.main import main
from imf_plugin.models.registry import describe_model, load_interpolator

type ClipMaker = Callable[..., Path]


def test_training_writes_weights_that_every_command_takes(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip("clips.mp4", count=9, width=160, height=128)
    footage = tmp_path / "footage"
    footage.mkdir()
    clip.rename(footage / "a.mp4")
    run = tmp_path / "run"
    command = ["train", "interpolation", "--data", str(footage), "-o", str(run), "--recipe"]
    command += ["lite-cpu", "--scenes", "0", "--steps", "2", "--batch", "1", "--quiet"]
    assert main(command) == 0
    weights = run / "imf-vfi-lite.safetensors"
    about = describe_model(str(weights))
    assert "2 steps" in about.details["training"]
    model = load_interpolator(str(weights))
    assert model.descriptor.revision == about.revision
    # The same command goes on where it was: all steps are done.
    assert main(command) == 0
    assert "2 steps" in describe_model(str(weights)).details["training"]
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "nowhere", "-o", "run"], "nowhere is no folder"),
        (["--data", ".", "-o", "run"], "holds no video clips"),
    ],
)
def test_training_without_footage_says_what_to_give(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "interpolation", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("imf: error: ")
    assert sentence in said
    assert not (tmp_path / "run").exists()


def test_training_for_no_time_is_refused(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip()
    command = ["train", "interpolation", "--data", str(tmp_path), "-o", str(tmp_path / "run")]
    assert main([*command, "--minutes", "0"]) == 1
    assert "--minutes must be" in capsys.readouterr().err


def test_a_path_without_weights_says_what_writes_them(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(make_clip())
    missing = str(tmp_path / "mine.safetensors")
    assert main(["slowmo", clip, "-x", "2", "--model", missing]) == 1
    assert f"there are no weights in {missing}" in capsys.readouterr().err
