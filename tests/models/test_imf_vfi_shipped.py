from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.engine.tiles import TiledInterpolator
from imf_plugin.models.base import Interpolator
from imf_plugin.models.imf_vfi.weights import load_network
from imf_plugin.models.registry import describe_model, load_interpolator
from imf_plugin.models.weight_files import shipped_folder

type Texture = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="module")
def model() -> Interpolator:
    return load_interpolator("imf-vfi-lite")


@pytest.fixture(scope="module")
def pair(texture: Texture) -> tuple[Tensor, Tensor, Tensor]:
    """Two keyframes that are 6 px apart, and the truth halfway."""
    before, middle, after = (
        torch.from_numpy(
            texture(number, 256, 144, speed_px=3.0).transpose(2, 0, 1) / np.float32(255)
        )
        for number in (0, 1, 2)
    )
    return before, after, middle


def test_the_shipped_weights_load_and_match_their_digest() -> None:
    network, card = load_network("imf-vfi-lite")
    assert card.parameters == sum(p.numel() for p in network.parameters())
    together = sum(file.stat().st_size for file in shipped_folder().glob("*.safetensors"))
    assert together < 25e6


def test_the_shipped_model_says_what_it_was_trained_on() -> None:
    details = describe_model("imf-vfi-lite").details
    assert {"training data", "training", "hardware", "scores", "weights licence"} <= details.keys()


def test_the_shipped_model_finds_the_frame_halfway(
    model: Interpolator, pair: tuple[Tensor, Tensor, Tensor]
) -> None:
    before, after, truth = pair
    made = model.interpolate(before, after, [0.5])[0]
    blend = (before + after) / 2
    assert (made - truth).square().mean() < 0.02 * (blend - truth).square().mean()


def test_the_keyframes_come_back_exactly(
    model: Interpolator, pair: tuple[Tensor, Tensor, Tensor]
) -> None:
    before, after, _ = pair
    made = model.interpolate(before, after, [0, 1])
    assert torch.equal(made[0], before)
    assert torch.equal(made[1], after)


def test_still_pictures_stay_still(
    model: Interpolator, pair: tuple[Tensor, Tensor, Tensor]
) -> None:
    before = pair[0]
    made = model.interpolate(before, before, [0.3])[0]
    torch.testing.assert_close(made, before, atol=1.5 / 255, rtol=0)


def test_neighbouring_timesteps_do_not_flicker(
    model: Interpolator, pair: tuple[Tensor, Tensor, Tensor]
) -> None:
    steps = [0.3 + 0.05 * number for number in range(5)]
    frames = model.interpolate(pair[0], pair[1], steps)
    brightness = frames.mean((1, 2, 3))
    assert (brightness - brightness.mean()).abs().max() < 1 / 255
    # A steady motion changes about as much from each frame to the next; the bilinear texture
    # itself varies by half.
    change = (frames[1:] - frames[:-1]).abs().mean((1, 2, 3))
    assert change.max() < 2 * change.min()


def test_tiles_leave_no_seams(model: Interpolator, texture: Texture) -> None:
    before, after = (
        torch.from_numpy(
            texture(number, 640, 256, speed_px=4.0).transpose(2, 0, 1) / np.float32(255)
        )
        for number in (0, 1)
    )
    whole, tiled = (TiledInterpolator(model, edge) for edge in (640, 384))
    frames = [
        tiler.interpolate(tiler.encode(before), tiler.encode(after), [0.5])[0]
        for tiler in (whole, tiled)
    ]
    level = 1.01 / 255
    assert ((frames[0] - frames[1]).abs() <= level).float().mean() >= 0.999
