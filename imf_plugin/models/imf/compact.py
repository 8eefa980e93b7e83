"""The compact Implicit Motion Function: the paper's structure, sized to be trained on one CPU core.

Gao et al., *Implicit Motion Function*, CVPR 2024, with its supplement. As there: a latent token
encoder, a dense feature encoder, a style-modulated token decoder that turns a token into motion
features at several scales, and alignment by cross-attention between the motion features of the
wanted token (queries) and of the reference's token (keys), refined by transformer blocks.

Deviations, with reasons:

- The alignment's *displacement* (where attention looks, on average) moves the reference picture
  itself at its full size, and a small painted residual is added. The paper decodes a new picture
  from the aligned features, which takes far more training than a CPU gives.
- Everything after the motion features works on differences between wanted and reference token,
  through layers without bias: equal tokens give the reference, trained or not.
- Where a frame's anchor (another frame of the same scene) is at hand, the token is the anchor's
  plus what a second encoder reads from the classical motion between the two. Reading tokens from
  single pictures alone did not get off the ground in the hours of one core; that encoder is taught
  by the other one.
- Tokens start out as the motion of a grid of 4x4 points, and the network as what moves that grid;
  training changes both from there. Starting from nothing cost the first hour of training.
- Pictures are read at 128 px; at 1/4 and 1/2 of that, gated convolutions stand in for attention.

Convention:
    Pictures ``[B, 3, S, S]`` RGB 0..1 with S the configuration's side. Flows are backward (where to
    fetch in the reference), x then y, in pixels of that size.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf.alignment import AlignedScale, Gate
from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.models.imf.layers import StyledConv, activated, conv, doubled, linear

GRID = 4
"""Points along each side of the coarse grid that a token's numbers start out as."""

UNIT_PX = 4.0
"""Pixels of side S that a unit of such a number moves its grid point by."""

GRID_DAMPING = 0.1
"""Keeps grid points still about which nothing is known, in pixels that know."""

GRID_BENDING = 3.0
"""Makes what is not known follow the rest, as affine motion would."""

FINE_GAIN_PX = 4.0
"""Pixels to a unit of what the finer scales give, so that it learns as fast as the rest."""


@dataclass(frozen=True, kw_only=True)
class CompactReference:
    """What decoding needs of a batch of references."""

    features: list[Tensor]
    """At 1/16, 1/8, 1/4 and 1/2."""
    tokens: Tensor
    """``[B, D]``"""
    motion: list[Tensor]
    """Motion features of the references' own tokens, at 1/16, 1/8 and 1/4."""


@dataclass(frozen=True, kw_only=True)
class CompactDecoded:
    """A batch of decoded tokens."""

    flow: Tensor
    """``[B, 2, S/2, S/2]``, pixels of side S."""
    paint: Tensor
    """Added to the displaced reference, ``[B, 3, S, S]``."""
    coarse_flows: list[Tensor]
    """The flow after each coarser scale, coarsest first, likewise in pixels of side S."""


class TokenEncoder(nn.Module):
    """Reads a motion token from a picture alone."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.trunk = _trunk(48, config)
        self.head = _token_head(config)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return tokens ``[B, D]``."""
        out: Tensor = self.head(self.trunk(F.pixel_unshuffle(2 * pictures - 1, 4)).flatten(1))
        return out


class MotionEncoder(nn.Module):
    """Reads how a frame's token differs from its anchor's, from the motion between the two."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.trunk = _trunk(36, config)
        self.head = _token_head(config)
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("basis", grid_basis(config.size_px // 2), persistent=False)

    def forward(self, frames: Tensor, anchors: Tensor, motion: Tensor) -> Tensor:
        """Return differences of tokens ``[B, D]``.

        Args:
            frames: ``[B, 3, S, S]``.
            anchors: ``[B, 3, S, S]``.
            motion: Flow from frame to anchor in pixels, and where it is known,
                ``[B, 3, S/2, S/2]``.
        """
        pictures = F.avg_pool2d(2 * torch.cat([frames, anchors], 1) - 1, 2)
        scaled = motion * motion.new_tensor([1 / 8, 1 / 8, 1.0])[:, None, None]
        planes = F.pixel_unshuffle(torch.cat([pictures, scaled], 1), 2)
        learned: Tensor = self.head(self.trunk(planes).flatten(1))
        grid = nearest_grid(motion, self.get_buffer("basis")) / UNIT_PX
        missing = learned.shape[1] - grid.shape[1]
        # A token shorter than the grid (in tests) keeps its first numbers.
        return learned + F.pad(grid, (0, missing))


def grid_basis(side: int) -> Tensor:
    """Return what each point of the coarse grid gives to a plane, ``[GRID^2, side^2]``."""
    points = torch.eye(GRID**2).reshape(GRID**2, 1, GRID, GRID)
    return _spread(points, side).flatten(1)


def nearest_grid(motion: Tensor, basis: Tensor) -> Tensor:
    """Return the grid points that come nearest a motion where it is known, ``[B, 2 * GRID^2]``.

    Args:
        motion: Flow in pixels and where it is known, ``[B, 3, S/2, S/2]``.
        basis: `grid_basis` of that side.
    """
    weight = motion[:, 2:].flatten(2)
    weighted = basis * weight
    matrix = weighted @ basis.T + GRID_DAMPING * torch.eye(len(basis)) + GRID_BENDING * bending()
    right = weighted @ motion[:, :2].flatten(2).transpose(1, 2)
    points: Tensor = torch.linalg.solve(matrix, right)
    return points.transpose(1, 2).flatten(1)


def bending() -> Tensor:
    """Return the matrix that leaves of a grid what no affine motion explains, ``[16, 16]``."""
    place = torch.linspace(-1, 1, GRID)
    y, x = torch.meshgrid(place, place, indexing="ij")
    affine = torch.stack([torch.ones(GRID**2), x.flatten(), y.flatten()], 1)
    frame = torch.linalg.qr(affine).Q
    rest: Tensor = torch.eye(GRID**2) - frame @ frame.T
    return rest


def _spread(grid: Tensor, side: int) -> Tensor:
    """Return a grid enlarged step by step, as the decoder does."""
    plane = F.interpolate(grid, (8, 8), mode="bilinear", align_corners=False)
    while plane.shape[-1] < side:
        plane = doubled(plane)
    return plane


def _trunk(inputs: int, config: CompactConfig) -> nn.Sequential:
    """Return convolutions from 1/4 of the side to 1/32."""
    width, *rest = config.encoder_widths
    layers: list[nn.Module] = [conv(inputs, width), nn.LeakyReLU(0.2)]
    for wider in rest:
        layers += [conv(width, width), nn.LeakyReLU(0.2)]
        layers += [conv(width, wider, stride=2), nn.LeakyReLU(0.2)]
        width = wider
    return nn.Sequential(*layers)


def _token_head(config: CompactConfig) -> nn.Sequential:
    width = config.encoder_widths[-1]
    cells = (config.size_px // 32) ** 2
    return nn.Sequential(
        linear(width * cells, 2 * width), nn.LeakyReLU(0.2), linear(2 * width, config.token_dim)
    )


class FeatureEncoder(nn.Module):
    """Dense features of the reference at four scales."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        w16, w8, w4, w2 = config.widths
        self.at_half = conv(12, w2)
        self.at_quarter = conv(4 * w2, w4)
        self.quarter_more = conv(w4, w4)
        self.at_eighth = conv(w4, w8, stride=2)
        self.eighth_more = conv(w8, w8)
        self.at_sixteenth = conv(w8, w16, stride=2)
        self.sixteenth_more = conv(w16, w16)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return features at 1/16, 1/8, 1/4 and 1/2."""
        half = activated(self.at_half(F.pixel_unshuffle(2 * pictures - 1, 2)))
        quarter = activated(self.at_quarter(F.pixel_unshuffle(half, 2)))
        quarter = quarter + activated(self.quarter_more(quarter))
        eighth = activated(self.at_eighth(quarter))
        eighth = eighth + activated(self.eighth_more(eighth))
        sixteenth = activated(self.at_sixteenth(eighth))
        sixteenth = sixteenth + activated(self.sixteenth_more(sixteenth))
        return [sixteenth, eighth, quarter, half]


class TokenDecoder(nn.Module):
    """Turns a token into motion features at 1/16, 1/8 and 1/4, as StyleGAN2 turns a style."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        w16, w8, w4, _ = config.widths
        style = config.style_dim
        side = config.size_px // 16
        self.constant = nn.Parameter(torch.randn(1, w16, side, side))
        self.mapping = nn.Sequential(
            linear(config.token_dim, style), nn.LeakyReLU(0.2), linear(style, style)
        )
        self.layers = nn.ModuleList(
            [
                StyledConv(w16, w16, style),
                StyledConv(w16, w16, style),
                StyledConv(w16, w8, style),
                StyledConv(w8, w8, style),
                StyledConv(w8, w4, style),
            ]
        )

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Return the motion features of tokens ``[B, D]``."""
        style = self.mapping(tokens)
        sixteenth = self.constant.expand(len(tokens), -1, -1, -1)
        for layer in self.layers[:2]:
            sixteenth = layer(sixteenth, style)
        eighth = doubled(sixteenth)
        for layer in self.layers[2:4]:
            eighth = layer(eighth, style)
        quarter = self.layers[4](doubled(eighth), style)
        return [sixteenth, eighth, quarter]


class CompactImf(nn.Module):
    """Tokens from pictures, and from tokens the displacement of a reference."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        w16, w8, w4, w2 = config.widths
        self.token_encoder = TokenEncoder(config)
        self.motion_encoder = MotionEncoder(config)
        self.feature_encoder = FeatureEncoder(config)
        self.token_decoder = TokenDecoder(config)
        side = config.size_px
        self.whole = nn.Linear(config.token_dim, 2 * GRID**2, bias=False)
        nn.init.eye_(self.whole.weight)
        self.at_sixteenth = AlignedScale(w16, 0, side // 16, config)
        self.at_eighth = AlignedScale(w8, w16, side // 8, config)
        self.at_quarter = _GatedScale(w4, w4 + w8, w4)
        self.at_half = _GatedScale(w2, w4, w2)
        self.paint = conv(w2, 12, bias=False)
        nn.init.zeros_(self.paint.weight)

    def tokens(self, pictures: Tensor) -> Tensor:
        """Return the motion tokens of pictures, ``[B, D]``."""
        out: Tensor = self.token_encoder(pictures)
        return out

    def moved_tokens(self, frames: Tensor, anchors: Tensor, motion: Tensor) -> Tensor:
        """Return how the tokens of frames differ from those of their anchors, ``[B, D]``."""
        out: Tensor = self.motion_encoder(frames, anchors, motion)
        return out

    def reference(self, pictures: Tensor, tokens: Tensor | None = None) -> CompactReference:
        """Return what decoding needs of references; their tokens are read unless given."""
        tokens = self.tokens(pictures) if tokens is None else tokens
        return CompactReference(
            features=self.feature_encoder(pictures),
            tokens=tokens,
            motion=self.token_decoder(tokens),
        )

    def decode(self, reference: CompactReference, tokens: Tensor) -> CompactDecoded:
        """Return how tokens displace their references.

        Args:
            reference: Of ``B`` pictures.
            tokens: ``[B * K, D]``, K for each reference in a row.
        """
        wanted = self.token_decoder(tokens)
        times = len(tokens) // len(reference.tokens)
        f16, f8, f4, f2 = reference.features
        r16, r8, r4 = reference.motion
        flow16, x = self.at_sixteenth(wanted[0], r16, f16, None, times)
        flow16 = flow16 + self._whole_flow(reference.tokens, tokens, times, flow16.shape[-1])
        flow8, x = self.at_eighth(wanted[1], r8, f8, doubled(x), times)
        flow8 = flow8 + doubled(flow16)
        moved = wanted[2] - r4.repeat_interleave(times, 0)
        step4, x = self.at_quarter(torch.cat([moved, doubled(x)], 1), f4, times)
        flow4 = step4 + doubled(flow8)
        step2, x = self.at_half(doubled(x), f2, times)
        return CompactDecoded(
            flow=step2 + doubled(flow4),
            paint=F.pixel_shuffle(self.paint(x), 2),
            coarse_flows=[flow16, flow8, flow4],
        )

    def _whole_flow(self, own: Tensor, tokens: Tensor, times: int, side: int) -> Tensor:
        """Return the motion of the whole picture, linear in the tokens' difference.

        Before training a token is this grid; training goes on from there.
        """
        difference = tokens - own.repeat_interleave(times, 0)
        grid = UNIT_PX * self.whole(difference).reshape(-1, 2, GRID, GRID)
        return F.interpolate(grid, (side, side), mode="bilinear", align_corners=False)


class _GatedScale(nn.Module):
    """Convolutions without bias on what moves, gated by what the reference shows there."""

    def __init__(self, features: int, inputs: int, width: int) -> None:
        super().__init__()
        self.gate = Gate(features, width)
        self.join = conv(inputs, width, 1, bias=False)
        self.first = conv(width, width, bias=False)
        self.second = conv(width, width, bias=False)
        self.head = conv(width, 2, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, moved: Tensor, features: Tensor, times: int) -> tuple[Tensor, Tensor]:
        """Return the flow's step ``[B, 2, H, W]`` and the state ``[B, width, H, W]``."""
        x = activated(self.join(moved)) * self.gate(features, times)
        x = x + activated(self.second(activated(self.first(x))))
        return FINE_GAIN_PX * self.head(x), x


def displaced(pictures: Tensor, flow: Tensor, *, mode: str = "bilinear") -> Tensor:
    """Look pictures up at their pixels plus a flow, borders repeated.

    Args:
        pictures: ``[B, C, H, W]``.
        flow: ``[B, 2, H, W]`` in pixels of these pictures.
        mode: ``bilinear`` or ``bicubic``.
    """
    height, width = pictures.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    grid = torch.stack(
        [(2 * (flow[:, 0] + x) + 1) / width - 1, (2 * (flow[:, 1] + y) + 1) / height - 1], dim=-1
    )
    return F.grid_sample(pictures, grid, mode=mode, padding_mode="border", align_corners=False)


def shown(pictures: Tensor, decoded: CompactDecoded, side_px: int) -> Tensor:
    """Return references displaced and painted at their own size, not clamped.

    Args:
        pictures: One for each decoded token, ``[B, 3, H, W]`` of any size.
        decoded: Of the same pictures shrunk to ``side_px``.
        side_px: The side that the flows are in pixels of.
    """
    height, width = pictures.shape[2:]
    factors = pictures.new_tensor([width / side_px, height / side_px])[:, None, None]
    flow = decoded.flow * factors
    paint = decoded.paint
    if (height, width) != tuple(flow.shape[2:]):
        flow = F.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
    if (height, width) != tuple(paint.shape[2:]):
        paint = F.interpolate(paint, (height, width), mode="bilinear", align_corners=False)
    mode = "bilinear" if height == side_px else "bicubic"
    return displaced(pictures, flow, mode=mode) + paint
