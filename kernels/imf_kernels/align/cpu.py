"""Implicit motion alignment on a processor, a few queries at a time."""

import torch

from imf_kernels.bilinear import compute_dtype

CHUNK_SCORES = 1 << 20
"""Scores held at once for one head, about: 4 MB, which stays in cache."""

Result = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def align(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    scale: float,
) -> Result:
    """Every query against every key."""
    precise = compute_dtype(query.dtype)
    key_columns = key.to(precise).mT * scale
    extended = torch.cat([value.to(precise), key_xy.to(precise).expand(*key.shape[:-1], 2)], -1)
    step = max(32, CHUNK_SCORES // max(1, key.shape[2]))
    outs, tops = [], []
    for chunk in query.to(precise).split(step, 2):
        share = (chunk @ key_columns).softmax(-1)
        tops.append(share.amax(-1))
        outs.append(share @ extended)
    return _parts(torch.cat(outs, 2), torch.cat(tops, 2), query, query_xy)


def align_windowed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    scale: float,
    centre: torch.Tensor,
    window: int,
    key_grid: tuple[int, int],
) -> Result:
    """Every query against the keys around its centre (``[B, h, Nq, 2]``, cells)."""
    precise = compute_dtype(query.dtype)
    B, h, Nk, _ = key.shape
    height, width = key_grid
    keys = key.to(precise).flatten(0, 2)
    extended = torch.cat([value.to(precise), key_xy.to(precise).expand(*key.shape[:-1], 2)], -1)
    extended = extended.flatten(0, 2)
    reach = torch.arange(-window, window + 1, device=query.device)
    base = (torch.arange(B * h, device=query.device) * Nk).view(B, h, 1, 1)
    step = max(32, CHUNK_SCORES // (len(reach) ** 2 * key.shape[3]))
    outs, tops = [], []
    for chunk, middle in zip(query.to(precise).split(step, 2), centre.split(step, 2), strict=True):
        x, y = middle[..., :1] + reach, middle[..., 1:] + reach
        cell = (y.clamp(0, height - 1) * width)[..., :, None] + x.clamp(0, width - 1)[..., None, :]
        seen = ((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]
        index = cell.flatten(-2) + base
        score = (keys[index] @ chunk[..., None]).squeeze(-1) * scale
        share = score.masked_fill(~seen.flatten(-2), -torch.inf).softmax(-1)
        tops.append(share.amax(-1))
        outs.append((share[..., None, :] @ extended[index]).squeeze(-2))
    return _parts(torch.cat(outs, 2), torch.cat(tops, 2), query, query_xy)


def _parts(
    out: torch.Tensor, top: torch.Tensor, query: torch.Tensor, query_xy: torch.Tensor
) -> Result:
    values = out[..., :-2].to(query.dtype)
    return values, out[..., -2:] - query_xy.to(out.dtype), top
