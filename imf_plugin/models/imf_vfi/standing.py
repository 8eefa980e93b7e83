"""Logos, subtitles, counters: what stands still over a picture that moves.

Flow takes such things along with what moves beneath them, so interpolators tear them; those who
mind paint masks by hand. Of two keyframes nobody can tell what stands still from what is alike by
chance. Of three or four one can: edges that are in the same place in all of them, to a few levels,
stand still. There the frame shows what the keyframes show, and no motion brings anything from
there elsewhere. What the ground shimmers through is not found. `docs/design/context.md` holds what
this is worth and costs.
"""

from collections.abc import Sequence
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

FEWEST = 3
"""Keyframes that are needed to tell."""

MOVING_PX = 0.5
"""Where nothing moves by more nearby, there is nothing to keep it from."""

MOVING_CELL_PX = 16
"""Nearby is a neighbouring cell."""

_NEAR_ROWS = 64

_LEAST = 1e-3


def standing_still(pictures: Sequence[Picture], motion: FlowArray) -> NDArray[np.bool_] | None:
    """Return what stands still in some keyframes, in order of time, where something moves.

    Args:
        pictures: 8 bits, ``[H, W, 3]`` each.
        motion: Between the two in the middle, ``[H, W, 2]`` pixels.

    Returns:
        ``[H, W]``; None where nothing does, or there are too few to tell.
    """
    if len(pictures) < FEWEST:
        return None
    changes = [cv2.absdiff(one, two) for one, two in pairwise(pictures)]
    still = np.maximum.reduce(cv2.split(np.maximum.reduce(changes))) <= SAME_LEVELS
    grey = np.asarray(cv2.cvtColor(pictures[1], cv2.COLOR_RGB2GRAY), np.uint8)
    still &= _moving_nearby(motion)
    still &= _contrast(grey) > CONTRAST_LEVELS
    return still if still.any() else None


def is_near(standing: Tensor, top: int, rows: int) -> bool:
    """Return whether anything stands still, ``[B, 1, H, W]``, in some rows or not far from them."""
    reach = slice(max(0, top - _NEAR_ROWS), top + rows + _NEAR_ROWS)
    return bool(standing[:, :, reach].any())


def keeping(
    weights: Tensor, standing: Tensor, brought: Sequence[Tensor | None], timesteps: Tensor
) -> Tensor:
    """Return weights of candidates that leave what stands still where it is.

    Args:
        weights: See `untrained_weights`, ``[B, candidates, H, W]``.
        standing: 1 where something stands still, ``[B, 1, H, W]``.
        brought: How far each candidate shows what stands still elsewhere, 0..1, likewise; None for
            the keyframes as they are.
        timesteps: ``[B]``.
    """
    free = torch.cat(
        [torch.ones_like(standing) if one is None else 1 - one.clamp(0, 1) for one in brought], 1
    )
    # Where every candidate comes from such a place, one is as good as another.
    moving = weights.clamp_min(0) * (free + _LEAST)
    moving = moving / moving.sum(1, keepdim=True).clamp_min(1e-9)
    time = timesteps.to(weights.dtype).view(-1, 1, 1)
    still = torch.zeros_like(weights)
    first, second = (place for place, one in enumerate(brought) if one is None)
    still[:, first], still[:, second] = 1 - time, time
    return moving + standing * (still - moving)


def _moving_nearby(motion: FlowArray) -> NDArray[np.bool_]:
    height, width = motion.shape[:2]
    cells = max(1, width // MOVING_CELL_PX), max(1, height // MOVING_CELL_PX)
    lengths = np.abs(cv2.resize(motion, cells, interpolation=cv2.INTER_AREA)).max(axis=2)
    around = cv2.dilate(lengths, np.ones((3, 3), np.uint8))
    moving = (around > MOVING_PX).astype(np.uint8)
    grown = cv2.resize(moving, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(grown > 0)


def _contrast(grey: Picture) -> Picture:
    """Return by how much a picture changes around each pixel, ``[H, W]`` levels."""
    window = np.ones((STROKE_PX, STROKE_PX), np.uint8)
    return np.asarray(cv2.subtract(cv2.dilate(grey, window), cv2.erode(grey, window)), np.uint8)
