"""How a driving frame moved since its anchor: dense flow, reduced to a spline.

The flow runs from the frame back to the anchor, since that is what a backward warp looks up. Large
motion is met by starting the search from several glimpses and keeping, place by place, the one
that explains the frame best. Then the spline is fitted, the anchor is warped by the spline itself,
and what is still missing is measured and fitted again. `docs/design/transport.md` holds the
measurements.
"""

import cv2
import numpy as np

from imf_plugin.models.flow.estimation import DisSettings, GreyPicture, glimpse, search
from imf_plugin.models.transport.spline import Spline, expand, fit
from imf_plugin.motion.flow import FloatArray, FlowArray, pixel_grid, sample

WORKING_SIDE_PX = 512
"""Motion is measured on pictures reduced to this longer side."""

LEAST_SIDE_PX = 32
"""Smaller pictures are enlarged, since DIS needs room for its patches."""

GLIMPSE_SCALES = (4, 8, 16)
"""How much smaller the pictures are on which the search begins; it also begins from nothing."""

FIRST = DisSettings(finest_octave=1, descent_iterations=16, variational_iterations=5)
"""Finds the motion from each start."""

AGAIN = DisSettings(finest_octave=0, descent_iterations=16, variational_iterations=5)
"""Finds what the spline leaves."""

CORRECTIONS = 2
"""Rounds of measuring what the spline leaves: 0.6 and 0.2 dB; a third brings 0.05 dB."""

_VOTE_SIGMA_PX = 6.0
_WORST_MISMATCH = 60
_MEDIAN_PX = 5
_EVEN_WEIGHT = 20.0
_LARGEST_SLOPE = 400.0


def working_size(height: int, width: int) -> tuple[int, int]:
    """Return the height and width at which motion in a picture is measured."""
    scale = min(1.0, WORKING_SIDE_PX / max(height, width))
    return max(LEAST_SIDE_PX, round(height * scale)), max(LEAST_SIDE_PX, round(width * scale))


def motion_spline(anchor: GreyPicture, frame: GreyPicture, points: int) -> Spline:
    """Return the motion from a frame back to its anchor, ``[points, points, 2]`` in pixels.

    Args:
        anchor: ``[H, W]``.
        frame: ``[H, W]``.
        points: Control points along each side.
    """
    if np.array_equal(anchor, frame):
        return np.zeros((points, points, 2), np.float32)
    weight = _telling(frame)
    spline = fit(_back_to_anchor(anchor, frame), weight, points)
    for _ in range(CORRECTIONS):
        so_far = expand(spline, (frame.shape[0], frame.shape[1]))
        spline = fit(_corrected(anchor, frame, so_far, AGAIN), weight, points)
    return spline


def _back_to_anchor(anchor: GreyPicture, frame: GreyPicture) -> FlowArray:
    """Return the flow from frame to anchor: of several searches the best, place by place."""
    height, width = frame.shape
    starts: list[FlowArray | None] = [None]
    for scale in GLIMPSE_SCALES:
        start = glimpse(frame, anchor, (width // scale, height // scale))
        if start is not None:
            starts.append(start)
    flows = np.stack([search(frame, anchor, FIRST, start) for start in starts])
    mismatches = np.stack([_mismatch(anchor, frame, flow) for flow in flows])
    best = np.take_along_axis(flows, mismatches.argmin(0)[None, ..., None], 0)[0]
    # Where the winner changes the flow jumps; the median keeps edges and drops specks.
    planes = [cv2.medianBlur(np.ascontiguousarray(best[..., axis]), _MEDIAN_PX) for axis in (0, 1)]
    return _corrected(anchor, frame, np.stack(planes, axis=-1), FIRST)


def _corrected(
    anchor: GreyPicture, frame: GreyPicture, flow: FlowArray, settings: DisSettings
) -> FlowArray:
    """Return ``flow`` with what is still missing between the frame and the anchor warped by it."""
    grid = pixel_grid(*frame.shape)
    missing = search(frame, sample(anchor, grid + flow), settings)
    return sample(flow, grid + missing) + missing


def _mismatch(anchor: GreyPicture, frame: GreyPicture, flow: FlowArray) -> FloatArray:
    warped = sample(anchor, pixel_grid(*frame.shape) + flow)
    difference = np.minimum(cv2.absdiff(warped, frame), _WORST_MISMATCH).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(difference, (0, 0), _VOTE_SIGMA_PX), np.float32)


def _telling(frame: GreyPicture) -> FloatArray:
    """Return how much the motion of each pixel shows, ``[H, W]``: edges tell, plains do not."""
    across, down = (cv2.Sobel(frame, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    slope = cv2.GaussianBlur(np.square(across) + np.square(down), (0, 0), 1.5)
    return np.asarray(np.minimum(slope, _LARGEST_SLOPE) + _EVEN_WEIGHT, np.float32)
