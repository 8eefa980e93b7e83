import numpy as np
import pytest

from imf_plugin.motion.pictures import colour_wheel, flow_picture


def painted(dx: float, dy: float, maximum_px: float | None = 1) -> list[int]:
    flow = np.full((1, 1, 2), (dx, dy), np.float32)
    return [int(value) for value in flow_picture(flow, maximum_px=maximum_px)[0, 0]]


def test_stillness_is_white() -> None:
    assert painted(0, 0) == [255, 255, 255]
    assert painted(0, 0, maximum_px=None) == [255, 255, 255]


def test_the_wheel_has_the_55_hues_of_middlebury() -> None:
    wheel = colour_wheel()
    assert wheel.shape == (55, 3)
    for first, rgb in ((0, "100"), (15, "110"), (21, "010"), (25, "011"), (36, "001"), (49, "101")):
        assert wheel[first].tolist() == [int(digit) for digit in rgb]


def test_the_four_directions_have_their_customary_hues() -> None:
    red, yellow_green, blue = painted(1, 0), painted(0, 1), painted(-1, 0)
    purple = painted(0, -1)
    assert red == [255, 0, 0]
    assert yellow_green[1] > yellow_green[2]
    assert yellow_green[0] > yellow_green[2]
    assert blue[2] == 255
    assert blue[0] == 0
    assert purple[2] > purple[1]
    assert purple[0] > purple[1]


def test_half_the_motion_has_half_the_saturation() -> None:
    assert painted(0.5, 0) == [255, 128, 128]


def test_motion_beyond_the_maximum_is_darkened() -> None:
    assert painted(3, 0) == [191, 0, 0]


def test_unknown_motion_is_black_and_does_not_set_the_scale() -> None:
    flow = np.zeros((1, 2, 2), np.float32)
    flow[0, 0] = np.nan
    flow[0, 1] = (2, 0)
    assert flow_picture(flow).tolist() == [[[0, 0, 0], [255, 0, 0]]]


@pytest.mark.parametrize("maximum_px", [0.0, -1.0, float("nan")])
def test_a_maximum_that_is_not_positive_is_refused(maximum_px: float) -> None:
    with pytest.raises(ValueError, match="maximum_px"):
        flow_picture(np.zeros((2, 2, 2), np.float32), maximum_px=maximum_px)
