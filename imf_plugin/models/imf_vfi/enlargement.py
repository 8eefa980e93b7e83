"""The full-size frame from what the network said at half the size.

The network looks at halved keyframes: it takes a quarter of the time and, on the dev clips, finds
better frames (`docs/design/imf-vfi.md`). What it says, where the motion is to be corrected and how
far each candidate is to be believed, is enlarged; the keyframes themselves are warped and blended
at their own size, so that nothing of their detail is lost.
"""

import torch
from torch import Tensor

from imf_plugin.models.imf_vfi.blend import weighted
from imf_plugin.models.imf_vfi.layers import doubled, halved, warp_cubic
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
    """
    small_bend = None if bend is None else halved_flow(bend)
    start = flows_to_keyframes(halved_flow(motion[:, :2]), small_bend, timesteps)[0]
    correction, weights = 2 * doubled(found.flows - start), doubled(found.weights)
    made = torch.empty_like(planes0)
    height = planes0.shape[2]
    step = _BAND_ROWS if planes0.device.type == "cpu" else height
    for top in range(0, height, step):
        band = (..., slice(top, top + step), slice(None))
        flows = flows_to_keyframes(motion[band], None if bend is None else bend[band], timesteps)
        flows[0] = flows[0] + correction[band]
        candidates = [planes0[band], planes1[band]]
        for place, flow in zip((0, *range(4, 2 * len(flows) + 2, 2)), flows, strict=True):
            candidates[place:place] = [
                warp_cubic(planes0, flow[:, :2], top),
                warp_cubic(planes1, flow[:, 2:], top),
            ]
        rows = weights[band] if side is None else sided(weights[band], side[band])
        made[band] = weighted(candidates, rows)
    return made


def sided(weights: Tensor, side: Tensor) -> Tensor:
    """Return weights of candidates that heed which keyframe shows what stands at each pixel.

    The more is known of it, the less counts what the network says: all opinions are then as good,
    and a keyframe that was not warped has nothing to say.

    Args:
        weights: See `untrained_weights`, ``[B, 2 + 2 * opinions, H, W]``.
        side: The logarithm of how much more the second keyframe is to count than the first,
            ``[B, 1, H, W]``.
    """
    odds, unknown = side.exp(), (-side.abs()).exp()
    pairs = (0, *range(4, weights.shape[1], 2))
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
