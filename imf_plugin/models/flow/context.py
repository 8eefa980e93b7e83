"""The motion of the pairs around a pair of keyframes, and how it makes the pair's own bend."""

from dataclasses import dataclass

from imf_plugin.models.base import Context, KeyframeState, Neighbour
from imf_plugin.models.flow.bending import Bend, NeighbourFlow, find_bend
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FlowArray

type PairFlows = list[FlowArray]
"""The middle flow of every item of a batch."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the keyframes around a pair say about its motion."""

    earlier: NeighbourFlow | None = None
    """The motion before the pair."""
    later: NeighbourFlow | None = None
    """The motion after it."""
    bend: Bend | None = None
    """How its own motion bends for it; None where it is even or nothing tells."""


def look_around(
    flows: PairCache[PairFlows],
    before: KeyframeState,
    after: KeyframeState,
    context: Context | None,
) -> list[Around]:
    """Return what the keyframes around a pair say about every item of a batch.

    Args:
        flows: Knows the middle flows of pairs.
        before: The first keyframe of the pair.
        after: The second.
        context: The keyframes around them, encoded (`encoded_context`).
    """
    came: list[NeighbourFlow | None] = [None] * before.frames.shape[0]
    goes = came
    if context is None or context == Context():
        return [Around() for _ in came]
    # In order of time, so that the cache forgets what is needed last.
    if context.earlier is not None:
        came = _neighbours(flows, _state(context.earlier), before, context.earlier.distance)
    own = flows.get(before, after)
    if context.later is not None:
        goes = _neighbours(flows, after, _state(context.later), context.later.distance)
    return [
        Around(earlier=earlier, later=later, bend=find_bend(middle, earlier, later))
        for middle, earlier, later in zip(own, came, goes, strict=True)
    ]


def _neighbours(
    flows: PairCache[PairFlows], first: KeyframeState, second: KeyframeState, distance: float
) -> list[NeighbourFlow | None]:
    return [NeighbourFlow(flow=flow, distance=distance) for flow in flows.get(first, second)]


def _state(neighbour: Neighbour) -> KeyframeState:
    assert isinstance(neighbour.keyframe, KeyframeState)
    return neighbour.keyframe
