from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.blend import Warped, blend_weights, doubt_of
from imf_plugin.models.imf_vfi.config import CONFIGS, FULL, LITE, ImfVfiConfig
from imf_plugin.models.imf_vfi.layers import (
    JoinUnit,
    LocalCorrelation,
    divergence,
    doubled,
    halved,
    warp_cubic,
)
from imf_plugin.models.imf_vfi.matching import Matcher, PairMotion, motion_at
from imf_plugin.models.imf_vfi.network import ImfVfiNetwork, untrained_frames
from imf_plugin.models.imf_vfi.tokens import Tokens, interpolate_tokens

SMALL_FULL = replace(
    FULL, pyramid=(8, 12, 16, 24), widths=(8, 12, 16, 24), token_dim=16, implicit_width=16
)


def pictures(seed: int, count: int = 2, height: int = 48, width: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=generator)
    return torch.nn.functional.interpolate(
        coarse, (height, width), mode="bicubic", align_corners=False
    ).clamp(0, 1)


def shaken(network: ImfVfiNetwork) -> ImfVfiNetwork:
    """Give the zeroed heads weights, as if trained, so that every part matters."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda config: config.name)
def test_the_sizes_are_what_the_issue_asks_for(config: ImfVfiConfig) -> None:
    count = sum(parameter.numel() for parameter in ImfVfiNetwork(config).parameters())
    low, high = {"imf-vfi": (5e6, 12e6), "imf-vfi-lite": (0.5e6, 1.5e6)}[config.name]
    assert low <= count <= high


def test_an_untrained_network_gives_exactly_what_the_motion_gives() -> None:
    torch.manual_seed(0)
    network = ImfVfiNetwork(LITE).eval()
    frame0, frame1 = pictures(1), pictures(2)
    motion = 3 * torch.randn(2, 2, 48, 64, generator=torch.Generator().manual_seed(3))
    timesteps = torch.tensor([0.25, 0.6])
    with torch.no_grad():
        found = network(frame0, frame1, timesteps, motion)
    opinions = motion.repeat(1, LITE.opinions, 1, 1)
    start = untrained_frames(frame0, frame1, timesteps, opinions, carried=LITE.carried)
    torch.testing.assert_close(found.frames, start, atol=2e-6, rtol=0)
    torch.testing.assert_close(found.weights.sum(1), torch.ones(2, 48, 64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [LITE, SMALL_FULL], ids=["classical", "attention"])
def test_several_timesteps_in_one_batch_equal_single_ones(config: ImfVfiConfig) -> None:
    torch.manual_seed(0)
    network = shaken(ImfVfiNetwork(config))
    frame0, frame1 = pictures(1, 1), pictures(2, 1)
    motion = torch.ones(1, 2, 48, 64)
    times = torch.tensor([0.25, 0.5, 0.75])
    with torch.no_grad():
        together = network(
            frame0.expand(3, -1, -1, -1),
            frame1.expand(3, -1, -1, -1),
            times,
            motion.expand(3, -1, -1, -1),
        )
        for index, time in enumerate(times):
            alone = network(frame0, frame1, time[None], motion)
            # OpenCV looks up at 1/32 px, so that a rounding may tip a position over.
            torch.testing.assert_close(
                together.frames[index : index + 1], alone.frames, atol=2e-3, rtol=0
            )
    assert (together.frames[0] - together.frames[2]).abs().max() > 1e-3


def test_every_part_has_a_gradient_once_the_heads_are_not_zero() -> None:
    torch.manual_seed(0)
    for config in (LITE, SMALL_FULL):
        network = shaken(ImfVfiNetwork(config))
        found = network(
            pictures(1), pictures(2), torch.tensor([0.3, 0.7]), torch.ones(2, 2, 48, 64)
        )
        found.frames.square().mean().backward()
        without = [
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert without == []


@pytest.mark.parametrize("switch", ["use_tokens", "use_implicit"])
def test_ablations_have_fewer_parameters_and_still_run(switch: str) -> None:
    config = replace(LITE, **{switch: False})  # type: ignore[arg-type]
    network = ImfVfiNetwork(config)
    whole = sum(p.numel() for p in ImfVfiNetwork(LITE).parameters())
    assert sum(p.numel() for p in network.parameters()) < whole
    found = network(pictures(1), pictures(2), torch.tensor([0.5, 0.5]), torch.zeros(2, 2, 48, 64))
    assert found.frames.shape == (2, 3, 48, 64)


def test_a_configuration_survives_json() -> None:
    assert ImfVfiConfig.from_dict(LITE.to_dict()) == LITE
    with pytest.raises(ValueError, match="matching"):
        replace(LITE, matching="telepathy")


def test_sides_that_are_no_multiple_of_16_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        ImfVfiNetwork(LITE).encode(torch.zeros(1, 3, 40, 64))


def test_cubic_warping_by_whole_pixels_shifts() -> None:
    frames = pictures(4)
    flow = torch.zeros(2, 2, 48, 64)
    flow[:, 0] = 3
    flow[:, 1] = -2
    warped = warp_cubic(frames, flow)
    torch.testing.assert_close(warped[:, :, 2:, :-3], frames[:, :, :-2, 3:], atol=1e-4, rtol=0)


def test_bands_of_rows_give_what_the_whole_picture_gives() -> None:
    network = shaken(ImfVfiNetwork(LITE))
    frames, motion = (pictures(1, 1), pictures(2, 1)), torch.ones(1, 2, 48, 64)
    half = torch.tensor([0.5])
    whole = network(*frames, half, motion)
    with torch.no_grad():
        banded = network(*frames, half, motion)
    torch.testing.assert_close(banded.frames, whole.frames.detach(), atol=2e-2, rtol=0)
    assert (banded.frames - whole.frames).abs().mean() < 1e-3
    torch.testing.assert_close(banded.weights.sum(1), torch.ones(1, 48, 64))


def test_blending_prefers_the_keyframe_that_is_looked_up_inside() -> None:
    frame0, frame1 = pictures(1), pictures(1)
    flows = torch.zeros(2, 4, 48, 64)
    flows[:, 0] = -10.0
    unmoved = Warped(frame0=frame0, frame1=frame1, flows=flows, distrust=torch.zeros(2, 1, 48, 64))
    weights = blend_weights(unmoved, torch.tensor([0.5, 0.5]), (48, 64), 0)
    left, right = weights[:, :, :, :4], weights[:, :, :, 20:]
    assert (left[:, 1] + left[:, 3] > left[:, 0] + left[:, 2]).all()
    torch.testing.assert_close(right[:, 0], right[:, 1])


def test_tokens_at_the_keyframes_are_the_keyframes_tokens() -> None:
    generator = torch.Generator().manual_seed(0)

    def tokens() -> Tokens:
        return Tokens(
            grid=torch.randn(1, 4, 3, 5, generator=generator),
            confidence=torch.randn(1, 1, 3, 5, generator=generator),
            whole=torch.randn(1, 4, generator=generator),
        )

    before, after = tokens(), tokens()
    still = torch.zeros(1, 2, 3, 5)
    for time, expected in ((0.0, before), (1.0, after)):
        found = interpolate_tokens(before, after, still, still, torch.tensor([time]))
        torch.testing.assert_close(found.grid, expected.grid)
        torch.testing.assert_close(found.whole, expected.whole)
    middle = interpolate_tokens(before, after, still, still, torch.tensor([0.5]))
    torch.testing.assert_close(middle.whole, (before.whole + after.whole) / 2)


def test_matching_finds_a_shift_of_distinct_features() -> None:
    generator = torch.Generator().manual_seed(1)
    matcher = Matcher(SMALL_FULL)
    shift = 2  # cells of stride 8, one cell of stride 16
    fine = torch.randn(1, 16, 16, 24, generator=generator)
    coarse = torch.nn.functional.avg_pool2d(fine, 2)
    with torch.no_grad():
        for conv in (matcher.fine, matcher.coarse):
            conv.bias.zero_()  # type: ignore[union-attr]
            conv.weight.zero_()
            conv.weight[:, :16, 0, 0] = torch.eye(16)
    coarse = torch.cat([coarse, torch.zeros(1, 8, 8, 12)], 1)
    moved = [torch.roll(fine, shift, 3), torch.roll(coarse, shift // 2, 3)]
    pair = matcher([fine, fine, fine, coarse], [fine, fine, *moved])
    inner = pair.flow01[:, :, 4:-4, 6:-6]
    assert (inner[:, 0] - shift).abs().mean() < 0.3
    assert inner[:, 1].abs().mean() < 0.3
    assert (pair.flow10[:, 0, 4:-4, 6:-6] + shift).abs().mean() < 0.3


def test_even_motion_is_the_same_at_every_moment() -> None:
    flow = torch.zeros(3, 2, 6, 8)
    flow[:, 0] = 0.5
    sure = torch.ones(3, 1, 6, 8)
    pair = PairMotion(flow01=flow, flow10=-flow, confidence01=sure, confidence10=sure)
    motion = motion_at(pair, torch.tensor([0.25, 0.5, 0.75]))
    assert motion.shape == (3, 2, 48, 64)
    torch.testing.assert_close(motion[:, 0], torch.full((3, 48, 64), 4.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(motion[:, 1], torch.zeros(3, 48, 64), atol=1e-3, rtol=0)


def test_correlation_is_largest_at_the_shift_between_the_features() -> None:
    torch.manual_seed(0)
    correlation = LocalCorrelation(16, 2)
    features = torch.randn(1, 16, 12, 14)
    moved = torch.roll(features, (1, -2), (2, 3))
    with torch.no_grad():
        found = correlation(features, moved)
    assert found.shape == (1, 25, 12, 14)
    inner = found[:, :, 3:-3, 3:-3]
    # Shifts run in rows from (-2, -2); the content went down by 1 and left by 2.
    assert (inner.argmax(1) == 5 * (1 + 2) + (-2 + 2)).all()
    torch.testing.assert_close(inner.amax(1), torch.ones(1, 6, 8))


def test_the_flows_of_the_coarser_levels_start_at_the_given_motion() -> None:
    torch.manual_seed(0)
    motion = torch.full((1, 2, 48, 64), 4.0)
    found = ImfVfiNetwork(LITE)(pictures(1, 1), pictures(2, 1), torch.tensor([0.25]), motion)
    assert [flows.shape[-1] for flows in found.coarse_flows] == [4, 8, 16]
    for flows in found.coarse_flows:
        torch.testing.assert_close(flows[:, :2], torch.full_like(flows[:, :2], -1.0))
        torch.testing.assert_close(flows[:, 2:], torch.full_like(flows[:, 2:], 3.0))


def test_divergence_is_above_zero_where_the_motion_spreads() -> None:
    motion = torch.zeros(1, 2, 12, 16)
    motion[:, 0, :, 8:] = 1.0
    found = divergence(motion)
    assert (found[..., 7:9] == 1.0).all()
    assert not found[..., :7].any()
    assert not found[..., 9:].any()


def test_joining_by_parts_equals_a_convolution_of_all_channels() -> None:
    torch.manual_seed(0)
    unit = JoinUnit(9, 5)
    parts = [torch.randn(2, count, 6, 7) for count in (4, 3, 2)]
    parts[1] = parts[1].contiguous(memory_format=torch.channels_last)
    expected = unit.act(unit.conv(torch.cat(parts, 1)))
    torch.testing.assert_close(unit(parts, None, []), expected)
    torch.testing.assert_close(unit(parts[:1], None, parts[1:]), expected)


def test_a_map_of_half_the_size_is_doubled_on_the_way() -> None:
    torch.manual_seed(0)
    unit = JoinUnit(9, 5)
    first, below, last = torch.randn(2, 4, 6, 8), torch.randn(2, 3, 3, 4), torch.randn(2, 2, 6, 8)
    expected = unit.act(unit.conv(torch.cat([first, doubled(below), last], 1)))
    torch.testing.assert_close(unit([first], below, [last]), expected)


def test_halving_takes_the_mean_of_four() -> None:
    planes = torch.randn(2, 3, 8, 12)
    torch.testing.assert_close(halved(planes), torch.nn.functional.avg_pool2d(planes, 2))


def test_there_is_no_doubt_where_the_keyframes_agree_under_the_flows() -> None:
    frames = torch.nn.functional.pixel_unshuffle(pictures(6, 1), 2)
    moved = torch.roll(frames, 2, 3)
    agreeing = torch.zeros(1, 4, 48, 64)
    agreeing[:, 0], agreeing[:, 2] = -2.0, 2.0
    inner = (..., slice(8, -8), slice(12, -12))
    assert doubt_of(frames, moved, agreeing)[inner].mean() < 0.2
    assert doubt_of(frames, moved, torch.zeros_like(agreeing))[inner].mean() > 0.5
    assert not doubt_of(frames, frames, torch.zeros_like(agreeing)).any()
