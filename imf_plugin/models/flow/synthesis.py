"""From two pictures and their middle flow to the picture at a timestep.

Both pictures are warped to the timestep and mixed. Where a picture has nothing to show because
the motion comes from outside it, the other one counts more. Where the warped pictures agree no
better than the unwarped ones, the flow is not to be trusted and plain blending takes over, softly.

Pictures here are float32 planes ``[C, H, W]``; channels are worked on at the same time.
"""

from concurrent.futures import Executor, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.motion.flow import FloatArray, FlowArray, flow_at, pixel_grid, sample

type Picture = NDArray[np.float32]
type Plane = NDArray[np.float32]

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
    picture0: Picture,
    picture1: Picture,
    middle_flow: FlowArray,
    timestep: float,
    made: Picture | None = None,
) -> Picture:
    """Return the picture at ``timestep``, 0 < timestep < 1, in ``made`` if that is given."""
    flow = flow_at(middle_flow, timestep)
    grid = pixel_grid(*flow.shape[:2])
    positions0 = grid - np.float32(timestep) * flow
    positions1 = grid + np.float32(1 - timestep) * flow
    made = np.empty_like(picture0) if made is None else made

    def warp_both(channel: int) -> tuple[Plane, Plane]:
        return warp(picture0[channel], positions0), warp(picture1[channel], positions1)

    def mix(channel: int) -> None:
        plane0, plane1 = picture0[channel], picture1[channel]
        warped0, warped1 = warped[channel]
        mixed = _mix(warped0, warped1, share_of_1)
        blended = _mix(plane0, plane1, np.float32(timestep))
        blended -= mixed
        blended *= distrust
        mixed += blended
        # Bicubic lookup may go beyond the extremes of the keyframes.
        low, high = min(plane0.min(), plane1.min()), max(plane0.max(), plane1.max())
        np.clip(mixed, low, high, out=made[channel])

    channels = range(len(picture0))
    with ThreadPoolExecutor(max_workers=len(channels)) as planes:
        insides = planes.submit(_inside, positions0), planes.submit(_inside, positions1)
        warped = list(planes.map(warp_both, channels))
        distrust = flow_distrust(list(zip(picture0, picture1, strict=True)), warped, planes)
        share_of_1 = _share_of_1(insides[0].result(), insides[1].result(), timestep)
        list(planes.map(mix, channels))
    return made


def warp(plane: Plane, positions: FlowArray) -> Plane:
    """Look ``plane`` up at ``positions``, bicubic: bilinear would visibly soften the frame."""
    return sample(plane, positions, interpolation=cv2.INTER_CUBIC)


def flow_distrust(
    still: list[tuple[Plane, Plane]], warped: list[tuple[Plane, Plane]], planes: Executor
) -> FloatArray:
    """Return how little the flow explains, ``[H, W]``: 0 means warp, 1 means blend.

    Only the colour channels are judged, and a change of brightness over the whole picture is not
    held against the flow.

    Args:
        still: For each channel the plane of both keyframes.
        warped: The same, warped to the timestep.
        planes: What runs the work on the channels.
    """
    brightening = [np.float32(plane1.mean() - plane0.mean()) for plane0, plane1 in still[:3]]
    warped_mismatch = sum(planes.map(_mismatch, warped[:3], brightening)) / np.float32(3)
    still_mismatch = sum(planes.map(_mismatch, still[:3], brightening)) / np.float32(3)
    excess = warped_mismatch - np.float32(DISTRUST_RATIO) * still_mismatch
    width = np.float32(DISTRUST_SOFTNESS) * still_mismatch + np.float32(NOISE_LEVEL)
    distrust = np.float32(1) / (np.float32(1) + np.exp(-excess / width))
    height_px, width_px = still[0][0].shape
    return np.asarray(cv2.resize(distrust, (width_px, height_px)), np.float32)


def _mismatch(pair: tuple[Plane, Plane], brightening: np.float32) -> FloatArray:
    mismatch = np.subtract(pair[1], pair[0])
    mismatch -= brightening
    np.abs(mismatch, out=mismatch)
    height, width = mismatch.shape
    size = (max(1, width // MISMATCH_SCALE), max(1, height // MISMATCH_SCALE))
    smaller = cv2.resize(mismatch, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(smaller, (0, 0), MISMATCH_SIGMA_PX / MISMATCH_SCALE))


def _share_of_1(
    inside0: FloatArray | None, inside1: FloatArray | None, timestep: float
) -> FloatArray | np.float32:
    """Return how much of the mixture comes from picture 1, everywhere or as ``[H, W]``."""
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


def _mix(plane0: Plane, plane1: Plane, share_of_1: FloatArray | np.float32) -> Plane:
    # This form gives back equal planes exactly, which a sum of two products does not.
    mixed = np.subtract(plane1, plane0)
    mixed *= share_of_1
    mixed += plane0
    return mixed
