import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models import registry
from imf_plugin.models.base import Interpolator, KeyframeState
from imf_plugin.models.flow import estimation
from imf_plugin.models.flow import interpolator as interpolator_module
from imf_plugin.models.flow.estimation import GreyPicture
from imf_plugin.models.flow.interpolator import DESCRIPTOR, FlowInterpolator

type Picture = NDArray[np.float32]


def texture(
    seed: int, height: int, width: int, sigmas_px: tuple[float, ...] = (2, 6, 18)
) -> Picture:
    """Return noise of several coarsenesses, as natural pictures have, ``[H, W, 3]`` in 0.1..0.9."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for sigma_px in sigmas_px:
        octave = cv2.GaussianBlur(generator.random(total.shape, np.float32), (0, 0), sigma_px)
        total += (octave - octave.mean()) / octave.std()
    unit = (total - total.min()) / (total.max() - total.min())
    return np.asarray(0.1 + 0.8 * unit, np.float32)


def as_frame(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def window(picture: Picture, x: float, y: float, size: tuple[int, int]) -> Picture:
    """Cut ``(width, height)`` out of a picture with its corner at ``(x, y)``."""
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, shift, size, flags=flags))


def panned(time: float, dx: float = 12, dy: float = -7, extra: int = 0) -> Tensor:
    """A textured plane that moves by (dx, dy) pixels between times 0 and 1."""
    plane = texture(1, 240, 280)
    size = (192, 160)
    frame = as_frame(window(plane, 40 - dx * time, 40 - dy * time, size))
    return torch.cat([frame, *([frame[:1]] * extra)]) if extra else frame


def occluding(time: float) -> Tensor:
    """A textured square that passes over a background moving the other way."""
    picture = window(texture(2, 200, 260), 30 + 4 * time, 20, (192, 160)).copy()
    left = round(40 + 16 * time)
    picture[50:114, left : left + 64] = texture(3, 64, 64)
    return as_frame(picture)


def psnr(made: Tensor, truth: Tensor, border_px: int = 0) -> float:
    inner = slice(border_px, -border_px or None)
    error = (made - truth)[..., inner, inner].double().square().mean().item()
    return float(-10 * np.log10(max(error, 1e-12)))


@pytest.fixture
def model() -> FlowInterpolator:
    return FlowInterpolator()


@pytest.fixture
def opencv_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def test_the_registry_builds_it_and_it_fulfils_the_protocol() -> None:
    built = registry.load_interpolator("flow")
    assert isinstance(built, FlowInterpolator)
    assert isinstance(built, Interpolator)
    assert registry.describe_model("auto").parameters == 0
    assert built.descriptor is DESCRIPTOR


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.7])
@pytest.mark.parametrize("motion", [(12, -7), (3.5, 1.25), (-40, 0)])
def test_a_moving_plane_is_recovered(
    model: FlowInterpolator, motion: tuple[float, float], timestep: float
) -> None:
    made = model.interpolate(panned(0, *motion), panned(1, *motion), [timestep])[0]
    assert psnr(made, panned(timestep, *motion), border_px=44) > 38


def test_what_leaves_the_frame_is_taken_from_the_keyframe_that_still_shows_it(
    model: FlowInterpolator,
) -> None:
    made = model.interpolate(panned(0, 24, 0), panned(1, 24, 0), [0.5])[0]
    truth = panned(0.5, 24, 0)
    assert psnr(made[..., -10:], truth[..., -10:]) > 24
    assert psnr(made[..., :10], truth[..., :10]) > 24


def test_a_moving_square_is_remade_better_than_by_blending(model: FlowInterpolator) -> None:
    before, after, truth = occluding(0), occluding(1), occluding(0.5)
    made = model.interpolate(before, after, [0.5])[0]
    assert psnr(made, truth) > psnr((before + after) / 2, truth) + 5


def test_equal_keyframes_come_out_unchanged(model: FlowInterpolator) -> None:
    frame = panned(0, extra=1)
    made = model.interpolate(frame, frame.clone(), [0.3, 0.5])
    assert torch.equal(made[0], frame)
    assert torch.equal(made[1], frame)


def test_unrelated_keyframes_are_blended(model: FlowInterpolator) -> None:
    before, after = as_frame(texture(5, 96, 128, (1,))), as_frame(texture(6, 96, 128, (1,)))
    made = model.interpolate(before, after, [0.5])[0]
    blended = (before + after) / 2
    assert psnr(made, blended) > psnr(before, blended) + 3


def test_a_change_of_brightness_is_gradual_and_does_not_stop_the_motion(
    model: FlowInterpolator,
) -> None:
    before, after = panned(0), panned(1) * 0.8
    quarter, half = model.interpolate(before, after, [0.25, 0.5])
    assert quarter.mean().item() == pytest.approx(0.95 * before.mean().item(), rel=0.02)
    assert half.mean().item() == pytest.approx(0.9 * before.mean().item(), rel=0.02)
    assert psnr(half, panned(0.5) * 0.9, border_px=20) > 32


def test_swapping_the_keyframes_mirrors_time(model: FlowInterpolator) -> None:
    before, after = occluding(0), occluding(1)
    there = model.interpolate(before, after, [0.25, 0.5])
    back = model.interpolate(after, before, [0.75, 0.5])
    torch.testing.assert_close(there, back, atol=1e-4, rtol=0)


def test_the_ends_are_the_keyframes_themselves(model: FlowInterpolator) -> None:
    before, after = panned(0), panned(1)
    made = model.interpolate(before, after, [0, Fraction(1, 2), 1])
    assert torch.equal(made[0], before)
    assert torch.equal(made[2], after)


def test_extra_channels_ride_on_the_motion_of_the_colours(model: FlowInterpolator) -> None:
    before, after = panned(0, extra=2), panned(1, extra=2)
    made = model.interpolate(before, after, [0.4])[0]
    assert made.shape[0] == 5
    assert torch.equal(made[3], made[0])
    assert torch.equal(made[4], made[0])
    assert torch.equal(made[:3], model.interpolate(before[:3], after[:3], [0.4])[0])


def test_extra_channels_may_leave_the_range_of_colours(model: FlowInterpolator) -> None:
    before, after = panned(0, extra=1), panned(1, extra=1)
    before[3], after[3] = before[3] * 100, after[3] * 100
    made = model.interpolate(before, after, [0.4])[0]
    torch.testing.assert_close(made[3], made[0] * 100, atol=1e-3, rtol=1e-4)


def test_nothing_leaves_the_range_of_the_keyframes(model: FlowInterpolator) -> None:
    before, after = (panned(0) > 0.5).float(), (panned(1) > 0.5).float()
    made = model.interpolate(before, after, [0.35])
    assert made.min() >= 0
    assert made.max() <= 1


def test_a_batch_gives_what_its_items_give(model: FlowInterpolator) -> None:
    befores = torch.stack([panned(0), occluding(0)])
    afters = torch.stack([panned(1), occluding(1)])
    made = model.interpolate(befores, afters, [0.5, 0.75])
    assert made.shape == (2, 2, 3, 160, 192)
    for item in (0, 1):
        alone = model.interpolate(befores[item], afters[item], [0.5, 0.75])
        assert torch.equal(made[item], alone)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(model: FlowInterpolator, dtype: torch.dtype) -> None:
    made = model.interpolate(panned(0).to(dtype), panned(1).to(dtype), [0.5])
    assert made.dtype == dtype


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 7), (8, 8), (31, 33), (2, 300), (67, 3)])
def test_any_size_works(model: FlowInterpolator, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.rand(2, 3, *size, generator=generator)
    made = model.interpolate(before, after, [0.5])
    assert made.shape == (1, 3, *size)
    assert torch.isfinite(made).all()


@pytest.mark.usefixtures("opencv_threads")
def test_the_result_does_not_depend_on_the_number_of_threads() -> None:
    results = []
    for threads in (1, 2, 5):
        cv2.setNumThreads(threads)
        results.append(FlowInterpolator().interpolate(occluding(0), occluding(1), [0.5, 0.3]))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_several_threads_may_share_it(model: FlowInterpolator) -> None:
    states = [model.encode(panned(step / 4)) for step in range(5)]

    def work(index: int) -> Tensor:
        return model.interpolate(states[index % 4], states[index % 4 + 1], [0.5])

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(8)))
    for index in range(8):
        assert torch.equal(together[index], work(index))


def test_the_flow_of_a_pair_is_estimated_once(
    model: FlowInterpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = estimation.estimate_middle

    def counted(grey0: GreyPicture, grey1: GreyPicture) -> Picture:
        calls.append(threading.get_ident())
        return real(grey0, grey1)

    monkeypatch.setattr(interpolator_module, "estimate_middle", counted)
    before, after = model.encode(panned(0)), model.encode(panned(1))
    model.interpolate(before, after, [0.25, 0.5])
    model.interpolate(before, after, [0.75])
    assert len(calls) == 1
    model.interpolate(after, before, [0.75])
    assert len(calls) == 2


def test_the_cache_keeps_neither_keyframes_nor_many_pairs(model: FlowInterpolator) -> None:
    before, after = model.encode(panned(0)), model.encode(panned(1))
    model.interpolate(before, after, [0.5])
    watched = weakref.ref(before)
    del before
    gc.collect()
    assert watched() is None
    states = [model.encode(panned(0, step)) for step in range(9)]
    for pair in pairwise(states):
        model.interpolate(*pair, [0.5])
    assert len(model._flows) <= interpolator_module.CACHED_PAIRS


def test_a_state_tells_its_size(model: FlowInterpolator) -> None:
    state = model.encode(panned(0))
    assert isinstance(state, KeyframeState)
    assert state.size_bytes >= 3 * 160 * 192 * 4


def test_frames_of_other_kinds_are_refused(model: FlowInterpolator) -> None:
    with pytest.raises(TypeError, match="uint8"):
        model.encode(torch.zeros(3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="pixels"):
        model.encode(torch.zeros(3, 0, 8))
    with pytest.raises(ValueError, match="shape"):
        model.encode(torch.zeros(2, 8, 8))


def test_keyframes_of_different_shapes_are_refused(model: FlowInterpolator) -> None:
    with pytest.raises(ValueError, match="agree in shape"):
        model.interpolate(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9), [0.5])
    with pytest.raises(ValueError, match="agree in shape"):
        model.interpolate(torch.zeros(3, 8, 8), torch.zeros(1, 3, 8, 8), [0.5])


@pytest.mark.parametrize("timesteps", [[], [1.5], [-0.1], [float("nan")]])
def test_impossible_timesteps_are_refused(model: FlowInterpolator, timesteps: list[float]) -> None:
    with pytest.raises(ValueError, match="timesteps"):
        model.interpolate(torch.zeros(3, 8, 8), torch.zeros(3, 8, 8), timesteps)
