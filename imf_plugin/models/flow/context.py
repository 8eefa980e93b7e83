"""The bends of a pair's motion, from the keyframes around it."""

from imf_plugin.models.base import Context, Interpolator, KeyframeState, encoded_neighbour
from imf_plugin.models.flow.bending import Bend, NeighbourFlow, find_bend
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FlowArray

type PairFlows = list[FlowArray]
"""The middle flow of every item of a batch."""


def bends_of(
    model: Interpolator,
    flows: PairCache[PairFlows],
    before: KeyframeState,
    after: KeyframeState,
    context: Context | None,
) -> list[Bend | None]:
    """Return how the motion of every item of a pair bends, None where nothing tells.

    Args:
        model: Encodes keyframes of the context that are not encoded yet.
        flows: Knows the middle flows of pairs.
        before: The first keyframe of the pair.
        after: The second.
        context: The keyframes around them.

    Raises:
        ValueError: If the context does not fit the pair.
    """
    own = flows.get(before, after)
    earlier = encoded_neighbour(model, context.earlier, before) if context else None
    later = encoded_neighbour(model, context.later, after) if context else None
    nothing: list[NeighbourFlow | None] = [None] * len(own)
    came, goes = nothing, nothing
    if earlier is not None and context and context.earlier:
        distance = context.earlier.distance
        came = [NeighbourFlow(flow=f, distance=distance) for f in flows.get(earlier, before)]
    if later is not None and context and context.later:
        distance = context.later.distance
        goes = [NeighbourFlow(flow=f, distance=distance) for f in flows.get(after, later)]
    return [find_bend(*item) for item in zip(own, came, goes, strict=True)]
