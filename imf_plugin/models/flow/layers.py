"""Motion that a dense search has lost, found again surface by surface.

Dense inverse search follows some tens of pixels. Where a camera is whipped round, or something
crosses the picture from one keyframe to the next, it finds nothing that matches, and the new frame
fades. There the surfaces found by `landmarks` are candidates, each refined on its pixels.
`docs/design/imf-vfi.md` holds the measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.estimation import DisSettings, GreyPicture, search
from imf_plugin.models.flow.landmarks import (
    Homography,
    Layer,
    Points,
    fit_homography,
    is_plausible,
    middle_flow_of,
    moving_layers,
)
from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

type Levels = NDArray[np.float32]
type Mask = NDArray[np.bool_]

LOST_LEVEL = 12.0
"""Mismatch in 8-bit levels at which the dense flows have lost a place."""

MOST_MISMATCH = 60.0
"""No place mismatches by more; what leads outside a picture does by this."""

MISMATCH_SIGMA_PX = 4.0

REFIT_REACH_PX = 4.0
REFIT_SAMPLES = 2000
REFIT_LEAST_PIXELS = 400
REFIT_LEVELS = 3.0
REFIT_SHARE = 0.7
REFIT_ERROR_PX = 0.7
REFIT_ROUNDS = 500
REFIT_SEARCH = DisSettings(finest_octave=1, descent_iterations=12, variational_iterations=0)
REFIT_GAIN = 0.95
"""A refined motion must lower the mismatch near the landmarks to this share."""
REFIT_NEAR_PX = 30.0


HALF = np.float32(0.5)


def lost_share(mismatches: Levels) -> float:
    """Return how much of the picture is lost to flows with such a `least_mismatch`, 0 to 1."""
    return float(np.mean(mismatches > LOST_LEVEL))


def layer_motions(grey0: GreyPicture, grey1: GreyPicture, dense: Levels) -> list[FlowArray]:
    """Return the middle flow of each surface found by its landmarks, refined on its pixels.

    Args:
        grey0: The first picture, ``[H, W]``, in the size it is worked on.
        grey1: The second.
        dense: The `least_mismatch` of opinions on the motion between them; surfaces are refined
            where they do better.
    """
    return [_best_flow(layer, grey0, grey1, dense) for layer in moving_layers(grey0, grey1)]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How little of two pictures a middle flow explains, 8-bit levels, ``[H, W]`` each."""

    halfway: Levels
    """See `mismatch`."""
    first: Levels
    """Of what stands in the first picture."""
    second: Levels


def failure(grey0: GreyPicture, grey1: GreyPicture, flow: FlowArray, halfway: Levels) -> Failure:
    """Return how little a middle flow with such a `mismatch` explains."""
    return Failure(
        halfway=halfway, first=_lost(grey0, grey1, flow), second=_lost(grey1, grey0, -flow)
    )


def doubts(failures: Sequence[Failure], motion: FlowArray, ground: Levels) -> Levels:
    """Return how little the best of some flows explains, where another motion is proposed.

    Besides what stands at a place halfway it counts what stands where the motion comes from and
    where it leads: what the flows have lost there moves in front of what agrees with itself.

    Args:
        failures: Of the flows that are in doubt.
        motion: The one that is proposed, a middle flow ``[H, W, 2]``.
        ground: How far that is the ground's, ``[H, W]`` in 0..1, which comes in front of nothing.

    Returns:
        ``[H, W]`` 8-bit levels.
    """
    grid = pixel_grid(*ground.shape)
    dense = np.minimum.reduce([each.halfway for each in failures])
    lost0 = np.minimum.reduce([each.first for each in failures])
    lost1 = np.minimum.reduce([each.second for each in failures])
    ends = sample(lost0, grid - HALF * motion), sample(lost1, grid + HALF * motion)
    return np.asarray(np.maximum(dense, (1 - ground) * np.minimum(*ends)), np.float32)


def _lost(grey0: GreyPicture, grey1: GreyPicture, flow: FlowArray) -> Levels:
    """Return how little of picture 0 is found again in picture 1 along a flow 0->1."""
    there = sample(grey1, pixel_grid(*grey0.shape) + flow)
    return _around(cv2.absdiff(grey0, there).astype(np.float32))


def least_mismatch(grey0: GreyPicture, grey1: GreyPicture, flows: list[FlowArray]) -> Levels:
    """Return how little two pictures agree under the best of some middle flows, ``[H, W]``."""
    every = [mismatch(grey0, grey1, flow) for flow in flows]
    return np.asarray(np.minimum.reduce(every), np.float32)


def mismatch(grey0: GreyPicture, grey1: GreyPicture, flow: FlowArray) -> Levels:
    """Return how little two pictures agree under a middle flow, ``[H, W]`` 8-bit levels."""
    grid, half = pixel_grid(*grey0.shape), HALF * flow
    start, end = grid - half, grid + half
    levels = cv2.absdiff(sample(grey0, start), sample(grey1, end)).astype(np.float32)
    levels[_is_outside(start) | _is_outside(end)] = MOST_MISMATCH
    return _around(levels)


def _around(levels: Levels) -> Levels:
    """Return mismatches, none above the most, as their neighbourhoods have them."""
    capped = np.minimum(levels, MOST_MISMATCH)
    return np.asarray(cv2.GaussianBlur(capped, (0, 0), MISMATCH_SIGMA_PX), np.float32)


def _is_outside(places: FlowArray) -> Mask:
    height, width = places.shape[:2]
    x, y = places[..., 0], places[..., 1]
    return np.asarray((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1))


def _best_flow(layer: Layer, grey0: GreyPicture, grey1: GreyPicture, dense: Levels) -> FlowArray:
    near = _distance_from(layer.landmarks, grey0.shape) < REFIT_NEAR_PX

    def as_it_does(homography: Homography) -> tuple[float, FlowArray]:
        flow = middle_flow_of(homography, grey0.shape)
        levels = mismatch(grey0, grey1, flow)
        return float(np.minimum(levels, dense)[near].mean()), flow

    cost, flow = as_it_does(layer.homography)
    refined = _refined(layer.homography, grey0, grey1, dense)
    if refined is None:
        return flow
    refined_cost, refined_flow = as_it_does(refined)
    return refined_flow if refined_cost < REFIT_GAIN * cost else flow


def _refined(
    homography: Homography, grey0: GreyPicture, grey1: GreyPicture, dense: Levels
) -> Homography | None:
    """Fit a motion to the pixels that it nearly matches; None if there are too few."""
    grid = pixel_grid(*grey0.shape)
    flow = middle_flow_of(homography, grey0.shape)
    # One pass, in one direction: a second, and the other, gained a hundredth of a dB for half the
    # time.
    left = search(
        sample(grey0, grid - HALF * flow), sample(grey1, grid + HALF * flow), REFIT_SEARCH
    )
    levels = mismatch(grey0, grey1, flow + left)
    close = np.hypot(left[..., 0], left[..., 1]) < REFIT_REACH_PX
    places = np.flatnonzero(close & (levels < np.maximum(REFIT_LEVELS, REFIT_SHARE * dense)))
    if len(places) < REFIT_LEAST_PIXELS:
        return None
    random = np.random.default_rng(0)
    places = random.choice(places, min(REFIT_SAMPLES, len(places)), replace=False)
    middle = grid.reshape(-1, 2)[places]
    half = (HALF * (flow + left)).reshape(-1, 2)[places]
    fitted, _ = fit_homography(middle - half, middle + half, REFIT_ERROR_PX, REFIT_ROUNDS)
    return fitted if is_plausible(fitted, grey0.shape) else None


def _distance_from(points: Points, shape: tuple[int, ...]) -> Levels:
    marks = np.ones(shape, np.uint8)
    columns, rows = np.rint(points).astype(int).T
    marks[rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)] = 0
    return np.asarray(cv2.distanceTransform(marks, cv2.DIST_L2, 3), np.float32)
