"""From two pictures and their middle flow to the picture at a timestep.

Both pictures are warped to the timestep and mixed. Where a picture has nothing to show because
the motion comes from outside it, the other one counts more. Where the warped pictures agree no
better than the unwarped ones, the flow is not to be trusted and plain blending takes over, softly.

Pictures here are float32 planes ``[C, H, W]``; channels are worked on at the same time.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.models.flow.bending import Bend
from imf_plugin.motion.flow import FloatArray, FlowArray, flow_at, pixel_grid, sample

type Picture = NDArray[np.float32]
type Plane = NDArray[np.float32]

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

_BAND_ROWS = 64
_WORKERS = 2

NOISE_LEVEL = 1 / 255
"""Mismatch that says nothing, for pictures in 0..1."""


def synthesise(
    picture0: Picture,
    picture1: Picture,
    middle_flow: FlowArray,
    timestep: float,
    bend: Bend | None = None,
    made: Picture | None = None,
) -> Picture:
    """Return the picture at ``timestep``, 0 < timestep < 1.

    Args:
        picture0: The first keyframe.
        picture1: The second.
        middle_flow: The motion between them.
        timestep: When.
        bend: How the motion bends; None for an even one.
        made: Where the picture goes.
    """
    made = np.empty_like(picture0) if made is None else made
    flow, grid = bent(flow_at(middle_flow, timestep), bend, timestep)
    work = _Work(picture0, picture1, flow, grid, timestep, made)
    bands = _bands(picture0.shape[1])
    with ThreadPoolExecutor(max_workers=_WORKERS) as workers:
        mismatches = list(workers.map(work.warp_band, bands))
        warped, still = (np.concatenate(rows) for rows in zip(*mismatches, strict=True))
        distrust = flow_distrust(warped, still, picture0.shape[1:])
        list(workers.map(lambda band: work.blend_band(band, distrust), bands))
    return made


def bent(flow: FlowArray, bend: Bend | None, timestep: float) -> tuple[FlowArray, FlowArray]:
    """Return the flow at a timestep along the bend, and where its pixels would be without it.

    Args:
        flow: Even motion at the timestep, ``[H, W, 2]``.
        bend: How the motion bends.
        timestep: In 0..1.

    Returns:
        What stands at a pixel is at the second array's position less ``timestep`` times the first
        in the first keyframe.
    """
    height, width = flow.shape[:2]
    grid = pixel_grid(height, width)
    if bend is None:
        return flow, grid
    grid -= bend.at(timestep, (width, height))
    return sample(flow, grid), grid


def _bands(height: int) -> list[slice]:
    """Cut a picture into bands of rows that fit a processor's cache with all that is made of them.

    All but the last have a multiple of `MISMATCH_SCALE` rows; none is too small to be shrunk.
    """
    starts = list(range(0, max(1, height - _BAND_ROWS // 2), _BAND_ROWS))
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], height], strict=True)]


class _Work:
    """One picture in the making, band by band."""

    def __init__(
        self,
        picture0: Picture,
        picture1: Picture,
        flow: FlowArray,
        grid: FlowArray,
        timestep: float,
        made: Picture,
    ) -> None:
        self._pictures = picture0, picture1
        self._flow = flow
        self._timestep = timestep
        self._made = made
        self._grid = grid
        # A change of brightness over the whole picture is not held against the flow.
        pairs = list(zip(picture0, picture1, strict=True))
        self._brightening = [np.float32(after.mean() - before.mean()) for before, after in pairs]
        # Bicubic lookup may go beyond the extremes of the keyframes.
        self._range = [
            (min(before.min(), after.min()), max(before.max(), after.max()))
            for before, after in pairs
        ]

    def warp_band(self, band: slice) -> tuple[FloatArray, FloatArray]:
        """Mix the warped keyframes into the band; return warped and unwarped mismatch, shrunk."""
        flow, grid = self._flow[band], self._grid[band]
        positions0 = np.asarray(cv2.scaleAdd(flow, -self._timestep, grid), np.float32)
        positions1 = np.asarray(cv2.scaleAdd(flow, 1 - self._timestep, grid), np.float32)
        share_of_1 = self._share_of_1(positions0, positions1)
        warped_mismatch = still_mismatch = None
        for channel, (plane0, plane1) in enumerate(zip(*self._pictures, strict=True)):
            warped0, warped1 = warp(plane0, positions0), warp(plane1, positions1)
            self._made[channel, band] = _mix(warped0, warped1, share_of_1)
            if channel < 3:
                brightening = self._brightening[channel]
                warped_mismatch = _add(warped_mismatch, _mismatch(warped0, warped1, brightening))
                still_mismatch = _add(
                    still_mismatch, _mismatch(plane0[band], plane1[band], brightening)
                )
        assert warped_mismatch is not None
        assert still_mismatch is not None
        return warped_mismatch, still_mismatch

    def blend_band(self, band: slice, distrust: FloatArray) -> None:
        """Let plain blending take over where the flow is not to be trusted."""
        for channel, (plane0, plane1) in enumerate(zip(*self._pictures, strict=True)):
            mixed = self._made[channel, band]
            blended = _mix(plane0[band], plane1[band], np.float32(self._timestep))
            blended -= mixed
            blended *= distrust[band]
            mixed += blended
            np.clip(mixed, *self._range[channel], out=mixed)

    def _share_of_1(self, positions0: FlowArray, positions1: FlowArray) -> FloatArray:
        """Return how much of the mixture comes from picture 1, ``[h, W]``."""
        shape = self._flow.shape[:2]
        weight0 = np.float32(1 - self._timestep) * _inside(positions0, shape)
        weight1 = np.float32(self._timestep) * _inside(positions1, shape)
        return np.asarray(weight1 / (weight0 + weight1), np.float32)


def warp(plane: Plane, positions: FlowArray) -> Plane:
    """Look ``plane`` up at ``positions``, bicubic: bilinear would visibly soften the frame."""
    return sample(plane, positions, interpolation=cv2.INTER_CUBIC)


def flow_distrust(
    warped_mismatch: FloatArray, still_mismatch: FloatArray, size: tuple[int, ...]
) -> FloatArray:
    """Return how little the flow explains, ``[H, W]``: 0 means warp, 1 means blend.

    Args:
        warped_mismatch: Difference of the warped keyframes, shrunk, summed over three channels.
        still_mismatch: The same of the keyframes as they are.
        size: Height and width of the picture.
    """
    sigma = MISMATCH_SIGMA_PX / MISMATCH_SCALE
    warped, still = (
        cv2.GaussianBlur(mismatch, (0, 0), sigma) / np.float32(3)
        for mismatch in (warped_mismatch, still_mismatch)
    )
    excess = warped - np.float32(DISTRUST_RATIO) * still
    width = np.float32(DISTRUST_SOFTNESS) * still + np.float32(NOISE_LEVEL)
    distrust = np.float32(1) / (np.float32(1) + np.exp(-excess / width))
    return np.asarray(cv2.resize(distrust, (size[1], size[0])), np.float32)


def _mismatch(plane0: Plane, plane1: Plane, brightening: np.float32) -> FloatArray:
    mismatch = np.subtract(plane1, plane0)
    mismatch -= brightening
    np.abs(mismatch, out=mismatch)
    height, width = mismatch.shape
    size = (max(1, width // MISMATCH_SCALE), max(1, height // MISMATCH_SCALE))
    return np.asarray(cv2.resize(mismatch, size, interpolation=cv2.INTER_AREA), np.float32)


def _add(total: FloatArray | None, more: FloatArray) -> FloatArray:
    return more if total is None else total + more


def _inside(positions: FlowArray, size: tuple[int, ...]) -> FloatArray:
    """Return the weight of each position, ``[h, W]``: less outside, fading over a pixel."""
    x, y = cv2.split(positions)
    highest = np.maximum(
        np.abs(x - np.float32((size[1] - 1) / 2)) - np.float32((size[1] - 1) / 2), 0
    )
    beyond = np.maximum(
        highest, np.abs(y - np.float32((size[0] - 1) / 2)) - np.float32((size[0] - 1) / 2)
    )
    return np.asarray(np.clip(1 - beyond, np.float32(OUTSIDE_WEIGHT), 1), np.float32)


def _mix(plane0: Plane, plane1: Plane, share_of_1: FloatArray | np.float32) -> Plane:
    # This form gives back equal planes exactly, which a sum of two products does not.
    mixed = np.subtract(plane1, plane0)
    mixed *= share_of_1
    mixed += plane0
    return mixed
