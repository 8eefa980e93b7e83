import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.registry import (
    describe_retargeter,
    load_retargeter,
    resolve_retargeter,
    retargeter_names,
)
from imf_plugin.models.retargeting import PosingRetargeter, Retargeter
from imf_plugin.models.transport.alignment import align, centred
from imf_plugin.models.transport.motion import motion_spline, working_size
from imf_plugin.models.transport.retargeter import TransportRetargeter
from imf_plugin.models.transport.spline import basis, expand, fit
from imf_plugin.motion.flow import pixel_grid

MODEL = TransportRetargeter()


def texture(height: int = 128, width: int = 160, seed: int = 3) -> NDArray[np.uint8]:
    """A colourful picture with detail at several scales, ``[H, W, 3]``."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.integers(0, 256, (height // size, width // size, 3)).astype(np.float32),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        )
        for size in (4, 8, 16, 32)
    ]
    return np.asarray(np.clip(sum(layers) / 4, 0, 255), np.uint8)


def moved(picture: NDArray[np.uint8], matrix: list[list[float]]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    turned = cv2.warpAffine(
        picture,
        np.array(matrix, np.float64),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(turned, np.uint8)


def tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)


def error(made: Tensor, truth: Tensor, margin: int = 20) -> float:
    """Mean absolute difference away from the border, in 8-bit steps."""
    difference = (made - truth).abs()[..., margin:-margin, margin:-margin]
    return 255 * float(difference.mean())


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def test_transport_is_in_the_registry_and_fulfils_both_protocols() -> None:
    assert "transport" in retargeter_names()
    model = load_retargeter("transport")
    assert isinstance(model, Retargeter)
    assert isinstance(model, PosingRetargeter)
    assert describe_retargeter("transport") == model.descriptor
    assert resolve_retargeter("auto") in retargeter_names()


def test_the_anchor_itself_has_a_token_of_zeros_and_gives_the_reference_unchanged() -> None:
    anchor = tensor(texture())
    tokens = MODEL.encode_tokens(anchor[None], anchor)
    assert tokens.shape == (1, *MODEL.token_shape)
    assert not tokens.any()
    reference = MODEL.encode_reference(tensor(texture(90, 70, seed=8)), anchor)
    assert torch.equal(MODEL.render(reference, tokens)[0], reference.image)
    assert torch.equal(tokens[0], MODEL.reference_token(reference))


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 6], [0, 1, -4]],
        [[1, 0, 23], [0, 1, 9]],
        [[0.995, -0.0998, 8], [0.0998, 0.995, -8]],
        [[1.1, 0, -8], [0, 1.1, -6.4]],
    ],
    ids=["shift", "large shift", "turn", "zoom"],
)
def test_a_clip_is_played_on_its_own_anchor(matrix: list[list[float]]) -> None:
    anchor, frame = tensor(texture()), tensor(moved(texture(), matrix))
    reference = MODEL.encode_reference(anchor, anchor)
    made = MODEL.render(reference, MODEL.encode_tokens(frame[None], anchor))[0]
    assert error(made, frame, margin=32) < 3.0
    assert error(anchor, frame, margin=32) > 8.0


def test_a_token_says_where_things_come_from_in_shares_of_the_frame() -> None:
    anchor, frame = tensor(texture()), tensor(moved(texture(), [[1, 0, 8], [0, 1, -6.4]]))
    token = MODEL.encode_tokens(frame[None], anchor)[0]
    inner = token[:, 8:-8, 8:-8].flatten(1).median(dim=1).values
    torch.testing.assert_close(inner, torch.tensor([-8 / 160, 6.4 / 128]), atol=2e-3, rtol=0)


def test_tokens_and_pictures_depend_on_their_own_frame_alone() -> None:
    anchor = tensor(texture())
    frames = torch.stack([tensor(moved(texture(), [[1, 0, dx], [0, 1, 0]])) for dx in (3, 9, 5)])
    together = MODEL.encode_tokens(frames, anchor)
    alone = torch.cat([MODEL.encode_tokens(frame[None], anchor) for frame in frames])
    assert torch.equal(together, alone)
    reference = MODEL.encode_reference(anchor, anchor)
    backwards = MODEL.render(reference, together.flip(0)).flip(0)
    assert torch.equal(MODEL.render(reference, together), backwards)


def test_motion_is_carried_to_where_the_same_thing_stands_in_a_larger_picture() -> None:
    scene = texture(256, 320, seed=4)
    # The driving frames show the middle of the scene at half its size.
    window = np.ascontiguousarray(scene[64:192, 80:240])
    small = cv2.resize(window, (80, 64), interpolation=cv2.INTER_AREA)
    driving = np.asarray(cv2.resize(small, (160, 128), interpolation=cv2.INTER_CUBIC), np.uint8)
    anchor, frame = tensor(driving), tensor(moved(driving, [[1, 0, 10], [0, 1, 0]]))
    reference = MODEL.encode_reference(tensor(scene), anchor)
    assert reference.note == "aligned by features"
    made = MODEL.render(reference, MODEL.encode_tokens(frame[None], anchor))[0]
    truth = tensor(moved(scene, [[1, 0, 10], [0, 1, 0]]))
    inside = (slice(None), slice(80, 176), slice(110, 220))
    assert error(made[inside], truth[inside]) < 4.0


def test_pictures_that_have_nothing_in_common_are_laid_over_each_other_centred() -> None:
    anchor = tensor(texture(64, 64, seed=1))
    reference = MODEL.encode_reference(tensor(texture(100, 200, seed=2)), anchor)
    assert reference.note == "aligned by centred"
    fit_ = centred((64, 64), (100, 200))
    corner = fit_.matrix @ np.array([31.5, 31.5, 1.0])
    np.testing.assert_allclose(corner, [99.5, 49.5])


def test_alignment_finds_shift_and_zoom_between_pictures_of_one_thing() -> None:
    scene = grey(texture(200, 240, seed=5))
    matrix = np.array([[1.25, 0, 12], [0, 1.25, -7]])
    other = cv2.warpAffine(scene, matrix, (260, 220), flags=cv2.INTER_CUBIC).astype(np.uint8)
    found = align(scene, np.asarray(other, np.uint8))
    assert found.kind == "features"
    np.testing.assert_allclose(found.matrix, matrix, atol=0.6)
    np.testing.assert_allclose(found.matrix[:, :2], matrix[:, :2], atol=0.01)


def test_a_picture_is_aligned_with_itself_exactly_even_without_any_detail() -> None:
    plain = np.full((50, 60), 90, np.uint8)
    assert align(plain, plain).kind == "same"
    np.testing.assert_array_equal(align(plain, plain).matrix, np.eye(2, 3))


def test_a_posed_reference_stands_where_the_anchor_stands() -> None:
    scene = texture(128, 160, seed=6)
    anchor = tensor(moved(scene, [[1, 0, 14], [0, 1, 5]]))
    posed = MODEL.encode_posed_reference(tensor(scene), anchor)
    made = MODEL.render(posed, MODEL.reference_token(posed)[None])[0]
    assert error(made, anchor, margin=24) < 4.0
    assert error(tensor(scene), anchor, margin=24) > 15.0


def test_frames_of_another_size_than_the_anchor_are_refused() -> None:
    anchor = tensor(texture())
    with pytest.raises(ValueError, match="anchor's size"):
        MODEL.encode_tokens(anchor[None, :, :-1], anchor)
    with pytest.raises(ValueError, match="from an anchor"):
        MODEL.encode_tokens(anchor[None])


def test_tokens_of_another_shape_are_refused() -> None:
    reference = MODEL.encode_reference(tensor(texture()))
    with pytest.raises(ValueError, match="expected tokens of shape"):
        MODEL.render(reference, torch.zeros(1, 32))


def test_wrong_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="a reference"):
        MODEL.encode_reference(torch.zeros(1, 8, 8))
    with pytest.raises(TypeError, match="floats"):
        MODEL.encode_reference(torch.zeros(3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("size", [(8, 8), (1, 40), (33, 7)])
def test_tiny_pictures_work(size: tuple[int, int]) -> None:
    anchor = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    reference = MODEL.encode_reference(anchor, anchor)
    made = MODEL.render(reference, MODEL.encode_tokens(anchor.flip(-1)[None], anchor))
    assert made.shape == (1, 3, *size)
    assert torch.isfinite(made).all()


def test_rendered_colours_stay_within_those_of_the_reference() -> None:
    reference = MODEL.encode_reference(tensor(texture()), tensor(texture()))
    token = 0.1 * torch.randn(1, *MODEL.token_shape, generator=torch.Generator().manual_seed(2))
    made = MODEL.render(reference, token)
    assert made.min() >= reference.image.min()
    assert made.max() <= reference.image.max()


def test_motion_is_measured_on_at_most_half_a_thousand_pixels_a_side() -> None:
    assert working_size(1080, 1920) == (288, 512)
    assert working_size(100, 200) == (100, 200)
    assert working_size(4, 400) == (32, 400)


def test_motion_of_nothing_is_nothing() -> None:
    assert not motion_spline(grey(texture()), grey(texture()), 8).any()


def test_a_spline_of_equal_points_is_constant_and_its_basis_sums_to_one() -> None:
    np.testing.assert_allclose(basis(37, 8).sum(axis=1), 1, atol=1e-6)
    field = expand(np.full((8, 8, 2), 2.5, np.float32), (30, 50))
    np.testing.assert_allclose(field, 2.5, atol=1e-5)


def test_a_spline_is_recovered_from_its_own_field() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(8, 8, 2)).astype(np.float32)
    field = expand(points, (96, 96))
    again = expand(fit(field, np.ones((96, 96), np.float32), 8), (96, 96))
    assert np.abs(again - field).mean() < 0.05


def test_the_fit_follows_the_pixels_that_count() -> None:
    grid = pixel_grid(64, 64)
    field = np.where(grid[..., :1] < 32, 1.0, 9.0).repeat(2, axis=2).astype(np.float32)
    left_counts = np.where(grid[..., 0] < 32, 100.0, 0.01).astype(np.float32)
    near_edge = expand(fit(field, left_counts, 4), (64, 64))[:, 28:32, 0]
    even = expand(fit(field, np.ones((64, 64), np.float32), 4), (64, 64))[:, 28:32, 0]
    assert abs(float(near_edge.mean()) - 1) < abs(float(even.mean()) - 1)
