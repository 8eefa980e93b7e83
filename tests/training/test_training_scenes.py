import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imf_plugin.motion.flow import pixel_grid
from imf_plugin.training.scenes import (
    TEXTURE_KINDS,
    Capsule,
    Curve,
    Everywhere,
    Layer,
    Pose,
    Scene,
    Texture,
    accelerating_scene,
    demo_scene,
    paint,
    random_scene,
    render,
    true_flow,
    true_visibility,
)
from imf_plugin.training.scenes.render import front_layers

SIZE = (160, 120)


def still_shutter(scene: Scene) -> Scene:
    return Scene(width_px=scene.width_px, height_px=scene.height_px, layers=scene.layers)


def backdrop(**motion: Curve) -> Layer:
    texture = Texture(kind="noise", seed=5, width_px=300, height_px=260)
    return Layer(texture=texture, shape=Everywhere(), pose=Pose(**motion))


@pytest.mark.parametrize("seed", range(6))
def test_warping_by_the_flow_gives_the_other_frame_where_it_is_visible(seed: int) -> None:
    scene = still_shutter(random_scene(seed, SIZE, 0.6))
    frame0, frame1 = render(scene, 0.0), render(scene, 0.7)
    flow = true_flow(scene, 0.0, 0.7)
    visible = true_visibility(scene, 0.0, 0.7)
    positions = pixel_grid(SIZE[1], SIZE[0]) + flow
    warped = cv2.remap(frame1, positions, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    error = np.abs(warped - frame0).mean(axis=2)
    # Pixels on an edge mix two surfaces, and no flow can serve both.
    owner = front_layers(scene, 0.0).astype(np.float32)
    edge = cv2.dilate(owner, np.ones((3, 3))) != cv2.erode(owner, np.ones((3, 3)))
    arrived_edge = cv2.remap(
        _edge_map(scene, 0.7),
        positions,
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,  # type: ignore[call-overload]
    )
    inner = visible & ~edge & (arrived_edge == 0)
    assert inner.mean() > 0.4
    assert error[inner].mean() < 0.004
    assert np.percentile(error[inner], 99) < 0.04
    assert error[inner].mean() < 0.2 * np.abs(frame1 - frame0).mean()


def _edge_map(scene: Scene, time_seconds: float) -> NDArray[np.float32]:
    owner = front_layers(scene, time_seconds).astype(np.float32)
    kernel = np.ones((3, 3))
    edge = np.asarray(cv2.dilate(owner, kernel)) != np.asarray(cv2.erode(owner, kernel))
    return np.asarray(edge, np.float32)


def test_hidden_points_are_not_called_visible() -> None:
    mover = Layer(
        texture=Texture(kind="checks", seed=1, width_px=80, height_px=80),
        shape=Capsule(length_px=0.0, half_width_px=20.0),
        pose=Pose(x=Curve(value=40.0, velocity=60.0), y=Curve(value=60.0)),
    )
    scene = Scene(width_px=160, height_px=120, layers=(backdrop(), mover))
    visible = true_visibility(scene, 0.0, 1.0)
    assert not visible[60, 100], "the disc arrives over this point of the background"
    assert visible[60, 40], "the disc itself stays in sight"
    assert visible[10, 10]
    assert np.count_nonzero(~visible) == pytest.approx(math.pi * 20**2, rel=0.02)


def test_points_that_leave_the_frame_are_not_visible() -> None:
    scene = Scene(width_px=64, height_px=48, layers=(backdrop(x=Curve(velocity=10.0)),))
    visible = true_visibility(scene, 0.0, 1.0)
    assert visible[:, :54].all()
    assert not visible[:, 54:].any()


def test_a_whole_pixel_shift_moves_the_picture_exactly() -> None:
    scene = Scene(width_px=64, height_px=48, layers=(backdrop(x=Curve(velocity=7.0)),))
    np.testing.assert_allclose(
        render(scene, 1.0)[:, 7:], render(scene, 0.0)[:, :-7], atol=2e-3, rtol=0
    )


@given(
    seed=st.integers(0, 1000),
    time0=st.fractions(0, 1, max_denominator=12),
    time1=st.fractions(0, 1, max_denominator=12),
)
@settings(max_examples=15, deadline=None)
def test_flow_there_and_back_is_zero_where_visible(
    seed: int, time0: Fraction, time1: Fraction
) -> None:
    scene = random_scene(seed, (64, 48), 0.8)
    there = true_flow(scene, float(time0), float(time1))
    back = true_flow(scene, float(time1), float(time0))
    visible = true_visibility(scene, float(time0), float(time1))
    owner0 = front_layers(scene, float(time0))
    owner1 = front_layers(scene, float(time1))
    arrived = np.rint(pixel_grid(48, 64) + there).astype(int)
    ys, xs = np.nonzero(visible)
    x1, y1 = arrived[ys, xs].T
    same = owner1[y1, x1] == owner0[ys, xs]
    assert same.mean() > 0.8
    residual = there[ys, xs] + back[y1, x1]
    # Rounding the arrival to a pixel moves it by up to 0.7 px, times how much the flow varies.
    assert np.abs(residual[same]).max(initial=0) < 1.0


def test_flow_over_no_time_is_zero_and_everything_is_visible() -> None:
    scene = random_scene(3, SIZE, 1.0)
    np.testing.assert_allclose(true_flow(scene, 0.4, 0.4), 0, atol=1e-4)
    inside = true_visibility(scene, 0.4, 0.4)
    assert inside[1:-1, 1:-1].all()


def test_scenes_and_frames_depend_on_the_seed_alone() -> None:
    assert random_scene(11, SIZE) == random_scene(11, SIZE)
    assert random_scene(11, SIZE) != random_scene(12, SIZE)
    first = render(random_scene(11, SIZE), 0.3)
    paint.cache_clear()
    np.testing.assert_array_equal(first, render(random_scene(11, SIZE), 0.3))


@pytest.mark.parametrize("kind", TEXTURE_KINDS)
def test_every_texture_is_in_range_and_has_detail(kind: str) -> None:
    picture = paint(Texture(kind=kind, seed=1, width_px=96, height_px=64))
    assert picture.shape == (64, 96, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.01


def test_an_unknown_texture_is_refused() -> None:
    with pytest.raises(ValueError, match="velvet"):
        paint(Texture(kind="velvet", seed=1, width_px=8, height_px=8))


def test_motion_blur_is_the_mean_of_the_exposure() -> None:
    sharp = still_shutter(demo_scene((96, 54)))
    blurred = demo_scene((96, 54), shutter_seconds=1 / 24)
    moments = [1.0 + ((part + 0.5) / 16 - 0.5) / 24 for part in range(16)]
    mean = np.mean([render(sharp, moment) for moment in moments], axis=0)
    np.testing.assert_allclose(render(blurred, 1.0, shutter_samples=16), mean, atol=1e-5)
    assert np.abs(render(blurred, 1.0) - render(sharp, 1.0)).max() > 0.05


@given(time_seconds=st.floats(0, 3))
def test_limbs_stay_joined(time_seconds: float) -> None:
    scene = demo_scene()
    joints = 0
    for index, layer in enumerate(scene.layers):
        if layer.parent is None or not isinstance(layer.shape, Capsule):
            continue
        parent = scene.layers[layer.parent].shape
        if isinstance(parent, Capsule):
            end = scene.matrix(layer.parent, time_seconds) @ [parent.length_px, 0, 1]
            start = scene.matrix(index, time_seconds) @ [0, 0, 1]
            np.testing.assert_allclose(start, end, atol=1e-9)
            joints += 1
    assert joints == 4


@given(time_seconds=st.floats(-2, 2))
def test_curves_are_what_their_formula_says(time_seconds: float) -> None:
    curve = Curve(value=3, velocity=-2, acceleration=5, amplitude=7, frequency_hz=0.5, phase=0.25)
    by_hand = 3 - 2 * time_seconds + 2.5 * time_seconds**2 + 7 * math.cos(math.pi * time_seconds)
    assert curve.at(time_seconds) == pytest.approx(by_hand, abs=1e-9)


def test_flow_follows_an_accelerating_layer_in_closed_form() -> None:
    motion = Curve(velocity=4.0, acceleration=24.0)
    scene = Scene(width_px=32, height_px=24, layers=(backdrop(x=motion),))
    np.testing.assert_allclose(true_flow(scene, 0.0, 0.5)[..., 0], 5.0, atol=1e-4)
    np.testing.assert_allclose(true_flow(scene, 0.0, 1.0)[..., 0], 16.0, atol=1e-4)


def test_accelerating_scenes_are_not_linear() -> None:
    bent = []
    for seed in range(5):
        scene = accelerating_scene(seed, SIZE, 0.8)
        half, whole = true_flow(scene, 0.0, 0.5), true_flow(scene, 0.0, 1.0)
        bent.append(np.abs(half - 0.5 * whole).max())
    assert np.median(bent) > 1.0


def test_the_demo_moves_visibly_and_hides_things() -> None:
    scene = demo_scene((320, 180))
    flow = true_flow(scene, 1.0, 1.0 + 1 / 24)
    length = 2 * np.hypot(flow[..., 0], flow[..., 1])
    assert 10 < length.max() < 45
    assert length.mean() > 2
    assert not true_visibility(scene, 1.0, 1.0 + 1 / 24).all()


def test_a_scene_without_background_or_with_a_ring_of_parents_is_refused() -> None:
    limb = Layer(
        texture=Texture(kind="noise", seed=1, width_px=8, height_px=8),
        shape=Capsule(length_px=4.0, half_width_px=2.0),
        pose=Pose(),
        parent=1,
    )
    with pytest.raises(ValueError, match="cover everything"):
        Scene(width_px=8, height_px=8, layers=(limb,))
    with pytest.raises(ValueError, match="ring"):
        Scene(width_px=8, height_px=8, layers=(backdrop(), limb))


def test_surfaces_can_be_painted_with_pictures(tmp_path: Path) -> None:
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    frames[0, ..., 0] = 200
    frames[1, ..., 0] = 200
    np.save(tmp_path / "frames.npy", frames)
    scenes = [
        random_scene(seed, (64, 48), 0.5, pictures=[str(tmp_path / "frames.npy")])
        for seed in range(6)
    ]
    layers = [layer for scene in scenes for layer in scene.layers]
    share = np.mean([layer.texture.kind == "picture" for layer in layers])
    assert share > 0.6
    painted = next(scene for scene in scenes if scene.layers[0].texture.kind == "picture")
    background = Scene(width_px=64, height_px=48, layers=painted.layers[:1])
    np.testing.assert_allclose(render(background, 0.5)[..., 0], 200 / 255, atol=1e-3)
