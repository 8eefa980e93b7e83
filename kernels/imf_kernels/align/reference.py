"""Implicit motion alignment as its definition says: the whole attention matrix, then three sums."""

import torch

from imf_kernels.bilinear import compute_dtype


def align(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    scale: float,
    allowed: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attend, and say where the attention points and how sure it is.

    `allowed` (bool, broadcastable to ``[B, h, Nq, Nk]``) limits every query to its window.
    Differentiable by autograd in query, key and value; float64 when given float64.
    """
    precise = compute_dtype(query.dtype)
    score = (query.to(precise) @ key.to(precise).mT) * scale
    if allowed is not None:
        score = score.masked_fill(~allowed, -torch.inf)
    share = score.softmax(-1)
    displacement = share @ key_xy.to(precise) - query_xy.to(precise)
    confidence = share.max(-1).values
    values = (share @ value.to(precise)).to(query.dtype)
    return values, displacement.to(compute_dtype(query.dtype)), confidence.to(displacement.dtype)


def windows(centre: torch.Tensor, window: int, key_grid: tuple[int, int]) -> torch.Tensor:
    """Which keys each query sees: those at most `window` cells from its centre, along x and y.

    Args:
        centre: Column and row of every query's central cell, ``[..., Nq, 2]``, integers.
        window: Radius in cells.
        key_grid: Rows and columns of the keys' grid.

    Returns:
        Bool, ``[..., Nq, Nk]``.
    """
    rows, columns = key_grid
    cell = torch.arange(rows * columns, device=centre.device)
    near_x = (cell % columns - centre[..., :1]).abs() <= window
    near_y = (cell // columns - centre[..., 1:]).abs() <= window
    return near_x & near_y
