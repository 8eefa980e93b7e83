"""Surfaces that move further than a dense search can follow."""

import cv2
import numpy as np
import pytest

from imf_plugin.models.flow.estimation import GreyPicture, estimate_middle
from imf_plugin.models.flow.landmarks import is_plausible, middle_flow_of, moving_layers
from imf_plugin.models.flow.layers import (
    doubts,
    failure,
    layer_motions,
    least_mismatch,
    lost_share,
    mismatch,
)

HEIGHT, WIDTH = 240, 400


def blots(seed: int, height: int = HEIGHT, width: int = WIDTH) -> GreyPicture:
    """Return a picture with something to recognise everywhere."""
    random = np.random.default_rng(seed)
    rough = random.integers(0, 256, (height // 6, width // 6)).astype(np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def turned(degrees: float, dx: float, dy: float, scale: float = 1.0) -> np.ndarray:
    affine = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale)
    shift = np.array([[0, 0, dx], [0, 0, dy]])
    return np.vstack([np.asarray(affine) + shift, [0, 0, 1]])


def moved(picture: GreyPicture, homography: np.ndarray) -> GreyPicture:
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(
        cv2.warpPerspective(picture, homography, size, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


@pytest.mark.parametrize(("dx", "dy", "degrees"), [(130, 0, 0), (-90, 60, 10), (60, -40, 25)])
def test_a_picture_that_moves_far_is_found_again(dx: float, dy: float, degrees: float) -> None:
    before, homography = blots(1), turned(degrees, dx, dy)
    found = moving_layers(before, moved(before, homography))[0]
    corners = np.array([[[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]], np.float64)
    away = cv2.perspectiveTransform(corners, found.homography)
    assert np.abs(away - cv2.perspectiveTransform(corners, homography)).max() < 4


def test_the_middle_flow_of_a_surface_joins_what_belongs_together() -> None:
    homography = turned(12, 30, -20, 1.1)
    flow = middle_flow_of(homography, (HEIGHT, WIDTH))
    x, y = 210, 130
    start, end = (x, y) - flow[y, x] / 2, (x, y) + flow[y, x] / 2
    assert cv2.perspectiveTransform(start[None, None], homography)[0, 0] == pytest.approx(
        end, abs=0.05
    )


@pytest.mark.parametrize(
    "homography",
    [
        turned(60, 0, 0),
        turned(0, 0, 0, 3.0),
        turned(0, 0, 0, 0.3),
        np.diag([-1.0, 1.0, 1.0]),
        np.array([[1, 0, 0], [0, 1, 0], [0.01, 0, 1.0]]),
        np.full((3, 3), np.nan),
        None,
    ],
    ids=["turn", "growth", "shrinking", "mirror", "perspective", "nan", "none"],
)
def test_what_nothing_does_between_two_keyframes_is_not_plausible(
    homography: np.ndarray | None,
) -> None:
    assert not is_plausible(homography, (HEIGHT, WIDTH))


def test_a_thing_that_crosses_the_picture_is_a_layer_of_its_own() -> None:
    ground, thing = blots(2), blots(3, 120, 150)
    before, after = ground.copy(), ground.copy()
    before[60:180, 20:170] = thing
    after[60:180, 150:300] = thing
    dense = estimate_middle(before, after)
    there = (slice(80, 160), slice(100, 220))
    assert np.abs(dense[there] - (130, 0)).mean() > 20
    layers = layer_motions(before, after, least_mismatch(before, after, [dense]))
    assert min(np.abs(flow[there] - (130, 0)).mean() for flow in layers) < 0.5
    assert min(np.abs(flow[:30]).mean() for flow in layers) < 0.5
    lost, left = (least_mismatch(before, after, flows) for flows in ([dense], [dense, *layers]))
    assert lost_share(left) < 0.7 * lost_share(lost)


def test_of_what_is_followed_nothing_is_lost() -> None:
    before = blots(4)
    after = moved(before, turned(1, 5, 3))
    dense = estimate_middle(before, after)
    assert lost_share(least_mismatch(before, after, [dense])) < 0.1


def test_a_still_ground_is_in_doubt_where_something_lost_would_pass_in_front_of_it() -> None:
    before, thing = blots(2), blots(3, 60, 60)
    after = before.copy()
    before[90:150, 20:80] = thing
    after[90:150, 320:380] = thing
    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    crossing = np.full((HEIGHT, WIDTH, 2), (300.0, 0.0), np.float32)
    nowhere, everywhere = (
        np.zeros((HEIGHT, WIDTH), np.float32),
        np.ones((HEIGHT, WIDTH), np.float32),
    )
    there = (slice(110, 130), slice(190, 210))
    failures = [failure(before, after, still, mismatch(before, after, still))]
    assert doubts(failures, still, nowhere)[there].max() < 1
    assert doubts(failures, crossing, nowhere)[there].min() > 12
    assert doubts(failures, crossing, everywhere)[there].max() < 1


@pytest.mark.parametrize("shape", [(1, 1), (40, 300), (240, 400)])
def test_pictures_without_landmarks_have_no_layers(shape: tuple[int, int]) -> None:
    flat, bright = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    dense = least_mismatch(flat, bright, [np.zeros((*shape, 2), np.float32)])
    assert layer_motions(flat, bright, dense) == []


def test_the_same_pictures_have_the_same_layers() -> None:
    before = blots(5)
    after = moved(before, turned(20, 90, 40))
    dense = least_mismatch(before, after, [estimate_middle(before, after)])
    first, second = (layer_motions(before, after, dense) for _ in range(2))
    assert first
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
