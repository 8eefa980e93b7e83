from pathlib import Path

import pytest
import torch

from imf_plugin.models.latent_motion import retargeter
from imf_plugin.models.latent_motion.network import (
    SIDE_PX,
    LatentMotion,
    LatentMotionConfig,
    between,
    followed,
    grid_basis,
    nearest_grid,
)
from imf_plugin.models.latent_motion.retargeter import LatentMotionRetargeter, small_motion
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.models.weight_files import write_weights

SMALL = LatentMotionConfig(width=8, temporal_width=8)


@pytest.fixture(scope="module")
def model() -> LatentMotionRetargeter:
    torch.manual_seed(1)
    network = LatentMotion(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
    return LatentMotionRetargeter(network)


def waves(shift_px: float, side: int = 96) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(side) * 1.0, torch.arange(side) * 1.0, indexing="ij")
    x = x - shift_px
    planes = [
        torch.sin(x / 7 + y / 11),
        torch.cos(x / 9 - y / 8),
        torch.sin(y / 6) * torch.cos(x / 10),
    ]
    return torch.stack(planes) * 0.4 + 0.5


def test_it_fulfils_the_protocol(model: LatentMotionRetargeter) -> None:
    assert isinstance(model, Retargeter)


def test_no_motion_gives_the_reference_exactly(model: LatentMotionRetargeter) -> None:
    image = torch.rand(3, 40, 70)
    reference = model.encode_reference(image)
    made = model.render(reference, model.reference_token(reference)[None])
    assert torch.equal(made[0], image)


def test_the_anchor_itself_has_no_motion(model: LatentMotionRetargeter) -> None:
    tokens = model.encode_tokens(torch.stack([waves(0), waves(5)]), waves(0))
    assert not tokens[0].any()
    assert tokens[1].any()


def test_without_an_anchor_there_is_nothing_to_measure_from(model: LatentMotionRetargeter) -> None:
    with pytest.raises(ValueError, match="anchor"):
        model.encode_tokens(waves(0)[None])


def test_a_shift_is_followed_by_an_untrained_network() -> None:
    model = LatentMotionRetargeter(LatentMotion(LatentMotionConfig()))
    anchor, frame = waves(0), waves(6)
    tokens = model.encode_tokens(frame[None], anchor)
    made = model.render(model.encode_reference(anchor), tokens)[0]
    inside = (slice(None), slice(12, -12), slice(12, -12))
    before = (anchor - frame)[inside].square().mean()
    assert (made - frame)[inside].square().mean() < 0.05 * before


def share_unfolded(flow: torch.Tensor) -> float:
    """The share of places where neighbours keep their order."""
    right = (flow[:, :, :, 1:] - flow[:, :, :, :-1])[:, :, :-1]
    down = (flow[:, :, 1:] - flow[:, :, :-1])[:, :, :, :-1]
    area = (1 + right[:, 0]) * (1 + down[:, 1]) - right[:, 1] * down[:, 0]
    return float((area[:, 2:-2, 2:-2] > 0).float().mean())


def test_deformations_do_not_fold_where_adding_the_velocity_would() -> None:
    torch.manual_seed(2)
    coarse = 2 * torch.randn(8, 2, 8, 8)
    velocity = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
    plain = torch.nn.functional.interpolate(velocity, (SIDE_PX, SIDE_PX), mode="bilinear")
    assert share_unfolded(plain) < 0.98
    assert share_unfolded(followed(velocity)) == 1.0


def test_following_backwards_undoes_the_deformation() -> None:
    torch.manual_seed(3)
    coarse = torch.nn.functional.interpolate(torch.randn(4, 2, 4, 4), (16, 16), mode="bicubic")
    there, back = followed(coarse), followed(-coarse)
    from imf_plugin.models.latent_motion.network import looked_up

    returned = there + looked_up(back, there)
    inside = (slice(None), slice(None), slice(6, -6), slice(6, -6))
    assert returned[inside].abs().mean() < 0.1 * there[inside].abs().mean()


def test_the_nearest_grid_of_a_grid_s_motion_is_that_grid() -> None:
    grid = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(4))
    basis = grid_basis()
    plane = torch.einsum("bcp,pn->bcn", grid.flatten(2), basis).reshape(2, 2, SIDE_PX, SIDE_PX)
    motion = torch.cat([plane, torch.ones(2, 1, SIDE_PX, SIDE_PX)], 1)
    torch.testing.assert_close(nearest_grid(motion, basis), grid.flatten(1), atol=2e-2, rtol=1e-2)


def test_unknown_rows_lie_on_lines_between_the_known_ones() -> None:
    matrix = torch.tensor([9.0, 0.0, 9.0, 9.0, 9.0, 4.0, 9.0])[None, :, None]
    known = torch.tensor([0, 1, 0, 0, 0, 1, 0])[None]
    wanted = torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0])
    torch.testing.assert_close(between(matrix, known)[0, :, 0], wanted)
    assert not between(matrix, torch.zeros(1, 7)).any()


def test_filling_keeps_what_is_known_and_does_not_read_what_is_not(
    model: LatentMotionRetargeter,
) -> None:
    tokens = torch.randn(9, 32, generator=torch.Generator().manual_seed(6))
    known = torch.tensor([1, 0, 0, 0, 1, 0, 0, 0, 1])
    filled = model.fill(tokens, known)
    assert torch.equal(filled[::4], tokens[::4])
    other = torch.where(known.bool()[:, None], tokens, torch.randn(9, 32))
    torch.testing.assert_close(model.fill(other, known), filled)
    assert model.smooth(tokens).shape == tokens.shape


def test_new_motion_starts_from_rest_and_repeats_with_its_seed(
    model: LatentMotionRetargeter,
) -> None:
    motion = model.sample(30, seed=5)
    assert motion.shape == (30, 32)
    assert not motion[0].any()
    assert motion[12].any()
    assert torch.equal(motion, model.sample(30, seed=5))
    assert not torch.equal(motion, model.sample(30, seed=6))
    steps = (motion[1:] - motion[:-1]).norm(dim=1)
    assert steps.max() < 0.5 * motion.norm(dim=1).max()


def test_small_motion_is_the_mean_of_what_is_known() -> None:
    motion = torch.zeros(1, 3, 64, 64)
    motion[:, 0] = 8.0
    motion[:, 2, ::2] = 1.0
    small = small_motion(motion)
    assert small.shape == (1, 3, 32, 32)
    torch.testing.assert_close(small[:, 0], torch.full((1, 32, 32), 2.0))
    torch.testing.assert_close(small[:, 2], torch.full((1, 32, 32), 0.5))


def test_weights_come_back_as_they_were_written(
    model: LatentMotionRetargeter, tmp_path: Path
) -> None:
    weights = model.network.state_dict()
    write_weights(tmp_path, "latent-motion", SMALL.to_dict(), weights, {"data": "none"})
    loaded = retargeter.load(tmp_path)
    assert loaded.descriptor.details["data"] == "none"
    tokens = model.encode_tokens(waves(5)[None], waves(0))
    torch.testing.assert_close(
        loaded.encode_tokens(waves(5)[None], waves(0)), tokens, atol=2e-2, rtol=2e-2
    )
