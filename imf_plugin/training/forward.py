"""One moment of every sample of a batch, as interpolators would make it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.beyond import Beyond
from imf_plugin.models.imf_vfi.config import CARRIED
from imf_plugin.models.imf_vfi.enlargement import enlarged, halved_flow
from imf_plugin.models.imf_vfi.handed import Handed
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
        found: Decoded = network(
            batch.frame0,
            batch.frame1,
            batch.timesteps,
            _handed(network, batch),
            batch.bend,
            _beyond(batch),
        )
        return found
    before, after = network.encode_both(half_of(batch.frame0), half_of(batch.frame1))
    pair = network.match(before, after)
    if pair is None:
        handed = Handed(
            motion=halved_flow(_handed(network, batch)),
            bend=halved_flow(batch.bend),
            carried=network.config.carried,
        )
    else:
        handed = Handed(motion=motion_at(pair, batch.timesteps))
    found = network.decode(
        before,
        after,
        batch.timesteps,
        handed.motion,
        handed.bend,
        beyond=_beyond(batch, half_of),
    )
    frames = enlarged(batch.frame0, batch.frame1, batch.timesteps, handed, found.float())
    return replace(
        found,
        frames=frames,
        flows=2 * found.flows,
        coarse_flows=[2 * flows for flows in found.coarse_flows],
    )


def _handed(network: ImfVfiNetwork, batch: Batch) -> Tensor:
    """Return as many motions as a network wants."""
    config = network.config
    own, carried = batch.motion[:, : -2 * CARRIED], batch.motion[:, -2 * CARRIED :]
    if own.shape[1] == 2:
        own = own.repeat(1, config.opinions - config.carried, 1, 1)
    return torch.cat([own, carried], 1) if config.carried else own


def _beyond(batch: Batch, changed: Callable[[Tensor], Tensor] = lambda frame: frame) -> Beyond:
    return Beyond(
        earlier=changed(batch.earlier), later=changed(batch.later), distances=batch.distances
    )
