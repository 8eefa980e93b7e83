"""Pictures of flow: the colour wheel of Baker et al. (Middlebury, IJCV 2011).

Hue says where a pixel moves, saturation how far; still pixels are white, and pixels that move
further than the maximum are darkened.
"""

import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray, check_flow


def colour_wheel() -> NDArray[np.float32]:
    """Return the 55 hues of the wheel, ``[55, 3]`` RGB in 0..1, starting at red."""
    # The six stretches between the primary and secondary colours have unequal lengths so that
    # equal angles look equally different.
    lengths = {"RY": 15, "YG": 6, "GC": 4, "CB": 11, "BM": 13, "MR": 6}
    corners = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.float32
    )
    stretches = [
        start + (end - start) * (np.arange(length, dtype=np.float32) / length)[:, None]
        for start, end, length in zip(corners[:-1], corners[1:], lengths.values(), strict=True)
    ]
    return np.asarray(np.concatenate(stretches), np.float32)


def flow_picture(flow: FlowArray, *, maximum_px: float | None = None) -> NDArray[np.uint8]:
    """Paint a flow with the colour wheel.

    Args:
        flow: ``[H, W, 2]`` pixels; a pixel that is not finite is painted black.
        maximum_px: Length painted in full colour; None takes the longest in this flow. Give the
            same number for all frames of a video, or the colours flicker.

    Returns:
        ``[H, W, 3]`` 8-bit RGB.

    Raises:
        ValueError: If the flow has another shape or the maximum is not positive.
    """
    flow = check_flow(flow)
    known = np.asarray(np.isfinite(flow).all(axis=2, keepdims=True))
    flow = np.where(known, flow, np.float32(0))
    magnitude = np.hypot(flow[..., 0], flow[..., 1])
    if maximum_px is None:
        maximum_px = max(float(magnitude.max()), 1e-6)
    if not maximum_px > 0:
        raise ValueError(f"the maximum must be positive, got {maximum_px = }")
    radius = (magnitude / maximum_px)[..., None]
    hue = _wheel_colour(flow)
    colour = np.where(radius <= 1, 1 - radius * (1 - hue), hue * np.float32(0.75))
    colour = np.where(known, colour, np.float32(0))
    return np.asarray(np.rint(255 * colour), np.uint8)


def _wheel_colour(flow: FlowArray) -> NDArray[np.float32]:
    wheel = colour_wheel()
    # Angle 0 of the original points left, and its angles grow anticlockwise on the screen.
    turn = np.arctan2(-flow[..., 1], -flow[..., 0]) / (2 * np.pi) + 0.5
    position = turn * (len(wheel) - 1)
    lower = np.floor(position).astype(np.intp) % len(wheel)
    fraction = (position - np.floor(position))[..., None].astype(np.float32)
    colour = wheel[lower] * (1 - fraction) + wheel[(lower + 1) % len(wheel)] * fraction
    return np.asarray(colour, np.float32)
