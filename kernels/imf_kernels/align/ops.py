"""Alignment as PyTorch operators: plain torch by default, Triton where a GPU has it."""

import torch

from imf_kernels.align import cpu
from imf_kernels.bilinear import compute_dtype

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Five = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@torch.library.custom_op("imf::align", mutates_args=())
def align(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    centre: torch.Tensor | None,
    window: list[int],
    scale: float,
    keep: bool,
    backend: str,
) -> Five:
    """Values, displacement, confidence, and for the backward pass lse and best.

    `window` is radius, rows and columns of the keys' grid; empty without `centre`.
    """
    view = _window(centre, window)
    if backend == "triton":
        from imf_kernels.align.kernel import forward

        aligned: cpu.Aligned = forward(query, key, value, query_xy, key_xy, view, scale, keep)
        return (*aligned,)
    with _precisely(query):
        return (*cpu.forward(query, key, value, query_xy, key_xy, view, scale, keep),)


@torch.library.custom_op("imf::align_backward", mutates_args=())
def align_backward(
    value_gradient: torch.Tensor,
    displacement_gradient: torch.Tensor,
    confidence_gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    centre: torch.Tensor | None,
    values: torch.Tensor,
    displacement: torch.Tensor,
    confidence: torch.Tensor,
    lse: torch.Tensor,
    best: torch.Tensor,
    window: list[int],
    scale: float,
    backend: str,
) -> Three:
    """Gradients to query, key and value."""
    kept = cpu.Aligned(values, displacement, confidence, lse, best)
    gradients = (value_gradient, displacement_gradient, confidence_gradient)
    inputs = (query, key, value, query_xy, key_xy, _window(centre, window), scale, kept)
    if backend == "triton":
        from imf_kernels.align.kernel import backward

        given: Three = backward(gradients, *inputs)
        return given
    with _precisely(query):
        return cpu.backward(gradients, *inputs)


def _precisely(query: torch.Tensor) -> torch.autocast:
    """Without autocast: it would take sums that are kept in float32 down to the half precision."""
    return torch.autocast(query.device.type, enabled=False)


def _window(centre: torch.Tensor | None, window: list[int]) -> cpu.Window | None:
    if centre is None:
        return None
    radius, rows, columns = window
    return cpu.Window(centre=centre, radius=radius, rows=rows, columns=columns)


@align.register_fake
def _(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    centre: torch.Tensor | None,
    window: list[int],
    scale: float,
    keep: bool,
    backend: str,
) -> Five:
    B, h, Nq, _ = query.shape
    precise = compute_dtype(query.dtype)
    kept = (B, h, Nq) if keep else (0,)
    return (
        query.new_empty(B, h, Nq, value.shape[-1]),
        query.new_empty(B, h, Nq, 2, dtype=precise),
        query.new_empty(B, h, Nq, dtype=precise),
        query.new_empty(kept, dtype=precise),
        query.new_empty(kept, dtype=torch.int32),
    )


@align_backward.register_fake
def _(*arguments) -> Three:  # type: ignore[no-untyped-def]
    query, key, value = arguments[3:6]
    return tuple(tensor.new_empty(tensor.shape) for tensor in (query, key, value))


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, window, scale, _, backend = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(output[3], output[4])
    ctx.window, ctx.scale, ctx.backend = window, scale, backend


def _backward(ctx, to_values, to_displacement, to_confidence, *_):  # type: ignore[no-untyped-def]
    gradients = align_backward(
        to_values,
        to_displacement,
        to_confidence,
        *ctx.saved_tensors,
        ctx.window,
        ctx.scale,
        ctx.backend,
    )
    return *gradients, *(None,) * 7


align.register_autograd(_backward, setup_context=_keep)
