"""Motion that the dense search has lost is recognised, by the weights that ship."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imf_plugin.models.flow.estimation import GreyPicture
from imf_plugin.models.flow.opinions import OPINIONS, estimate_opinions
from imf_plugin.models.imf_vfi.enlargement import sided
from imf_plugin.models.imf_vfi.handed import side_at
from imf_plugin.models.imf_vfi.recogniser import (
    Opinions,
    Recogniser,
    load_recogniser,
    working_size,
)
from imf_plugin.models.imf_vfi.recognition import (
    EVIDENCE,
    Recognised,
    RecognitionNetwork,
    best_matches,
    landed_halfway,
)
from imf_plugin.models.imf_vfi.refinement import Draft, RefinementNetwork, drafted
from imf_plugin.motion.flow import FlowArray

HEIGHT, WIDTH = 240, 400
DISTANCE = 130


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return load_recogniser(torch.device("cpu"))


def blots(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return a picture ``[H, W, 3]`` with something to recognise everywhere."""
    random = np.random.default_rng(seed)
    rough = random.integers(0, 256, (height // 6, width // 6, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC))


def crossing() -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures; something in front of a still ground has gone `DISTANCE` px."""
    before, thing = blots(2), blots(3, 120, 150)
    after = before.copy()
    before[60:180, 20:170] = thing
    after[60:180, 20 + DISTANCE : 170 + DISTANCE] = thing
    return before, after


def corrected(
    recogniser: Recogniser, before: np.ndarray, after: np.ndarray
) -> tuple[list[FlowArray], Opinions]:
    """Return what the dense search says, and what is made of it."""
    grey0, grey1 = greys = (grey_of(before), grey_of(after))
    every = estimate_opinions(grey0, grey1)
    opinions = [np.ascontiguousarray(every[..., 2 * n : 2 * n + 2]) for n in range(OPINIONS)]
    frames = (planes_of(before), planes_of(after))
    return opinions, recogniser.corrected(frames, greys, opinions)


def grey_of(picture: np.ndarray) -> GreyPicture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def planes_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255


def test_what_crosses_the_picture_is_recognised_and_the_ground_stays(
    recogniser: Recogniser,
) -> None:
    dense, found = corrected(recogniser, *crossing())
    there = (slice(80, 160), slice(100, 220))
    for before, after in zip(dense, found.flows, strict=True):
        assert np.abs(before[there] - (DISTANCE, 0)).mean() > 20
        assert np.abs(after[there] - (DISTANCE, 0)).mean() < 3
        assert np.abs(after[:30]).mean() < 0.5


def test_opinions_that_fail_follow_one_that_is_surely_right(recogniser: Recogniser) -> None:
    before, after = crossing()
    greys = (grey_of(before), grey_of(after))
    still = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    right = still.copy()
    right[60:180, 85:235] = (DISTANCE, 0)
    frames = (planes_of(before), planes_of(after))
    found = recogniser.corrected(frames, greys, [still, right, still])
    there = (slice(80, 160), slice(105, 215))
    for flow in found.flows:
        assert np.abs(flow[there] - (DISTANCE, 0)).mean() < 3
        assert np.abs(flow[:30]).mean() < 0.5


def test_where_hardly_anything_is_lost_nothing_changes(recogniser: Recogniser) -> None:
    before = blots(4)
    after = np.roll(before, 3, axis=1)
    dense, found = corrected(recogniser, before, after)
    assert found.flows is dense
    assert found.side is None


@pytest.mark.parametrize("size", [(1, 1), (40, 300), (63, 63)])
def test_small_pictures_are_left_alone(recogniser: Recogniser, size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    dense, found = corrected(recogniser, *pictures)
    assert found.flows is dense


@pytest.mark.parametrize("levels", [(0, 255), (0, 0)])
def test_pictures_without_any_texture_do_no_harm(
    recogniser: Recogniser, levels: tuple[int, int]
) -> None:
    before, after = (np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in levels)
    _, found = corrected(recogniser, before, after)
    assert all(np.isfinite(flow).all() for flow in found.flows)


def test_the_same_pictures_give_the_same_motion(recogniser: Recogniser) -> None:
    first, second = (corrected(recogniser, *crossing())[1].flows for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_what_the_thing_will_cover_is_taken_from_the_picture_that_shows_it(
    recogniser: Recogniser,
) -> None:
    side = corrected(recogniser, *crossing())[1].side
    assert side is not None
    # Halfway it stands at 85..235; behind it the second picture shows the ground, before it the
    # first.
    left_behind, still_to_come = side[80:160, 40:70], side[80:160, 250:280]
    assert still_to_come.mean() < -0.3
    assert left_behind.mean() > still_to_come.mean() + 0.5


@given(side=st.floats(-8, 8), seed=st.integers(0, 99))
def test_sides_shift_weight_between_the_warped_keyframes(side: float, seed: int) -> None:
    weights = torch.rand(1, 8, 2, 3, generator=torch.Generator().manual_seed(seed)) + 0.01
    weights = weights / weights.sum(1, keepdim=True)
    found = sided(weights, torch.full((1, 1, 2, 3), side))
    torch.testing.assert_close(found.sum(1), torch.ones(1, 2, 3))
    if side == 0:
        torch.testing.assert_close(found, weights)
    # The more is known, the less the network's weights and the unwarped keyframes count.
    assert bool((found[:, 2:4].sum(1) <= weights[:, 2:4].sum(1) + 1e-6).all())
    if abs(side) > 6:
        for first in (0, 4, 6):
            share = found[:, first + 1] / found[:, first : first + 2].sum(1)
            assert float((share - float(side > 0)).abs().max()) < 0.01


def test_sides_move_along_with_what_they_are_said_of() -> None:
    side = np.tile(np.arange(20, dtype=np.float32), (4, 1))
    flow = np.full((4, 20, 2), (8.0, 0.0), np.float32)
    assert np.array_equal(side_at(side, flow, 0.5, None), side)
    # A quarter before the middle everything stands 2 px further left.
    assert side_at(side, flow, 0.25, None)[2, 10] == 12
    aside = np.full((4, 20, 2), (1.0, 0.0), np.float32)
    assert side_at(side, flow, 0.25, aside)[2, 10] == 11


@given(height=st.integers(64, 3000), width=st.integers(64, 3000))
def test_the_working_size_suits_the_network_and_hardly_changes_the_shape(
    height: int, width: int
) -> None:
    size = working_size(height, width)
    if size is None:
        assert max(height, width) / min(height, width) > 2
        return
    assert size[0] % 16 == 0
    assert size[1] % 16 == 0
    assert size[0] * size[1] < 1.2 * 640 * 360
    assert size[1] / size[0] == pytest.approx(width / height, rel=0.3)


@settings(deadline=None)
@given(dx=st.integers(-3, 3), dy=st.integers(-2, 2))
def test_what_matches_lands_halfway(dx: int, dy: int) -> None:
    height, width = 8, 12
    similarity = torch.zeros(height * width, height * width)
    for y in range(max(0, -dy), min(height, height - dy)):
        for x in range(max(0, -dx), min(width, width - dx)):
            similarity[y * width + x, (y + dy) * width + x + dx] = 30.0
    matches = best_matches(similarity, (height, width))
    landed, sure = landed_halfway(matches, torch.zeros(1, 2, height, width))
    middle = (slice(3, 5), slice(4, 8))
    for motion, sureness in zip(landed, sure, strict=True):
        assert motion[:, *middle].mean((1, 2)).tolist() == pytest.approx([8 * dx, 8 * dy], abs=0.8)
        assert float(sureness[:, *middle].min()) > 0.9


def test_an_untrained_network_believes_all_candidates_alike() -> None:
    network = RecognitionNetwork().eval()
    with torch.inference_mode():
        first, second = (network.describe(torch.rand(1, 3, 64, 96)) for _ in range(2))
        found = network(first, second, torch.randn(3, 2, 16, 24), torch.randn(2, 2, 16, 24))
    assert found.candidates.shape == (7, 2, 16, 24)
    torch.testing.assert_close(found.shares, torch.full((7, 1, 16, 24), 1 / 7))
    torch.testing.assert_close(found.motion, found.candidates.mean(0, keepdim=True))


def test_candidates_are_judged_alike_in_whatever_order_the_layers_come() -> None:
    torch.manual_seed(0)
    network = RecognitionNetwork().eval()
    torch.nn.init.normal_(network.judge.verdict.weight, std=0.1)
    layers = 5 * torch.randn(3, 2, 16, 24)
    with torch.inference_mode():
        first, second = (network.describe(torch.rand(1, 3, 64, 96)) for _ in range(2))
        opinions = torch.randn(3, 2, 16, 24)
        found = network(first, second, opinions, layers)
        turned = network(first, second, opinions, layers.flip(0))
    torch.testing.assert_close(turned.motion, found.motion, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(turned.shares[5:].flip(0), found.shares[5:], atol=1e-4, rtol=1e-4)


def test_an_untrained_refinement_leaves_what_it_is_given() -> None:
    torch.manual_seed(0)
    network = RefinementNetwork().eval()
    draft = Draft(
        motion=torch.full((1, 2, 16, 24), 7.0),
        rival=torch.full((1, 2, 16, 24), 7.0),
        side=torch.full((1, 1, 16, 24), -0.5),
        found=torch.rand(1, 1, 16, 24),
        evidence=torch.randn(1, EVIDENCE, 16, 24),
    )
    with torch.inference_mode():
        refined = network(torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96), draft)
    assert refined.candidates.shape[2:] == (2, 32, 48)
    torch.testing.assert_close(refined.shares.sum(1), torch.ones(1, 1, 32, 48))
    torch.testing.assert_close(refined.motions[-1], torch.full((1, 2, 32, 48), 7.0))
    torch.testing.assert_close(refined.sides[-1], torch.full((1, 1, 32, 48), -0.5))


def test_the_rival_of_a_motion_is_the_second_likeliest() -> None:
    chances = torch.tensor([0.2, 0.5, 0.3])[:, None, None, None].expand(-1, 1, 4, 4)
    candidates = torch.arange(3.0)[:, None, None, None].expand(-1, 2, 4, 4)
    found = Recognised(
        candidates=candidates,
        shares=chances,
        mixture=chances,
        motion=candidates[1:2],
        side=torch.zeros(1, 1, 4, 4),
        evidence=torch.zeros(1, EVIDENCE, 4, 4),
        similarity=torch.zeros(4, 4),
    )
    draft = drafted(found, 1)
    assert bool((draft.rival == 2).all())
    torch.testing.assert_close(draft.found, torch.full((1, 1, 4, 4), 0.8))
