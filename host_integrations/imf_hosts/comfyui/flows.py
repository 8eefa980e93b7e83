"""Pictures of motion between images: colours, arrows, and what gets hidden."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_hosts.comfyui.batches import bytes_of

COLOURS, ARROWS, HIDDEN = "colour wheel", "arrows", "occlusion"
FORWARD, BACKWARD = "forward", "backward"
_ARROW_STEP_PX = 24


@dataclass(frozen=True, kw_only=True)
class PairMotion:
    """The motion of one pair of images."""

    flow: NDArray[np.float32]
    """``[H, W, 2]`` pixels: where each pixel of the first image goes, or came from if backward."""
    hidden: NDArray[np.float32]
    """``[H, W]``, 1 where a pixel is not seen in the other image."""


def motion_between(first: Tensor, second: Tensor) -> PairMotion:
    """Estimate the motion from one image ``[H, W, C]`` to another."""
    import cv2

    from imf_plugin.models.flow.estimation import estimate_middle
    from imf_plugin.motion.flow import flow_at, visibility

    greys = [
        np.asarray(cv2.cvtColor(bytes_of(image), cv2.COLOR_RGB2GRAY), np.uint8)
        for image in (first, second)
    ]
    there = flow_at(estimate_middle(greys[0], greys[1]), 0.0)
    back = flow_at(estimate_middle(greys[1], greys[0]), 0.0)
    seen = visibility(there, back)
    return PairMotion(flow=there, hidden=np.asarray(1 - seen, np.float32))


def picture_of_motion(
    image: Tensor, motion: PairMotion, style: str, longest_px: float
) -> NDArray[np.float32]:
    """Paint the motion of a pair, ``[H, W, 3]`` in 0..1.

    Args:
        image: The first image, which arrows and hidden places are drawn over.
        motion: What to paint.
        style: `COLOURS`, `ARROWS` or `HIDDEN`.
        longest_px: Length of motion painted in full colour.
    """
    from imf_plugin.motion.pictures import flow_picture

    if style == COLOURS:
        colours = flow_picture(motion.flow, maximum_px=longest_px)
        return colours.astype(np.float32) / np.float32(255)
    under = bytes_of(image).astype(np.float32) / np.float32(255)
    if style == HIDDEN:
        red = np.array([1.0, 0.1, 0.1], np.float32)
        share = motion.hidden[..., None]
        return np.asarray(under * (1 - share) + red * share, np.float32)
    return _arrows(under, motion.flow, longest_px)


def _arrows(
    under: NDArray[np.float32], flow: NDArray[np.float32], longest_px: float
) -> NDArray[np.float32]:
    import cv2

    canvas = np.ascontiguousarray((under * 0.6 * 255).astype(np.uint8))
    scale = _ARROW_STEP_PX / longest_px
    height, width = flow.shape[:2]
    half = _ARROW_STEP_PX // 2
    for y in range(half, height, _ARROW_STEP_PX):
        for x in range(half, width, _ARROW_STEP_PX):
            dx, dy = flow[y, x] * scale
            end = (round(x + float(dx)), round(y + float(dy)))
            cv2.arrowedLine(canvas, (x, y), end, (255, 230, 60), 1, cv2.LINE_AA, tipLength=0.3)
    return np.asarray(canvas, np.float32) / np.float32(255)


def longest_motion(motions: list[PairMotion]) -> float:
    """Return the length that all but the fastest hundredth of pixels keep below, at least 1."""
    lengths = [np.percentile(np.hypot(m.flow[..., 0], m.flow[..., 1]), 99) for m in motions]
    return max([1.0, *(float(length) for length in lengths)])


def stack_flows(motions: list[PairMotion]) -> Tensor:
    """Return all flows as ``[N, H, W, 2]``."""
    return torch.from_numpy(np.stack([motion.flow for motion in motions]))
