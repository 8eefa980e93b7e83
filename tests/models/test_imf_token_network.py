import dataclasses

import pytest
import torch

from imf_plugin.models.imf.compact import CompactImf, displaced, shown
from imf_plugin.models.imf.config import COMPACT, PAPER, CompactConfig, PaperConfig
from imf_plugin.models.imf.discriminator import (
    PatchDiscriminator,
    hinge_judge_loss,
    hinge_maker_loss,
)
from imf_plugin.models.imf.layers import StyledConv, positions, soft_norm
from imf_plugin.models.imf.paper import PaperImf

TINY = CompactConfig(
    name="tiny",
    size_px=64,
    token_dim=8,
    widths=(16, 16, 8, 8),
    encoder_widths=(8, 8, 16, 16),
    style_dim=16,
    heads=2,
)


@pytest.fixture
def network() -> CompactImf:
    """A network whose every layer does something, unlike an untrained one."""
    torch.manual_seed(3)
    network = CompactImf(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return network


def pictures(count: int, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


@torch.no_grad()
def test_the_reference_s_own_token_moves_nothing_whatever_the_weights(network: CompactImf) -> None:
    reference = network.reference(pictures(2))
    decoded = network.decode(reference, reference.tokens.repeat_interleave(3, 0))
    assert decoded.flow.shape == (6, 2, 32, 32)
    assert decoded.paint.shape == (6, 3, 64, 64)
    assert decoded.flow.abs().max() < 1e-4
    assert decoded.paint.abs().max() < 1e-4


@torch.no_grad()
def test_an_untrained_network_moves_the_picture_as_a_coarse_grid_says() -> None:
    network = CompactImf(dataclasses.replace(TINY, token_dim=32))
    reference = network.reference(pictures(1))
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    # A zoom by a tenth, and a shift.
    true = torch.stack([0.1 * (x - 16) + 3, 0.1 * (y - 16) - 1])[None]
    motion = torch.cat([true, torch.ones(1, 1, 32, 32)], 1)
    moved = network.moved_tokens(pictures(1), pictures(1), motion)
    decoded = network.decode(reference, reference.tokens + moved)
    assert (decoded.flow - true)[..., 4:-4, 4:-4].abs().mean() < 0.15
    assert not decoded.paint.any()


@torch.no_grad()
def test_where_no_motion_is_known_the_grid_stays_put() -> None:
    network = CompactImf(dataclasses.replace(TINY, token_dim=32))
    motion = torch.cat([torch.full((1, 2, 32, 32), 5.0), torch.zeros(1, 1, 32, 32)], 1)
    assert not network.moved_tokens(pictures(1), pictures(1), motion).any()


@torch.no_grad()
def test_a_token_close_to_the_reference_s_moves_little(network: CompactImf) -> None:
    reference = network.reference(pictures(1))
    step = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    far, near = (
        network.decode(reference, reference.tokens + size * step).flow.abs().max()
        for size in (1.0, 1e-3)
    )
    assert 0 < near < 1e-2 * far


@torch.no_grad()
def test_every_reference_of_a_batch_is_moved_by_its_own_tokens(network: CompactImf) -> None:
    both = pictures(2)
    tokens = torch.randn(4, 8, generator=torch.Generator().manual_seed(5))
    together = network.decode(network.reference(both), tokens).flow
    alone = torch.cat(
        [
            network.decode(network.reference(both[index : index + 1]), rows).flow
            for index, rows in enumerate(torch.split(tokens, 2))
        ]
    )
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_every_weight_of_the_compact_network_is_trained(network: CompactImf) -> None:
    reference = network.reference(pictures(1))
    motion = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    moments = pictures(2)
    moved = network.moved_tokens(moments, moments.flip(0), motion)
    decoded = network.decode(reference, reference.tokens + moved)
    total = shown(pictures(1).expand(2, -1, -1, -1), decoded, 64).square().sum()
    (total + decoded.flow.square().sum()).backward()  # type: ignore[no-untyped-call]
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


def test_a_flow_fetches_from_where_it_points() -> None:
    picture = torch.arange(8.0).expand(1, 1, 6, 8)
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0] = 2.0
    moved = displaced(picture, flow)
    torch.testing.assert_close(moved[0, 0, 0], torch.tensor([2.0, 3, 4, 5, 6, 7, 7, 7]))


def test_a_picture_of_another_size_is_moved_by_the_same_share_of_its_sides() -> None:
    network = CompactImf(TINY)
    decoded = network.decode(network.reference(pictures(1)), torch.zeros(1, 8))
    decoded = dataclasses.replace(decoded, flow=torch.full((1, 2, 32, 32), 8.0))
    ramp = torch.linspace(0, 1, 256).expand(1, 3, 128, 256).contiguous()
    moved = shown(ramp, decoded, 64)
    # 8 of 64 px are an eighth of the width.
    assert moved[0, 0, 60, 100].item() == pytest.approx((100 + 32) / 255, abs=1e-3)


def test_the_compact_network_is_far_below_its_limit_of_weights() -> None:
    count = sum(parameter.numel() for parameter in CompactImf(COMPACT).parameters())
    assert 1_000_000 < count < 8_000_000


@pytest.mark.parametrize("config", [COMPACT, TINY])
def test_a_configuration_survives_being_written_as_data(config: CompactConfig) -> None:
    assert CompactConfig.from_dict(config.to_dict()) == config


def test_a_side_that_no_pyramid_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        CompactConfig(size_px=100)
    with pytest.raises(ValueError, match="multiple of 64"):
        PaperConfig(size_px=100)


def test_the_paper_s_boxes_have_the_paper_s_shapes() -> None:
    with torch.device("meta"):
        network = PaperImf(PAPER).eval()
        frames = torch.zeros(2, 3, 256, 256)
        assert network.token_encoder(frames).shape == (2, 32)
        features = network.feature_encoder(frames)
        motion = network.token_decoder(torch.zeros(2, 32))
        aligned = [
            alignment(plane, plane, feature)
            for alignment, plane, feature in zip(
                network.alignments, motion, features[:0:-1], strict=True
            )
        ]
        picture = network.frame_decoder(aligned)
    assert [tuple(plane.shape[1:]) for plane in features] == [
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 16, 16),
        (512, 8, 8),
    ]
    assert [tuple(plane.shape[1:]) for plane in motion] == [
        (512, 8, 8),
        (512, 16, 16),
        (512, 32, 32),
        (256, 64, 64),
    ]
    assert [plane.shape for plane in aligned] == [plane.shape for plane in features[:0:-1]]
    assert picture.shape == (2, 3, 256, 256)
    assert [
        len(list(alignment.get_submodule("blocks").children())) for alignment in network.alignments
    ] == [4, 4, 0, 0]


def test_the_paper_s_network_makes_pictures_and_trains_every_weight() -> None:
    torch.manual_seed(0)
    small = PaperConfig(
        size_px=64,
        token_dim=8,
        encoder_widths=(8, 8, 8, 16, 16),
        feature_widths=(8, 8, 8, 16, 16),
        motion_widths=(16, 16, 16, 8),
        constant_px=2,
        heads=2,
        blocks=1,
    )
    network = PaperImf(small)
    made = network(pictures(2), pictures(2).flip(0))
    assert made.shape == (2, 3, 64, 64)
    assert 0 <= made.min() < made.max() <= 1
    made.square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all()
        for parameter in network.parameters()
    )


@torch.no_grad()
def test_demodulation_keeps_the_size_of_what_a_style_makes_large() -> None:
    torch.manual_seed(1)
    layer = StyledConv(16, 16, 4)
    features = torch.randn(1, 16, 32, 32)
    usual, strong = (layer(features, torch.full((1, 4), size)).std() for size in (0.0, 50.0))
    assert strong == pytest.approx(float(usual), rel=0.5)


def test_modulation_weights_the_input_channels() -> None:
    torch.manual_seed(1)
    layer = StyledConv(3, 5, 2)
    features, style = torch.randn(1, 3, 6, 6), torch.randn(1, 2)
    with torch.no_grad():
        factors = layer.style(style)[0]
        weight = layer.weight * layer.gain * factors[:, None, None]
        weight = weight / weight.square().sum((1, 2, 3), keepdim=True).add(1e-8).sqrt()
        plain = torch.nn.functional.conv2d(features, weight, padding=1)
        wanted = torch.nn.functional.leaky_relu(plain, 0.2) * 2**0.5
        torch.testing.assert_close(layer(features, style), wanted, atol=1e-5, rtol=1e-5)


def test_the_soft_norm_bounds_large_values_and_keeps_small_ones_small() -> None:
    values = torch.tensor([[3e-4, -4e-4], [300.0, -400.0]])
    normed = soft_norm(values)
    torch.testing.assert_close(normed[0], values[0], rtol=1e-4, atol=0.0)
    assert normed[1].square().mean() == pytest.approx(1.0, rel=1e-3)


def test_positions_are_the_centres_of_the_cells() -> None:
    torch.testing.assert_close(
        positions(2, 8.0), torch.tensor([[1.5, 1.5], [5.5, 1.5], [1.5, 5.5], [5.5, 5.5]])
    )


def test_the_judge_looks_at_two_scales_and_its_losses_pull_apart() -> None:
    judge = PatchDiscriminator((8, 8))
    scores = judge(pictures(2))
    assert [tuple(score.shape) for score in scores] == [(2, 1, 16, 16), (2, 1, 8, 8)]
    sure, wrong = [torch.full((1, 1, 2, 2), 2.0)], [torch.full((1, 1, 2, 2), -2.0)]
    assert hinge_judge_loss(sure, wrong) == 0
    assert hinge_judge_loss(wrong, sure) == pytest.approx(6.0)
    assert hinge_maker_loss(sure) < hinge_maker_loss(wrong)
