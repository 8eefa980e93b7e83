"""The network of figures: reads where each part of an articulated figure stands, and which it is.

A figure is a still background and parts that move as rigid pieces, painted from back to front. Its
token is the pose of every part, so that curves through tokens are turns and shifts. One network
reads both the token and, for a reference, which pixel belongs to which part.

Convention:
    Pictures ``[B, 3, S, S]`` RGB 0..1, S the configuration's side. A token ``[B, 4 * P]`` holds for
    each part x, y, angle and logarithm of its size, in units of `UNITS`, since a resting part in
    the middle of the picture. Matrices lead from a part's coordinates (in shares of the side) to
    the picture's (likewise, the middle at 0).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf.layers import activated, conv, doubled

UNITS = (0.1, 0.1, 0.5, 0.2)
"""Shares of the side, radians and a logarithm that count as 1 in a token."""


@dataclass(frozen=True, kw_only=True)
class PuppetConfig:
    """Sizes of the network."""

    name: str = "imf-figures"
    size_px: int = 128
    parts: int = 6
    """Moving parts, from back to front; the background is not counted."""
    widths: tuple[int, int, int, int, int] = (24, 48, 80, 112, 144)
    """Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""

    @property
    def token_dim(self) -> int:
        """Numbers of a token."""
        return 4 * self.parts

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "PuppetConfig":
        """Return the configuration that `to_dict` described."""
        return cls(**{**content, "widths": tuple(content["widths"])})


class PuppetNetwork(nn.Module):
    """Poses and outlines of the parts from one picture."""

    def __init__(self, config: PuppetConfig) -> None:
        super().__init__()
        self.config = config
        first, *rest = config.widths
        self.stem = conv(12, first)
        self.stages = nn.ModuleList([_Stage(first, first, 1)])
        for width, wider in zip((first, *rest), rest, strict=False):
            self.stages.append(_Stage(width, wider, 2))
        deepest = config.widths[-1]
        cells = (config.size_px // 32) ** 2
        # What is at one end of the figure tells what is at the other.
        self.whole = nn.Linear(deepest * cells, deepest)
        self.joins = nn.ModuleList(
            [
                conv(wider + width, width)
                for width, wider in zip(config.widths[-2::-1], config.widths[:0:-1], strict=True)
            ]
        )
        self.outline = conv(first, 4 * (config.parts + 1))
        quarter = config.widths[1]
        self.place = conv(quarter, config.parts, 1)
        self.reach = conv(quarter, 64)
        self.pose = nn.Linear(64 + deepest, 4 * config.parts)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens ``[B, 4 * P]`` and scores of parts ``[B, P + 1, S, S]``."""
        x = activated(self.stem(F.pixel_unshuffle(2 * pictures - 1, 2)))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        whole = activated(self.whole(x.flatten(1)))
        x = x + whole[:, :, None, None]
        quarter = x
        for join, level in zip(self.joins, levels[-2::-1], strict=True):
            x = activated(join(torch.cat([doubled(x), level], 1)))
            if level is levels[1]:
                quarter = x
        scores = F.pixel_shuffle(self.outline(x), 2)
        return self._tokens(quarter, whole), scores

    def _tokens(self, quarter: Tensor, whole: Tensor) -> Tensor:
        """Return tokens: each part is looked for, and described by what is found there."""
        height, width = quarter.shape[2:]
        P = self.config.parts
        attention = self.place(quarter).flatten(2).softmax(-1)
        x = (torch.arange(width, device=quarter.device) + 0.5) / width - 0.5
        y = (torch.arange(height, device=quarter.device) + 0.5) / height - 0.5
        grid = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)]).flatten(1)
        places = attention @ grid.to(attention.dtype).T / UNITS[0]
        found = attention @ activated(self.reach(quarter)).flatten(2).transpose(1, 2)
        seen = torch.cat([found, whole[:, None].expand(-1, P, -1)], 2)
        # Each part has its own row of the last product.
        weight = self.pose.weight.reshape(P, 4, -1)
        told = torch.einsum("bpc,pkc->bpk", seen, weight) + self.pose.bias.reshape(P, 4)
        token: Tensor = torch.cat([places + told[..., :2], told[..., 2:]], -1).flatten(1)
        return token


class _Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, stride=stride)
        self.second = conv(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        x = activated(self.first(features))
        out: Tensor = x + activated(self.second(x))
        return out


def part_matrices(tokens: Tensor, parts: int) -> Tensor:
    """Return the similarities of tokens ``[B, 4 * P]``, ``[B, P, 3, 3]``."""
    x, y, angle, size = (tokens.reshape(-1, parts, 4) * tokens.new_tensor(UNITS)).unbind(-1)
    cosine, sine = size.exp() * angle.cos(), size.exp() * angle.sin()
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [cosine, -sine, x, sine, cosine, y, zero, zero, one]
    return torch.stack(rows, -1).reshape(*x.shape, 3, 3)


@dataclass(frozen=True, kw_only=True)
class PuppetReference:
    """A picture cut into its parts."""

    layers: Tensor
    """Picture and outline of each part, back to front, ``[P, 4, H, W]``."""
    plate: Tensor
    """The background, made up where parts hid it, and where it was seen, ``[4, H, W]``."""
    token: Tensor
    """``[4 * P]``"""
    inverse: Tensor
    """From the picture to each part, ``[P, 3, 3]``."""


def cut_out(picture: Tensor, token: Tensor, scores: Tensor) -> PuppetReference:
    """Return the parts of a picture ``[3, H, W]`` by their scores ``[P + 1, S, S]``."""
    size = tuple(picture.shape[1:])
    enlarged = F.interpolate(scores[None], size, mode="bilinear", align_corners=False)[0]
    shares = enlarged.softmax(0)
    parts = len(shares) - 1
    layers = torch.cat([picture.expand(parts, -1, -1, -1), shares[1:, None]], 1)
    seen = shares[:1]
    # Pixels at outlines show both; only what is surely background makes up the plate.
    plate = torch.where(seen > 0.95, picture, made_up(picture, (seen > 0.95).float()))
    return PuppetReference(
        layers=layers,
        plate=torch.cat([plate, seen]),
        token=token,
        inverse=torch.linalg.inv(part_matrices(token[None], parts)[0]),
    )


def made_up(picture: Tensor, known: Tensor) -> Tensor:
    """Return a picture ``[C, H, W]`` with what is not ``known [1, H, W]`` spread from around it."""
    weighted = [torch.cat([picture * known, known])[None]]
    while min(weighted[-1].shape[2:]) > 1:
        weighted.append(F.avg_pool2d(weighted[-1], 2, ceil_mode=True, count_include_pad=False))
    filled = weighted[-1][:, :-1] / weighted[-1][:, -1:].clamp_min(1e-6)
    for level in weighted[-2::-1]:
        size = tuple(level.shape[2:])
        coarse = F.interpolate(filled, size, mode="bilinear", align_corners=False)
        share = level[:, -1:].clamp(0, 1)
        filled = level[:, :-1] + (1 - share) * coarse
    return filled[0]


def composed(reference: PuppetReference, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures, how far they were seen in the reference, and where they come from.

    Args:
        reference: The picture cut into parts.
        tokens: ``[T, 4 * P]``.

    Returns:
        ``[T, 3, H, W]``, ``[T, 1, H, W]`` in 0..1, and displacements ``[T, 2, H, W]`` in pixels.
    """
    T = len(tokens)
    parts, _, height, width = reference.layers.shape
    back = reference.layers.new_tensor([width, height])
    places = _places(height, width)
    wanted = part_matrices(tokens, parts)
    lookup = torch.linalg.inv(reference.inverse) @ torch.linalg.inv(wanted)
    picture = reference.plate[:3].expand(T, -1, -1, -1)
    trust = reference.plate[3:].expand(T, -1, -1, -1)
    flow = torch.zeros(T, 2, height, width)
    for part in range(parts):
        matrix = lookup[:, part]
        moved = places @ matrix[:, None, :2, :2].transpose(-1, -2) + matrix[:, None, None, :2, 2]
        found = F.grid_sample(
            reference.layers[part].expand(T, -1, -1, -1),
            2 * moved,
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        share = found[:, 3:]
        picture = torch.lerp(picture, found[:, :3], share)
        trust = torch.lerp(trust, torch.ones_like(trust), share)
        flow = torch.lerp(flow, ((moved - places) * back).permute(0, 3, 1, 2), share)
    return picture, trust, flow


def _places(height: int, width: int) -> Tensor:
    """Return where the pixels are, in shares of the picture, the middle at 0, ``[H, W, 2]``."""
    x = (torch.arange(width) + 0.5) / width - 0.5
    y = (torch.arange(height) + 0.5) / height - 0.5
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1)
