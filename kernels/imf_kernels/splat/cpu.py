"""Forward splatting on a processor: contributions sorted by target, then summed row by row.

Sorting turns the scatter into `embedding_bag`, torch's fastest gather: six times faster than
`index_add_` on 32 channels, and the same bits on every run.
"""

import torch
import torch.nn.functional as F

from imf_kernels.bilinear import compute_dtype, from_rows, taps, to_rows


def splat(
    source: torch.Tensor, flow: torch.Tensor, metric: torch.Tensor | None, mode: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """As the reference; differentiable, in the memory format of `source`."""
    B, C, H, W = source.shape
    precise = compute_dtype(source.dtype)
    if source.numel() == 0:
        nothing = source * 1.0
        return nothing, source.new_zeros(B, 1, H, W)
    pixels = B * H * W
    index, weight = taps(flow.to(precise), "zeros")
    rows = to_rows(source.to(precise))
    share = weight
    if metric is not None and mode == "softmax":
        level = metric.to(precise).reshape(-1, 1).expand_as(weight)
        lands = (weight.detach() > 0) & torch.isfinite(level)
        weight = torch.where(lands, weight, 0.0)
        level = torch.where(lands, level, -torch.inf)
        top = level.detach().new_full((pixels,), -torch.inf)
        top = top.scatter_reduce(0, index.flatten(), level.detach().flatten(), "amax")
        share = weight * torch.where(lands, level - top[index], -torch.inf).exp()
    target, order = torch.sort(index.flatten().int(), stable=True)
    starts = torch.searchsorted(target, torch.arange(pixels, dtype=torch.int32))
    bag = order // 4
    out = F.embedding_bag(bag, rows, starts, mode="sum", per_sample_weights=share.flatten()[order])
    landed = weight.new_zeros(pixels).index_add(0, index.flatten(), weight.flatten())
    if mode != "sum":
        norm = landed
        if mode == "softmax":
            norm = weight.new_zeros(pixels).index_add(0, index.flatten(), share.flatten())
        out = torch.where(norm[:, None] > 0, out / torch.where(norm > 0, norm, 1.0)[:, None], 0.0)
    return from_rows(out, source), landed.view(B, 1, H, W).to(source.dtype)
