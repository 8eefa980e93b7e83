"""Second and third opinions on the motion between two pictures.

Dense inverse search goes wrong in different places when it works in another order or with other
patches. Where its runs differ, none is sure to be right: the mean of the frames that three runs
give is 0.2 dB better than the frame of the first, and the best of the three in each neighbourhood
0.7 dB (`docs/design/imf-vfi.md`). A network may learn to choose.
"""

import cv2
import numpy as np

from imf_plugin.models.flow.estimation import (
    HALVING_PIXELS,
    GreyPicture,
    enlarge,
    estimate_middle,
    shrink,
)
from imf_plugin.motion.flow import FlowArray, flow_at, reverse

OPINIONS = 3

_REVERSAL_ITERATIONS = 3


def estimate_opinions(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """Return `OPINIONS` middle flows of two ``[H, W]`` pictures, ``[H, W, 2 * OPINIONS]`` pixels.

    The first is `estimate_middle`'s; see there for what a middle flow is.
    """
    flows = [estimate_middle(grey0, grey1), *other_opinions(grey0, grey1)]
    return np.concatenate(flows, axis=-1)


def opinions_at(flows: FlowArray, timestep: float) -> FlowArray:
    """Return middle flows side by side, ``[H, W, 2 * n]``, as seen at a timestep."""
    moved = [
        flow_at(np.ascontiguousarray(flows[..., start : start + 2]), timestep)
        for start in range(0, flows.shape[-1], 2)
    ]
    return np.concatenate(moved, axis=-1)


def other_opinions(grey0: GreyPicture, grey1: GreyPicture) -> list[FlowArray]:
    """Return all opinions but the first, ``[H, W, 2]`` each."""
    return [_transposed(grey0, grey1), _patient(grey0, grey1)]


def _transposed(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """The same search with rows for columns: patches are visited in another order."""
    turned = (np.ascontiguousarray(grey.T) for grey in (grey0, grey1))
    return np.ascontiguousarray(estimate_middle(*turned).transpose(1, 0, 2)[..., ::-1])


def _patient(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """OpenCV's slower preset, from nothing and without correction, both ways."""
    height, width = grey0.shape
    halves = width * height > HALVING_PIXELS
    size = ((width + 1) // 2, (height + 1) // 2) if halves else (width, height)
    small0, small1 = shrink(grey0, size), shrink(grey1, size)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if min(size) < 2 * search.getPatchSize():
        return estimate_middle(grey0, grey1)
    to_1, to_0 = (
        reverse(
            np.asarray(search.calc(first, second, None), np.float32),  # type: ignore[call-overload]
            timestep=0.5,
            iterations=_REVERSAL_ITERATIONS,
        )
        for first, second in ((small1, small0), (small0, small1))
    )
    return enlarge(to_1 - to_0, (width, height))
