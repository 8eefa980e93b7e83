from collections.abc import Callable
from typing import Any

import pytest
import torch

from imf_kernels import warp, warp_blend
from imf_kernels.warp import ops, reference

SIZES = [(1, 1), (5, 7), (9, 17)]
Compare = Callable[..., None]
Check = Callable[[torch.Tensor, torch.Tensor], None]


def scene(
    size: tuple[int, int], device: torch.device, dtype: torch.dtype = torch.float32, C: int = 3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, and a flow that partly leaves the frame and is partly not a number."""
    H, W = size
    flow = torch.randn(2, 2, H, W) * 4
    flow[0, 0, 0, 0] = torch.nan
    flow[1, 1, -1, -1] = torch.inf
    flow[1, 0, 0, -1] = -torch.inf
    return torch.randn(2, C, H, W).to(device, dtype), flow.to(device, dtype)


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("size", SIZES)
def test_warp_and_its_gradients_match_the_definition(
    compare: Compare, backend: str, device: torch.device, size: tuple[int, int], padding: str
) -> None:
    compare(
        lambda source, flow: warp(source, flow, padding, backend=backend),
        lambda source, flow: reference.warp(source, flow, padding),
        *scene(size, device),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(
    compare: Compare, backend: str, device: torch.device, dtype: torch.dtype
) -> None:
    compare(
        lambda source, flow: warp(source, flow, backend=backend),
        lambda source, flow: reference.warp(source, flow, "border"),
        *scene((5, 7), device, dtype),
    )


@pytest.mark.parametrize("C", [3, 20])
def test_channels_last_stays_channels_last(
    compare: Compare, backend: str, device: torch.device, C: int
) -> None:
    source, flow = scene((5, 7), device, C=C)
    source = source.to(memory_format=torch.channels_last)
    out = warp(source, flow, backend=backend)
    assert out.is_contiguous(memory_format=torch.channels_last)
    compare(
        lambda source, flow: warp(source, flow, "zeros", backend=backend),
        lambda source, flow: reference.warp(source, flow, "zeros"),
        source,
        flow,
    )


def test_inputs_may_lie_anyhow_in_memory(close: Check, backend: str, device: torch.device) -> None:
    source, flow = scene((7, 10), device)
    odd_source, odd_flow = source.transpose(2, 3)[..., ::2], flow.transpose(2, 3)[..., ::2]
    out = warp(odd_source, odd_flow, backend=backend)
    close(out, reference.warp(odd_source.cpu().double(), odd_flow.cpu(), "border"))


def test_an_empty_batch_gives_an_empty_batch(backend: str, device: torch.device) -> None:
    source = torch.zeros(0, 3, 4, 5, device=device, requires_grad=True)
    out = warp(source, torch.zeros(0, 2, 4, 5, device=device), backend=backend)
    torch.autograd.backward(out.sum())
    assert out.shape == (0, 3, 4, 5)
    assert source.grad is not None


def test_zero_flow_gives_the_source_bit_for_bit(backend: str, device: torch.device) -> None:
    source, _ = scene((9, 17), device)
    assert torch.equal(
        warp(source, torch.zeros(2, 2, 9, 17, device=device), backend=backend), source
    )


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_flow_that_is_not_finite_reads_nothing(
    backend: str, device: torch.device, padding: str, bad: float
) -> None:
    flow = torch.zeros(1, 2, 3, 4, device=device)
    flow[0, 1, 1, 2] = bad
    out = warp(torch.ones(1, 2, 3, 4, device=device), flow, padding, backend=backend)
    assert (out[0, :, 1, 2] == 0).all()
    assert out.sum() == 2 * 11


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_whole_pixel_flow_moves_whole_pixels(
    backend: str, device: torch.device, padding: str
) -> None:
    source = torch.arange(5.0, device=device).expand(1, 1, 2, 5)
    flow = torch.zeros(1, 2, 2, 5, device=device)
    flow[:, 0] = 3
    edge = 4.0 if padding == "border" else 0.0
    out = warp(source, flow, padding, backend=backend)
    assert out[0, 0, 1].tolist() == [3, 4, edge, edge, edge]


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_blending_two_warps_in_one_pass_matches_the_definition(
    close: Check, backend: str, device: torch.device, padding: str, dtype: torch.dtype
) -> None:
    first, second = scene((5, 7), device, dtype), scene((5, 7), device, dtype)
    mask = torch.rand(2, 1, 5, 7).to(device, dtype)
    inputs = (first[0], second[0], first[1], second[1], mask)
    out = warp_blend(inputs[0], inputs[1], inputs[2], inputs[3], mask, padding, backend=backend)
    exact: Any = [one.cpu().double() for one in inputs]
    want = reference.warp_blend(exact[0], exact[1], exact[2], exact[3], exact[4], padding)
    close(out, want)


def test_blending_is_differentiable_in_everything(
    compare: Compare, backend: str, device: torch.device
) -> None:
    first, second = scene((5, 7), device), scene((5, 7), device)
    mask = torch.rand(2, 1, 5, 7, device=device)
    compare(
        lambda s, r, f, g, mask: warp_blend(s, r, f, g, mask, backend=backend),
        lambda s, r, f, g, mask: reference.warp_blend(s, r, f, g, mask, "border"),
        first[0],
        second[0],
        first[1],
        second[1],
        mask,
    )


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_large_frames_on_a_processor_match_the_definition(
    compare: Compare, last: bool, padding: str
) -> None:
    flow = torch.randint(-9, 9, (1, 2, 129, 131)) + torch.rand(1, 2, 129, 131) * 0.9 + 0.05
    flow[0, 0, 3, 3] = torch.nan
    source = torch.randn(1, 9, 129, 131)
    compare(
        lambda source, flow: warp(source, flow, padding),
        lambda source, flow: reference.warp(source, flow, padding),
        source.to(memory_format=torch.channels_last) if last else source,
        flow,
    )


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_gradients_agree_with_finite_differences(padding: str) -> None:
    source = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    flow = (
        torch.randint(-2, 2, (1, 2, 3, 4)) + torch.rand(1, 2, 3, 4, dtype=torch.float64) * 0.6 + 0.2
    )
    assert torch.autograd.gradcheck(
        lambda source, flow: warp(source, flow, padding), (source, flow.requires_grad_())
    )


def test_the_operators_keep_pytorchs_contract(backend: str, device: torch.device) -> None:
    source, flow = scene((3, 4), device)
    torch.library.opcheck(ops.warp, (source.requires_grad_(), flow, "border", backend))
    plain = (source.detach(), source.detach(), flow, flow, source.detach()[:, :1])
    torch.library.opcheck(ops.warp_blend, (*plain, "border", backend))
    torch.library.opcheck(
        ops.warp_backward,
        (source.detach(), source.detach(), flow, "zeros", backend),
    )
