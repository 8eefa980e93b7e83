"""From coarse to fine: each level warps both keyframes' features and corrects the motion.

The state of the art's common idea (IFRNet, RIFE, AMT), here started from a given motion rather
than from none, so that every level only has to say what is left.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from imf_kernels import warp
from imf_plugin.models.imf_vfi.config import STRIDES, ImfVfiConfig
from imf_plugin.models.imf_vfi.layers import (
    JoinUnit,
    LocalCorrelation,
    ResidualStack,
    divergence,
    doubled,
    halved,
    per_item,
    zero_head,
)

FLOW_SCALE = 1 / 8
"""Flows are given to convolutions in this many pixels, so that they are of the order of 1."""

DISAGREEMENT_SCALE = 4.0
"""Differences of pictures are given to convolutions times this."""

LOGIT_SCALE = 2.0
"""Factor on what the finest level says of blend and paint, which otherwise learns too slowly."""

OPINION_CHANNELS = 6
"""What the levels see of every further opinion on the motion, see `opinion_hints`."""

CARRIED_CHANNELS = 4
"""What they see besides of an opinion that is carried on from a neighbouring pair."""

STILL_CHANNELS = 2
"""What they see besides, where there are such opinions, of what stands still."""

OPINION_LEVELS = (0, 1, 2)
"""Levels that see the further opinions."""


class DecoderLevel(nn.Module):
    """One level: features of both keyframes, warped, and the state from below, to a correction."""

    def __init__(
        self,
        *,
        features: int,
        below: int,
        extra: int,
        radius: int,
        width: int,
        depth: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.correlation = LocalCorrelation(features, radius) if radius else None
        compared = self.correlation.outputs if self.correlation else 0
        self.join = JoinUnit(2 * features + compared + below + extra + 6, width)
        self.body = ResidualStack(width, depth)
        self.head = zero_head(width, outputs)

    def forward(
        self,
        features0: Tensor,
        features1: Tensor,
        flows: Tensor,
        timesteps: Tensor,
        below: Tensor | None,
        others: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the head's outputs and the state.

        Args:
            features0: Features of the first keyframe, ``[B, C, h, w]``.
            features1: Features of the second.
            flows: Motion to both keyframes in this level's pixels, ``[B, 4, h, w]``.
            timesteps: ``[B]``.
            below: State of the coarser level, ``[B, *, h/2, w/2]``.
            others: Whatever else the level sees, each ``[B, *, h, w]``.
        """
        warped0 = warp(features0, flows[:, :2].contiguous())
        warped1 = warp(features1, flows[:, 2:].contiguous())
        time = per_item(timesteps, flows)
        given = [flows * FLOW_SCALE, time, divergence(flows[:, 2:] - flows[:, :2])]
        parts = [warped0, warped1, torch.cat(given, 1)]
        if self.correlation is not None:
            parts.append(self.correlation(warped0, warped1))
        state = self.body(self.join(parts, below, others))
        return self.head(state), state


class Decoder(nn.Module):
    """All levels, coarsest first; the finest also gives the blend and what is painted."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        latent = config.token_dim
        levels = []
        for level in reversed(range(len(STRIDES))):
            finest = level == 0
            extra = {0: 36, 2: latent if config.decodes_implicitly else 0}.get(level, 0)
            extra += latent if level == 3 and config.use_tokens else 0
            if level in OPINION_LEVELS:
                extra += OPINION_CHANNELS * (config.opinions - 1)
                extra += CARRIED_CHANNELS * config.carried
                extra += STILL_CHANNELS if config.carried else 0
            levels.append(
                DecoderLevel(
                    features=config.pyramid[level],
                    below=0 if level == 3 else config.widths[level + 1],
                    extra=extra,
                    radius=config.correlation_radii[level],
                    width=config.widths[level],
                    depth=config.depths[level],
                    outputs=4 + (4 * (config.candidates + 3) if finest else 0),
                )
            )
        self.levels = nn.ModuleList(levels)

    def forward(
        self,
        pyramid0: list[Tensor],
        pyramid1: list[Tensor],
        pictures: Tensor,
        flows: list[Tensor],
        timesteps: Tensor,
        tokens: Tensor | None,
        implicit: tuple[Tensor, Tensor] | None,
        hints: Tensor | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """Return the corrections of the flows, coarsest first, and the paint at stride 2.

        Args:
            pyramid0: Features of the first keyframe, finest first.
            pyramid1: Features of the second.
            pictures: Both frames at stride 2 with 2x2 pixels as channels, ``[B, 24, H/2, W/2]``.
            flows: The motion to start from, to both keyframes, at every level's size and in its
                pixels, finest first, ``[B, 4, h, w]``.
            timesteps: ``[B]``.
            tokens: Tokens at the timesteps, ``[B, D, H/16, W/16]``.
            implicit: Correction and latent at stride 8 from the implicit decoder.
            hints: What further opinions on the motion look like, ``[B, *, H/2, W/2]``.

        Returns:
            ``[B, 4, h, w]`` in pixels of each level's size, and ``[B, *, H/2, W/2]``.
        """
        corrections: list[Tensor] = []
        state: Tensor | None = None
        known = {} if hints is None else _pooled_hints(hints)
        for module, level in zip(self.levels, reversed(range(len(STRIDES))), strict=True):
            others = []
            if level == 3 and tokens is not None:
                others.append(tokens)
            correction = 2 * doubled(corrections[-1]) if corrections else None
            if level == 2 and implicit is not None:
                correction = implicit[0] if correction is None else correction + implicit[0]
                others.append(implicit[1])
            now = flows[level]
            if correction is not None:
                now = now + correction
            if level == 0:
                half = pictures.shape[1] // 2
                seen0 = warp(pictures[:, :half].contiguous(), now[:, :2].contiguous())
                seen1 = warp(pictures[:, half:].contiguous(), now[:, 2:].contiguous())
                # Where the keyframes disagree is the first thing to know, and a convolution
                # takes long to learn an absolute value.
                others += [seen0, seen1, DISAGREEMENT_SCALE * (seen0 - seen1).abs()]
            if level in known:
                others.append(known[level])
            found, state = module(pyramid0[level], pyramid1[level], now, timesteps, state, others)
            corrections.append(found[:, :4] if correction is None else correction + found[:, :4])
        return corrections, LOGIT_SCALE * found[:, 4:]


def _pooled_hints(hints: Tensor) -> dict[int, Tensor]:
    """Return the hints for every level that sees them."""
    pooled = {OPINION_LEVELS[0]: hints}
    for finer, level in pairwise(OPINION_LEVELS):
        pooled[level] = halved(pooled[finer])
    return pooled
