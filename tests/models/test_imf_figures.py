"""The model of rendered figures: poses read, parts cut out and painted where tokens say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.models.imf.puppet import PuppetConfig, made_up, part_matrices
from imf_plugin.models.imf.puppet_retargeter import PuppetRetargeter, load
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.training.retarget_figures import Figure, draw_controls
from imf_plugin.training.retarget_puppet import PuppetRecipe, PuppetTrainer, true_token
from imf_plugin.training.retarget_reports.figures import as_tensor, encoded, probe, rest_pose

UNSEEN = 950_001
"""A figure before a plain background; before busy leaves limbs are taken for background."""


@pytest.fixture(scope="module")
def model() -> PuppetRetargeter:
    """The shipped weights."""
    return load()


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    """Two figures of one build and different looks, never trained on."""
    return [Figure(looks=UNSEEN + k, proportions=UNSEEN, side_px=128) for k in range(2)]


def _pictures(
    figure: Figure, poses: list["np.ndarray[tuple[int], np.dtype[np.float64]]"]
) -> Tensor:
    return torch.stack([as_tensor(figure.picture(pose)) for pose in poses])


def test_it_is_a_retargeter(model: PuppetRetargeter) -> None:
    assert isinstance(model, Retargeter)
    assert model.token_shape == (24,)


def test_a_linear_probe_reads_the_controls_of_held_out_poses(
    model: PuppetRetargeter, figures: list[Figure]
) -> None:
    tokens, controls = encoded(model, figures[0], poses=45, seed=1)
    scores = probe(tokens[:35], controls[:35], tokens[35:], controls[35:])
    assert scores.mean() > 0.95


def test_limbs_of_another_figure_land_where_they_should(
    model: PuppetRetargeter, figures: list[Figure]
) -> None:
    driver, driven = figures
    random = np.random.default_rng(3)
    poses = [draw_controls(random, 0.7) for _ in range(6)]
    anchor, reference = (as_tensor(figure.picture(rest_pose())) for figure in figures)
    state = model.encode_reference(reference, anchor)
    first = model.encode_tokens(anchor[None], anchor)
    tokens = model.encode_tokens(_pictures(driver, poses), anchor)
    flows = model.displacement(state, model.reference_token(state) + tokens - first)
    misses = []
    for pose, flow in zip(poses, flows, strict=True):
        there, here = driven.joints(pose), driven.joints(rest_pose())
        x, y = np.clip(np.rint(there).astype(int), 0, 127).T
        misses.append(np.hypot(*(there + flow[:, y, x].T.double().numpy() - here).T))
    # In pixels of 128: 3 pixels at 256.
    assert float(np.median(misses)) < 1.5


def test_the_reference_token_gives_the_reference_back_exactly(
    model: PuppetRetargeter, figures: list[Figure]
) -> None:
    picture = as_tensor(figures[0].picture(rest_pose()))
    state = model.encode_reference(picture)
    assert torch.equal(model.render(state, model.reference_token(state)[None])[0], picture)


def test_moving_all_parts_alike_moves_the_figure_and_not_the_background(
    model: PuppetRetargeter, figures: list[Figure]
) -> None:
    start = rest_pose()
    moved = start.copy()
    moved[0] += 0.08
    before, after = _pictures(figures[0], [start, moved])
    state = model.encode_reference(before)
    step = torch.tensor([0.8, 0.0, 0.0, 0.0]).repeat(6)
    made = model.render(state, model.reference_token(state)[None] + step)[0]
    assert (made - after).square().mean() < 0.3 * (before - after).square().mean()
    assert (made - before)[:, :8].abs().max() < 0.01


def test_true_tokens_say_where_parts_stand() -> None:
    figure = Figure(looks=1, proportions=1, side_px=64)
    pose = draw_controls(np.random.default_rng(0))
    matrices = part_matrices(torch.from_numpy(true_token(figure, pose))[None], 6)[0]
    head = matrices[5, :2, 2].numpy()
    assert np.allclose((head + 0.5) * 64 - 0.5, figure.joints(pose)[4], atol=1e-3)


def test_what_is_unknown_is_made_up_from_around_it() -> None:
    picture = torch.full((3, 33, 20), 0.4)
    known = torch.ones(1, 33, 20)
    known[:, 5:20, 4:12] = 0
    filled = made_up(picture * known, known)
    assert torch.allclose(filled, picture, atol=1e-4)


def test_training_goes_on_where_it_stopped_and_writes_weights(tmp_path: Path) -> None:
    network = PuppetConfig(size_px=32, widths=(4, 4, 8, 8, 8))
    recipe = PuppetRecipe(network=network, looks=2, poses=1, batch=2, total_steps=2)
    PuppetTrainer(recipe, tmp_path).run(minutes=1)
    longer = PuppetRecipe(network=network, looks=2, poses=1, batch=2, total_steps=3)
    trainer = PuppetTrainer(longer, tmp_path)
    weights = trainer.run(minutes=1)
    assert trainer.state.step == 3
    assert load(tmp_path, weights.stem).token_shape == (24,)
