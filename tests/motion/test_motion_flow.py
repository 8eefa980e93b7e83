import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.motion.flow import (
    FlowArray,
    check_flow,
    compose,
    consistency_error,
    flow_at,
    pixel_grid,
    reverse,
    sample,
    statistics,
    visibility,
)

INNER = (slice(12, -12), slice(12, -12))
whole_px = st.integers(-5, 5)


def constant_flow(dx: float, dy: float, height: int = 40, width: int = 48) -> FlowArray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (height, width, 2)).copy()


def zoom_flow(factor: float, height: int = 48, width: int = 48) -> FlowArray:
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    return np.asarray((factor - 1) * (pixel_grid(height, width) - centre), np.float32)


def test_the_pixel_grid_holds_x_then_y() -> None:
    grid = pixel_grid(3, 5)
    assert grid.shape == (3, 5, 2)
    assert grid[2, 4].tolist() == [4, 2]


def test_sampling_on_the_grid_gives_the_picture_back() -> None:
    picture = np.random.default_rng(0).random((7, 9), np.float32)
    np.testing.assert_array_equal(sample(picture, pixel_grid(7, 9)), picture)


def test_sampling_outside_finds_the_border() -> None:
    picture = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sample(picture, np.array([[[-9, 0], [99, 1]]], np.float32)).tolist() == [[0, 5]]


@given(whole_px, whole_px, whole_px, whole_px)
def test_translations_compose_by_adding(ax: int, ay: int, bx: int, by: int) -> None:
    composed = compose(constant_flow(ax, ay), constant_flow(bx, by))
    np.testing.assert_allclose(composed, constant_flow(ax + bx, ay + by), atol=1e-5)


def test_zooms_compose_by_multiplying() -> None:
    composed = compose(zoom_flow(1.1), zoom_flow(1.05))
    np.testing.assert_allclose(composed[INNER], zoom_flow(1.1 * 1.05)[INNER], atol=0.01)


@pytest.mark.parametrize("timestep", [0.25, 0.5, 1.0])
def test_reversing_a_zoom_gives_the_inverse_zoom(timestep: float) -> None:
    flow = zoom_flow(1.2)
    back = reverse(flow, timestep=timestep, iterations=12)
    expected = zoom_flow(1 / (1 + 0.2 * timestep))
    np.testing.assert_allclose(back[INNER], expected[INNER], atol=0.02)


def test_the_middle_flow_of_a_zoom_moves_to_other_timesteps() -> None:
    # A point at p0 goes to 1.2 p0: at time t it stands at (1 + 0.2 t) p0 and moves by 0.2 p0.
    middle = zoom_flow(1 + 0.2 / 1.1)
    for timestep in (0.1, 0.5, 0.8):
        expected = zoom_flow(1 + 0.2 / (1 + 0.2 * timestep))
        moved = flow_at(middle, timestep, iterations=8)
        np.testing.assert_allclose(moved[INNER], expected[INNER], atol=0.02)


@given(whole_px, whole_px)
def test_a_true_round_trip_is_consistent_and_visible(dx: int, dy: int) -> None:
    there, back = constant_flow(dx, dy), constant_flow(-dx, -dy)
    assert consistency_error(there, back).max() < 1e-4
    assert visibility(there, back).min() > 0.999


def test_the_consistency_error_is_the_distance_from_home() -> None:
    error = consistency_error(constant_flow(3, 0), constant_flow(0, 4))
    np.testing.assert_allclose(error, 5, atol=1e-5)


def test_visibility_is_one_half_at_the_tolerance() -> None:
    seen = visibility(
        constant_flow(2, 0), constant_flow(-1.5, 0), tolerance_px=0.3, tolerance_relative=0.1
    )
    np.testing.assert_allclose(seen, 0.5, atol=1e-4)


def test_a_hidden_region_has_low_visibility() -> None:
    flow01, flow10 = constant_flow(0, 0), constant_flow(0, 0)
    flow10[10:20, 10:20] = 6  # another surface has come in front there
    seen = visibility(flow01, flow10)
    assert seen[10:20, 10:20].max() < 0.01
    assert seen[25:, 25:].min() == 1


def test_statistics_of_a_known_flow() -> None:
    flow = constant_flow(3, -4, 10, 10)
    flow[0, 0] = (0, 100)
    numbers = statistics(flow)
    assert numbers.mean_dx_px == pytest.approx(2.97)
    assert numbers.mean_dy_px == pytest.approx(-2.96)
    assert numbers.mean_magnitude_px == pytest.approx(5.95)
    assert numbers.percentile95_magnitude_px == pytest.approx(5)
    assert numbers.max_magnitude_px == pytest.approx(100)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (2, 4, 5), (0, 5, 2)])
def test_other_shapes_are_refused_with_the_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"flow\.shape"):
        check_flow(np.zeros(shape, np.float32))
