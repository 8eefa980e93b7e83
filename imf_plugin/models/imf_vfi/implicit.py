"""Decoding tokens at a position and a time: a small network of (x, y, t, latent).

After "Generalizable Implicit Motion Modeling" (Guo et al., NeurIPS 2024), whose coordinate network
gives the motion at any time. Deviations: it stands on the token grid and gives a correction to the
coarse motion plus a latent for the convolutional levels, not the final flow; and the coordinates
are those within the token's cell, so that the network does not depend on the picture's size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.layers import zero_head
from imf_plugin.models.imf_vfi.tokens import Tokens

POSITION_CHANNELS = 4
TIME_FREQUENCIES = (1, 2, 4)


class ImplicitDecoder(nn.Module):
    """Gives motion and a latent at stride 8, from tokens at stride 16."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        width = config.implicit_width
        inputs = 2 * config.token_dim + POSITION_CHANNELS + 1 + 2 * len(TIME_FREQUENCIES)
        self.first = nn.Conv2d(inputs, width, 1)
        self.second = nn.Conv2d(width, width, 1)
        self.latent = nn.Conv2d(width, config.token_dim, 1)
        self.motion = zero_head(width, 4, kernel=1)

    def forward(self, tokens: Tokens, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the correction of the flows to both keyframes, and the latent, at stride 8.

        Returns:
            ``[B, 4, H/8, W/8]`` in pixels of that grid and ``[B, D, H/8, W/8]``.
        """
        local = F.interpolate(tokens.grid, scale_factor=2, mode="bilinear", align_corners=False)
        height, width = local.shape[2:]
        whole = tokens.whole[:, :, None, None].expand(-1, -1, height, width)
        coordinates = torch.cat([_positions(height, width, local), _times(timesteps, local)], dim=1)
        # Sine units, as in SIREN: smooth in position and time.
        hidden = torch.sin(self.first(torch.cat([local, whole, coordinates], 1)))
        hidden = torch.sin(self.second(hidden))
        return self.motion(hidden), self.latent(hidden)


def _positions(height: int, width: int, like: Tensor) -> Tensor:
    """Return where in its token's cell each position lies, ``[B, 4, H, W]``."""
    x = torch.arange(width, device=like.device) % 2 * 2 - 1
    y = (torch.arange(height, device=like.device) % 2 * 2 - 1)[:, None]
    planes = torch.stack([x.expand(height, width), y.expand(height, width)]).to(like.dtype)
    both = torch.cat([planes, planes[:1] * planes[1:], torch.ones_like(planes[:1])])
    return both.expand(like.shape[0], -1, -1, -1)


def _times(timesteps: Tensor, like: Tensor) -> Tensor:
    """Return the time and sines of it as constant planes, ``[B, 7, H, W]``."""
    time = timesteps.to(like.dtype)
    angles = [math.pi * frequency * time for frequency in TIME_FREQUENCIES]
    values = torch.stack([time, *(f(angle) for angle in angles for f in (torch.sin, torch.cos))], 1)
    return values[:, :, None, None].expand(-1, -1, *like.shape[2:])
