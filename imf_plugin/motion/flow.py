"""Flow algebra: looking up, composing, reversing, checking and summing up dense flow.

Convention:
    A flow is a float32 array ``[H, W, 2]`` in pixels, channel 0 = x (right), channel 1 = y (down);
    pixel centres lie on whole numbers. ``flow01[y, x]`` says where the point that frame 0 shows at
    ``(x, y)`` has gone in frame 1: to ``(x, y) + flow01[y, x]``. Looking outside a picture finds
    its nearest border pixel.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

type FlowArray = NDArray[np.float32]
type FloatArray = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FlowStatistics:
    """What a flow amounts to, in a few numbers."""

    mean_dx_px: float
    """Mean motion to the right."""
    mean_dy_px: float
    """Mean motion downwards."""
    mean_magnitude_px: float
    """Mean length of the motion."""
    percentile95_magnitude_px: float
    """Length that 95 % of the pixels do not exceed."""
    max_magnitude_px: float
    """Longest motion."""


def check_flow(flow: FlowArray) -> FlowArray:
    """Return ``flow`` as float32, having checked its shape.

    Raises:
        ValueError: If the shape is not ``[H, W, 2]`` with at least one pixel.
    """
    if flow.ndim != 3 or flow.shape[2] != 2 or flow.size == 0:
        raise ValueError(f"expected a flow of shape [H, W, 2], got {flow.shape = }")
    return np.asarray(flow, dtype=np.float32)


def pixel_grid(height: int, width: int) -> FlowArray:
    """Return the coordinates of every pixel, ``[H, W, 2]`` as x, y."""
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0] = np.arange(width, dtype=np.float32)
    grid[..., 1] = np.arange(height, dtype=np.float32)[:, None]
    return grid


def sample[Pixel: np.generic](
    picture: NDArray[Pixel], positions: FlowArray, *, interpolation: int = cv2.INTER_LINEAR
) -> NDArray[Pixel]:
    """Look ``picture`` (``[H, W]`` or ``[H, W, C]``) up at ``positions`` (``[H, W, 2]``, pixels).

    Args:
        picture: What is looked up; OpenCV takes up to four channels.
        positions: Where, as x, y; any size, the result has the same.
        interpolation: An OpenCV flag, bilinear unless told.
    """
    # OpenCV's annotations forget that the second map is absent when the first holds x and y.
    found = cv2.remap(
        picture,
        positions,
        None,  # type: ignore[call-overload]
        interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, picture.dtype)


def compose(flow01: FlowArray, flow12: FlowArray) -> FlowArray:
    """Return the flow 0->2 that follows ``flow01`` and then ``flow12``."""
    flow01, flow12 = check_flow(flow01), check_flow(flow12)
    return flow01 + sample(flow12, pixel_grid(*flow01.shape[:2]) + flow01)


def reverse(flow01: FlowArray, *, timestep: float = 1.0, iterations: int = 4) -> FlowArray:
    """Return the flow from time ``timestep`` back to frame 0 that undoes ``timestep * flow01``.

    Solves ``back(x) = -timestep * flow01(x + back(x))`` by fixed-point iteration, which converges
    where the motion is smooth; at occlusions it settles on one of the two surfaces.
    """
    flow01 = check_flow(flow01)
    grid = pixel_grid(*flow01.shape[:2])
    scaled = np.float32(-timestep) * flow01
    back = scaled
    for _ in range(iterations):
        back = sample(scaled, grid + back)
    return back


def flow_at(middle_flow: FlowArray, timestep: float, *, iterations: int = 2) -> FlowArray:
    """Return the motion from frame 0 to 1 of what stands at each pixel at ``timestep``.

    Args:
        middle_flow: The same motion as seen at timestep 1/2, ``[H, W, 2]``.
        timestep: In 0..1.
        iterations: Rounds of the fixed-point search for what moves to each pixel.
    """
    middle_flow = check_flow(middle_flow)
    if timestep == 0.5:
        return middle_flow
    grid = pixel_grid(*middle_flow.shape[:2])
    flow = middle_flow
    for _ in range(iterations):
        flow = sample(middle_flow, grid + np.float32(0.5 - timestep) * flow)
    return flow


def consistency_error(flow01: FlowArray, flow10: FlowArray) -> FloatArray:
    """Return how far from home each pixel of frame 0 lands by going there and back, ``[H, W]`` px.

    Near 0 where both flows tell the same story, large where frame 1 hides the point.
    """
    round_trip = compose(flow01, flow10)
    return np.hypot(round_trip[..., 0], round_trip[..., 1])


def visibility(
    flow01: FlowArray,
    flow10: FlowArray,
    *,
    tolerance_px: float = 0.5,
    tolerance_relative: float = 0.05,
) -> FloatArray:
    """Return how surely each pixel of frame 0 is seen in frame 1 too, ``[H, W]`` in 0..1.

    It is 1 for a perfect round trip and 1/2 where the error reaches the tolerance, which grows
    with the length of the motion.
    """
    error = consistency_error(flow01, flow10)
    tolerance = tolerance_px + tolerance_relative * np.hypot(flow01[..., 0], flow01[..., 1])
    return np.float32(1) / (np.float32(1) + np.square(error / tolerance))


def statistics(flow: FlowArray) -> FlowStatistics:
    """Return the numbers that sum a flow up."""
    flow = check_flow(flow)
    magnitude = np.hypot(flow[..., 0], flow[..., 1])
    return FlowStatistics(
        mean_dx_px=float(flow[..., 0].mean()),
        mean_dy_px=float(flow[..., 1].mean()),
        mean_magnitude_px=float(magnitude.mean()),
        percentile95_magnitude_px=float(np.percentile(magnitude, 95)),
        max_magnitude_px=float(magnitude.max()),
    )
