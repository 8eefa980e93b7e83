"""Motion that follows a curve: the keyframes around a pair tell how it bends."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.flow.bending import GAIN, NeighbourFlow, find_bend
from imf_plugin.models.flow.interpolator import FlowInterpolator
from imf_plugin.motion.flow import FlowArray

SIZE = (192, 128)


def moving(x: float, y: float = 0.0) -> FlowArray:
    """The same motion everywhere."""
    flow = np.empty((SIZE[1], SIZE[0], 2), np.float32)
    flow[...] = x, y
    return flow


def film(position: Callable[[float], float]) -> Callable[[float], Tensor]:
    """A textured plane whose shift to the right at a time is ``position(time)`` pixels."""
    generator = np.random.default_rng(5)
    noise = sum(
        cv2.GaussianBlur(generator.random((200, 420, 3), np.float32), (0, 0), sigma) * sigma
        for sigma in (1.5, 4, 9)
    )
    plane = np.asarray(noise, np.float32)
    plane = 0.1 + 0.8 * (plane - plane.min()) / (plane.max() - plane.min())

    def frame(time: float) -> Tensor:
        shift = np.array([[1, 0, 110 - position(time)], [0, 1, 30]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(plane, shift, SIZE, flags=flags)
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))

    return frame


def error(made: Tensor, truth: Tensor) -> float:
    inner = (..., slice(24, -24), slice(24, -24))
    return float((made[inner] - truth[inner]).abs().mean())


def around(frame: Callable[[float], Tensor]) -> Context:
    return Context(earlier=Neighbour(keyframe=frame(-1)), later=Neighbour(keyframe=frame(2)))


def test_even_motion_does_not_bend() -> None:
    bend = find_bend(
        moving(8, 3), NeighbourFlow(flow=moving(8, 3)), NeighbourFlow(flow=moving(8, 3))
    )
    assert bend is not None
    assert np.abs(bend.at(0.5, SIZE)).max() < 1e-4


@given(
    speed=st.floats(-20, 20),
    acceleration=st.floats(-8, 8),
    timestep=st.floats(0, 1),
    before=st.sampled_from([0.5, 1.0, 2.0]),
    after=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_constant_acceleration_bends_as_a_parabola(
    speed: float, acceleration: float, timestep: float, before: float, after: float
) -> None:
    def moved(start: float, stop: float) -> FlowArray:
        def position(t: float) -> float:
            return speed * t + acceleration * t * t / 2

        return moving(position(stop) - position(start))

    own, came, goes = moved(0, 1), moved(-before, 0), moved(1, 1 + after)
    # Stillness is taken for a repeated frame, which is another test.
    assume(own.any() and came.any() and goes.any())
    bend = find_bend(
        own,
        NeighbourFlow(flow=came, distance=before),
        NeighbourFlow(flow=goes, distance=after),
    )
    assert bend is not None
    lag = -acceleration * timestep * (1 - timestep) / 2
    found = float(bend.at(timestep, SIZE)[60, 90, 0])
    assert abs(found) <= GAIN * abs(lag) + 1e-4
    if abs(acceleration) > 1:
        assert found == pytest.approx(GAIN * lag, rel=0.02, abs=1e-3)


def test_keyframes_are_where_they_are() -> None:
    bend = find_bend(moving(9), NeighbourFlow(flow=moving(2)), NeighbourFlow(flow=moving(20)))
    assert bend is not None
    for timestep in (0.0, 1.0):
        assert not bend.at(timestep, SIZE).any()


def test_a_shaking_camera_is_believed_less_than_a_steady_one() -> None:
    def middle(before: float, after: float) -> float:
        bend = find_bend(
            moving(5), NeighbourFlow(flow=moving(before)), NeighbourFlow(flow=moving(after))
        )
        assert bend is not None
        return float(abs(bend.at(0.5, SIZE)[60, 90, 0]))

    steady, shaking = middle(1, 9), middle(-3, 5.1)
    assert steady == pytest.approx(GAIN * 8 / 16, rel=0.01)
    assert shaking < 0.8 * GAIN * 8.1 / 16


def test_repeated_frames_and_missing_ones_say_nothing() -> None:
    still = NeighbourFlow(flow=moving(0))
    assert find_bend(moving(5), still, None) is None
    assert find_bend(moving(5), None, None) is None
    assert find_bend(moving(0), NeighbourFlow(flow=moving(3)), None) is None
    one_sided = find_bend(moving(5), NeighbourFlow(flow=moving(2)), still)
    assert one_sided is not None
    assert one_sided.at(0.5, SIZE)[60, 90, 0] < 0


def test_a_falling_thing_is_where_it_falls() -> None:
    frame = film(lambda t: 10 * t + 6 * t * t)
    model = FlowInterpolator()
    for timestep in (0.25, 0.5, 0.75):
        truth = frame(timestep)
        straight = model.interpolate(frame(0), frame(1), [timestep])[0]
        curved = model.interpolate(frame(0), frame(1), [timestep], context=around(frame))[0]
        assert error(curved, truth) < 0.5 * error(straight, truth)


def test_a_swinging_thing_is_followed_round_its_turn() -> None:
    frame = film(lambda t: 14 * np.cos(0.9 * (t - 0.4)))
    model = FlowInterpolator()
    straight = model.interpolate(frame(0), frame(1), [0.5])[0]
    curved = model.interpolate(frame(0), frame(1), [0.5], context=around(frame))[0]
    assert error(curved, frame(0.5)) < 0.5 * error(straight, frame(0.5))


def test_even_motion_is_the_same_with_context() -> None:
    frame = film(lambda t: 7 * t)
    model = FlowInterpolator()
    straight = model.interpolate(frame(0), frame(1), [0.5])[0]
    curved = model.interpolate(frame(0), frame(1), [0.5], context=around(frame))[0]
    assert error(curved, straight) < 1 / 255


def test_a_context_of_another_shape_is_refused() -> None:
    frame = film(lambda t: 7 * t)
    wrong = Context(earlier=Neighbour(keyframe=torch.rand(3, 16, 16)))
    with pytest.raises(ValueError, match="pair's shape"):
        FlowInterpolator().interpolate(frame(0), frame(1), [0.5], context=wrong)
    nowhere = Context(later=Neighbour(keyframe=frame(2), distance=0))
    with pytest.raises(ValueError, match="above 0"):
        FlowInterpolator().interpolate(frame(0), frame(1), [0.5], context=nowhere)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 9), (40, 17)])
def test_small_pictures_have_context_too(size: tuple[int, int]) -> None:
    width, height = size
    frames = torch.rand(4, 3, height, width, generator=torch.Generator().manual_seed(2))
    context = Context(earlier=Neighbour(keyframe=frames[0]), later=Neighbour(keyframe=frames[3]))
    made = FlowInterpolator().interpolate(frames[1], frames[2], [0.5], context=context)
    assert made.shape == (1, 3, height, width)
    assert bool(torch.isfinite(made).all())
