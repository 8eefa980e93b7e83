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
) -> Tensor:
    """Return the frames, ``[B, C, H, W]``.

    Args:
        planes0: The first keyframes, colours and extra channels, ``[B, C, H, W]``.
        planes1: The second ones.
        timesteps: ``[B]``.
        motion: Of all opinions, ``[B, 2 * opinions, H, W]``, see `ImfVfiNetwork.decode`.
        bend: ``[B, 2, H, W]``, likewise.
        found: What the network said of the same, halved.
    """
    flows = flows_to_keyframes(motion, bend, timesteps)
    small_bend = None if bend is None else halved_flow(bend)
    start = flows_to_keyframes(halved_flow(motion[:, :2]), small_bend, timesteps)[0]
    flows[0] = flows[0] + 2 * doubled(found.flows - start)
    first, *others = flows
    weights = doubled(found.weights)
    made = (
        warp_cubic(planes0, first[:, :2]) * weights[:, 0:1]
        + warp_cubic(planes1, first[:, 2:]) * weights[:, 1:2]
        + weighted((planes0, planes1), weights[:, 2:4])
    )
    for number, other in enumerate(others, start=2):
        made += warp_cubic(planes0, other[:, :2]) * weights[:, 2 * number : 2 * number + 1]
        made += warp_cubic(planes1, other[:, 2:]) * weights[:, 2 * number + 1 : 2 * number + 2]
    return torch.as_tensor(made)
