"""The motion of the pairs before and after a pair of keyframes, going on into it.

What only one keyframe of a pair shows has no motion between the two: it comes into sight, or goes
out of it. But it was seen moving before, or it will be afterwards. (Two-frame methods, and that is
nearly all of them, can only guess there.) `docs/design/context.md` holds what this is worth.
"""

import numpy as np

from imf_plugin.models.flow.bending import NeighbourFlow
from imf_plugin.motion.flow import FlowArray, pixel_grid, sample

_ITERATIONS = 3


def carried_on(neighbour: NeighbourFlow, offset: float) -> FlowArray:
    """Return what goes on as a neighbouring pair moves, seen at another time, ``[H, W, 2]``.

    Args:
        neighbour: The motion between a keyframe of the pair and the keyframe beyond it.
        offset: How long after the middle of the neighbouring pair that time is, in units of the
            pair's distance; below 0 for before.

    Returns:
        Pixels per pair of what stands at each pixel at that time.
    """
    even = neighbour.flow / np.float32(neighbour.distance)
    grid = pixel_grid(*even.shape[:2])
    moved = even
    for _ in range(_ITERATIONS):
        moved = sample(even, grid - np.float32(offset) * moved)
    return moved


def into_the_pair(
    timestep: float,
    earlier: NeighbourFlow | None,
    later: NeighbourFlow | None,
    otherwise: FlowArray,
) -> tuple[FlowArray, FlowArray]:
    """Return what the motion before a pair, and that after it, would have it be at a timestep.

    Args:
        timestep: In 0..1.
        earlier: The motion before the pair.
        later: The motion after it.
        otherwise: What stands in for one that is missing.
    """
    came = goes = otherwise
    if earlier is not None:
        came = carried_on(earlier, timestep + earlier.distance / 2)
    if later is not None:
        goes = carried_on(later, timestep - 1 - later.distance / 2)
    return came, goes
