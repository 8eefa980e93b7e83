"""The Implicit Motion Function at the size of the paper, box by box.

Gao et al., *Implicit Motion Function*, CVPR 2024, main text and supplement: a token encoder, a
dense feature encoder, a style-modulated token decoder, alignment by cross-attention at four scales
(transformer blocks after the coarse ones) and a frame decoder with skips.

No weights ship for it: it is built for GPUs that this project did not have. The compact network in
`compact` is the one that does.

Deviations, with reasons: the token encoder's last map is averaged ("squeeze" leaves open how);
blur filters of StyleGAN2's resampling are bilinear resampling; the number of styled convolutions
per size follows the figure (two, one of them doubling the size).

Convention:
    Pictures ``[B, 3, S, S]`` RGB in 0..1, S the configuration's side; 256 in the paper.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_kernels import align
from imf_plugin.models.imf.config import PaperConfig
from imf_plugin.models.imf.layers import (
    EqualConv,
    EqualLinear,
    StyledConv,
    activated,
    doubled,
    positions,
    sinusoids,
)


class PaperTokenEncoder(nn.Module):
    """E_T: a picture to its token."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        widths = config.encoder_widths
        self.first = EqualConv(3, widths[0], 1)
        self.blocks = nn.ModuleList([_EqualResBlock(a, b) for a, b in pairwise(widths)])
        self.last = EqualConv(widths[-1], widths[-1], 3)
        self.wide = EqualLinear(widths[-1], widths[-1])
        self.token = EqualLinear(widths[-1], config.token_dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``[B, token_dim]``."""
        x = activated(self.first(2 * pictures - 1))
        for block in self.blocks:
            x = block(x)
        x = activated(self.last(x)).mean((2, 3))
        out: Tensor = self.token(activated(self.wide(x)))
        return out


class PaperFeatureEncoder(nn.Module):
    """E_F: a picture to dense features at 1/2, 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        widths = config.feature_widths
        self.first = nn.Sequential(
            nn.Conv2d(3, widths[0], 7, padding=3), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        inputs = (widths[0], *widths[:-1])
        self.blocks = nn.ModuleList(
            [_DownResBlock(a, b) for a, b in zip(inputs, widths, strict=True)]
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        x = self.first(2 * pictures - 1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


class PaperTokenDecoder(nn.Module):
    """IMF_D: a token to motion features at 1/32, 1/16, 1/8 and 1/4."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        widths = config.motion_widths
        start = config.constant_px
        self.constant = nn.Parameter(torch.randn(1, widths[0], start, start))
        self.begin = StyledConv(widths[0], widths[0], config.token_dim)
        inputs = (widths[0], *widths[:-1])
        self.grow = nn.ModuleList(
            [StyledConv(a, b, config.token_dim) for a, b in zip(inputs, widths, strict=True)]
        )
        self.keep = nn.ModuleList([StyledConv(b, b, config.token_dim) for b in widths])
        self.sides = [config.size_px // stride for stride in (32, 16, 8, 4)]

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Return the motion features, coarsest first."""
        x = self.begin(self.constant.expand(len(tokens), -1, -1, -1), tokens)
        found = []
        for side, grow, keep in zip(self.sides, self.grow, self.keep, strict=True):
            x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
            x = keep(grow(x, tokens), tokens)
            found.append(x)
        return found


class PaperAlignment(nn.Module):
    """IMF_A at one scale: cross-attention, then transformer blocks where it is coarse."""

    def __init__(self, motion: int, features: int, side: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(motion, motion)
        self.key = nn.Linear(motion, motion)
        self.value = nn.Linear(features, features)
        self.place_query = nn.Parameter(sinusoids(side, motion))
        self.place_key = nn.Parameter(sinusoids(side, motion))
        self.register_buffer("xy", positions(side, float(side)), persistent=False)
        self.blocks = nn.ModuleList([_TransformerBlock(features, heads) for _ in range(blocks)])

    def forward(self, wanted: Tensor, motion: Tensor, features: Tensor) -> Tensor:
        """Return the reference's features where the wanted token has them, ``[B, C, H, W]``."""
        height, width = features.shape[2:]
        xy = self.get_buffer("xy").to(wanted.dtype)
        query = self.query(_rows(wanted) + self.place_query)
        key = self.key(_rows(motion) + self.place_key)
        value = self.value(_rows(features))
        query, key, value = (_split(part, self.heads) for part in (query, key, value))
        values, _, _ = align(query, key, value, xy, xy)
        rows = values.transpose(1, 2).flatten(2)
        for block in self.blocks:
            rows = block(rows)
        return rows.transpose(1, 2).reshape(len(rows), -1, height, width)


class PaperFrameDecoder(nn.Module):
    """D_F: aligned features at 1/32, 1/16, 1/8 and 1/4 to a picture."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        w4, w8, w16, w32 = config.feature_widths[1:]
        half = config.feature_widths[0]
        self.ups = nn.ModuleList(
            [
                _UpResBlock(w32, w16),
                _UpResBlock(w16, w8),
                _UpResBlock(w8, w4),
                _UpResBlock(w4, half),
            ]
        )
        self.joins = nn.ModuleList([_FeatResBlock(2 * w, w) for w in (w16, w8, w4)])
        self.last = _UpResBlock(half, half)
        self.picture = nn.Conv2d(half, 3, 3, padding=1)

    def forward(self, aligned: list[Tensor]) -> Tensor:
        """Return ``[B, 3, S, S]`` in 0..1 from aligned features, coarsest first."""
        x = aligned[0]
        for up, join, skip in zip(self.ups[:3], self.joins, aligned[1:], strict=True):
            x = join(torch.cat([up(x), skip], 1))
        x = self.last(self.ups[3](x))
        return torch.sigmoid(self.picture(x))


class PaperImf(nn.Module):
    """The whole function: x_c = D_F(IMF(t_c, t_r, f_r))."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.token_encoder = PaperTokenEncoder(config)
        self.feature_encoder = PaperFeatureEncoder(config)
        self.token_decoder = PaperTokenDecoder(config)
        features = config.feature_widths[:0:-1]
        self.alignments = nn.ModuleList(
            [
                PaperAlignment(
                    motion,
                    wide,
                    config.size_px // (32 >> index),
                    config.blocks if index < config.refined_scales else 0,
                    config.heads,
                )
                for index, (motion, wide) in enumerate(
                    zip(config.motion_widths, features, strict=True)
                )
            ]
        )
        self.frame_decoder = PaperFrameDecoder(config)

    def decode(self, features: list[Tensor], own: Tensor, tokens: Tensor) -> Tensor:
        """Return the pictures of tokens, from a reference's features and its own tokens."""
        wanted, motion = self.token_decoder(tokens), self.token_decoder(own)
        aligned = [
            alignment(now, then, plane)
            for alignment, now, then, plane in zip(
                self.alignments, wanted, motion, features[:0:-1], strict=True
            )
        ]
        out: Tensor = self.frame_decoder(aligned)
        return out

    def forward(self, references: Tensor, frames: Tensor) -> Tensor:
        """Return ``frames`` as the network makes them from ``references`` and tokens alone."""
        own, tokens = self.token_encoder(references), self.token_encoder(frames)
        return self.decode(self.feature_encoder(references), own, tokens)


class _EqualResBlock(nn.Module):
    """Two equalised convolutions and a skip, at half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs, 3)
        self.second = EqualConv(inputs, outputs, 3)
        self.skip = EqualConv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.avg_pool2d(activated(self.second(activated(self.first(x)))), 2)
        out: Tensor = (inner + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2)
        return out


class _DownResBlock(nn.Module):
    """DownConvResBlock: convolution, halved, and a residual pair."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        self.rest = _residual(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return F.relu(x + self.rest(x))


class _UpResBlock(nn.Module):
    """UpConvResBlock: doubled, convolution, and a residual pair."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.rest = _residual(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(doubled(x))
        return F.relu(x + self.rest(x))


class _FeatResBlock(nn.Module):
    """FeatResBlock: joins a skip, and a residual pair."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(inputs, outputs, 1)
        self.rest = _residual(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.join(x)
        return F.relu(x + self.rest(x))


class _TransformerBlock(nn.Module):
    """Multi-head self-attention and a feed-forward layer, each after a layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, rows: Tensor) -> Tensor:
        query, key, value = (
            _split(part, self.heads) for part in self.ask(self.before(rows)).chunk(3, 2)
        )
        found = F.scaled_dot_product_attention(query, key, value)
        rows = rows + self.out(found.transpose(1, 2).flatten(2))
        out: Tensor = rows + self.feed(self.between(rows))
        return out


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
    )


def _rows(plane: Tensor) -> Tensor:
    return plane.flatten(2).transpose(1, 2)


def _split(rows: Tensor, heads: int) -> Tensor:
    B, N, _ = rows.shape
    return rows.reshape(B, N, heads, -1).transpose(1, 2).contiguous()
