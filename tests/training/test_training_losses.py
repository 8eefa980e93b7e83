import math

import pytest
import torch

from imf_plugin.training.losses import (
    CHARBONNIER_EPSILON,
    LAPLACIAN_LEVELS,
    census,
    charbonnier,
    flow_error,
    laplacian,
    motion_through,
    texture,
)


def random_pictures(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(seed))


def test_charbonnier_is_its_formula() -> None:
    truth = random_pictures(0)
    found = charbonnier(truth + 0.25, truth)
    assert float(found) == pytest.approx(math.hypot(0.25, CHARBONNIER_EPSILON), rel=1e-5)
    assert float(charbonnier(truth, truth)) == pytest.approx(CHARBONNIER_EPSILON)


def test_laplacian_sees_an_even_difference_only_at_the_coarsest_level() -> None:
    truth = random_pictures(1)
    even = laplacian(truth + 0.125, truth)
    assert float(even) == pytest.approx(2**LAPLACIAN_LEVELS * 0.125, rel=1e-4)
    assert float(laplacian(truth, truth)) == 0


def test_laplacian_counts_a_coarse_error_more_than_a_fine_one() -> None:
    truth = torch.zeros(1, 3, 32, 32)
    checks = torch.ones(1, 1, 32, 32)
    checks[..., ::2] *= -1
    fine = laplacian(truth + 0.1 * checks, truth)
    coarse = laplacian(truth + 0.1, truth)
    assert coarse > 3 * fine


def test_census_ignores_brightness_and_sees_structure() -> None:
    truth = random_pictures(2)
    assert float(census(truth + 0.2, truth)) == pytest.approx(0, abs=1e-5)
    assert float(census(truth.flip(-1), truth)) > 0.1


def test_texture_misses_detail_that_is_blurred_away() -> None:
    truth = random_pictures(3)
    blurred = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert float(texture(truth, truth)) == 0
    assert float(texture(blurred, truth)) > 0.1


def test_texture_prefers_detail_beside_its_place_to_none_where_charbonnier_does_not() -> None:
    truth = random_pictures(4)
    beside = truth.roll((1, 1), (2, 3))
    blurred = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert float(charbonnier(beside, truth)) > float(charbonnier(blurred, truth))
    assert float(texture(beside, truth)) < 0.3 * float(texture(blurred, truth))


def test_flow_error_counts_only_where_the_truth_is_known() -> None:
    truth = torch.zeros(1, 4, 8, 8)
    truth[..., 4:] = math.nan
    found = torch.full_like(truth, 3.0)
    found.requires_grad_()
    error = flow_error(found, truth)
    assert float(error.detach()) == pytest.approx(math.sqrt(9.01) - 0.1, rel=1e-5)
    error.backward()  # type: ignore[no-untyped-call]
    assert found.grad is not None
    assert torch.isfinite(found.grad).all()
    assert not found.grad[..., 4:].any()


def test_flow_error_without_any_truth_is_zero() -> None:
    nothing = torch.full((1, 4, 8, 8), math.nan)
    assert float(flow_error(torch.ones_like(nothing), nothing)) == 0


def test_a_smaller_flow_is_compared_with_the_mean_of_what_is_known() -> None:
    truth = torch.full((1, 4, 8, 8), math.nan)
    truth[..., :4] = 2.0
    truth[..., 0, 0] = math.nan
    assert float(flow_error(torch.full((1, 4, 2, 2), 2.0), truth)) == pytest.approx(0, abs=1e-6)
    off = float(flow_error(torch.full((1, 4, 2, 2), 5.0), truth))
    assert off == pytest.approx(math.sqrt(9.01) - 0.1, rel=1e-5)


def test_where_on_the_way_the_content_is_does_not_matter_to_the_motion_through() -> None:
    flows = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([1.5, -0.5, 1.5, -0.5]).view(1, 4, 1, 1)
    torch.testing.assert_close(motion_through(flows), motion_through(flows + shift))
    torch.testing.assert_close(motion_through(flows), flows[:, 2:] - flows[:, :2])
