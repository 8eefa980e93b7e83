"""Motion of neighbouring pairs, going on into a pair."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imf_plugin.models.flow.bending import NeighbourFlow
from imf_plugin.models.flow.carrying import carried_on, into_the_pair
from imf_plugin.motion.flow import FlowArray

HEIGHT, WIDTH = 96, 128


def moving(x: float, y: float = 0.0) -> FlowArray:
    """The same motion everywhere."""
    flow = np.empty((HEIGHT, WIDTH, 2), np.float32)
    flow[...] = x, y
    return flow


GROUND = (-6.0, 0.0)


def ball(centre: tuple[float, float], motion: tuple[float, float]) -> FlowArray:
    """A disc of 20 px that moves one way before ground that moves the other."""
    flow = moving(*GROUND)
    flow[disc(centre, 20)] = motion
    return flow


def disc(centre: tuple[float, float], radius: int) -> NDArray[np.bool_]:
    place = round(centre[0]), round(centre[1])
    return cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), place, radius, 1, cv2.FILLED) > 0


@given(st.floats(-9, 9), st.floats(-9, 9), st.sampled_from([0.5, 1.0, 2.0]), st.floats(-1.5, 1.5))
def test_even_motion_of_everything_goes_on_as_it_was(
    x: float, y: float, distance: float, offset: float
) -> None:
    found = carried_on(NeighbourFlow(flow=moving(x, y), distance=distance), offset)
    np.testing.assert_allclose(found, moving(x / distance, y / distance), atol=1e-4)


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
def test_what_moved_before_is_found_where_it_has_got_to(timestep: float) -> None:
    # Halfway through the pair before, half a pair's time before this one begins.
    earlier = NeighbourFlow(flow=ball((40, 48), (12, 4)))
    came, _ = into_the_pair(timestep, earlier, None, moving(0))
    now = 40 + 12 * (timestep + 0.5), 48 + 4 * (timestep + 0.5)
    inside = disc(now, 14) & disc((40, 48), 14)
    np.testing.assert_allclose(came[inside], np.full_like(came[inside], 4) * (3, 1), atol=0.05)
    # So is the ground ahead of it, which it will have hidden at the end of the pair.
    ahead = disc((52 + 12, 48 + 4), 20) & ~disc((now[0] + 4, now[1] + 1), 24)
    assert ahead.sum() > 20
    np.testing.assert_allclose(came[ahead] - GROUND, 0, atol=0.05)


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
def test_what_moves_afterwards_is_found_where_it_comes_from(timestep: float) -> None:
    later = NeighbourFlow(flow=ball((80, 48), (12, 4)), distance=2.0)
    _, goes = into_the_pair(timestep, None, later, moving(0))
    # Half the speed, and the middle of its pair is a whole pair's time after this one's end.
    now = 80 - 6 * (2 - timestep), 48 - 2 * (2 - timestep)
    inside = disc(now, 14) & disc((80, 48), 14)
    np.testing.assert_allclose(goes[inside], np.full_like(goes[inside], 2) * (3, 1), atol=0.05)


def test_what_is_not_known_is_stood_in_for() -> None:
    otherwise = moving(5, -2)
    came, goes = into_the_pair(0.5, None, NeighbourFlow(flow=moving(3)), otherwise)
    np.testing.assert_array_equal(came, otherwise)
    np.testing.assert_allclose(goes, moving(3), atol=1e-4)


def test_odd_and_tiny_sizes_keep_their_shape() -> None:
    for height, width in ((1, 1), (37, 51), (2, 99)):
        flow = np.full((height, width, 2), 2.0, np.float32)
        found = carried_on(NeighbourFlow(flow=flow), 1.0)
        assert found.shape == flow.shape
        assert np.isfinite(found).all()
