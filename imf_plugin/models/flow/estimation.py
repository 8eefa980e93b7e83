"""Dense flow between two grey pictures, in both directions.

The method is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) as
OpenCV ships it. `docs/design/flow.md` holds the measurements behind the settings.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray

type GreyPicture = NDArray[np.uint8]

MINIMUM_SIDE_PX = 32
"""Smaller pictures are padded to this, since DIS needs room for its patches."""


def estimate_both(grey0: GreyPicture, grey1: GreyPicture) -> tuple[FlowArray, FlowArray]:
    """Return the flows 0->1 and 1->0 of two ``[H, W]`` pictures, each ``[H, W, 2]`` pixels."""
    with ThreadPoolExecutor(max_workers=1) as other_direction:
        backward = other_direction.submit(estimate, grey1, grey0)
        forward = estimate(grey0, grey1)
        return forward, backward.result()


def estimate(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """Return the flow 0->1 of two ``[H, W]`` pictures, ``[H, W, 2]`` pixels."""
    height, width = grey0.shape
    if np.array_equal(grey0, grey1):
        return np.zeros((height, width, 2), np.float32)
    bottom, right = max(0, MINIMUM_SIDE_PX - height), max(0, MINIMUM_SIDE_PX - width)
    if bottom or right:
        grey0 = np.pad(grey0, ((0, bottom), (0, right)), mode="edge")
        grey1 = np.pad(grey1, ((0, bottom), (0, right)), mode="edge")
    # A DIS object keeps buffers between calls, so threads must not share one.
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = dis.calc(grey0, grey1, None)  # type: ignore[call-overload]
    return np.ascontiguousarray(flow[:height, :width])
