"""The motion that a network is handed for some moments, put together from what was found of a pair.

Convention:
    Everything is at half the size, as the network sees the frames, and in its pixels: flow is
    smooth, and a quarter of the pixels is a quarter of the work. Planes are padded by repeating the
    last pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.flow.carrying import into_the_pair
from imf_plugin.models.flow.context import Around
from imf_plugin.models.imf_vfi.recogniser import Opinions
from imf_plugin.motion.flow import FloatArray, FlowArray, flow_at, pixel_grid, sample

_HALF = np.float32(0.5)


@dataclass(frozen=True, kw_only=True)
class Handed:
    """The motion at ``B * T`` moments, those of one item side by side."""

    motion: Tensor
    """``[B * T, 2 * opinions, H, W]``, see `ImfVfiNetwork.decode`."""
    bend: Tensor | None = None
    """``[B * T, 2, H, W]``, likewise; None for even motion."""
    side: Tensor | None = None
    """``[B * T, 1, H, W]``, see `Opinions.side`; None where nothing is known of it."""
    carried: int = 0
    """How many of the opinions, the last ones, are carried on from neighbouring pairs."""

    def to(self, device: torch.device) -> "Handed":
        """Return the same on a device."""
        return Handed(
            motion=self.motion.to(device),
            bend=None if self.bend is None else self.bend.to(device),
            side=None if self.side is None else self.side.to(device),
            carried=self.carried,
        )


def halved_opinions(found: Opinions) -> Opinions:
    """Return opinions at half the size."""
    return Opinions(
        flows=[_HALF * _halved(flow) for flow in found.flows],
        side=None if found.side is None else _halved(found.side),
    )


def halved_around(around: Around) -> Around:
    """Return what the keyframes around a pair say with its flows at half the size."""
    earlier, later = (
        one and replace(one, flow=_HALF * _halved(one.flow))
        for one in (around.earlier, around.later)
    )
    return replace(around, earlier=earlier, later=later)


def _halved(picture: FloatArray) -> FloatArray:
    """Return a picture ``[H, W]`` or ``[H, W, C]`` at half the size, of an odd size rounded up."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = cv2.copyMakeBorder(
            picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
        ).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def handed_motion(
    opinions: Sequence[Opinions],
    around: Sequence[Around],
    timesteps: Sequence[float],
    size: tuple[int, int],
    *,
    carried: int = 0,
) -> Handed:
    """Return the motion at some timesteps.

    Args:
        opinions: What was found of every item of a batch, see `halved_opinions`.
        around: What the keyframes around each say, see `halved_around`.
        timesteps: In 0..1.
        size: Height and width with padding, halved.
        carried: `CARRIED` if the motions carried on from the neighbouring pairs come last.
    """
    rows = len(opinions) * len(timesteps)
    count = len(opinions[0].flows) + carried
    motion = torch.empty(rows, 2 * count, *size)
    bends = any(item.bend is not None for item in around)
    bend = torch.zeros(rows, 2, *size) if bends else None
    sides = any(item.side is not None for item in opinions)
    side = torch.zeros(rows, 1, *size) if sides else None
    moments = product(zip(opinions, around, strict=True), timesteps)
    for row, ((found, item), time) in enumerate(moments):
        planes = motion[row].numpy()
        height, width = found.flows[0].shape[:2]
        # Bends are in the pixels of the whole size.
        aside = None if item.bend is None else _HALF * item.bend.at(time, (width, height))
        bent = None if aside is None else pixel_grid(height, width) - aside
        for number, opinion in enumerate(found.flows):
            flow = flow_at(opinion, time)
            flow = flow if bent is None else sample(flow, bent)
            _fill(planes[2 * number :], flow)
            if number == 0 and side is not None and found.side is not None:
                _fill(side[row].numpy(), side_at(found.side, flow, time, aside)[..., None])
        if carried:
            even = flow_at(found.flows[0], time)
            for place, flow in enumerate(into_the_pair(time, item.earlier, item.later, even)):
                _fill(planes[2 * (len(found.flows) + place) :], flow)
        if bend is not None and aside is not None:
            _fill(bend[row].numpy(), aside)
    return Handed(motion=motion, bend=bend, side=side, carried=carried)


def side_at(
    side: FloatArray, flow: FlowArray, timestep: float, aside: FlowArray | None
) -> FloatArray:
    """Return which keyframe shows what stands at each pixel at a timestep, ``[H, W]``.

    Args:
        side: The same halfway, see `Opinions.side`.
        flow: The motion of what stands there at the timestep.
        timestep: In 0..1.
        aside: How far everything is from where even motion would have it; None for nowhere.
    """
    halfway = pixel_grid(*side.shape) + np.float32(0.5 - timestep) * flow
    return sample(side, halfway if aside is None else halfway - aside)


def _fill(planes: NDArray[np.float32], flow: FlowArray) -> None:
    """Write what is given pixel by pixel, ``[h, w, C]``, to the first planes of ``[*, H, W]``."""
    height, width = flow.shape[:2]
    for plane, channel in zip(planes, cv2.split(flow), strict=False):
        plane[:height, :width] = channel
        plane[:height, width:] = plane[:height, width - 1 : width]
        plane[height:] = plane[height - 1]
