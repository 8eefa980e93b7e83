import math
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import MediaError
from imf_plugin.models.flow.opinions import OPINIONS
from imf_plugin.models.imf_vfi.recognition import EVIDENCE, Recognised
from imf_plugin.training.prepare import PrepareOptions, prepare
from imf_plugin.training.recognition import (
    RecognitionRecipe,
    RecognitionTrainer,
)
from imf_plugin.training.recognition_data import RecognitionDataOptions, RecognitionSamples
from imf_plugin.training.recognition_losses import likeness_error, match_error, motion_error
from imf_plugin.training.recognition_scenes import prepare_far_scenes
from imf_plugin.training.run_state import Schedule

SMALL = RecognitionRecipe(
    schedule=Schedule(total_steps=4, learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=2),
    data=RecognitionDataOptions(film_share=0.0, crop_px=(64, 96), whole_share=0.0),
    samples_per_step=1,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(folder / "nothing", folder, PrepareOptions(scenes=1, moved=0))
    prepare_far_scenes(folder, 2)
    return folder


def test_true_flows_lead_from_one_picture_to_the_other(cache: Path) -> None:
    with np.load(cache / "far" / "00000.npz") as scene:
        frames, forward, seen = scene["frames"], scene["forward"], scene["seen_forward"]
    rows, columns = np.nonzero(seen)
    start = frames[0, 8 * rows + 4, 8 * columns + 4].astype(float)
    x = np.rint(8 * columns + 4 + forward[rows, columns, 0]).astype(int)
    y = np.rint(8 * rows + 4 + forward[rows, columns, 1]).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < frames.shape[2]) & (y < frames.shape[1])
    followed = np.abs(frames[2, y[inside], x[inside]] - start[inside]).mean()
    stayed = np.abs(frames[2, 8 * rows + 4, 8 * columns + 4] - start).mean()
    assert followed < 0.5 * stayed


def test_scenes_that_are_there_stay(cache: Path) -> None:
    path = cache / "far" / "00001.npz"
    before = path.stat().st_mtime_ns
    prepare_far_scenes(cache, 2)
    assert path.stat().st_mtime_ns == before


def test_a_sample_is_the_same_every_time_and_others_differ(cache: Path) -> None:
    samples = RecognitionSamples(cache, SMALL.data)
    torch.testing.assert_close(samples[3].frames, samples[3].frames)
    assert samples[3].frames.shape == (3, 3, 64, 96)
    assert samples[3].opinions.shape == (OPINIONS, 2, 32, 48)
    assert samples[3].layers.shape[1:] == (2, 16, 24)
    assert not torch.equal(samples[3].frames, samples[4].frames)


@pytest.mark.parametrize("change", ["mirror_share", "turn_over_share", "reverse_share"])
def test_changes_of_a_sample_keep_its_flows_true(cache: Path, change: str) -> None:
    """The middle flow, followed both ways, brings both pictures to the frame between."""
    plain = replace(
        SMALL.data,
        crop_px=(352, 640),
        mirror_share=0.0,
        turn_over_share=0.0,
        reverse_share=0.0,
        recolour_share=0.0,
        noise_share=0.0,
    )
    errors = [
        _error_along_truth(RecognitionSamples(cache, options)[0])
        for options in (plain, replace(plain, **{change: 1.0}))  # type: ignore[arg-type]
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def _error_along_truth(sample: object) -> float:
    from imf_plugin.models.imf_vfi.layers import halved
    from imf_plugin.models.imf_vfi.recognition import seen_halfway
    from imf_plugin.training.recognition_data import RecognitionSample

    assert isinstance(sample, RecognitionSample)
    small = halved(sample.frames)
    seen0, seen1 = seen_halfway(small[:1], small[2:], sample.middle / 2)
    return float(torch.minimum((seen0 - small[1]).abs(), (seen1 - small[1]).abs()).mean())


def test_a_cache_without_scenes_is_refused_with_the_way_out(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache, tmp_path / "cache", ignore=shutil.ignore_patterns("far"))
    with pytest.raises(MediaError, match="recognition_scenes --cache"):
        RecognitionSamples(tmp_path / "cache", SMALL.data)


@given(dx=st.integers(-2, 2), dy=st.integers(-1, 1))
def test_the_match_error_is_least_where_the_truth_is_likeliest(dx: int, dy: int) -> None:
    height, width = 5, 8
    # Half a pixel left and up of the cells' sampled pixels lie their centres.
    flow = torch.tensor([8.0 * dx - 0.5, 8.0 * dy - 0.5])[:, None, None].expand(2, height, width)
    seen = torch.ones(height, width)
    right = torch.zeros(height * width, height * width)
    for y in range(max(0, -dy), min(height, height - dy)):
        for x in range(max(0, -dx), min(width, width - dx)):
            right[y * width + x, (y + dy) * width + x + dx] = 20.0
    assert float(match_error(right, flow, seen)) < 0.02
    assert float(match_error(-right, flow, seen)) > 5


def test_of_film_the_candidate_that_makes_the_frame_between_is_wanted() -> None:
    wide = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.avg_pool2d(wide, 9, 1, 4)
    frames = torch.cat([wide[..., start : start + 64] for start in (0, 8, 16)])
    moves, stays = torch.tensor([-16.0, 0.0]), torch.zeros(2)
    candidates = torch.stack([moves, stays])[:, :, None, None].expand(-1, -1, 16, 16)
    errors = []
    for right in (0.95, 0.05):
        shares = torch.tensor([right, 1 - right])[:, None, None, None].expand(-1, 1, 16, 16)
        found = Recognised(
            candidates=candidates,
            shares=shares,
            mixture=shares,
            motion=candidates[:1],
            side=torch.zeros(1, 1, 16, 16),
            evidence=torch.zeros(1, EVIDENCE, 16, 16),
            similarity=torch.zeros(64, 64),
        )
        errors.append(float(likeness_error(found, frames)))
    assert errors[0] < 0.5 * errors[1]


def test_the_motion_error_of_a_constant_offset_is_its_root() -> None:
    truth = torch.zeros(1, 2, 4, 4)
    found = truth + torch.tensor([3.0, 4.0])[None, :, None, None]
    known = torch.ones(1, 1, 4, 4)
    expected = math.sqrt(math.sqrt(25.01) - 0.1 + 0.04)
    assert float(motion_error(found, truth, known)) == pytest.approx(expected, rel=1e-5)
    assert float(motion_error(found, truth, 0 * known)) == 0


def test_an_interrupted_run_ends_like_an_unbroken_one(cache: Path, tmp_path: Path) -> None:
    whole = RecognitionTrainer(SMALL, cache, tmp_path / "whole")
    whole.run(math.inf, log_every_steps=2)
    RecognitionTrainer(SMALL, cache, tmp_path / "parts").run(0.0)
    rest = RecognitionTrainer(SMALL, cache, tmp_path / "parts")
    assert rest.state.step == 1
    rest.run(math.inf)
    assert rest.state.step == 4
    for name, value in whole.state.ema.items():
        torch.testing.assert_close(rest.state.ema[name], value, atol=1e-5, rtol=1e-4)


def test_training_on_one_sample_lowers_its_loss(cache: Path, tmp_path: Path) -> None:
    recipe = replace(SMALL, schedule=replace(SMALL.schedule, total_steps=1000))
    trainer = RecognitionTrainer(recipe, cache, tmp_path)
    sample = trainer.samples[0]
    trainer.samples = defaultdict(lambda: sample)  # type: ignore[assignment]
    before = trainer.train_step()[0]
    for _ in range(25):
        after = trainer.train_step()[0]
    assert after["matching"] < 0.8 * before["matching"]
    assert after["choice"] < before["choice"]
