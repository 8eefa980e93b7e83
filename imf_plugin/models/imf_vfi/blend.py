"""The frame from four candidates: both keyframes warped, and both as they are.

Without training the weights are those of the `flow` model (`imf_plugin.models.flow.synthesis`):
time decides between the keyframes, one that is looked up outside itself counts less, and where the
warped frames agree no better than the unwarped ones, plain blending takes over. The network adds to
the logarithms of these weights and paints a residual over the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imf_kernels import warp
from imf_plugin.models.imf_vfi.layers import doubled, halved

# The values that the `flow` model had when the weights were trained; they belong to the weights.
OUTSIDE_MARGIN_PX = 2.0
"""How far outside a picture its word has sunk to the least."""

OUTSIDE_WEIGHT = 0.2
"""Least weight of a picture that is looked up outside."""

MISMATCH_SCALE = 4
"""The mismatch is judged on pictures this much smaller: halved twice."""

MISMATCH_SIGMA_PX = 8.0
"""Radius of the neighbourhood that votes on trust, in pixels of the full picture."""

DISTRUST_RATIO = 0.75
"""Warped mismatch over unwarped mismatch at which flow and blending count the same."""

DISTRUST_SOFTNESS = 0.15
"""Width of the change from one to the other, in the same ratio."""

NOISE_LEVEL = 1 / 255
"""Mismatch that says nothing."""

LEAST_WEIGHT = 1e-3
"""Added to every untrained weight before its logarithm is taken."""

CARRIED_SHARE = 0.1
"""What a motion carried on from a neighbouring pair counts without training, one of the pair's own
being 1: it is the better one only where those are wrong."""

_BAND_ROWS = 32

DOUBT_LEVEL = 4 / 255
"""Difference of the warped keyframes at which half of a correction is let through."""


@dataclass(frozen=True, kw_only=True)
class Warped:
    """Two keyframes as one motion between them brings them to a moment."""

    frame0: Tensor
    """The first, ``[B, 3, H, W]``."""
    frame1: Tensor
    """The second."""
    flows: Tensor
    """From the moment to both keyframes, ``[B, 4, H, W]``."""
    distrust: Tensor
    """How little the motion explains, ``[B, 1, H, W]``."""

    def rows(self, start: int, stop: int) -> "Warped":
        """Return some rows, the flows as if those were at their place in the whole picture."""
        return Warped(**{name: part[:, :, start:stop] for name, part in vars(self).items()})


def blend_weights(warped: Warped, timesteps: Tensor, size: tuple[float, float], top: int) -> Tensor:
    """Return the untrained weights of (warped 0, warped 1, frame 0, frame 1), ``[B, 4, h, W]``.

    Args:
        warped: All rows of a picture, or some.
        timesteps: ``[B]``.
        size: Height and width of the whole picture.
        top: Its row where ``warped`` begins.
    """
    flows = warped.flows
    time = timesteps.to(flows.dtype).view(-1, 1, 1, 1)
    inside0 = inside_weight(flows[:, :2], size, top)
    inside1 = inside_weight(flows[:, 2:], size, top)
    weight0, weight1 = (1 - time) * inside0, time * inside1
    share1 = weight1 / (weight0 + weight1)
    trust = 1 - warped.distrust
    return torch.cat(
        [
            trust * (1 - share1),
            trust * share1,
            warped.distrust * (1 - time),
            warped.distrust * time,
        ],
        dim=1,
    )


def untrained_weights(
    opinions: Sequence[Warped],
    timesteps: Tensor,
    size: tuple[float, float],
    top: int = 0,
    carried: int = 0,
) -> Tensor:
    """Return the untrained weights of all candidates, every motion of the pair counting the same.

    A motion carried on from a neighbouring pair brings only the keyframe that it leads through: it
    is the better one where the other keyframe does not show what moves so.

    Args:
        opinions: The keyframes warped by every motion.
        timesteps: ``[B]``.
        size: Height and width of the whole picture.
        top: Its row where the opinions begin.
        carried: How many of the motions, the last ones, are carried on from neighbouring pairs.

    Returns:
        Of (warped 0, warped 1) by the first motion, (frame 0, frame 1), (warped 0, warped 1) by
        each further one of the pair, warped 0 by the motion from before and warped 1 by that from
        afterwards, if they are carried on: ``[B, candidates, h, W]``, sum 1. See `blend_weights`.
    """
    each = [blend_weights(warped, timesteps, size, top) for warped in opinions]
    if len(each) == 1:
        return each[0]
    own = len(each) - carried
    still = torch.stack([weights[:, 2:] for weights in each[:own]]).sum(0)
    moved = [weights[:, :2] for weights in each[:own]]
    if not carried:
        return torch.cat([moved[0], still, *moved[1:]], dim=1) / own
    moved += [
        CARRIED_SHARE * weights[:, side : side + 1] for side, weights in enumerate(each[own:])
    ]
    return _normalised(torch.cat([moved[0], still, *moved[1:]], dim=1))


def candidates_of(
    frame0: Tensor, frame1: Tensor, opinions: Sequence[Warped], carried: int = 0
) -> list[Tensor]:
    """Return what is blended, in the order of `untrained_weights`."""
    own = len(opinions) - carried
    first, *others = opinions[:own]
    moved = [frame for other in others for frame in (other.frame0, other.frame1)]
    if carried:
        moved += [opinions[own].frame0, opinions[own + 1].frame1]
    return [first.frame0, first.frame1, frame0, frame1, *moved]


def blended(
    frames: tuple[Tensor, Tensor],
    opinions: Sequence[Warped],
    timesteps: Tensor,
    said: Tensor,
    doubt: Tensor,
    size: tuple[float, float] | None = None,
    carried: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the frame and the weights of its candidates.

    Args:
        frames: The keyframes, ``[B, 3, H, W]``.
        opinions: The keyframes warped by every motion, the first one corrected.
        timesteps: ``[B]``.
        said: What the network adds to the logarithms of the weights, and what it paints, at stride
            2: ``[B, 4 * (candidates + 3), H/2, W/2]``.
        doubt: How much of the paint is let through, ``[B, 1, H, W]``.
        size: Height and width without padding, where there is any.
        carried: See `untrained_weights`.
    """
    height = frames[0].shape[2]
    size = size or (height, frames[0].shape[3])
    # While training the whole is kept for the gradient anyway; otherwise bands of rows stay within
    # a processor's cache, which takes a third of the time.
    step = height if torch.is_grad_enabled() or frames[0].device.type != "cpu" else _BAND_ROWS
    made = [
        _blended_rows(
            (frames[0][:, :, top : top + step], frames[1][:, :, top : top + step]),
            [warped.rows(top, top + step) for warped in opinions],
            timesteps,
            said[:, :, top // 2 : (top + step) // 2],
            doubt[:, :, top : top + step],
            size,
            top,
            carried,
        )
        for top in range(0, height, step)
    ]
    return torch.cat([rows for rows, _ in made], 2), torch.cat([rows for _, rows in made], 2)


def _blended_rows(
    frames: tuple[Tensor, Tensor],
    opinions: Sequence[Warped],
    timesteps: Tensor,
    said: Tensor,
    doubt: Tensor,
    size: tuple[float, float],
    top: int,
    carried: int,
) -> tuple[Tensor, Tensor]:
    candidates = candidates_of(*frames, opinions, carried)
    with torch.no_grad():
        usual = untrained_weights(opinions, timesteps, size, top, carried) + LEAST_WEIGHT
    # Plane by plane: channels of a tensor in rows of channels are slow to take out.
    full = F.pixel_shuffle(said.contiguous(), 2)
    factors = torch.exp(full[:, : len(candidates)])
    changed = usual * factors
    # The changed weights, less the same without change: exactly the usual ones at the start.
    weights = usual - LEAST_WEIGHT + _normalised(changed) - _normalised(usual)
    return weighted(candidates, weights) + doubt * full[:, len(candidates) :], weights


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(1, keepdim=True)


@torch.no_grad()
def doubt_of(small0: Tensor, small1: Tensor, flows: Tensor) -> Tensor:
    """Return how much there is to correct about flows ``[B, 4, H, W]``, ``[B, 1, H, W]`` in 0..1.

    Near 0 where the keyframes agree under them: a network's jitter of a few hundredths of a pixel
    would only blur what is right already.

    Args:
        small0: The first keyframe with 2x2 pixels as channels, ``[B, 12, H/2, W/2]``.
        small1: The second.
        flows: To both keyframes.
    """
    half = halved(flows) / 2
    seen0 = warp(small0, half[:, :2].contiguous())
    seen1 = warp(small1, half[:, 2:].contiguous())
    difference = (seen0 - seen1).abs().mean(1, keepdim=True)
    around = F.avg_pool2d(difference, 5, 1, 2, count_include_pad=False)
    return doubled(around / (around + DOUBT_LEVEL))


def weighted(candidates: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the sum of the candidates, ``[B, C, H, W]`` each, by weights ``[B, N, H, W]``."""
    total = candidates[0] * weights[:, :1]
    for index, candidate in enumerate(candidates[1:], start=1):
        total = total + candidate * weights[:, index : index + 1]
    return total


def inside_weight(flow: Tensor, size: tuple[float, float], top: int = 0) -> Tensor:
    """Return 1 where a flow leads into the picture, sinking to a little outside, ``[B,1,h,W]``."""
    rows, width = flow.shape[2:]
    x = flow[:, :1] + torch.arange(width, device=flow.device, dtype=flow.dtype)
    down = torch.arange(top, top + rows, device=flow.device, dtype=flow.dtype)[:, None]
    y = flow[:, 1:] + down
    beyond = torch.maximum(
        torch.maximum(-x, x - (size[1] - 1)), torch.maximum(-y, y - (size[0] - 1))
    )
    least = OUTSIDE_WEIGHT
    return (1 - beyond / OUTSIDE_MARGIN_PX).clamp(least, 1)


@dataclass(frozen=True, kw_only=True)
class Stillness:
    """How two keyframes differ as they are, which flows are measured by."""

    brightening: Tensor
    """Mean change of every channel, ``[B, 3, 1, 1]``."""
    mismatch: Tensor
    """``[B, 1, H/4, W/4]``."""

    @classmethod
    def of(cls, frame0: Tensor, frame1: Tensor) -> "Stillness":
        """Compare two keyframes, ``[B, 3, H, W]``."""
        difference = frame1 - frame0
        brightening = difference.mean((2, 3), keepdim=True)
        return cls(brightening=brightening, mismatch=_mismatch(difference, brightening))


def flow_distrust(still: Stillness, warped0: Tensor, warped1: Tensor) -> Tensor:
    """Return how little the flow explains, ``[B, 1, H, W]``: 0 means warp, 1 means blend."""
    excess = _mismatch(warped1 - warped0, still.brightening) - DISTRUST_RATIO * still.mismatch
    width = DISTRUST_SOFTNESS * still.mismatch + NOISE_LEVEL
    return F.interpolate(
        torch.sigmoid(excess / width), warped0.shape[2:], mode="bilinear", align_corners=False
    )


def _mismatch(difference: Tensor, brightening: Tensor) -> Tensor:
    smaller = halved(halved((difference - brightening).abs().mean(1, keepdim=True)))
    sigma = MISMATCH_SIGMA_PX / MISMATCH_SCALE
    reach = round(4 * sigma)
    offsets = torch.arange(-reach, reach + 1, device=smaller.device, dtype=smaller.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        along_y = shape[2] == -1
        border = (0, 0, reach, reach) if along_y else (reach, reach, 0, 0)
        # Small pictures are narrower than the kernel, which mirroring does not allow.
        fits = smaller.shape[2 if along_y else 3] > reach
        padded = F.pad(smaller, border, mode="reflect" if fits else "replicate")
        smaller = F.conv2d(padded, kernel.view(shape))
    return smaller
