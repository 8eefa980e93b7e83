"""A figure learned from some frames of one clip: its parts, its background and their poses.

The network reads each frame by itself, so outlines are uncertain and what one frame hides stays
hidden. Frames of one clip show the same parts before the same background: here both are corrected,
together with the poses, until they give all the frames back. What is learned is played like any
other figure, and poses on a curve between those of the frames give what lies between.

It suits what `puppet` suits: parts that move as rigid pieces before a background that stays.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imf_plugin.models.imf.puppet import PuppetReference, composed
from imf_plugin.models.imf.puppet_retargeter import PuppetRetargeter

_LEAST_SHARE = 0.004
"""Outlines are learned as logits, which must be finite where the network is certain."""
_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """How long to learn, and how fast."""

    steps: int = 60
    layer_rate: float = 0.02
    plate_rate: float = 0.005
    token_rate: float = 0.01


def learned_figure(
    model: PuppetRetargeter, frames: Tensor, options: LearningOptions
) -> tuple[PuppetReference, Tensor]:
    """Return the figure of frames ``[K, 3, H, W]``, and their tokens ``[K, D]``.

    Raises:
        ValueError: If there are no frames.
    """
    if frames.ndim != 4 or len(frames) == 0:
        raise ValueError(f"expected frames [K, 3, H, W], got {tuple(frames.shape) = }")
    layers, plate, inverse, tokens = _first_guess(model, frames)
    leaves = [leaf.clone().requires_grad_() for leaf in (layers, plate, tokens)]
    rates = (options.layer_rate, options.plate_rate, options.token_rate)
    groups = [{"params": [leaf], "lr": rate} for leaf, rate in zip(leaves, rates, strict=True)]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for step in range(options.steps):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * step / options.steps))
        with torch.enable_grad():
            shown = composed(_figure(leaves[0], leaves[1], inverse, leaves[2]), leaves[2])[0]
            # Like the absolute difference, and smooth: what no pose explains must not rule.
            loss = ((shown - frames).square() + _EPSILON).sqrt().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    layers, plate, tokens = (leaf.detach() for leaf in leaves)
    return _figure(layers, plate, inverse, tokens), tokens


@torch.no_grad()
def _first_guess(model: PuppetRetargeter, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return layers with logits, the plate, the way to the parts, and tokens, as read."""
    middle = len(frames) // 2
    cuts = [model.encode_reference(frame).features for frame in frames]
    tokens = model.encode_tokens(frames, frames[middle])
    # The background of a frame counts where the network is sure of it.
    weights = torch.stack([cut.plate[3:] ** 4 for cut in cuts]) + 1e-4
    plates = torch.stack([cut.plate[:3] for cut in cuts])
    plate = (plates * weights).sum(0) / weights.sum(0)
    cut: PuppetReference = cuts[middle]
    logits = torch.logit(cut.layers[:, 3:], eps=_LEAST_SHARE)
    return torch.cat([cut.layers[:, :3], logits], 1), plate, cut.inverse, tokens


def _figure(layers: Tensor, plate: Tensor, inverse: Tensor, tokens: Tensor) -> PuppetReference:
    return PuppetReference(
        layers=torch.cat([layers[:, :3], layers[:, 3:].sigmoid()], 1),
        plate=torch.cat([plate, torch.ones_like(plate[:1])]),
        token=tokens[len(tokens) // 2],
        inverse=inverse,
    )
