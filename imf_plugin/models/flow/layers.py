"""Motion that a dense search has lost, found again surface by surface.

Dense inverse search follows some tens of pixels. Where a camera is whipped round, or something
crosses the picture from one keyframe to the next, it finds nothing that matches, and the new frame
fades. There the surfaces found by `landmarks` are tried: each is refined on its pixels, and
believed where it brings the two pictures together far better than every dense flow does. Elsewhere,
and where little is lost, nothing changes. `docs/design/imf-vfi.md` holds the measurements.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.estimation import DisSettings, GreyPicture, search, shrink
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

WORKING_PIXELS = 640 * 360
"""Larger pictures are looked at in this size; lengths below are in its pixels."""

LEAST_SIDE_PX = 64
"""Smaller pictures are left alone."""

LOST_LEVEL = 12.0
"""Mismatch in 8-bit levels at which the dense flows have lost a place."""

LOST_SHARE = 0.2
"""With less of the picture lost, landmarks are not looked for: everyday motion gains nothing."""

MOST_MISMATCH = 60.0
"""No place mismatches by more; what leads outside a picture does by this."""

MISMATCH_SIGMA_PX = 4.0

EXPLAINED = 0.8
"""A layer explains what it matches better than this share of the dense flows' mismatch."""

EXPLAINED_LEVELS = 0.5
"""And by at least so many levels."""

SUPPORT_OPENING_PX = 9
"""Smaller specks of what a layer explains are chance."""

SUPPORT_REACH_PX = 20.0
SUPPORT_PENALTY = 0.5
"""Levels for each pixel that a place is further than the reach from what a layer explains."""

CLEARLY_BETTER = 0.6
"""A layer is believed below this share of the dense flows' mismatch."""

CLEARLY_BETTER_LEVELS = 1.0
"""And by at least so much."""

MAJORITY_SIGMA_PX = 12.5
"""And where most of such a neighbourhood agrees."""

EDGE_SIGMA_PX = 3.0
"""How softly a believed layer ends."""

REFITS = 2
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


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """A layer's motion, and how well it does."""

    flow: FlowArray
    mismatch: Levels
    rival: Levels
    """What it has to beat: the dense flows' mismatch at the moment, or at both keyframes."""
    explains: Mask


def overruled(grey0: GreyPicture, grey1: GreyPicture, flows: list[FlowArray]) -> list[FlowArray]:
    """Return middle flows with the motion of layers put in where all of them are lost.

    Args:
        grey0: The first picture, ``[H, W]``.
        grey1: The second.
        flows: Opinions on the motion between them, ``[H, W, 2]`` each, see `estimation`.
    """
    height, width = grey0.shape
    scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
    size = (round(width * scale), round(height * scale))
    if min(size) < LEAST_SIDE_PX:
        return flows
    small0, small1 = shrink(grey0, size), shrink(grey1, size)
    ratio = np.array([size[0] / width, size[1] / height], np.float32)
    dense = np.full(small0.shape, MOST_MISMATCH, np.float32)
    small_flows: list[FlowArray] = []
    for flow in flows:
        small_flows.append(cv2.resize(flow, size) * ratio)
        dense = np.minimum(dense, mismatch(small0, small1, small_flows[-1]))
        if np.mean(dense > LOST_LEVEL) < LOST_SHARE:
            return flows
    layers = moving_layers(small0, small1)
    if not layers:
        return flows
    lost0 = np.minimum.reduce([_lost(small0, small1, flow) for flow in small_flows])
    lost1 = np.minimum.reduce([_lost(small1, small0, -flow) for flow in small_flows])
    # The surface with the most landmarks is the ground: it comes in front of nothing.
    hidden = np.zeros_like(dense)
    tried = [
        _tried(layer, small0, small1, dense, (lost0, lost1) if number else (hidden, hidden))
        for number, layer in enumerate(layers)
    ]
    tried.sort(key=lambda layer: -int(layer.explains.sum()))
    chosen, belief = _chosen(tried, dense)
    belief = np.asarray(cv2.resize(belief, (width, height)), np.float32)
    # A soft edge: not all opinions change their mind at the same place.
    enough = np.linspace(0, 1, len(flows) + 2)[1:-1]
    for number in np.unique(chosen[chosen >= 0]):
        mask = (chosen == number).astype(np.uint8)
        there = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0
        motion = cv2.resize(tried[number].flow, (width, height)) / ratio
        flows = [
            np.where((there & (belief > least))[..., None], motion, flow)
            for flow, least in zip(flows, enough, strict=True)
        ]
    return flows


def mismatch(grey0: GreyPicture, grey1: GreyPicture, flow: FlowArray) -> Levels:
    """Return how little two pictures agree under a middle flow, ``[H, W]`` 8-bit levels."""
    grid, half = pixel_grid(*grey0.shape), HALF * flow
    start, end = grid - half, grid + half
    levels = cv2.absdiff(sample(grey0, start), sample(grey1, end)).astype(np.float32)
    levels[_is_outside(start) | _is_outside(end)] = MOST_MISMATCH
    return _around(levels)


def _lost(grey0: GreyPicture, grey1: GreyPicture, flow: FlowArray) -> Levels:
    """Return how little picture 0 is found again in picture 1 along a flow 0->1."""
    levels = cv2.absdiff(grey0, sample(grey1, pixel_grid(*grey0.shape) + flow)).astype(np.float32)
    return _around(levels)


def _around(levels: Levels) -> Levels:
    """Return mismatches, none above the most, as their neighbourhoods have them."""
    capped = np.minimum(levels, MOST_MISMATCH)
    return np.asarray(cv2.GaussianBlur(capped, (0, 0), MISMATCH_SIGMA_PX), np.float32)


def _is_outside(places: FlowArray) -> Mask:
    height, width = places.shape[:2]
    x, y = places[..., 0], places[..., 1]
    return np.asarray((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1))


def _tried(
    layer: Layer,
    grey0: GreyPicture,
    grey1: GreyPicture,
    dense: Levels,
    lost: tuple[Levels, Levels],
) -> _Tried:
    near = _distance_from(layer.landmarks, grey0.shape) < REFIT_NEAR_PX

    def as_it_does(homography: Homography) -> tuple[float, FlowArray, Levels]:
        flow = middle_flow_of(homography, grey0.shape)
        levels = mismatch(grey0, grey1, flow)
        return float(np.minimum(levels, dense)[near].mean()), flow, levels

    cost, flow, levels = as_it_does(layer.homography)
    refined = _refined(layer.homography, grey0, grey1, dense)
    if refined is not None:
        refined_cost, *better = as_it_does(refined)
        if refined_cost < REFIT_GAIN * cost:
            flow, levels = better
    grid = pixel_grid(*grey0.shape)
    ends = sample(lost[0], grid - HALF * flow), sample(lost[1], grid + HALF * flow)
    rival = np.maximum(dense, np.minimum(*ends))
    explains = levels < EXPLAINED * rival - EXPLAINED_LEVELS
    return _Tried(flow=flow, mismatch=levels, rival=rival, explains=explains)


def _refined(
    homography: Homography, grey0: GreyPicture, grey1: GreyPicture, dense: Levels
) -> Homography | None:
    """Fit a motion to the pixels that it nearly matches; None if there are too few."""
    grid = pixel_grid(*grey0.shape)
    random = np.random.default_rng(0)
    for _ in range(REFITS):
        flow = middle_flow_of(homography, grey0.shape)
        seen0, seen1 = sample(grey0, grid - HALF * flow), sample(grey1, grid + HALF * flow)
        left = HALF * (search(seen0, seen1, REFIT_SEARCH) - search(seen1, seen0, REFIT_SEARCH))
        levels = mismatch(grey0, grey1, flow + left)
        close = np.hypot(left[..., 0], left[..., 1]) < REFIT_REACH_PX
        places = np.flatnonzero(close & (levels < np.maximum(REFIT_LEVELS, REFIT_SHARE * dense)))
        if len(places) < REFIT_LEAST_PIXELS:
            return None
        places = random.choice(places, min(REFIT_SAMPLES, len(places)), replace=False)
        middle = grid.reshape(-1, 2)[places]
        half = (HALF * (flow + left)).reshape(-1, 2)[places]
        fitted, _ = fit_homography(middle - half, middle + half, REFIT_ERROR_PX, REFIT_ROUNDS)
        if fitted is None or not is_plausible(fitted, grey0.shape):
            return None
        homography = fitted
    return homography


def _distance_from(points: Points, shape: tuple[int, ...]) -> Levels:
    marks = np.ones(shape, np.uint8)
    columns, rows = np.rint(points).astype(int).T
    marks[rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)] = 0
    return np.asarray(cv2.distanceTransform(marks, cv2.DIST_L2, 3), np.float32)


def _chosen(tried: list[_Tried], dense: Levels) -> tuple[NDArray[np.intp], Levels]:
    """Return the likeliest layer at each place, or -1, and how far it is believed, 0 to 1."""
    chosen = np.full(dense.shape, -1, np.intp)
    best = np.full(dense.shape, np.inf, np.float32)
    rival = dense.copy()
    speck = np.ones((SUPPORT_OPENING_PX, SUPPORT_OPENING_PX), np.uint8)
    for number, layer in enumerate(tried):
        support = cv2.morphologyEx(layer.explains.astype(np.uint8), cv2.MORPH_OPEN, speck)
        if not support.any():
            continue
        away = cv2.distanceTransform(1 - support, cv2.DIST_L2, 3) - SUPPORT_REACH_PX
        levels = layer.mismatch + SUPPORT_PENALTY * np.maximum(away, 0)
        wins = levels < (EXPLAINED * best - EXPLAINED_LEVELS if number else best)
        chosen[wins], best[wins], rival[wins] = number, levels[wins], layer.rival[wins]
    wins = best < CLEARLY_BETTER * rival - CLEARLY_BETTER_LEVELS
    majority = cv2.GaussianBlur(wins.astype(np.float32), (0, 0), MAJORITY_SIGMA_PX) > 0.5
    belief = cv2.GaussianBlur((wins & majority).astype(np.float32), (0, 0), EDGE_SIGMA_PX)
    return chosen, np.asarray(belief, np.float32)
