"""One moment of every sample of a batch, as interpolators would make it."""

from dataclasses import replace

from imf_plugin.models.imf_vfi.enlargement import enlarged, halved_flow
from imf_plugin.models.imf_vfi.layers import doubled
from imf_plugin.models.imf_vfi.layers import halved as half_of
from imf_plugin.models.imf_vfi.matching import motion_at
from imf_plugin.models.imf_vfi.network import Decoded, ImfVfiNetwork
from imf_plugin.training.data import Batch


def decoded(network: ImfVfiNetwork, batch: Batch, *, halved: bool) -> Decoded:
    """Return what a network makes of a batch.

    Args:
        network: Handed motion or finding it.
        batch: The samples.
        halved: Whether the network sees the keyframes at half the size and the frames are put
            together at their own. Flows then lie at half the size too, and every flow is in pixels
            of the whole one.
    """
    if not halved:
        found: Decoded = network(batch.frame0, batch.frame1, batch.timesteps, batch.motion)
        return found
    before, after = network.encode_both(half_of(batch.frame0), half_of(batch.frame1))
    pair = network.match(before, after)
    motion = batch.motion if pair is None else 2 * doubled(motion_at(pair, batch.timesteps))
    found = network.decode(before, after, batch.timesteps, halved_flow(motion))
    frames = enlarged(batch.frame0, batch.frame1, batch.timesteps, motion, None, found.float())
    return replace(
        found,
        frames=frames,
        flows=2 * found.flows,
        coarse_flows=[2 * flows for flows in found.coarse_flows],
    )
