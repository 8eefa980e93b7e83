"""How far the motion between two keyframes bends away from a straight, even one.

Two keyframes only show where things were and where they arrived. The keyframes before and after
them show how fast things came and went, so that the path between can be a curve: a cubic Hermite
spline through four positions, with the tangents of Catmull and Rom ("A class of local
interpolating splines", 1974), as FILM's and RIFE's straight lines are not. Everything here is done
at an eighth of the size: acceleration is smoother than motion, and its errors are what costs.
`docs/design/context.md` holds the measurements behind the constants.

Convention:
    A bend ``[H, W, 2]`` in pixels says how far what would stand at a pixel, were its motion even,
    stands from there. It is 0 at both keyframes.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from imf_plugin.motion.flow import FloatArray, FlowArray, pixel_grid, sample

SHRINKAGE = 8
"""Bends are worked out on pictures this much smaller."""

MEDIAN_CELLS = 5
"""Side of the window of the median that drops what single wrong matches say."""

NEIGHBOURHOOD_CELLS = 4.0
"""Radius over which steadiness is judged."""

JERK_WEIGHT = 0.5
"""How much a change of the acceleration speaks against believing in it."""

NOISE_PX2 = 1e-3
"""Squared acceleration that says nothing."""

GAIN = 4 / 3
"""Bend over that of the Catmull-Rom spline; motion of things is smoother than it."""


@dataclass(frozen=True, kw_only=True)
class NeighbourFlow:
    """The motion between a keyframe of a pair and the keyframe beyond it."""

    flow: FlowArray
    """Middle flow of the two in order of time, ``[H, W, 2]`` pixels."""
    distance: float = 1.0
    """How far apart they are in time, in units of the pair's own distance."""


@dataclass(frozen=True, kw_only=True)
class Bend:
    """How the speed at both keyframes differs from the mean speed between them."""

    at_before: FlowArray
    """At the first keyframe, ``[h, w, 2]`` full-size pixels per pair."""
    at_after: FlowArray
    """At the second."""

    def at(self, timestep: float, size: tuple[int, int]) -> FlowArray:
        """Return the bend at a timestep for pictures of ``(width, height)``, ``[H, W, 2]``."""
        t = timestep
        of_before = np.float32(t * (1 - t) ** 2)
        of_after = np.float32(-(t**2) * (1 - t))
        small = of_before * self.at_before + of_after * self.at_after
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)


def find_bend(
    middle: FlowArray, earlier: NeighbourFlow | None, later: NeighbourFlow | None
) -> Bend | None:
    """Return how the motion of a pair bends, or None where it is even or nothing tells.

    Args:
        middle: Middle flow of the pair, ``[H, W, 2]`` pixels; see `estimation`.
        earlier: The motion before the pair.
        later: The motion after it.
    """
    # A repeated frame says when it was repeated, not how things move.
    neighbours = [one if one and one.flow.any() else None for one in (earlier, later)]
    if neighbours == [None, None] or not middle.any():
        return None
    own = _shrunk(middle)
    grid = pixel_grid(*own.shape[:2])
    excess = [
        _excess_speed(own, one, grid + np.float32(side / SHRINKAGE) * own)
        for side, one in zip((-1, 1), neighbours, strict=True)
    ]
    if neighbours[0] and neighbours[1]:
        belief = _belief(excess[0], excess[1])[..., None]
        excess = [belief * one for one in excess]
    before, after = (np.asarray(np.float32(GAIN) * one, np.float32) for one in excess)
    return Bend(at_before=before, at_after=after)


def _excess_speed(own: FlowArray, neighbour: NeighbourFlow | None, places: FlowArray) -> FlowArray:
    """Return the speed at a keyframe, by the parabola through three positions, less the mean."""
    if neighbour is None:
        return np.zeros_like(own)
    speed = sample(_shrunk(neighbour.flow), places) / np.float32(neighbour.distance)
    return _without_outliers((speed - own) / np.float32(1 + neighbour.distance))


def _belief(before: FlowArray, after: FlowArray) -> FloatArray:
    """Return how far a bend is believed, ``[h, w]`` in 0..1.

    Things that speed up go on doing so: both keyframes tell of the same acceleration. Where they
    contradict each other the camera shakes or a match is wrong.
    """
    acceleration, jerk = _energy(after - before), _energy(after + before)
    return np.asarray(acceleration / (acceleration + JERK_WEIGHT * jerk + NOISE_PX2), np.float32)


def _energy(field: FlowArray) -> FloatArray:
    squares = np.square(field).sum(-1)
    return np.asarray(cv2.GaussianBlur(squares, (0, 0), NEIGHBOURHOOD_CELLS), np.float32)


def _without_outliers(field: FlowArray) -> FlowArray:
    planes = [
        cv2.medianBlur(np.ascontiguousarray(plane), MEDIAN_CELLS) for plane in cv2.split(field)
    ]
    return np.stack(planes, axis=-1)


def _shrunk(flow: FlowArray) -> FlowArray:
    height, width = flow.shape[:2]
    size = (max(1, width // SHRINKAGE), max(1, height // SHRINKAGE))
    return np.asarray(cv2.resize(flow, size, interpolation=cv2.INTER_AREA), np.float32)
