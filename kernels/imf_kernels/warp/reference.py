"""Backward warping as its definition says, for tests and for whoever wants to know."""

import torch

from imf_kernels.bilinear import compute_dtype, taps


def warp(source: torch.Tensor, flow: torch.Tensor, padding: str) -> torch.Tensor:
    """Sum, for every output pixel, the four source pixels around the point that the flow names.

    Differentiable by autograd in both arguments; computes in float64 when given float64.
    """
    B, C, H, W = source.shape
    precise = compute_dtype(source.dtype)
    index, weight = taps(flow.to(precise), padding)
    rows = source.to(precise).permute(0, 2, 3, 1).reshape(B * H * W, C)
    out = (rows[index] * weight[..., None]).sum(1)
    return out.view(B, H, W, C).permute(0, 3, 1, 2).to(source.dtype)


def warp_blend(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
    padding: str,
) -> torch.Tensor:
    """``mask * warp(source0, flow0) + (1 - mask) * warp(source1, flow1)``."""
    precise = compute_dtype(source0.dtype)
    first = warp(source0.to(precise), flow0, padding)
    second = warp(source1.to(precise), flow1, padding)
    share = mask.to(precise)
    return (share * first + (1 - share) * second).to(source0.dtype)
