"""The obvious compositions of stock torch operations that the kernels must beat."""

import torch
import torch.nn.functional as F


def warp(source: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """`grid_sample` on a mesh plus flow."""
    H, W = source.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(H, device=flow.device), torch.arange(W, device=flow.device), indexing="ij"
    )
    grid = torch.stack(
        [2 * (x + flow[:, 0].float()) / (W - 1) - 1, 2 * (y + flow[:, 1].float()) / (H - 1) - 1], -1
    )
    return F.grid_sample(source, grid.to(source.dtype), padding_mode="border", align_corners=True)


def warp_blend(
    source0: torch.Tensor,
    source1: torch.Tensor,
    flow0: torch.Tensor,
    flow1: torch.Tensor,
    mask: torch.Tensor,
) -> torch.Tensor:
    """Two of them and a blend."""
    return mask * warp(source0, flow0) + (1 - mask) * warp(source1, flow1)


def splat(source: torch.Tensor, flow: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Four `index_add_`, one per tap, on the image with a plane of ones."""
    _, C, H, W = source.shape
    y, x = torch.meshgrid(
        torch.arange(H, device=flow.device), torch.arange(W, device=flow.device), indexing="ij"
    )
    px, py = x + flow[0, 0].float(), y + flow[0, 1].float()
    planes = torch.cat([source[0], torch.ones_like(source[0, :1])]).view(C + 1, -1)
    out = torch.zeros(C + 1, H * W, device=source.device, dtype=source.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            tx, ty = px.floor() + dx, py.floor() + dy
            weight = (1 - (px - tx).abs()) * (1 - (py - ty).abs())
            weight = weight * ((tx >= 0) & (tx < W) & (ty >= 0) & (ty < H))
            index = (ty.clamp(0, H - 1) * W + tx.clamp(0, W - 1)).long().view(-1)
            out.index_add_(1, index, planes * weight.to(source.dtype).view(-1))
    return out[:C].view(1, C, H, W), out[C:].view(1, 1, H, W)


def align_values(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention on the values alone: no displacement, no confidence."""
    return F.scaled_dot_product_attention(query, key, value)


def align(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, xy: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention with positions appended to the values: displacement, but no confidence."""
    places = xy.to(value.dtype).expand(*value.shape[:-1], 2)
    out = F.scaled_dot_product_attention(query, key, torch.cat([value, places], -1))
    return out[..., :-2], out[..., -2:] - xy


def align_windowed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    xy: torch.Tensor,
    window: int,
    grid: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`unfold` of keys and of values with positions; borders as zero padding makes them."""
    side = 2 * window + 1
    _, h, N, _ = query.shape

    def unfolded(rows: torch.Tensor) -> torch.Tensor:
        image = rows[0].transpose(1, 2).reshape(h, -1, *grid)
        return F.unfold(image, side, padding=window).view(h, rows.shape[-1], side * side, N)

    share = torch.einsum("hnd,hdkn->hnk", query[0], unfolded(key)) * query.shape[-1] ** -0.5
    share = share.softmax(-1)
    places = xy.to(value.dtype).expand(*value.shape[:-1], 2)
    out = torch.einsum("hnk,hdkn->hnd", share, unfolded(torch.cat([value, places], -1)))
    return out[..., :-2], out[..., -2:] - xy, share.amax(-1)
