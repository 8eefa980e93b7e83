"""From two pictures and their middle flow to the picture at a timestep.

Both pictures are warped to the timestep and mixed. Where a picture has nothing to show because
the motion comes from outside it, the other one counts more. Where the warped pictures agree no
better than the unwarped ones, the flow is not to be trusted and plain blending takes over, softly.

Pictures here are float32 planes ``[C, H, W]``.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FloatArray, FlowArray, flow_at, pixel_grid, sample

type Picture = NDArray[np.float32]

OUTSIDE_MARGIN_PX = 2.0
"""How far outside a picture its word has sunk to the least."""

OUTSIDE_WEIGHT = 0.2
"""Least weight of a picture that is looked up outside; motion there is a guess, so not 0."""

MISMATCH_SCALE = 4
"""The mismatch is judged on pictures this much smaller, since it is smoothed anyway."""

MISMATCH_SIGMA_PX = 8.0
"""Radius of the neighbourhood that votes on trust, in pixels of the full picture."""

DISTRUST_RATIO = 0.75
"""Warped mismatch over unwarped mismatch at which flow and blending count the same."""

DISTRUST_SOFTNESS = 0.15
"""Width of the change from one to the other, in the same ratio."""

NOISE_LEVEL = 1 / 255
"""Mismatch that says nothing, for pictures in 0..1."""


def synthesise(
    picture0: Picture, picture1: Picture, middle_flow: FlowArray, timestep: float
) -> Picture:
    """Return the picture at ``timestep``, 0 < timestep < 1."""
    flow = flow_at(middle_flow, timestep)
    height, width = flow.shape[:2]
    grid = pixel_grid(height, width)
    positions0 = grid - np.float32(timestep) * flow
    positions1 = grid + np.float32(1 - timestep) * flow
    warped0, warped1 = warp(picture0, positions0), warp(picture1, positions1)
    distrust = flow_distrust(picture0, picture1, warped0, warped1)
    made = _mix(warped0, warped1, _share_of_1(positions0, positions1, timestep))
    made += distrust * (_mix(picture0, picture1, np.float32(timestep)) - made)
    return _within_range_of(picture0, picture1, made)


def warp(picture: Picture, positions: FlowArray) -> Picture:
    """Look ``picture`` up at ``positions``, bicubic: bilinear would visibly soften the frame."""
    planes = [sample(plane, positions, interpolation=cv2.INTER_CUBIC) for plane in picture]
    return np.stack(planes)


def flow_distrust(
    picture0: Picture, picture1: Picture, warped0: Picture, warped1: Picture
) -> FloatArray:
    """Return how little the flow explains, ``[H, W]``: 0 means warp, 1 means blend.

    Only the colour channels are judged, and a change of brightness over the whole picture is not
    held against the flow.
    """
    brightening = (picture1[:3] - picture0[:3]).mean(axis=(1, 2), keepdims=True)
    warped_mismatch = _mismatch(warped0[:3], warped1[:3], brightening)
    still_mismatch = _mismatch(picture0[:3], picture1[:3], brightening)
    excess = warped_mismatch - np.float32(DISTRUST_RATIO) * still_mismatch
    width = np.float32(DISTRUST_SOFTNESS) * still_mismatch + np.float32(NOISE_LEVEL)
    distrust = np.float32(1) / (np.float32(1) + np.exp(-excess / width))
    height_px, width_px = picture0.shape[1:]
    return np.asarray(cv2.resize(distrust, (width_px, height_px)), np.float32)


def _mismatch(picture0: Picture, picture1: Picture, brightening: FloatArray) -> FloatArray:
    difference = picture1 - picture0
    difference -= brightening
    mismatch = np.abs(difference, out=difference).mean(axis=0)
    height, width = mismatch.shape
    size = (max(1, width // MISMATCH_SCALE), max(1, height // MISMATCH_SCALE))
    smaller = cv2.resize(mismatch, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(smaller, (0, 0), MISMATCH_SIGMA_PX / MISMATCH_SCALE))


def _share_of_1(
    positions0: FlowArray, positions1: FlowArray, timestep: float
) -> FloatArray | np.float32:
    """Return how much of the mixture comes from picture 1, everywhere or as ``[H, W]``."""
    inside0, inside1 = _inside(positions0), _inside(positions1)
    if inside0 is None and inside1 is None:
        return np.float32(timestep)
    weight0 = np.float32(1 - timestep) * (np.float32(1) if inside0 is None else inside0)
    weight1 = np.float32(timestep) * (np.float32(1) if inside1 is None else inside1)
    return np.asarray(weight1 / (weight0 + weight1), np.float32)


def _inside(positions: FlowArray) -> FloatArray | None:
    """Return the weight of each position, ``[H, W]``; None if all lie inside the picture."""
    height, width = positions.shape[:2]
    beyond: FloatArray | None = None
    for position, last in zip(cv2.split(positions), (width - 1, height - 1), strict=True):
        if position.min() < 0 or position.max() > last:
            past = np.maximum(-position, position - np.float32(last))
            beyond = past if beyond is None else np.maximum(beyond, past)
    if beyond is None:
        return None
    return np.clip(1 - beyond / np.float32(OUTSIDE_MARGIN_PX), OUTSIDE_WEIGHT, 1)


def _mix(picture0: Picture, picture1: Picture, share_of_1: FloatArray | np.float32) -> Picture:
    # This form gives back equal pictures exactly, which a sum of two products does not.
    mixed = picture1 - picture0
    mixed *= share_of_1
    mixed += picture0
    return mixed


def _within_range_of(picture0: Picture, picture1: Picture, made: Picture) -> Picture:
    """Cut off what bicubic lookup adds beyond the extremes of the keyframes."""
    for plane0, plane1, plane in zip(picture0, picture1, made, strict=True):
        low, high = min(plane0.min(), plane1.min()), max(plane0.max(), plane1.max())
        np.clip(plane, low, high, out=plane)
    return made
