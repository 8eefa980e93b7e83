import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imf_plugin.cli.main import main
from imf_plugin.models.imf_vfi.config import FULL
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--minutes", "0"], "--minutes must be"),
        (["--steps", "0"], "--steps must be a number from 1, not 0"),
        (["--batch", "-2"], "--batch must be a number from 1, not -2"),
        (["--scenes", "-1"], "--scenes must be a number from 0, not -1"),
        (["--workers", "-1"], "--workers must be a number from 0, not -1"),
        (["-o", "clip.mp4"], "clip.mp4 cannot be written"),
        (["--cache", "clip.mp4"], "clip.mp4 cannot be written"),
        (["--scenes", "0", "-o", "old"], "the training checkpoint old/last is damaged"),
        (["--scenes", "0", "-o", "other"], "the run in other trains another network"),
        (["--no-resume", "-o", "old"], "there is a run in old already"),
    ],
)
def test_training_that_cannot_go_as_asked_is_refused_in_one_sentence(
    arguments: list[str],
    sentence: str,
    make_clip: ClipMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_clip(count=3)
    monkeypatch.chdir(tmp_path)
    for name, network in (("old", "x"), ("other", json.dumps({"network": FULL.to_dict()}))):
        (tmp_path / name / "last").mkdir(parents=True)
        (tmp_path / name / "last" / "facts.json").write_text(network)
    command = ["train", "interpolation", "--data", ".", "-o", "run", "--recipe", "lite-cpu"]
    assert main([*command, "--quiet", *arguments]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("imf: error: ")
    assert sentence in said[-1]


def test_a_path_without_weights_says_what_writes_them(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(make_clip())
    missing = str(tmp_path / "mine.safetensors")
    assert main(["slowmo", clip, "-x", "2", "--model", missing]) == 1
    assert f"there are no weights in {missing}" in capsys.readouterr().err
