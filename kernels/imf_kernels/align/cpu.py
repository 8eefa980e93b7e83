"""Implicit motion alignment in plain torch: matrix products over pieces that stay in cache.

Global: a few queries at a time against every key. Windowed: queries in tiles, each tile against the
smallest box of keys that holds all its windows, the rest masked; a matrix product over some keys
too many is far cheaper than gathering each query's own window.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from imf_kernels.bilinear import compute_dtype

PIECE_SCORES = 1 << 19
"""Scores held at once, about: 2 MB."""

TILE = 16
"""Side of a tile of queries, where queries form the same grid as the keys."""


class Aligned(NamedTuple):
    """What the forward pass gives, and what it keeps for the backward pass."""

    values: torch.Tensor
    """``[B, h, Nq, dv]``."""
    displacement: torch.Tensor
    """``[B, h, Nq, 2]``, float32 or float64."""
    confidence: torch.Tensor
    """``[B, h, Nq]``, likewise."""
    lse: torch.Tensor
    """Log of the summed exponentials of the scores, ``[B, h, Nq]``; empty unless kept."""
    best: torch.Tensor
    """Key of the largest probability, ``[B, h, Nq]``, int32; empty unless kept."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which keys each query sees."""

    centre: torch.Tensor
    """Column and row of the central cell, ``[B, h, Nq, 2]``, int32."""
    radius: int
    """Cells on either side."""
    rows: int
    """Rows of the keys' grid."""
    columns: int
    """Columns of the keys' grid."""


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Some queries and the box of keys that they see."""

    at: tuple[slice | int, ...]
    """Batch entries."""
    queries: slice | torch.Tensor
    """Queries."""
    box: tuple[slice, slice] | None
    """Rows and columns of the keys' grid; None for all keys."""
    hidden: torch.Tensor | None
    """True for the scores of keys outside the window; None if all count."""


def forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    window: Window | None,
    scale: float,
    keep: bool,
) -> Aligned:
    """As the reference; not differentiable. `keep` asks for what the backward pass needs."""
    precise = compute_dtype(query.dtype)
    B, h, Nq, _ = query.shape
    queries, keys = query.to(precise) * scale, key.to(precise)
    extended = torch.cat([value.to(precise), key_xy.to(precise).expand(B, h, -1, 2)], -1)
    out = queries.new_empty(B, h, Nq, extended.shape[-1])
    confidence = queries.new_empty(B, h, Nq)
    kept = (B, h, Nq) if keep else (0,)
    lse, best = queries.new_empty(kept), queries.new_empty(kept, dtype=torch.int32)
    for piece in _pieces(query, key, window):
        where = (*piece.at, slice(None), piece.queries)
        score = queries[where] @ _take(keys, piece, window).mT
        if piece.hidden is not None:
            score.masked_fill_(piece.hidden, -torch.inf)
        if keep:
            top, first = score.max(-1)
            best[where] = _number(first, piece, window).int()
        else:
            top = score.amax(-1)
        total = score.sub_(top[..., None]).exp_().sum(-1)
        confidence[where] = 1 / total
        out[where] = (score @ _take(extended, piece, window)).div_(total[..., None])
        if keep:
            lse[where] = top + total.log()
    displacement = out[..., -2:] - query_xy.to(precise)
    return Aligned(
        out[..., :-2].to(query.dtype, memory_format=torch.contiguous_format, copy=True),
        displacement,
        confidence,
        lse,
        best,
    )


def backward(
    gradients: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    window: Window | None,
    scale: float,
    kept: Aligned,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients to query, key and value, from those of values, displacement and confidence."""
    precise = compute_dtype(query.dtype)
    B, h, _, _ = query.shape
    queries, keys = query.to(precise), key.to(precise)
    extended = torch.cat([value.to(precise), key_xy.to(precise).expand(B, h, -1, 2)], -1)
    arriving = torch.cat([gradients[0].to(precise), gradients[1].to(precise)], -1)
    sure = gradients[2].to(precise)
    offset = (
        (gradients[0].to(precise) * kept.values.to(precise)).sum(-1)
        + (gradients[1].to(precise) * (kept.displacement + query_xy.to(precise))).sum(-1)
        + sure * kept.confidence
    )
    to_query, to_key = torch.empty_like(queries), torch.zeros_like(keys)
    to_value = torch.zeros_like(extended)
    for piece in _pieces(query, key, window):
        where = (*piece.at, slice(None), piece.queries)
        some_queries, some_keys = queries[where], _take(keys, piece, window)
        share = (some_queries @ some_keys.mT).mul_(scale)
        if piece.hidden is not None:
            share.masked_fill_(piece.hidden, -torch.inf)
        share.sub_(kept.lse[where][..., None]).exp_()
        some = arriving[where]
        slope = some @ _take(extended, piece, window).mT
        best = _locate(kept.best[where].long(), piece, window)
        slope.scatter_add_(-1, best[..., None], sure[where][..., None])
        slope.sub_(offset[where][..., None]).mul_(share).mul_(scale)
        to_query[where] = slope @ some_keys
        _add(to_key, piece, window, slope.mT @ some_queries)
        _add(to_value, piece, window, share.mT @ some)
    return (
        to_query.to(query.dtype),
        to_key.to(key.dtype),
        to_value[..., :-2].to(value.dtype, memory_format=torch.contiguous_format, copy=True),
    )


def _pieces(query: torch.Tensor, key: torch.Tensor, window: Window | None) -> Iterator[_Piece]:
    B, h, Nq, _ = query.shape
    if B * h * Nq == 0:
        return
    if window is None:
        step = max(32, PIECE_SCORES // (h * key.shape[2]))
        for batch in range(B):
            for first in range(0, Nq, step):
                some = slice(first, first + step)
                yield _Piece(at=(batch,), queries=some, box=None, hidden=None)
        return
    for batch in range(B):
        centre = window.centre[batch]
        if centre.stride(0) == 0:
            centre = centre[:1]
        for tile in _tiles(Nq, window, query.device):
            yield from _boxes(batch, tile, centre, window, h)


def _tiles(count: int, window: Window, device: torch.device) -> Iterator[torch.Tensor]:
    """Queries that probably lie together: squares if they form the keys' grid, else runs."""
    numbers = torch.arange(count, device=device)
    if count != window.rows * window.columns:
        yield from torch.split(numbers, TILE * TILE)
        return
    grid = numbers.view(window.rows, window.columns)
    for top in range(0, window.rows, TILE):
        for left in range(0, window.columns, TILE):
            yield grid[top : top + TILE, left : left + TILE].flatten()


def _boxes(
    batch: int, tile: torch.Tensor, centre: torch.Tensor, window: Window, heads: int
) -> Iterator[_Piece]:
    middle = centre[:, tile]
    (left, top), (right, bottom) = (
        middle.amin((0, 1)).sub(window.radius).clamp(min=0).tolist(),
        middle.amax((0, 1)).add(window.radius + 1).tolist(),
    )
    right, bottom = min(right, window.columns), min(bottom, window.rows)
    if heads * len(tile) * (right - left) * (bottom - top) > 4 * PIECE_SCORES and len(tile) > 1:
        half = len(tile) // 2
        yield from _boxes(batch, tile[:half], centre, window, heads)
        yield from _boxes(batch, tile[half:], centre, window, heads)
        return
    x = torch.arange(left, right, device=tile.device, dtype=middle.dtype)
    y = torch.arange(top, bottom, device=tile.device, dtype=middle.dtype)
    far_x = (x - middle[..., :1]).abs() > window.radius
    far_y = (y - middle[..., 1:]).abs() > window.radius
    hidden = (far_y[..., :, None] | far_x[..., None, :]).flatten(-2)
    box = (slice(top, bottom), slice(left, right))
    yield _Piece(at=(batch,), queries=tile, box=box, hidden=hidden)


def _take(keys: torch.Tensor, piece: _Piece, window: Window | None) -> torch.Tensor:
    some = keys[piece.at]
    if window is None or piece.box is None:
        return some
    return _as_grid(some, window)[:, *piece.box].flatten(1, 2)


def _as_grid(keys: torch.Tensor, window: Window) -> torch.Tensor:
    return keys.view(keys.shape[0], window.rows, window.columns, keys.shape[2])


def _add(total: torch.Tensor, piece: _Piece, window: Window | None, change: torch.Tensor) -> None:
    some = total[piece.at]
    if window is None or piece.box is None:
        some += change
        return
    part = _as_grid(some, window)[:, *piece.box]
    part += change.view(part.shape)


def _number(first: torch.Tensor, piece: _Piece, window: Window | None) -> torch.Tensor:
    """Number of a key among all, from that within the piece's box."""
    if window is None or piece.box is None:
        return first
    rows, columns = piece.box
    width = columns.stop - columns.start
    number: torch.Tensor = (first // width + rows.start) * window.columns
    number += first % width + columns.start
    return number


def _locate(number: torch.Tensor, piece: _Piece, window: Window | None) -> torch.Tensor:
    """The reverse of `_number`."""
    if window is None or piece.box is None:
        return number
    rows, columns = piece.box
    width = columns.stop - columns.start
    y, x = number // window.columns - rows.start, number % window.columns - columns.start
    first: torch.Tensor = y * width + x
    return first
