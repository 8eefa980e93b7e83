"""Forward splatting as its definition says, for tests and for whoever wants to know."""

import torch

from imf_kernels.bilinear import compute_dtype, taps

MODES = ("sum", "average", "softmax")


def splat(
    source: torch.Tensor, flow: torch.Tensor, metric: torch.Tensor | None, mode: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add every source pixel to the four pixels around the point where it lands.

    Differentiable by autograd in every argument; computes in float64 when given float64.
    """
    B, C, H, W = source.shape
    precise = compute_dtype(source.dtype)
    rows = source.to(precise).permute(0, 2, 3, 1).reshape(B * H * W, C)
    index, weight = taps(flow.to(precise), "zeros")
    share = weight
    if metric is not None and mode == "softmax":
        level = metric.to(precise).reshape(-1, 1).expand_as(weight)
        known = torch.isfinite(level)
        weight = torch.where(known, weight, 0.0)
        level = torch.where(known, level, 0.0)
        # The largest metric among those that land on a pixel: no exponent is above 0, whatever the
        # metric's size, and the difference cancels in the quotient. Taps of weight 0 do not land
        # (their exponent is held at 0) but keep a gradient: they would, were the flow any larger.
        landing = torch.where(weight > 0, level, -torch.inf).detach()
        top = landing.new_full((B * H * W,), -torch.inf)
        top = top.scatter_reduce(0, index.flatten(), landing.flatten(), "amax")
        share = weight * (level - top[index]).clamp(max=0).exp()
    out = rows.new_zeros(B * H * W, C)
    landed = rows.new_zeros(B * H * W)
    norm = rows.new_zeros(B * H * W)
    for tap in range(4):
        out = out.index_add(0, index[:, tap], rows * share[:, tap, None])
        landed = landed.index_add(0, index[:, tap], weight[:, tap])
        norm = norm.index_add(0, index[:, tap], share[:, tap])
    if mode != "sum":
        out = torch.where(norm[:, None] > 0, out / torch.where(norm > 0, norm, 1.0)[:, None], 0.0)
    image = out.view(B, H, W, C).permute(0, 3, 1, 2)
    return image.to(source.dtype), landed.view(B, 1, H, W).to(source.dtype)
