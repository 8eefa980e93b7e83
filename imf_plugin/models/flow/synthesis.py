"""From two pictures and the flows between them to the picture at a timestep.

Pictures here are float32 ``[H, W, C]`` in 0..1.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

type Picture = NDArray[np.float32]


def synthesise(
    picture0: Picture,
    picture1: Picture,
    flow01: FlowArray,
    flow10: FlowArray,
    timestep: float,
) -> Picture:
    """Return the picture at ``timestep``, 0 < timestep < 1."""
    grid = pixel_grid(*flow01.shape[:2])
    warped0 = warp(picture0, grid - np.float32(timestep) * flow01)
    warped1 = warp(picture1, grid - np.float32(1 - timestep) * flow10)
    blended = cv2.addWeighted(warped0, 1 - timestep, warped1, timestep, 0)
    return np.asarray(np.clip(blended, 0, 1), np.float32)


def warp(picture: Picture, positions: FlowArray) -> Picture:
    """Look ``picture`` up at ``positions``, bicubic: bilinear would visibly soften the frame."""
    channels = picture.shape[2]
    # OpenCV's remap takes at most four channels at once.
    parts = [
        sample(picture[..., first : first + 4], positions, interpolation=cv2.INTER_CUBIC)
        for first in range(0, channels, 4)
    ]
    return np.concatenate([part.reshape(*positions.shape[:2], -1) for part in parts], axis=2)
