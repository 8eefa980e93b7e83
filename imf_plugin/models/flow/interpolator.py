"""The interpolator without weights: dense flow, backward warping, blending.

Inputs and outputs are those of `imf_plugin.models.base`; the work happens in NumPy and OpenCV on
the CPU, whatever device the frames came from. Results do not depend on the number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.base import (
    Context,
    KeyframeState,
    ModelDescriptor,
    Timestep,
    as_batch,
    check_timesteps,
    encoded_context,
    encoded_pair,
)
from imf_plugin.models.flow.bending import Bend
from imf_plugin.models.flow.context import PairFlows, look_around
from imf_plugin.models.flow.estimation import GreyPicture, estimate_middle
from imf_plugin.models.flow.synthesis import Picture, synthesise
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FlowArray

DESCRIPTOR = ModelDescriptor(
    name="flow",
    summary="Dense classical flow; no weights, any CPU, the safe default.",
    source="DIS optical flow (Kroeger et al., ECCV 2016) along curves, backward warping",
    parameters=0,
    minimum_size_px=1,
    tile_overlap_px=64,
    bytes_per_pixel=110,
    devices=("cpu", "cuda"),
    tiles=False,
    context=4,
    revision="4",
)

CACHED_PAIRS = 6
"""Pairs whose flow is kept: the current one and both beside it, for two threads."""


@dataclass(frozen=True, kw_only=True)
class FlowFeatures:
    """What one keyframe batch is kept as, one entry per batch item."""

    pictures: tuple[Picture, ...]
    """Float planes ``[C, H, W]``."""
    greys: tuple[GreyPicture, ...]
    """8-bit luma ``[H, W]``, which the flow is estimated on."""


class FlowInterpolator:
    """Interpolates with dense flow; fulfils `imf_plugin.models.base.Interpolator`."""

    descriptor = DESCRIPTOR

    def __init__(self) -> None:
        self._flows: PairCache[PairFlows] = PairCache(_estimate, CACHED_PAIRS)

    def encode(self, frames: Tensor) -> KeyframeState:
        """Encode keyframes, ``[3+E, H, W]`` or ``[B, 3+E, H, W]``, RGB 0..1 and extra channels.

        Raises:
            ValueError: If the shape is another one, or there are no pixels.
            TypeError: If the frames are not floating point.
        """
        batch, batched = as_batch(frames)
        planes = batch.detach().to("cpu", torch.float32).contiguous().numpy()
        pictures = tuple(planes)
        greys = tuple(_grey(picture) for picture in pictures)
        features = FlowFeatures(pictures=pictures, greys=greys)
        size_bytes = batch.numel() * batch.element_size() + sum(
            array.nbytes for array in (*pictures, *greys)
        )
        return KeyframeState(
            frames=batch, features=features, batched=batched, size_bytes=size_bytes
        )

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        """Return the frames at ``timesteps``, as the protocol says.

        Raises:
            ValueError: If the keyframes differ in shape or a timestep lies outside 0..1.
        """
        values = check_timesteps(timesteps)
        before, after = encoded_pair(self, before, after)
        context = encoded_context(self, context, before)
        around = look_around(self._flows, before, after, context)
        batch = [
            self._pair(*pair, values)
            for pair in zip(
                before.features.pictures,
                after.features.pictures,
                self._flows.get(before, after),
                (item.bend for item in around),
                strict=True,
            )
        ]
        made = torch.from_numpy(batch[0][None] if len(batch) == 1 else np.stack(batch))
        made = made.to(before.frames.device, before.frames.dtype)
        for place, value in enumerate(values):
            if value in (0.0, 1.0):
                # From the frames as they were given: another precision must not round them.
                made[:, place] = (before if value == 0.0 else after).frames
        return made if before.batched else made[0]

    def _pair(
        self,
        picture0: Picture,
        picture1: Picture,
        middle_flow: FlowArray,
        bend: Bend | None,
        values: list[float],
    ) -> NDArray[np.float32]:
        made = np.empty((len(values), *picture0.shape), np.float32)
        for place, value in enumerate(values):
            if 0.0 < value < 1.0:
                synthesise(picture0, picture1, middle_flow, value, bend, made[place])
        return made


def _estimate(before: KeyframeState, after: KeyframeState) -> PairFlows:
    greys = zip(before.features.greys, after.features.greys, strict=True)
    return [estimate_middle(grey0, grey1) for grey0, grey1 in greys]


def _grey(picture: Picture) -> GreyPicture:
    red, green, blue = picture[:3]
    # BT.601's weights, as OpenCV has them; plane by plane it need not be interleaved first.
    luma = cv2.addWeighted(cv2.addWeighted(red, 0.299, green, 0.587, 0), 1, blue, 0.114, 0)
    # Saturating and rounding as OpenCV does for 8-bit pictures.
    return np.asarray(cv2.convertScaleAbs(np.maximum(luma, 0), alpha=255), np.uint8)
