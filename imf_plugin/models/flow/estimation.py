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
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FlowArray, pixel_grid, reverse, sample

type GreyPicture = NDArray[np.uint8]

HALVING_PIXELS = 500_000
"""Flow of larger pictures is estimated at half size: nearly as good, and twice as fast."""

MINIMUM_SIDE_PX = 32
"""Smaller pictures are padded to this, since DIS needs room for its patches."""


@dataclass(frozen=True, kw_only=True)
class DisSettings:
    """What is changed in OpenCV's FAST preset."""

    patch_size_px: int = 8
    """Side of the square patches that are searched for."""
    patch_stride_px: int = 4
    """Distance between patches."""

    def halved(self, times: int) -> "DisSettings":
        """Return the settings that do the same on pictures halved so many times."""
        return replace(self, finest_octave=max(0, self.finest_octave - times))

    finest_octave: int
    """Halvings of the picture at the finest search; the flow is enlarged from there."""
    descent_iterations: int
    """Gradient descent steps for each patch."""
    variational_iterations: int
    """Rounds of smoothing refinement on each scale."""


GLIMPSE = DisSettings(
    patch_size_px=6,
    patch_stride_px=3,
    finest_octave=0,
    descent_iterations=16,
    variational_iterations=5,
)
"""Finds large motion on a much smaller picture, where a start from nothing would go astray."""

GLIMPSE_SCALE = 8
GLIMPSE_MINIMUM_SIDE_PX = 16

SEARCH = DisSettings(finest_octave=2, descent_iterations=16, variational_iterations=2)
"""Finds the motion."""

CORRECTION = DisSettings(finest_octave=2, descent_iterations=16, variational_iterations=0)
"""Finds what the search left; smoothing again costs much and gains nothing."""

POLISH = DisSettings(
    finest_octave=1, descent_iterations=8, variational_iterations=0, patch_stride_px=8
)
"""Finds what is left, one octave finer."""

REVERSAL_ITERATIONS = 2


def estimate_middle(grey0: GreyPicture, grey1: GreyPicture) -> FlowArray:
    """Return the middle flow of two ``[H, W]`` pictures, ``[H, W, 2]`` pixels."""
    height, width = grey0.shape
    if np.array_equal(grey0, grey1):
        return np.zeros((height, width, 2), np.float32)
    halvings = 1 if width * height > HALVING_PIXELS else 0
    size = ((width + halvings) >> halvings, (height + halvings) >> halvings)
    grey0, grey1 = _padded(shrink(grey0, size)), _padded(shrink(grey1, size))
    with ThreadPoolExecutor(max_workers=2) as directions:
        middle = _first_guess(grey0, grey1, halvings, directions)
        grid = pixel_grid(*grey0.shape)
        for settings in (CORRECTION, POLISH):
            middle += _left_over(grey0, grey1, middle, grid, settings.halved(halvings), directions)
    return enlarge(middle[: size[1], : size[0]], (width, height))


def shrink(grey: GreyPicture, size: tuple[int, int]) -> GreyPicture:
    """Return a smaller picture of ``(width, height)``."""
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def enlarge(flow: FlowArray, size: tuple[int, int]) -> FlowArray:
    """Return a flow of ``(width, height)``, in the pixels of that size."""
    factors = (size[0] / flow.shape[1], size[1] / flow.shape[0])
    # Scaled before it is enlarged, while it is small.
    scaled = flow * np.array(factors, np.float32)
    return np.asarray(cv2.resize(scaled, size), np.float32)


def _padded(grey: GreyPicture) -> GreyPicture:
    bottom, right = (max(0, MINIMUM_SIDE_PX - side) for side in grey.shape)
    return np.pad(grey, ((0, bottom), (0, right)), mode="edge") if bottom or right else grey


def _first_guess(
    grey0: GreyPicture, grey1: GreyPicture, halvings: int, directions: ThreadPoolExecutor
) -> FlowArray:
    settings = SEARCH.halved(halvings)
    size = (
        (grey0.shape[1] << halvings) // GLIMPSE_SCALE,
        (grey0.shape[0] << halvings) // GLIMPSE_SCALE,
    )

    def from_middle(source: GreyPicture, target: GreyPicture) -> FlowArray:
        flow = search(source, target, settings, glimpse(source, target, size))
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


def glimpse(grey0: GreyPicture, grey1: GreyPicture, size: tuple[int, int]) -> FlowArray | None:
    """Return a rough flow 0->1 that spans large motion, found on pictures of ``size``.

    None if that size is too small for it.
    """
    if min(size) < GLIMPSE_MINIMUM_SIDE_PX:
        return None
    small0, small1 = shrink(grey0, size), shrink(grey1, size)
    return enlarge(search(small0, small1, GLIMPSE), (grey0.shape[1], grey0.shape[0]))


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
    dis.setFinestScale(settings.finest_octave)
    dis.setGradientDescentIterations(settings.descent_iterations)
    dis.setVariationalRefinementIterations(settings.variational_iterations)
    flow = dis.calc(grey0, grey1, start)  # type: ignore[arg-type]  # None is its default
    return np.asarray(flow, np.float32)
