"""Logos, subtitles, counters: what stands still over a picture that moves.

Flow takes such things along with what moves beneath them, so interpolators tear them; those who
mind paint masks by hand. Of two keyframes nobody can tell what stands still from what is alike by
chance. Of three or four one can: edges that are in the same place in all of them, to a few levels,
stand still. There the frame shows what the keyframes show, and no motion brings anything from
there. `docs/design/context.md` holds what that is worth and costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.motion.flow import FlowArray

type Picture = NDArray[np.uint8]

SAME_LEVELS = 4
"""What differs by less from keyframe to keyframe, in every channel, is the same; compression
leaves that much."""

CONTRAST_LEVELS = 60
"""Around lettering the picture changes by more than this: it is there to be read."""

STROKE_PX = 7
"""Width of a stroke that is filled from edge to edge."""

EDGE_PX = 3
"""Width over which an edge has that contrast."""

FEWEST = 3
"""Keyframes that are needed to tell."""

MOVING_PX = 0.5
"""Where nothing moves by more nearby, there is nothing to keep it from."""

MOVING_CELL_PX = 16
"""Nearby is a neighbouring cell."""

_NEAR_ROWS = 64

_LEAST = 1e-3


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands still, of a batch of pairs, padded as the frames are."""

    kept: Tensor
    """1 where the frame is to show what both keyframes show, ``[B, 1, H, W]``."""
    edges: Tensor
    """1 where an edge surely stands still, so that no motion leads from there, likewise."""

    def is_near(self, top: int, rows: int) -> bool:
        """Return whether anything stands still in some rows or not far from them."""
        reach = slice(max(0, top - _NEAR_ROWS), top + rows + _NEAR_ROWS)
        return bool(self.kept[:, :, reach].any())

    def repeated(self, times: int) -> "Standing":
        """Return every item ``times`` times in a row, for as many moments."""
        if times == 1:
            return self
        grown = {name: mask.repeat_interleave(times, 0) for name, mask in vars(self).items()}
        return Standing(**grown)


def standing_still(pictures: Sequence[Picture], motion: FlowArray) -> NDArray[np.bool_] | None:
    """Return what stands still in some keyframes, in order of time, where something moves.

    Args:
        pictures: 8 bits, ``[H, W, 3]`` each.
        motion: Between the two in the middle, ``[H, W, 2]`` pixels.

    Returns:
        ``[2, H, W]``, see `Standing`; None where nothing does, or there are too few to tell.
    """
    if len(pictures) < FEWEST:
        return None
    changes = [cv2.absdiff(one, two) for one, two in pairwise(pictures)]
    still = np.maximum.reduce(cv2.split(np.maximum.reduce(changes))) <= SAME_LEVELS
    grey = np.asarray(cv2.cvtColor(pictures[1], cv2.COLOR_RGB2GRAY), np.uint8)
    still &= _moving_nearby(motion)
    kept = still & (_contrast(grey, STROKE_PX) > CONTRAST_LEVELS)
    if not kept.any():
        return None
    return np.stack([kept, still & (_contrast(grey, EDGE_PX) > CONTRAST_LEVELS)])


def keeping(
    weights: Tensor, kept: Tensor, brought: Sequence[Tensor | None], timesteps: Tensor
) -> Tensor:
    """Return weights of candidates that leave what stands still where it is.

    Args:
        weights: See `untrained_weights`, ``[B, candidates, H, W]``.
        kept: See `Standing`, ``[B, 1, H, W]``.
        brought: How far each candidate shows an edge that stands still elsewhere, 0..1, likewise;
            None for the keyframes as they are.
        timesteps: ``[B]``.
    """
    free = torch.cat(
        [torch.ones_like(kept) if edge is None else 1 - edge.clamp(0, 1) for edge in brought], 1
    )
    # Where every candidate comes from such an edge, one is as good as another.
    moving = weights.clamp_min(0) * (free + _LEAST)
    moving = moving / moving.sum(1, keepdim=True).clamp_min(1e-9)
    time = timesteps.to(weights.dtype).view(-1, 1, 1)
    still = torch.zeros_like(weights)
    first, second = (place for place, edge in enumerate(brought) if edge is None)
    still[:, first], still[:, second] = 1 - time, time
    return moving + kept * (still - moving)


def _moving_nearby(motion: FlowArray) -> NDArray[np.bool_]:
    height, width = motion.shape[:2]
    cells = max(1, width // MOVING_CELL_PX), max(1, height // MOVING_CELL_PX)
    lengths = np.abs(cv2.resize(motion, cells, interpolation=cv2.INTER_AREA)).max(axis=2)
    around = cv2.dilate(lengths, np.ones((3, 3), np.uint8))
    moving = (around > MOVING_PX).astype(np.uint8)
    grown = cv2.resize(moving, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(grown > 0)


def _contrast(grey: Picture, side_px: int) -> Picture:
    """Return by how much a picture changes around each pixel, ``[H, W]`` levels."""
    window = np.ones((side_px, side_px), np.uint8)
    return np.asarray(cv2.subtract(cv2.dilate(grey, window), cv2.erode(grey, window)), np.uint8)
