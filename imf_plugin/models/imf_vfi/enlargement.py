"""The full-size frame from what the network said at half the size.

The network looks at halved keyframes: it takes a quarter of the time and, on the dev clips, finds
better frames (`docs/design/imf-vfi.md`). What it says, where the motion is to be corrected and how
far each candidate is to be believed, is enlarged; the keyframes themselves are warped and blended
at their own size, so that nothing of their detail is lost.
"""

from itertools import chain

import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.blend import weighted
from imf_plugin.models.imf_vfi.handed import Handed
from imf_plugin.models.imf_vfi.layers import doubled_rows, halved, warp_cubic
from imf_plugin.models.imf_vfi.network import Decoded, flows_to_keyframes
from imf_plugin.models.imf_vfi.standing import is_near, keeping

_BAND_ROWS = 64


def halved_flow(flow: Tensor) -> Tensor:
    """Return flows ``[B, C, H, W]`` for pictures of half the size, in their pixels."""
    return halved(flow) / 2


def enlarged(
    planes0: Tensor,
    planes1: Tensor,
    timesteps: Tensor,
    handed: Handed,
    found: Decoded,
    standing: Tensor | None = None,
) -> Tensor:
    """Return the frames, ``[B, C, H, W]``.

    Args:
        planes0: The first keyframes, colours and extra channels, ``[B, C, H, W]``.
        planes1: The second ones.
        timesteps: ``[B]``.
        handed: The motion that the network was handed.
        found: What the network said of the same, halved.
        standing: 1 where something stands still over what moves, ``[B, 1, H, W]``; None where
            nothing does.
    """
    start = flows_to_keyframes(handed.motion[:, :2], handed.bend, timesteps)[0]
    correction = found.flows - start
    made = torch.empty_like(planes0)
    height = planes0.shape[2]
    step = _BAND_ROWS if planes0.device.type == "cpu" else height
    for top in range(0, height, step):
        band = (..., slice(top, top + step), slice(None))
        motion = 2 * doubled_rows(handed.motion, top, step)
        aside = None if handed.bend is None else 2 * doubled_rows(handed.bend, top, step)
        flows = flows_to_keyframes(motion, aside, timesteps, handed.carried)
        flows[0] = flows[0] + 2 * doubled_rows(correction, top, step)
        sources = _sources(planes0, planes1, flows, handed.carried)
        candidates = [
            planes[band] if flow is None else warp_cubic(planes, flow, top)
            for planes, flow in sources
        ]
        weights = doubled_rows(found.weights, top, step)
        if handed.side is not None:
            weights = sided(weights, doubled_rows(handed.side, top, step), handed.carried)
        if standing is not None and is_near(standing, top, step):
            brought = [
                None if flow is None else warp_cubic(standing, flow, top) for _, flow in sources
            ]
            weights = keeping(weights, standing[band], brought, timesteps)
        made[band] = weighted(candidates, weights)
    return made


def _sources(
    planes0: Tensor, planes1: Tensor, flows: list[Tensor], carried: int
) -> list[tuple[Tensor, Tensor | None]]:
    """Return where each candidate comes from, in the order of `untrained_weights`.

    Returns:
        A keyframe and the flow to it, ``[B, 2, h, W]``; None for the keyframe as it is.
    """
    own = len(flows) - carried
    first, *others = ([(planes0, flow[:, :2]), (planes1, flow[:, 2:])] for flow in flows[:own])
    sources = [*first, (planes0, None), (planes1, None), *chain.from_iterable(others)]
    if carried:
        sources += [(planes0, flows[own][:, :2]), (planes1, flows[own + 1][:, 2:])]
    return sources


def sided(weights: Tensor, side: Tensor, carried: int = 0) -> Tensor:
    """Return weights of candidates that heed which keyframe shows what stands at each pixel.

    The more is known of it, the less counts what the network says: all opinions of the pair itself
    are then as good, and neither a keyframe that was not warped nor a motion carried on from a
    neighbouring pair has anything to say.

    Args:
        weights: See `untrained_weights`, ``[B, candidates, H, W]``.
        side: The logarithm of how much more the second keyframe is to count than the first,
            ``[B, 1, H, W]``.
        carried: How many of the opinions, the last ones, are carried on from neighbouring pairs.
    """
    odds, unknown = side.exp(), (-side.abs()).exp()
    pairs = (0, *range(4, weights.shape[1] - carried, 2))
    # A network's weights go a thousandth below 0, where a share of them would mean nothing.
    changed = unknown * weights.clamp_min(0)
    for place in pairs:
        first, second = (
            changed[:, n : n + 1] + (1 - unknown) / (2 * len(pairs)) for n in (place, place + 1)
        )
        share = second * odds / (first + second * odds).clamp_min(1e-9)
        changed[:, place : place + 1] = (first + second) * (1 - share)
        changed[:, place + 1 : place + 2] = (first + second) * share
    return changed / changed.sum(1, keepdim=True).clamp_min(1e-6)
