"""Implicit motion alignment of the compact network: attention, and what it changes.

Queries are motion features of the wanted token, keys those of the reference's token, values dense
features of the reference; all with learned positions. The same queries asked with the reference's
own motion features give what "not moved" looks like, and only the difference goes on.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_kernels import align
from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.models.imf.layers import activated, conv, positions, sinusoids, soft_norm

COARSE_GAIN_PX = 8.0
"""Pixels to a unit of what the coarse scales give, so that it learns as fast as the rest."""


class Gate(nn.Module):
    """Factors around 1 for each channel and place, from what the reference shows."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.conv = conv(features, width)

    def forward(self, features: Tensor, times: int) -> Tensor:
        """Return ``[B * times, width, H, W]`` in 0..2."""
        gate = 2 * torch.sigmoid(self.conv(features))
        return gate.repeat_interleave(times, 0)


class AlignedScale(nn.Module):
    """Alignment at one scale and the transformer blocks that refine it."""

    def __init__(self, width: int, coarser: int, side: int, config: CompactConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = conv(width, width, 1)
        self.key = conv(width, width, 1)
        self.value = conv(width, width, 1)
        self.place = nn.Parameter(sinusoids(side, width))
        self.register_buffer("xy", positions(side, config.size_px), persistent=False)
        self.gate = Gate(2 * width, width)
        self.join = conv(2 * width + coarser + 2 * config.heads, width, 1, bias=False)
        self.local = conv(width, width, bias=False)
        self.blocks = nn.ModuleList([_Block(width, config.heads) for _ in range(config.blocks)])
        self.look = nn.Parameter(torch.zeros(config.heads))
        self.head = conv(width, 2, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(
        self,
        wanted: Tensor,
        motion: Tensor,
        features: Tensor,
        coarser: Tensor | None,
        times: int,
    ) -> tuple[Tensor, Tensor]:
        """Return the flow's step at this scale and the state.

        Args:
            wanted: Motion features of the wanted tokens, ``[B * times, C, H, W]``.
            motion: Those of the references' tokens, ``[B, C, H, W]``.
            features: Dense features of the references, ``[B, C, H, W]``.
            coarser: State of the coarser scale, enlarged.
            times: Wanted tokens for each reference.
        """
        # One query batch per reference: the wanted moments of a reference share keys and values.
        key = self._split(self.key(motion), place=True)
        value = self._split(self.value(features))
        still = self._look(self.query(motion), key, value)
        many = self._look(
            self.query(wanted),
            key.repeat_interleave(times, 0),
            value.repeat_interleave(times, 0),
        )
        values, places = (
            new - old.repeat_interleave(times, 0) for new, old in zip(many, still, strict=True)
        )
        moved = wanted - motion.repeat_interleave(times, 0)
        scaled = places.flatten(1, 2) * (1 / 16)
        parts = [moved, values, scaled] + ([] if coarser is None else [coarser])
        gate = self.gate(torch.cat([features, motion], 1), times)
        x = activated(self.join(torch.cat(parts, 1))) * gate
        x = x + activated(self.local(x))
        for block in self.blocks:
            x = block(x, features, self.place, times)
        step = torch.einsum("h,bhcyx->bcyx", self.look, places)
        return step + COARSE_GAIN_PX * self.head(x), x

    def _split(self, plane: Tensor, *, place: bool = False) -> Tensor:
        rows = plane.flatten(2).transpose(1, 2)
        if place:
            rows = rows + self.place
        B, N, C = rows.shape
        return rows.reshape(B, N, self.heads, C // self.heads).transpose(1, 2).contiguous()

    def _look(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return aligned values ``[B, C, H, W]`` and displacements ``[B, h, 2, H, W]``."""
        height, width = query.shape[2:]
        xy = self.get_buffer("xy")
        # In single precision also under autocast: places are told apart by small differences.
        asked, key, value = (
            part.to(xy.dtype) for part in (self._split(query, place=True), key, value)
        )
        values, displacement, _ = align(asked, key, value, xy, xy)
        plane = values.transpose(2, 3).reshape(len(query), -1, height, width)
        shift = displacement.transpose(2, 3).reshape(len(query), self.heads, 2, height, width)
        return plane, shift


class _Block(nn.Module):
    """Self-attention and a feed-forward layer, without bias: zero stays zero."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ask = nn.Linear(2 * width, 2 * width)
        self.tell = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.wide = nn.Linear(width, 2 * width, bias=False)
        self.narrow = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor, features: Tensor, place: Tensor, times: int) -> Tensor:
        """Return the same shape as ``x``, ``[B * times, C, H, W]``."""
        height, width = x.shape[2:]
        rows = x.flatten(2).transpose(1, 2)
        seen = (features.flatten(2).transpose(1, 2) + place).repeat_interleave(times, 0)
        normed = soft_norm(rows)
        query, key = (
            _headed(part, self.heads) for part in self.ask(torch.cat([normed, seen], 2)).chunk(2, 2)
        )
        value = _headed(self.tell(normed), self.heads)
        found = F.scaled_dot_product_attention(query, key, value)
        rows = rows + self.out(found.transpose(1, 2).flatten(2))
        rows = rows + self.narrow(F.gelu(self.wide(soft_norm(rows))))
        plane: Tensor = rows.transpose(1, 2).reshape(len(rows), -1, height, width)
        return plane


def _headed(rows: Tensor, heads: int) -> Tensor:
    B, N, _ = rows.shape
    return rows.reshape(B, N, heads, -1).transpose(1, 2)
