"""Surfaces that move as one, recognised by their landmarks however far they have gone.

Landmarks (SIFT; Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004) are
found anywhere in a picture, turned and scaled. From their matches one surface after another is
fitted by random sampling: the one with the most landmarks as a homography, the rest as affine
motions, of which fewer landmarks suffice.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.estimation import GreyPicture
from imf_plugin.motion.flow import FlowArray, pixel_grid

type Homography = NDArray[np.float64]
type Points = NDArray[np.float32]

LANDMARKS = 1500
"""Looked for in each picture."""

LEAST_CONTRAST = 0.02

DISTINCTNESS = 0.85
"""A match must be nearer than this share of the second best one (Lowe's ratio)."""

MOST_LAYERS = 8

LEAST_LANDMARKS = 12
"""Fewer do not make a surface."""

LANDMARK_ERROR_PX = 2.0
"""How far a landmark may lie from where its surface's motion puts it."""

ROUNDS = 3000

LEAST_STRETCH, MOST_STRETCH = 0.6, 1.7
"""No surface shrinks or grows more between two keyframes."""

MOST_TURN_DEGREES = 45.0
"""None turns further."""

LEAST_DEPTH, MOST_DEPTH = 0.5, 2.0
"""Perspective: no corner comes nearer or goes further than this."""

_MIDDLE_ITERATIONS = 4


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A surface that moves as one."""

    homography: Homography
    """Brings its points from the first picture to the second, ``[3, 3]``."""
    landmarks: Points
    """Where it was recognised, halfway between the pictures, ``[n, 2]``."""


def moving_layers(grey0: GreyPicture, grey1: GreyPicture) -> list[Layer]:
    """Return the surfaces that two ``[H, W]`` pictures share, those with most landmarks first."""
    before, after = _matches(grey0, grey1)
    layers: list[Layer] = []
    for _ in range(MOST_LAYERS):
        if len(before) < LEAST_LANDMARKS:
            break
        homography, mine = _fitted(before, after, grey0.shape, first=not layers)
        if homography is None or mine.sum() < LEAST_LANDMARKS:
            break
        if is_plausible(homography, grey0.shape):
            landmarks = np.float32(0.5) * (before[mine] + after[mine])
            layers.append(Layer(homography=homography, landmarks=landmarks))
        before, after = before[~mine], after[~mine]
    return layers


def middle_flow_of(homography: Homography, shape: tuple[int, ...]) -> FlowArray:
    """Return the middle flow, see `estimation`, of everything moving so: ``[H, W, 2]`` pixels."""
    grid = pixel_grid(shape[0], shape[1])
    flow = np.zeros_like(grid)
    for _ in range(_MIDDLE_ITERATIONS):
        start = grid - flow / 2
        flow = (cv2.perspectiveTransform(start, homography) - start).astype(np.float32)
    return flow


def fit_homography(
    before: Points, after: Points, error_px: float, rounds: int
) -> tuple[Homography | None, NDArray[np.bool_]]:
    """Return the homography of most matches (MAGSAC++; Barath et al., CVPR 2020), and of which.

    Args:
        before: Places in the first picture, ``[n, 2]``.
        after: The same in the second.
        error_px: How far a match may be off.
        rounds: Samples that are tried at most.
    """
    found, inside = cv2.findHomography(before, after, cv2.USAC_MAGSAC, error_px, maxIters=rounds)
    if found is None:
        return None, np.zeros(len(before), bool)
    return np.asarray(found, np.float64), inside.ravel() > 0


def is_plausible(homography: Homography | None, shape: tuple[int, ...]) -> bool:
    """Return whether a surface of pictures ``[H, W]`` could have moved so."""
    if homography is None or not np.isfinite(homography).all():
        return False
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    depths = np.c_[corners, np.ones(4)] @ homography[2]
    if depths.min() < LEAST_DEPTH or depths.max() > MOST_DEPTH:
        return False
    x, y = width / 2, height / 2
    points = np.array([[[x, y], [x + 1, y], [x, y + 1]]])
    here, right, below = cv2.perspectiveTransform(points, homography)[0]
    turn, stretches, back = np.linalg.svd(np.stack([right - here, below - here], axis=1))
    rotation = turn @ back
    return bool(
        np.linalg.det(rotation) > 0
        and rotation[0, 0] > np.cos(np.radians(MOST_TURN_DEGREES))
        and stretches.min() > LEAST_STRETCH
        and stretches.max() < MOST_STRETCH
    )


def _matches(grey0: GreyPicture, grey1: GreyPicture) -> tuple[Points, Points]:
    finder = cv2.SIFT.create(LANDMARKS, contrastThreshold=LEAST_CONTRAST)
    places0, words0 = finder.detectAndCompute(grey0, None)
    places1, words1 = finder.detectAndCompute(grey1, None)
    nothing = np.empty((0, 2), np.float32)
    if words0 is None or words1 is None or len(places1) < 2:
        return nothing, nothing
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words0, words1, k=2)
    sure = [best for best, second in pairs if best.distance < DISTINCTNESS * second.distance]
    if not sure:
        return nothing, nothing
    before = np.array([places0[match.queryIdx].pt for match in sure], np.float32)
    after = np.array([places1[match.trainIdx].pt for match in sure], np.float32)
    return before, after


def _fitted(
    before: Points, after: Points, shape: tuple[int, ...], *, first: bool
) -> tuple[Homography | None, NDArray[np.bool_]]:
    if first:
        homography, inside = fit_homography(before, after, LANDMARK_ERROR_PX, ROUNDS)
        if is_plausible(homography, shape):
            return homography, inside
    affine, found = cv2.estimateAffine2D(
        before, after, ransacReprojThreshold=LANDMARK_ERROR_PX, maxIters=ROUNDS
    )
    if affine is None:
        return None, np.zeros(len(before), bool)
    return np.vstack([np.asarray(affine, np.float64), [0, 0, 1]]), found.ravel() > 0
