"""Splatting as PyTorch operators: plain torch by default, Triton where a GPU has it."""

import torch

from imf_kernels.bilinear import compute_dtype, layout
from imf_kernels.splat import cpu

Four = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@torch.library.custom_op("imf::splat", mutates_args=())
def splat(
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    mode: str,
    deterministic: bool,
    backend: str,
) -> Four:
    """Splatted image, weight, and for the backward pass norm and top (see `cpu.Splatted`)."""
    if backend == "triton" and not deterministic:
        from imf_kernels.splat.kernel import forward

        splatted: cpu.Splatted = forward(source, flow, metric, mode)
        return (*splatted,)
    return (*cpu.forward(source, flow, metric, mode, deterministic),)


@torch.library.custom_op("imf::splat_backward", mutates_args=())
def splat_backward(
    gradient: torch.Tensor,
    weight_gradient: torch.Tensor,
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    out: torch.Tensor,
    norm: torch.Tensor,
    top: torch.Tensor,
    mode: str,
    backend: str,
) -> Three:
    """Gradients to source, flow and metric (empty where there is none); always deterministic."""
    kept = cpu.Splatted(out, weight_gradient, norm, top)
    if backend == "triton":
        from imf_kernels.splat.kernel import backward

        given: Three = backward((gradient, weight_gradient), source, flow, metric, kept, mode)
        return given
    return cpu.backward((gradient, weight_gradient), source, flow, metric, kept, mode)


@splat.register_fake
def _(
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    mode: str,
    deterministic: bool,
    backend: str,
) -> Four:
    B, _, H, W = source.shape
    precise = compute_dtype(source.dtype)
    return (
        torch.empty_like(source, memory_format=layout(source)),
        source.new_empty(B, 1, H, W),
        source.new_empty(B * H * W if mode != "sum" else 0, dtype=precise),
        source.new_empty(B * H * W if mode == "softmax" else 0, dtype=precise),
    )


@splat_backward.register_fake
def _(
    gradient: torch.Tensor,
    weight_gradient: torch.Tensor,
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor | None,
    out: torch.Tensor,
    norm: torch.Tensor,
    top: torch.Tensor,
    mode: str,
    backend: str,
) -> Three:
    nothing = source.new_empty(0, dtype=compute_dtype(source.dtype))
    return (
        torch.empty_like(source, memory_format=layout(source)),
        torch.empty_like(flow, memory_format=torch.contiguous_format),
        nothing if metric is None else metric.new_empty(metric.shape),
    )


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    source, flow, metric, mode, _, backend = inputs
    out, _, norm, top = output
    ctx.save_for_backward(source, flow, metric, out, norm, top)
    ctx.mark_non_differentiable(norm, top)
    ctx.mode, ctx.backend = mode, backend


def _backward(ctx, gradient, weight_gradient, *_):  # type: ignore[no-untyped-def]
    source, flow, metric, out, norm, top = ctx.saved_tensors
    to_source, to_flow, to_metric = splat_backward(
        gradient, weight_gradient, source, flow, metric, out, norm, top, ctx.mode, ctx.backend
    )
    return to_source, to_flow, None if metric is None else to_metric, None, None, None


splat.register_autograd(_backward, setup_context=_keep)
