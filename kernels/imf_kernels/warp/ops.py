"""Warping as PyTorch operators: plain torch by default, Triton where a GPU has it."""

import torch

from imf_kernels.bilinear import layout
from imf_kernels.warp import cpu


@torch.library.custom_op("imf::warp", mutates_args=())
def warp(source: torch.Tensor, flow: torch.Tensor, padding: str, backend: str) -> torch.Tensor:
    """``source(x + flow_x, y + flow_y)``; `backend` is ``"torch"`` or ``"triton"``."""
    if backend == "triton":
        from imf_kernels.warp.kernel import forward

        out: torch.Tensor = forward(source, flow, padding)
        return out
    return cpu.forward(source, flow, padding)


@torch.library.custom_op("imf::warp_backward", mutates_args=())
def warp_backward(
    gradient: torch.Tensor, source: torch.Tensor, flow: torch.Tensor, padding: str, backend: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients to source and flow."""
    if backend == "triton":
        from imf_kernels.warp.kernel import backward

        given: tuple[torch.Tensor, torch.Tensor] = backward(gradient, source, flow, padding)
        return given
    return cpu.backward(gradient, source, flow, padding)


@torch.library.custom_op("imf::warp_blend", mutates_args=())
def warp_blend(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
    padding: str,
    backend: str,
) -> torch.Tensor:
    """Two warps blended in one pass, without gradients."""
    if backend == "triton":
        from imf_kernels.warp.kernel import blend

        out: torch.Tensor = blend(source0, source1, flow0, flow1, mask, padding)
        return out
    first = cpu.forward(source0, flow0, padding)
    second = cpu.forward(source1, flow1, padding)
    # The mask may be more precise than the frames: it is rounded last.
    return second.to(mask.dtype).lerp_(first.to(mask.dtype), mask).to(source0.dtype)


@warp.register_fake
def _(source: torch.Tensor, flow: torch.Tensor, padding: str, backend: str) -> torch.Tensor:
    return torch.empty_like(source, memory_format=layout(source))


@warp_backward.register_fake
def _(
    gradient: torch.Tensor, source: torch.Tensor, flow: torch.Tensor, padding: str, backend: str
) -> tuple[torch.Tensor, torch.Tensor]:
    like_flow = torch.empty_like(flow, memory_format=torch.contiguous_format)
    return torch.empty_like(source, memory_format=layout(source)), like_flow


@warp_blend.register_fake
def _(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
    padding: str,
    backend: str,
) -> torch.Tensor:
    return torch.empty_like(source0, memory_format=layout(source0))


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    source, flow, padding, backend = inputs
    ctx.save_for_backward(source, flow)
    ctx.padding, ctx.backend = padding, backend


def _backward(ctx, gradient):  # type: ignore[no-untyped-def]
    source, flow = ctx.saved_tensors
    to_source, to_flow = warp_backward(gradient, source, flow, ctx.padding, ctx.backend)
    return to_source, to_flow, None, None


warp.register_autograd(_backward, setup_context=_keep)
