"""The motion between two grey pictures, as seen from the moment halfway between them.

The method behind it is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search",
ECCV 2016) as OpenCV ships it. Both directions are estimated, from a glimpse at a much smaller
picture, carried to the middle and averaged; then what is left is estimated between the two
pictures warped to the middle. Everything is symmetric: swapping the pictures only turns the flow
round. `docs/design/flow.md` holds the measurements behind the settings.

Convention:
    The middle flow ``M[y, x]`` is the motion from picture 0 to picture 1 of what stands at
    ``(x, y)`` halfway: it is at ``(x, y) - M / 2`` in picture 0 and ``(x, y) + M / 2`` in 1.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray, pixel_grid, reverse, sample

type GreyPicture = NDArray[np.uint8]

MINIMUM_SIDE_PX = 32
"""Smaller pictures are padded to this, since DIS needs room for its patches."""


@dataclass(frozen=True, kw_only=True)
class DisSettings:
    """What is changed in OpenCV's FAST preset."""

    patch_size_px: int = 8
    """Side of the square patches that are searched for."""
    patch_stride_px: int = 4
    """Distance between patches."""
    finest_scale: int
    """Octave of the finest search; the flow is upsampled from there."""
    descent_iterations: int
    """Gradient descent steps for each patch."""
    variational_iterations: int
    """Rounds of smoothing refinement on each scale."""


GLIMPSE = DisSettings(
    patch_size_px=6,
    patch_stride_px=3,
    finest_scale=0,
    descent_iterations=16,
    variational_iterations=5,
)
"""Finds large motion on a much smaller picture, where a start from nothing would go astray."""

GLIMPSE_SCALE = 8
GLIMPSE_MINIMUM_SIDE_PX = 16

SEARCH = DisSettings(finest_scale=2, descent_iterations=16, variational_iterations=5)
"""Finds the motion, and once more what the first search left."""

POLISH = DisSettings(finest_scale=1, descent_iterations=12, variational_iterations=0)
"""Finds what is left, one octave finer; at that size smoothing costs much and gains nothing."""

REVERSAL_ITERATIONS = 2


def estimate_middle(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """Return the middle flow of two ``[H, W]`` pictures, ``[H, W, 2]`` pixels."""
    height, width = grey0.shape
    if np.array_equal(grey0, grey1):
        return np.zeros((height, width, 2), np.float32)
    bottom, right = max(0, MINIMUM_SIDE_PX - height), max(0, MINIMUM_SIDE_PX - width)
    if bottom or right:
        grey0 = np.pad(grey0, ((0, bottom), (0, right)), mode="edge")
        grey1 = np.pad(grey1, ((0, bottom), (0, right)), mode="edge")
    with ThreadPoolExecutor(max_workers=2) as directions:
        middle = _first_guess(grey0, grey1, directions)
        grid = pixel_grid(*grey0.shape)
        for settings in (SEARCH, POLISH):
            middle += _left_over(grey0, grey1, middle, grid, settings, directions)
    return np.ascontiguousarray(middle[:height, :width])


def _first_guess(
    grey0: GreyPicture, grey1: GreyPicture, directions: ThreadPoolExecutor
) -> FlowArray:
    def from_middle(source: GreyPicture, target: GreyPicture) -> FlowArray:
        flow = search(source, target, SEARCH, glimpse(source, target))
        return reverse(flow, timestep=0.5, iterations=REVERSAL_ITERATIONS)

    to_0 = directions.submit(from_middle, grey0, grey1)
    to_1 = directions.submit(from_middle, grey1, grey0)
    return to_1.result() - to_0.result()


def _left_over(
    grey0: GreyPicture,
    grey1: GreyPicture,
    middle: FlowArray,
    grid: FlowArray,
    settings: DisSettings,
    directions: ThreadPoolExecutor,
) -> FlowArray:
    half = np.float32(0.5) * middle
    warped0 = directions.submit(sample, grey0, grid - half)
    warped1 = directions.submit(sample, grey1, grid + half)
    seen0, seen1 = warped0.result(), warped1.result()
    forward = directions.submit(search, seen0, seen1, settings)
    backward = directions.submit(search, seen1, seen0, settings)
    return np.float32(0.5) * (forward.result() - backward.result())


def glimpse(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray | None:
    """Return a rough flow 0->1 that spans large motion; None for pictures too small for it."""
    height, width = grey0.shape
    size = (width // GLIMPSE_SCALE, height // GLIMPSE_SCALE)
    if min(size) < GLIMPSE_MINIMUM_SIDE_PX:
        return None
    small0, small1 = (
        np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        for grey in (grey0, grey1)
    )
    flow = search(small0, small1, GLIMPSE)
    factors = np.array([width / size[0], height / size[1]], np.float32)
    return np.asarray(cv2.resize(flow, (width, height)), np.float32) * factors


def search(
    grey0: GreyPicture,
    grey1: GreyPicture,
    settings: DisSettings,
    start: FlowArray | None = None,
) -> FlowArray:
    """Return the flow 0->1 of two ``[H, W]`` pictures, beginning at ``start`` if given."""
    # A DIS object keeps buffers between calls, so threads must not share one.
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setPatchSize(settings.patch_size_px)
    dis.setPatchStride(settings.patch_stride_px)
    dis.setFinestScale(settings.finest_scale)
    dis.setGradientDescentIterations(settings.descent_iterations)
    dis.setVariationalRefinementIterations(settings.variational_iterations)
    flow = dis.calc(grey0, grey1, start)  # type: ignore[arg-type]  # None is its default
    return np.asarray(flow, np.float32)
