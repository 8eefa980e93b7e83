"""Backward warping: ``out(x, y) = source(x + flow_x, y + flow_y)``, bilinear."""

import torch

from imf_kernels import backends, checks
from imf_kernels.bilinear import PADDINGS
from imf_kernels.warp import ops


def warp(
    source: torch.Tensor, flow: torch.Tensor, padding: str = "border", *, backend: str = "auto"
) -> torch.Tensor:
    """Fetch every output pixel from the point of `source` that `flow` names.

    Convention:
        Pixel units, channel 0 = x (right), 1 = y (down), pixel centres at integers.

    Args:
        source: ``[B, C, H, W]``.
        flow: ``[B, 2, H, W]``.
        padding: What lies outside: ``"border"`` (the nearest edge pixel) or ``"zeros"``.
        backend: ``"auto"``, ``"torch"`` or ``"triton"``.

    Returns:
        ``[B, C, H, W]`` in dtype and memory format of `source`. Where the flow is not finite the
        result is 0 and no gradient flows.
    """
    checks.floating(source=source, flow=flow)
    checks.shaped((None, None, None, None), source=source)
    B, _, H, W = source.shape
    checks.shaped((B, 2, H, W), flow=flow)
    checks.choice("padding", padding, PADDINGS)
    checks.together(source=source, flow=flow)
    chosen = backends.resolve(backend, source.device, source.dtype)
    out: torch.Tensor = ops.warp(source, flow, padding, chosen)
    return out


def warp_blend(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
    padding: str = "border",
    *,
    backend: str = "auto",
) -> torch.Tensor:
    """Warp two sources and blend them: ``mask * warp(source0) + (1 - mask) * warp(source1)``.

    Args:
        source0: ``[B, C, H, W]``.
        source1: As `source0`.
        flow0: ``[B, 2, H, W]``.
        flow1: As `flow0`.
        mask: Share of the first source, ``[B, 1, H, W]``, 0..1.
        padding: As for `warp`.
        backend: As for `warp`.

    Returns:
        ``[B, C, H, W]`` in dtype and memory format of `source0`. Differentiable in everything; the
        two warps are fused into one pass when no gradient is wanted.
    """
    checks.floating(source0=source0, source1=source1, flow0=flow0, flow1=flow1, mask=mask)
    checks.shaped((None, None, None, None), source0=source0)
    B, C, H, W = source0.shape
    checks.shaped((B, C, H, W), source1=source1)
    checks.shaped((B, 2, H, W), flow0=flow0, flow1=flow1)
    checks.shaped((B, 1, H, W), mask=mask)
    checks.alike(source0=source0, source1=source1)
    checks.together(source0=source0, source1=source1, flow0=flow0, flow1=flow1, mask=mask)
    checks.choice("padding", padding, PADDINGS)
    chosen = backends.resolve(backend, source0.device, source0.dtype)
    inputs = (source0, source1, flow0, flow1, mask)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        # Training keeps both warped images for the mask's gradient: nothing is left to fuse.
        first = ops.warp(source0, flow0, padding, chosen)
        second = ops.warp(source1, flow1, padding, chosen)
        out: torch.Tensor = mask * first + (1 - mask) * second
    else:
        out = ops.warp_blend(*inputs, padding, chosen)
    return out.to(source0.dtype)
