"""Classical motion between two small pictures, as the network reads it."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

LARGEST_CONTRADICTION_PX = 1.0
"""Flow there and back may miss by this much and a tenth of its length before it counts as wrong."""


def flow_back(current: NDArray[np.uint8], reference: NDArray[np.uint8]) -> FlowArray:
    """Return where each pixel of ``current`` is in ``reference``; NaN where the way back differs.

    Args:
        current: ``[H, W, 3]`` RGB.
        reference: Likewise.
    """
    grey, other = (
        np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        for frame in (current, reference)
    )
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)
    there = np.asarray(estimator.calc(grey, other, None), np.float32)  # type: ignore[call-overload]
    back = np.asarray(estimator.calc(other, grey, None), np.float32)  # type: ignore[call-overload]
    returned = sample(back, pixel_grid(*grey.shape) + there)
    miss = np.hypot(*np.moveaxis(there + returned, -1, 0))
    length = np.hypot(there[..., 0], there[..., 1])
    there[miss > LARGEST_CONTRADICTION_PX + 0.1 * length] = np.nan
    return there


def halved_flow(flow: FlowArray) -> FlowArray:
    """Return a flow with NaNs at half the size, its values unchanged; NaN where half is."""
    height, width = (side // 2 * 2 for side in flow.shape[:2])
    cells = flow[:height, :width].reshape(height // 2, 2, width // 2, 2, 2)
    known = np.isfinite(cells).all(-1, keepdims=True)
    count = known.sum((1, 3))
    total = np.where(known, cells, 0).sum((1, 3))
    mean = total / np.maximum(count, 1)
    return np.asarray(np.where(count >= 2, mean, np.nan), np.float32)


def motion_planes(frame: NDArray[np.uint8], anchor: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return flow (x, y; 0 where unknown) and whether it is known, ``[3, H/2, W/2]``.

    Args:
        frame: ``[H, W, 3]`` RGB.
        anchor: Likewise.
    """
    half = halved_flow(flow_back(frame, anchor))
    known = np.isfinite(half[..., :1])
    planes = np.concatenate([np.nan_to_num(half), known], axis=-1)
    return np.ascontiguousarray(planes.transpose(2, 0, 1), np.float32)


def measured_motion(frame: Tensor, anchor: Tensor) -> Tensor:
    """Return `motion_planes` of two pictures ``[1, 3, H, W]`` in 0..1, ``[1, 3, H/2, W/2]``."""
    pictures = [
        np.ascontiguousarray((picture[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
        for picture in (frame, anchor)
    ]
    return torch.from_numpy(motion_planes(*pictures))[None]
