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
from imf_plugin.models.imf_vfi.layers import doubled_rows, halved, warp_cubic
from imf_plugin.models.imf_vfi.network import Decoded, flows_to_keyframes

_BAND_ROWS = 64


def halved_flow(flow: Tensor) -> Tensor:
    """Return flows ``[B, C, H, W]`` for pictures of half the size, in their pixels."""
    return halved(flow) / 2


def enlarged(
    planes0: Tensor,
    planes1: Tensor,
    timesteps: Tensor,
    motion: Tensor,
    bend: Tensor | None,
    found: Decoded,
    side: Tensor | None = None,
    carried: int = 0,
) -> Tensor:
    """Return the frames, ``[B, C, H, W]``.

    Args:
        planes0: The first keyframes, colours and extra channels, ``[B, C, H, W]``.
        planes1: The second ones.
        timesteps: ``[B]``.
        motion: Of all opinions, ``[B, 2 * opinions, H, W]``, see `ImfVfiNetwork.decode`.
        bend: ``[B, 2, H, W]``, likewise.
        found: What the network said of the same, halved.
        side: Which keyframe shows what stands at each pixel, ``[B, 1, H, W]``, see `sided`; None
            where nothing is known of it.
        carried: How many of the opinions, the last ones, are carried on from neighbouring pairs.
    """
    small_bend = None if bend is None else halved_flow(bend)
    start = flows_to_keyframes(halved_flow(motion[:, :2]), small_bend, timesteps)[0]
    correction = 2 * (found.flows - start)
    made = torch.empty_like(planes0)
    height = planes0.shape[2]
    step = _BAND_ROWS if planes0.device.type == "cpu" else height
    for top in range(0, height, step):
        band = (..., slice(top, top + step), slice(None))
        aside = None if bend is None else bend[band]
        flows = flows_to_keyframes(motion[band], aside, timesteps, carried)
        flows[0] = flows[0] + doubled_rows(correction, top, step)
        own = len(flows) - carried
        first, *others = (_both(planes0, planes1, flow, top) for flow in flows[:own])
        candidates = [*first, planes0[band], planes1[band], *chain.from_iterable(others)]
        if carried:
            candidates.append(warp_cubic(planes0, flows[own][:, :2], top))
            candidates.append(warp_cubic(planes1, flows[own + 1][:, 2:], top))
        weights = doubled_rows(found.weights, top, step)
        if side is not None:
            weights = sided(weights, side[band], carried)
        made[band] = weighted(candidates, weights)
    return made


def _both(planes0: Tensor, planes1: Tensor, flows: Tensor, top: int) -> tuple[Tensor, Tensor]:
    return warp_cubic(planes0, flows[:, :2], top), warp_cubic(planes1, flows[:, 2:], top)


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
