"""Logos and subtitles over a picture that moves."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.imf_vfi.config import LITE
from imf_plugin.models.imf_vfi.interpolator import ImfVfiInterpolator
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork
from imf_plugin.models.imf_vfi.standing import keeping, standing_still
from imf_plugin.models.registry import describe_model

HEIGHT, WIDTH = 128, 256
MOVING = np.full((HEIGHT, WIDTH, 2), (14, 0), np.float32)
type Picture = NDArray[np.uint8]


def ink() -> NDArray[np.bool_]:
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(plane, "STILL", (60, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 3)
    return plane > 127


def ground(time: float, speed: float = 14.0) -> Picture:
    """A smooth pattern, dark enough for white letters, that moves to the right."""
    x, y = np.meshgrid(np.arange(WIDTH) - speed * time, np.arange(HEIGHT))
    plane = 70 + 25 * np.sin(x / 9 + y / 31) + 25 * np.cos(y / 11 - x / 37)
    return np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)


def titled(time: float, speed: float = 14.0) -> Picture:
    picture = ground(time, speed)
    picture[ink()] = 240
    return picture


def tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)) / 255


def test_letters_over_moving_ground_are_found_whole_and_little_else() -> None:
    found = standing_still([titled(time) for time in (-1, 0, 1, 2)], MOVING)
    assert found is not None
    assert found[ink()].mean() > 0.98
    assert found[~cv2.dilate(ink().astype(np.uint8), np.ones((7, 7))).astype(bool)].sum() == 0
    # The ground between the strokes moves, but for what stays as bright as it was.
    assert found[~ink()].sum() < 0.2 * ink().sum()


def test_where_nothing_moves_there_is_nothing_to_keep_it_from() -> None:
    motion = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    pictures = [titled(0)] * 4
    assert standing_still(pictures, motion) is None
    motion[:, :64, 0] = 3
    found = standing_still(pictures, motion)
    assert found is not None
    columns = np.flatnonzero(found.any(0))
    assert columns.min() < 64
    assert columns.max() < 64 + 16


@pytest.mark.parametrize("noise", [0, 1])
def test_a_little_noise_of_compression_does_not_matter(noise: int) -> None:
    generator = np.random.default_rng(2)
    pictures = []
    for time in (-1, 0, 1):
        grain = generator.integers(-noise, noise + 1, (HEIGHT, WIDTH, 3))
        pictures.append((titled(time).astype(int) + grain).astype(np.uint8))
    found = standing_still(pictures, MOVING)
    assert found is not None
    assert found[ink()].mean() > 0.98


def test_nothing_is_found_where_all_moves_nothing_stands_out_or_two_frames_are_known() -> None:
    assert standing_still([ground(time) for time in (-1, 0, 1, 2)], MOVING) is None
    plain = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert standing_still([plain, plain, plain], MOVING) is None
    assert standing_still([titled(0), titled(1)], MOVING) is None


def test_what_changes_its_colour_but_not_its_luma_does_not_stand_still() -> None:
    colours = [(120, 60, 60), (60, 91, 60)]
    lumas = cv2.cvtColor(np.array([colours], np.uint8), cv2.COLOR_RGB2GRAY)
    assert lumas[0, 0] == lumas[0, 1]
    pictures = []
    for turn in range(3):
        picture = np.full((HEIGHT, WIDTH, 3), colours[turn % 2], np.uint8)
        picture[ink()] = 240
        pictures.append(picture)
    found = standing_still(pictures, MOVING)
    assert found is not None
    np.testing.assert_array_equal(found, ink())


def test_what_stands_still_is_shown_and_nothing_else_comes_from_there() -> None:
    weights = torch.tensor([0.4, 0.3, 0.0, 0.0, 0.2, 0.1]).view(1, 6, 1, 1).repeat(1, 1, 1, 3)
    kept = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 3)
    edge = torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3)
    nowhere = torch.zeros_like(edge)
    found = keeping(
        weights, kept, [edge, nowhere, None, None, nowhere, nowhere], torch.tensor([0.25])
    )[0, :, 0]
    torch.testing.assert_close(found[:, 0], torch.tensor([0, 0, 0.75, 0.25, 0, 0]))
    expected = torch.tensor([0, 0.3, 0, 0, 0.2, 0.1]) / 0.6
    torch.testing.assert_close(found[:, 1], expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(found[:, 2], weights[0, :, 0, 2], atol=1e-6, rtol=0)


def test_where_everything_comes_from_such_an_edge_it_is_as_it_was() -> None:
    weights = torch.tensor([0.6, 0.4, 0.0, 0.0]).view(1, 4, 1, 1)
    edge, nothing = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    found = keeping(weights, nothing, [edge, edge, None, None], torch.tensor([0.5]))
    torch.testing.assert_close(found, weights, atol=1e-5, rtol=0)


@pytest.mark.parametrize("timestep", [0.25, 0.5])
def test_a_title_stays_whole_over_ground_that_moves(timestep: float) -> None:
    torch.manual_seed(0)
    model = ImfVfiInterpolator(ImfVfiNetwork(LITE), describe_model("imf-vfi-lite"))
    earlier, before, after, later = (tensor(titled(time)) for time in (-1, 0, 1, 2))
    around = Context(earlier=Neighbour(keyframe=earlier), later=Neighbour(keyframe=later))
    truth = tensor(titled(timestep))
    near = torch.from_numpy(cv2.dilate(ink().astype(np.uint8), np.ones((9, 9))) > 0)

    def error(made: Tensor) -> float:
        return float((made[0] - truth).square()[:, near].mean())

    two = model.interpolate(before, after, [timestep])
    four = model.interpolate(before, after, [timestep], context=around)
    assert error(four) < 0.5 * error(two)
    core = torch.from_numpy(cv2.erode(ink().astype(np.uint8), np.ones((3, 3))) > 0)
    assert float((four[0] - truth)[:, core].abs().max()) < 2.1 / 255
