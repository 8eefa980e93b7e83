"""Bilinear taps on a processor: few passes, no autograd, a piece of the frame at a time.

The same arithmetic as `bilinear.taps`, arranged so that the intermediates of one piece stay in
cache. Sums over taps and dot products with them run in `embedding_bag`, which reads whole rows of
channels and is the fastest gather that torch has on a processor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

PIECE_PIXELS = 1 << 15
"""Pixels worked on at once; about 2 MB of taps."""


@dataclass(frozen=True, kw_only=True)
class Taps:
    """Four taps of each pixel of one piece, in the order (y0 x0), (y0 x1), (y1 x0), (y1 x1)."""

    pixels: slice
    """Which of the ``B * H * W`` pixels these are."""
    index: torch.Tensor
    """Pixel that each tap reads or writes, ``[n, 4]``, int32, always valid."""
    weight: torch.Tensor
    """Bilinear weights, ``[n, 4]``."""
    across: tuple[torch.Tensor, torch.Tensor]
    """Weights of the left and the right column, ``[n]`` each."""
    down: tuple[torch.Tensor, torch.Tensor]
    """Weights of the upper and the lower line, ``[n]`` each."""
    inside: tuple[torch.Tensor, ...] | None
    """1 where the left and right column, the upper and lower line count, ``[n]`` each; None if
    everything counts."""

    def gather(self, rows: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """Sum of the rows at the taps, weighted: ``[n, C]`` from ``[B * H * W, C]``."""
        share = self.weight if weight is None else weight
        return F.embedding_bag(
            self.index.view(-1),
            rows,
            self._offsets(),
            mode="sum",
            per_sample_weights=share.view(-1),
        )

    def dot(self, rows: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Dot product of each pixel's own row in `other` with the rows at its taps, ``[n, 4]``."""
        bag = torch.arange(len(self.index), dtype=torch.int32, device=rows.device)
        products = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            other.contiguous(),
            rows,
            self.index.view(-1),
            self._offsets(),
            bag.repeat_interleave(4),
            0,
        )
        found: torch.Tensor = products.view(-1, 4)
        return found

    def slope(self, weight_gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient with respect to x and y, from that with respect to the weights."""
        g00, g01, g10, g11 = weight_gradient.unbind(1)
        (left, right), (upper, lower) = self.across, self.down
        if self.inside is None:
            return (g01 - g00) * upper + (g11 - g10) * lower, (g10 - g00) * left + (
                g11 - g01
            ) * right
        x0, x1, y0, y1 = self.inside
        x = (g01 * x1 - g00 * x0) * upper + (g11 * x1 - g10 * x0) * lower
        return x, (g10 * y1 - g00 * y0) * left + (g11 * y1 - g01 * y0) * right

    def _offsets(self) -> torch.Tensor:
        return torch.arange(0, self.index.numel(), 4, dtype=torch.int32, device=self.index.device)


def pieces(flow: torch.Tensor, padding: str) -> Iterator[Taps]:
    """All taps of a flow field ``[B, 2, H, W]``, piece by piece; float32 or float64."""
    B, _, H, W = flow.shape
    lines = flow.permute(1, 0, 2, 3).reshape(2, B * H, W)
    finite = None if all_finite(flow) else torch.isfinite(lines).all(0)
    if finite is not None:
        lines = torch.where(finite, lines, 0.0)
    device = flow.device
    x = torch.arange(W, dtype=flow.dtype, device=device)
    y = torch.arange(H, dtype=flow.dtype, device=device).repeat(B)[:, None]
    base = torch.arange(B, dtype=torch.int32, device=device) * (H * W)
    base = base.repeat_interleave(H)[:, None]
    step = max(1, PIECE_PIXELS // W)
    for top in range(0, B * H, step):
        part = slice(top, top + step)
        kept = None if finite is None else finite[part]
        pixels = slice(top * W, min(top + step, B * H) * W)
        yield _piece(lines[:, part], x, y[part], base[part], kept, padding, (H, W), pixels)


def all_finite(flow: torch.Tensor) -> bool:
    """Whether no element is NaN or infinite; one cheap pass (may say no for sums that overflow)."""
    return bool(torch.isfinite(flow.sum()))


def _piece(
    flow: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    base: torch.Tensor,
    finite: torch.Tensor | None,
    padding: str,
    size: tuple[int, int],
    pixels: slice,
) -> Taps:
    H, W = size
    x_floor, y_floor = flow[0].floor(), flow[1].floor()
    x_fraction, y_fraction = flow[0] - x_floor, flow[1] - y_floor
    x_floor += x
    y_floor += y
    x_pair = [x_floor.clamp(0, W - 1), (x_floor + 1).clamp_(0, W - 1)]
    y_pair = [y_floor.clamp(0, H - 1), (y_floor + 1).clamp_(0, H - 1)]
    index = flow.new_empty(*x_floor.shape, 4, dtype=torch.int32)
    across, down, inside = [1 - x_fraction, x_fraction], [1 - y_fraction, y_fraction], None
    if padding == "zeros" or finite is not None:
        inside = _inside((x_floor, *x_pair), (y_floor, *y_pair), padding, finite, flow.dtype)
        for side in range(2):
            across[side] = across[side].mul_(inside[side])
            down[side] = down[side].mul_(inside[2 + side])
    weight = flow.new_empty(*x_floor.shape, 4)
    columns = [x.int() for x in x_pair]
    for row, start in enumerate(_lines(y_pair, W, base)):
        for column in range(2):
            tap = 2 * row + column
            torch.add(start, columns[column], out=index[..., tap])
            torch.mul(down[row], across[column], out=weight[..., tap])
    return Taps(
        pixels=pixels,
        index=index.view(-1, 4),
        weight=weight.view(-1, 4),
        across=(across[0].view(-1), across[1].view(-1)),
        down=(down[0].view(-1), down[1].view(-1)),
        inside=None if inside is None else tuple(mask.view(-1) for mask in inside),
    )


def _lines(y_pair: list[torch.Tensor], width: int, base: torch.Tensor) -> list[torch.Tensor]:
    """Index of the first pixel of each line."""
    return [y.int().mul_(width).add_(base) for y in y_pair]


def _inside(
    x: tuple[torch.Tensor, ...],
    y: tuple[torch.Tensor, ...],
    padding: str,
    finite: torch.Tensor | None,
    dtype: torch.dtype,
) -> list[torch.Tensor]:
    """1 where a column or line counts, else 0: unclamped position first, then the clamped pair."""
    masks = [torch.ones_like(x[0], dtype=torch.bool) for _ in range(4)]
    if padding == "zeros":
        masks = [axis[1 + side] == axis[0] + side for axis in (x, y) for side in range(2)]
    if finite is not None:
        masks = [mask & finite for mask in masks]
    return [mask.to(dtype) for mask in masks]


def each_tap(flow: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Target (int64) and weight of one tap of every pixel at a time, ``[B * H * W]`` each.

    For images of few channels, whose taps would cost more to interleave than to visit four times.
    """
    B, _, H, W = flow.shape
    known = None if all_finite(flow) else torch.isfinite(flow).all(1)
    if known is not None:
        flow = torch.where(known[:, None], flow, 0.0)
    numbers = torch.arange(max(B, H, W), device=flow.device)
    x_pair = _axis(flow[:, 0], numbers[:W].to(flow.dtype), W, known)
    y_pair = _axis(flow[:, 1], numbers[:H, None].to(flow.dtype), H, None)
    base = numbers[:B, None, None] * (H * W)
    for line, down in y_pair:
        start = line.mul_(W).add_(base)
        for column, across in x_pair:
            yield (start + column).view(-1), (down * across).view(-1)


def _axis(
    shift: torch.Tensor, own: torch.Tensor, size: int, known: torch.Tensor | None
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Clamped positions (int64) and weights of both taps along one axis; outside weighs 0."""
    whole = shift.floor()
    fraction = shift - whole
    whole += own
    pair = []
    for position, weight in ((whole, 1 - fraction), (whole + 1, fraction)):
        clamped = position.clamp(0, size - 1)
        weight = weight.mul_(clamped == position)
        pair.append((clamped.long(), weight if known is None else weight.mul_(known)))
    return pair


@dataclass(frozen=True, kw_only=True)
class Landing:
    """All taps of a frame sorted by the pixel they land on.

    Sorting turns a scatter into a gather, several times faster than `index_add_` on more than a few
    channels, and gives the same bits on every run.
    """

    order: torch.Tensor
    """Taps sorted by target, ``[4 * n]``, int64."""
    starts: torch.Tensor
    """Where each target pixel's taps begin, ``[n]``."""

    @classmethod
    def of(cls, index: torch.Tensor) -> "Landing":
        """From the target of every tap, ``[n, 4]``, int32."""
        target, order = torch.sort(index.view(-1), stable=True)
        pixels = torch.arange(len(index), device=index.device, dtype=torch.int32)
        return cls(order=order, starts=torch.searchsorted(target, pixels))

    def sum(self, weight: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Every pixel's row times the weights ``[n, 4]`` of its taps, summed: ``[n, C]``."""
        share = weight.reshape(-1)[self.order]
        bag = self.order.bitwise_right_shift(2)
        return F.embedding_bag(bag, rows, self.starts, mode="sum", per_sample_weights=share)

    def total(self, weight: torch.Tensor) -> torch.Tensor:
        """The weights alone, summed: ``[n]``."""
        return F.embedding_bag(self.order, weight.view(-1, 1), self.starts, mode="sum").view(-1)
