"""Motion tokens: a grid of them at stride 16 and a global one per keyframe, interpolated in time.

After "Implicit Motion Function" (Gao et al., CVPR 2024): a frame is summed up by a short latent
vector, and moments between keyframes are reached by interpolating that vector. Deviation: besides
the global token there is a grid of local ones, carried along the motion to the wanted moment,
since one vector cannot say where in a whole frame something moves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imf_kernels import warp
from imf_plugin.models.imf_vfi.config import ImfVfiConfig


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of a batch of keyframes, or of moments between them."""

    grid: Tensor
    """``[B, D, H/16, W/16]``."""
    confidence: Tensor
    """Logit of how much each grid token knows, ``[B, 1, H/16, W/16]``."""
    whole: Tensor
    """The global token, ``[B, D]``."""


class TokenEncoder(nn.Module):
    """Reads the tokens off the coarsest features; the global one is pooled by attention."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        self.token_dim = config.token_dim
        self.project = nn.Conv2d(config.pyramid[-1], 2 * config.token_dim + 2, 1)

    def forward(self, features: Tensor) -> Tokens:
        """Return the tokens of features ``[B, C, H/16, W/16]``."""
        D = self.token_dim
        grid, value, confidence, score = self.project(features).split([D, D, 1, 1], dim=1)
        attention = score.flatten(2).softmax(-1)
        return Tokens(
            grid=grid, confidence=confidence, whole=(value.flatten(2) * attention).sum(-1)
        )


def interpolate_tokens(
    before: Tokens, after: Tokens, flow_t0: Tensor, flow_t1: Tensor, timesteps: Tensor
) -> Tokens:
    """Return the tokens at ``timesteps`` between two keyframes.

    Each grid token is fetched from where the motion says it stands in the keyframes and mixed by
    time and confidence; the global token is interpolated linearly.

    Args:
        before: Tokens of the first keyframe, batch ``B``.
        after: Tokens of the second.
        flow_t0: Motion from the moment to the first keyframe, ``[B, 2, H/16, W/16]``, grid units.
        flow_t1: Motion from the moment to the second.
        timesteps: ``[B]`` in 0..1.
    """
    time = timesteps.to(before.grid.dtype).view(-1, 1, 1, 1)
    D = before.grid.shape[1]
    carried0 = warp(torch.cat([before.grid, before.confidence], 1), flow_t0)
    carried1 = warp(torch.cat([after.grid, after.confidence], 1), flow_t1)
    trust0 = (1 - time) * carried0[:, D:].sigmoid()
    trust1 = time * carried1[:, D:].sigmoid()
    total = (trust0 + trust1).clamp_min(1e-4)
    return Tokens(
        grid=(trust0 * carried0[:, :D] + trust1 * carried1[:, :D]) / total,
        confidence=total.clamp(1e-4, 1 - 1e-4).logit(),
        whole=torch.lerp(before.whole, after.whole, time.view(-1, 1)),
    )
