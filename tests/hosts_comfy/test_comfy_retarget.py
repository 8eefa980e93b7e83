"""Retargeting in nodes gives what the engine makes of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import imf_plugin as imf
from imf_plugin.media.read import open_media

type Run = Callable[..., tuple[Any, ...]]


@pytest.fixture
def driving(make_clip: Callable[..., Path]) -> Path:
    """Six frames of a moving texture."""
    return make_clip(count=6, width=96, height=96, speed_px=2.0)


def _first_frame(path: Path) -> Tensor:
    with open_media(path) as reader:
        return torch.from_numpy(reader.frame(0).rgb()).float()[None] / 255


def _pixels(image: Tensor) -> Any:
    return (image[0].numpy()[..., ::-1] * 255).round().astype(np.uint8)


def _written(folder: Path) -> Tensor:
    files = sorted(folder.glob("*.png"))
    pictures = [np.asarray(cv2.imread(str(file)))[..., ::-1].copy() for file in files]
    return torch.from_numpy(np.stack(pictures)).float() / 255


@pytest.mark.parametrize("name", ["transport", "imf"])
def test_a_video_moves_a_picture_as_the_engine_does(
    name: str, run: Run, driving: Path, standin: Any, tmp_path: Path
) -> None:
    model = run("IMF_LoadModel", model_name=f"builtin/{name}")[0]
    reference = _first_frame(driving)
    given = {"model": model, "reference": reference, "strength": 0.5}
    # The stand-in's video raises when all of its frames are asked for at once.
    made, _, _, fps = run("IMF_Retarget", **given, driving=standin.VideoFromFile(str(driving)))
    cv2.imwrite(str(tmp_path / "reference.png"), _pixels(reference))
    imf.retarget(tmp_path / "reference.png", driving, tmp_path / "out", model=name, strength=0.5)
    assert fps == 25
    assert float((made - _written(tmp_path / "out")).abs().max()) <= 1 / 255 + 1e-4


def test_a_video_and_its_frames_move_a_picture_alike(
    run: Run, model: Any, driving: Path, standin: Any
) -> None:
    with open_media(driving) as reader:
        frames = [torch.from_numpy(frame.rgb()).float() / 255 for frame in reader.frames()]
    given = {"model": model, "reference": _first_frame(driving)}
    by_video = run("IMF_Retarget", **given, driving=standin.VideoFromFile(str(driving)))[0]
    by_images = run("IMF_Retarget", **given, driving=torch.stack(frames))[0]
    assert torch.equal(by_video, by_images)


@pytest.mark.parametrize("name", ["transport", "imf"])
def test_decoded_tokens_move_the_picture_as_retarget_does(
    name: str, run: Run, driving: Path, standin: Any
) -> None:
    model = run("IMF_LoadModel", model_name=f"builtin/{name}")[0]
    given = {"model": model, "reference": _first_frame(driving).roll(2, dims=2)}
    moved, track, *_ = run("IMF_Retarget", **given, driving=standin.VideoFromFile(str(driving)))
    decoded = run("IMF_DecodeTokens", **given, tokens=track)[0]
    # The anchor is kept in the track as a small JPEG, so the alignment is a little off.
    assert float((decoded - moved).abs().mean()) < 0.01


def test_what_drives_must_be_pictures(run: Run, model: Any, driving: Path) -> None:
    with pytest.raises(ValueError, match="driving: the batch is empty"):
        run(
            "IMF_Retarget",
            model=model,
            reference=_first_frame(driving),
            driving=torch.zeros(0, 8, 8, 3),
        )


def test_a_mask_of_another_size_is_refused_with_both_sizes(
    run: Run, model: Any, driving: Path, standin: Any
) -> None:
    given = {"model": model, "reference": _first_frame(driving)}
    video = standin.VideoFromFile(str(driving))
    with pytest.raises(ValueError, match="the mask is 64x64 and the reference 96x96"):
        run("IMF_Retarget", **given, driving=video, mask=torch.zeros(1, 64, 64))
