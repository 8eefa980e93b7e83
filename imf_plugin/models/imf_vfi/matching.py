"""Coarse motion between two keyframes by attention, for the model that needs no classical flow.

At stride 16 every place may match every other; at stride 8 the match is made precise within a
window around what stride 16 said. Both directions are matched, so that each keyframe's content can
be carried to a moment between them.

Convention:
    ``flow01`` leads from the first keyframe to the second, in pixels of the stride-8 grid.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_kernels import align, splat
from imf_plugin.models.imf_vfi.config import ImfVfiConfig
from imf_plugin.models.imf_vfi.layers import doubled

WINDOW_CELLS = 3
"""Radius of the search at stride 8: 24 px of the frame either way."""

SHARPNESS = 12.0
"""Factor on the cosine similarities before the softmax."""

CONFIDENCE_SHARPNESS = 6.0
"""How much more a sure match counts than an unsure one where both land on the same place."""


@dataclass(frozen=True, kw_only=True)
class PairMotion:
    """What matching found between two keyframes, at stride 8."""

    flow01: Tensor
    """``[B, 2, H/8, W/8]``"""
    flow10: Tensor
    confidence01: Tensor
    """0..1, ``[B, 1, H/8, W/8]``"""
    confidence10: Tensor


class Matcher(nn.Module):
    """Matches the features of two keyframes in both directions."""

    def __init__(self, config: ImfVfiConfig) -> None:
        super().__init__()
        self.fine = nn.Conv2d(config.pyramid[2], config.token_dim, 1)
        self.coarse = nn.Conv2d(config.pyramid[3], config.token_dim, 1)

    def forward(self, pyramid0: list[Tensor], pyramid1: list[Tensor]) -> PairMotion:
        """Return the motion between keyframes with these features, finest first."""
        coarse0, coarse1 = self.coarse(pyramid0[3]).float(), self.coarse(pyramid1[3]).float()
        fine0, fine1 = self.fine(pyramid0[2]).float(), self.fine(pyramid1[2]).float()
        # Displacements are sums over many places, for which half precision has too few digits.
        with torch.autocast(fine0.device.type, enabled=False):
            flow01, confidence01 = _match(coarse0, coarse1, fine0, fine1)
            flow10, confidence10 = _match(coarse1, coarse0, fine1, fine0)
        return PairMotion(
            flow01=flow01, flow10=flow10, confidence01=confidence01, confidence10=confidence10
        )


def motion_at(pair: PairMotion, timesteps: Tensor) -> Tensor:
    """Return the motion of what stands at each pixel at ``timesteps``, ``[B, 2, H, W]``, pixels.

    Both keyframes' motions are splatted to the moment, sure ones over unsure ones; where nothing
    lands, the mean of the motions that stand there in the keyframes fills the hole.
    """
    time = timesteps.to(pair.flow01.dtype).view(-1, 1, 1, 1)
    landed0, weight0 = splat(
        pair.flow01, time * pair.flow01, CONFIDENCE_SHARPNESS * pair.confidence01, "softmax"
    )
    landed1, weight1 = splat(
        -pair.flow10, (1 - time) * pair.flow10, CONFIDENCE_SHARPNESS * pair.confidence10, "softmax"
    )
    share0 = (1 - time) * weight0.clamp(0, 1)
    share1 = time * weight1.clamp(0, 1)
    filler = 0.05
    still = (pair.flow01 - pair.flow10) / 2
    total = share0 + share1 + filler
    motion = (share0 * landed0 + share1 * landed1 + filler * still) / total
    for _ in range(3):
        motion = 2 * doubled(motion)
    return motion


def _match(coarse0: Tensor, coarse1: Tensor, fine0: Tensor, fine1: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flow 0->1 and its confidence at stride 8, in cells of that grid."""
    height, width = fine0.shape[2:]
    places16 = _places(height // 2, width // 2, fine0)
    places8 = _places(height, width, fine0)
    _, rough, _ = align(
        _rows(coarse0), _rows(coarse1), _rows(coarse1), places16, places16, scale=SHARPNESS
    )
    start = 2 * doubled(_plane(rough[:, 0], height // 2, width // 2))
    prior = start.flatten(2).transpose(1, 2)
    _, precise, confidence = align(
        _rows(fine0),
        _rows(fine1),
        _rows(fine1),
        places8,
        places8,
        WINDOW_CELLS,
        key_grid=(height, width),
        prior=prior.detach(),
        scale=SHARPNESS,
    )
    sure = confidence[:, 0].view(-1, 1, height, width).to(start.dtype)
    # The window itself passes no gradient to the rough match, which this mixture does.
    flow = torch.lerp(start, _plane(precise[:, 0], height, width).to(start.dtype), sure.sqrt())
    return flow, sure


def _rows(features: Tensor) -> Tensor:
    """Return features as unit vectors, ``[B, 1, N, D]``."""
    return F.normalize(features.flatten(2), dim=1).transpose(1, 2).unsqueeze(1).contiguous()


def _plane(vectors: Tensor, height: int, width: int) -> Tensor:
    """Return displacements ``[B, N, 2]`` as a flow ``[B, 2, H, W]``."""
    return vectors.transpose(1, 2).reshape(-1, 2, height, width)


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """Return the cells of a grid, ``[N, 2]`` as x, y."""
    y, x = torch.meshgrid(
        torch.arange(height, device=like.device, dtype=like.dtype),
        torch.arange(width, device=like.device, dtype=like.dtype),
        indexing="ij",
    )
    return torch.stack([x.flatten(), y.flatten()], dim=1)
