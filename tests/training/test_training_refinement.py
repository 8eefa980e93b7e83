"""Training the refinement of recognised motion."""

import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imf_plugin.errors import MediaError
from imf_plugin.models.imf_vfi.recogniser import NAME, FarMotionNetwork
from imf_plugin.models.imf_vfi.recognition import RecognitionNetwork
from imf_plugin.models.weight_files import fill, read_weights
from imf_plugin.training.prepare import PrepareOptions, prepare
from imf_plugin.training.recognition_losses import choice_error
from imf_plugin.training.recognition_scenes import prepare_far_scenes
from imf_plugin.training.refinement import (
    RIGHT_PX,
    RefinementRecipe,
    RefinementTrainer,
    between,
    export_far_motion,
)
from imf_plugin.training.refinement_data import (
    RefinementDataOptions,
    RefinementSamples,
    prepare_drafts,
)
from imf_plugin.training.run_state import RunState, Schedule

SMALL = RefinementRecipe(
    schedule=Schedule(total_steps=4, learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=2),
    data=RefinementDataOptions(crop_px=(64, 96)),
    samples_per_step=2,
)
PLAIN = RefinementDataOptions(crop_px=(352, 640), flip_share=0.0, recolour_share=0.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(folder / "nothing", folder, PrepareOptions(scenes=1, moved=0))
    prepare_far_scenes(folder, 2)
    torch.manual_seed(0)
    prepare_drafts(folder, RecognitionNetwork().eval(), 2)
    return folder


def test_drafts_that_are_there_stay(cache: Path) -> None:
    path = cache / "drafts" / "00001.npz"
    before = path.stat().st_mtime_ns
    prepare_drafts(cache, RecognitionNetwork().eval(), 2)
    assert path.stat().st_mtime_ns == before


def test_a_draft_fits_its_pictures(cache: Path) -> None:
    with np.load(cache / "drafts" / "00000.npz") as draft:
        height, width = draft["frames"].shape[2:]
        for name, stride in (("middle", 2), ("known", 2), ("motion", 4), ("evidence", 4)):
            assert draft[name].shape[1:] == (height // stride, width // stride)


def test_a_sample_is_the_same_every_time_and_others_differ(cache: Path) -> None:
    samples = RefinementSamples(cache, SMALL.data)
    torch.testing.assert_close(samples[3].frames, samples[3].frames)
    assert samples[3].frames.shape == (3, 3, 64, 96)
    assert not torch.equal(samples[3].frames, samples[4].frames)


def test_flips_keep_the_true_motion_true(cache: Path) -> None:
    """Followed both ways, it brings one of the pictures to the frame between."""
    errors = []
    for share in (0.0, 1.0):
        sample = RefinementSamples(cache, replace(PLAIN, flip_share=share))[0]
        seen = [
            between(
                sample.frames[None, 0],
                sample.frames[None, 2],
                sample.middle[None],
                torch.full((1, 1, 176, 320), side),
            )
            for side in (-20.0, 20.0)
        ]
        off0, off1 = ((made[0] - sample.frames[1]).abs() for made in seen)
        errors.append(float(torch.minimum(off0, off1).mean()))
        even = (sample.frames[0] - sample.frames[1]).abs().mean()
        assert errors[-1] < 0.5 * float(even)
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_a_cache_without_drafts_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="refinement --cache"):
        RefinementSamples(tmp_path, SMALL.data)


def test_the_choice_error_is_least_for_the_right_candidate() -> None:
    truth, known = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    candidates = torch.stack([truth, truth + 9], 1)
    errors = []
    for chance in (0.99, 0.5, 0.01):
        shares = torch.tensor([chance, 1 - chance])[None, :, None, None, None]
        shares = shares.expand(1, 2, 1, 4, 4)
        errors.append(float(choice_error(candidates, shares, truth, known, RIGHT_PX)))
    assert errors == sorted(errors)
    assert errors[0] < 0.02


def test_an_interrupted_run_ends_like_an_unbroken_one_and_ships(
    cache: Path, tmp_path: Path
) -> None:
    whole = RefinementTrainer(SMALL, cache, tmp_path / "whole")
    whole.run(math.inf, log_every_steps=2)
    RefinementTrainer(SMALL, cache, tmp_path / "parts").run(0.0)
    rest = RefinementTrainer(SMALL, cache, tmp_path / "parts")
    assert rest.state.step == 1
    rest.run(math.inf)
    assert rest.state.step == 4
    for name, value in whole.state.ema.items():
        torch.testing.assert_close(rest.state.ema[name], value, atol=1e-5, rtol=1e-4)

    recognition = RunState(RecognitionNetwork(), SMALL.schedule)
    recognition.save(tmp_path / "recognition", {"batch_size": 1, "device": "cpu"})
    parts = tmp_path / "recognition", tmp_path / "whole" / "last"
    weights = export_far_motion(*parts, tmp_path, {"data": "scenes"})
    tensors, card = read_weights(NAME, tmp_path)
    fill(FarMotionNetwork(), tensors, weights.name)
    assert card.details["data"] == "scenes"
    assert "4 steps" in card.details["refinement, training"]


def test_training_on_one_batch_lowers_its_loss(cache: Path, tmp_path: Path) -> None:
    recipe = replace(SMALL, schedule=replace(SMALL.schedule, total_steps=1000))
    trainer = RefinementTrainer(recipe, cache, tmp_path)
    sample = trainer.samples[3]
    trainer.samples = defaultdict(lambda: sample)  # type: ignore[assignment]
    before = trainer.train_step()[0]
    for _ in range(25):
        after = trainer.train_step()[0]
    assert after["choice"] < 0.7 * before["choice"]
    assert after["frame"] < before["frame"] - 0.1
