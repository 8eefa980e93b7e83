"""The discriminator as a part of training: off by default, learning, and resumable."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.training.retarget_adversary import Adversary
from imf_plugin.training.retarget_cache import RetargetClip, write_retarget_clip
from imf_plugin.training.retarget_data import RetargetDataOptions
from imf_plugin.training.retarget_trainer import (
    RetargetRecipe,
    RetargetRunOptions,
    RetargetTrainer,
)

TINY = CompactConfig(
    size_px=64,
    token_dim=32,
    widths=(8, 8, 8, 8),
    encoder_widths=(8, 8, 8, 8),
    style_dim=8,
    heads=2,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One clip of noise that stands still."""
    folder = tmp_path_factory.mktemp("cache")
    random = np.random.default_rng(1)
    frame = cv2.GaussianBlur(random.random((64, 64, 3)), (0, 0), 2)
    frames = np.stack([(255 * frame).astype(np.uint8)] * 3)
    clip = RetargetClip(
        folder=folder / "face",
        kind="face",
        group="face",
        held_out=False,
        references=(0,),
        currents=((1, 2),),
    )
    write_retarget_clip(clip, frames, np.zeros((1, 2, 32, 32, 2), np.float16))
    return folder


def _trained(cache: Path, output: Path, steps: int, weight: float) -> RetargetTrainer:
    recipe = RetargetRecipe(
        network=TINY,
        data=RetargetDataOptions(size_px=64, moments=2),
        references=1,
        total_steps=steps,
        precision="fp32",
        adversarial_weight=weight,
        judge_widths=(8, 8),
    )
    trainer = RetargetTrainer(recipe, RetargetRunOptions(cache=cache, output=output))
    trainer.run()
    return trainer


def test_there_is_no_discriminator_unless_it_is_asked_for() -> None:
    assert RetargetRecipe().adversarial_weight == 0


def test_a_discriminator_learns_to_tell_blurred_pictures_from_sharp_ones() -> None:
    torch.manual_seed(0)
    adversary = Adversary((8, 16), learning_rate=2e-3)
    sharp = torch.rand(8, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2)
    losses = [adversary.learn(sharp, blurred) for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]
    assert adversary.loss(sharp).detach() < adversary.loss(blurred).detach()


def test_training_with_a_discriminator_goes_on_to_the_same_weights(
    cache: Path, tmp_path: Path
) -> None:
    whole = _trained(cache, tmp_path / "whole", 3, 0.1)
    # Stopped after every single step.
    halved = RetargetTrainer(
        whole.recipe,
        RetargetRunOptions(cache=cache, output=tmp_path / "halved", minutes=1e-9),
    )
    while halved.state.step < 3:
        halved = RetargetTrainer(halved.recipe, halved.options)
        halved.run()
    assert whole.adversary is not None
    assert halved.adversary is not None
    first, second = whole.adversary.judge.state_dict(), halved.adversary.judge.state_dict()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(halved.network.state_dict()[name], value)


def test_a_discriminator_may_join_a_run_that_began_without(cache: Path, tmp_path: Path) -> None:
    _trained(cache, tmp_path / "run", 1, 0.0)
    joined = _trained(cache, tmp_path / "run", 2, 0.1)
    assert joined.state.step == 2
