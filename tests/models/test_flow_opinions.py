from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.models.flow.estimation import estimate_middle
from imf_plugin.models.flow.opinions import OPINIONS, estimate_opinions, opinions_at

type Texture = Callable[..., NDArray[np.uint8]]


@pytest.mark.parametrize("size", [(320, 240), (1000, 640)])
def test_every_opinion_finds_a_plain_shift(texture: Texture, size: tuple[int, int]) -> None:
    grey0, grey1 = (texture(number, *size, speed_px=6.0)[..., 0] for number in (0, 1))
    flows = estimate_opinions(grey0, grey1)
    assert flows.shape == (size[1], size[0], 2 * OPINIONS)
    for start in range(0, 2 * OPINIONS, 2):
        inside = flows[40:-40, 40:-40, start : start + 2]
        assert np.median(np.abs(inside - (-6.0, 0.0))) < 0.1


def test_the_first_opinion_is_that_of_the_flow_model(texture: Texture) -> None:
    grey0, grey1 = (texture(number, 160, 96, speed_px=3.0)[..., 0] for number in (0, 1))
    np.testing.assert_array_equal(
        estimate_opinions(grey0, grey1)[..., :2], estimate_middle(grey0, grey1)
    )


def test_tiny_pictures_have_opinions_too() -> None:
    grey = np.zeros((3, 5), np.uint8)
    assert estimate_opinions(grey, grey + np.uint8(9)).shape == (3, 5, 2 * OPINIONS)


def test_opinions_are_moved_to_a_moment_one_by_one() -> None:
    flows = np.zeros((8, 8, 4), np.float32)
    flows[..., 2] = 3.0
    np.testing.assert_array_equal(opinions_at(flows, 0.25), flows)
