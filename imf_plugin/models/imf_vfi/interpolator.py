"""The trained interpolator behind the `Interpolator` protocol.

A keyframe is padded, halved and encoded once; the motion between two keyframes is found once per
pair; on a GPU several timesteps of a pair go through the decoder as one batch. The frame is put
together at full size, see `enlargement`, extra channels as the colours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.base import (
    Context,
    KeyframeState,
    ModelDescriptor,
    Timestep,
    as_batch,
    check_timesteps,
    encoded_pair,
)
from imf_plugin.models.flow.bending import Bend
from imf_plugin.models.flow.context import PairFlows, bends_of
from imf_plugin.models.flow.estimation import GreyPicture, estimate_middle
from imf_plugin.models.flow.opinions import moved_aside, other_opinions
from imf_plugin.models.imf_vfi.config import STRIDES
from imf_plugin.models.imf_vfi.enlargement import enlarged, halved_flow
from imf_plugin.models.imf_vfi.layers import doubled, halved
from imf_plugin.models.imf_vfi.matching import PairMotion, motion_at
from imf_plugin.models.imf_vfi.network import FrameState, ImfVfiNetwork
from imf_plugin.models.imf_vfi.recogniser import Opinions, Recogniser
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FloatArray, FlowArray, flow_at, pixel_grid, sample

CACHED_PAIRS = 6
"""Pairs whose classical flow is kept: the current one and both beside it, for two threads."""

CACHED_OPINIONS = 2
"""Pairs of which everything is kept: the current one and, for a second thread, the next."""

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class ImfVfiFeatures:
    """What one keyframe batch is kept as."""

    state: FrameState
    """What the network makes of the frames at half the size."""
    planes: Tensor
    """Colours and extra channels, padded, ``[B, 3+E, H', W']``."""
    lowest: Tensor
    """Of every channel, ``[B, 3+E]``: bicubic lookup may go beyond it."""
    highest: Tensor
    """Likewise."""
    greys: tuple[GreyPicture, ...]
    """8-bit luma ``[H, W]`` for the classical flow; empty where the network matches by itself."""


class ImfVfiInterpolator:
    """Interpolates with a trained network; fulfils `imf_plugin.models.base.Interpolator`."""

    def __init__(
        self,
        network: ImfVfiNetwork,
        descriptor: ModelDescriptor,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        recogniser: Recogniser | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.device = torch.device(device)
        self.recogniser = recogniser
        # Half precision is slower than single on CPUs.
        self.half = None if self.device.type == "cpu" else _half(precision)
        self.network = network.to(self.device).eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._flows: PairCache[PairFlows] = PairCache(_estimate, CACHED_PAIRS)
        self._opinions = PairCache(self._all_opinions, CACHED_OPINIONS)
        self._matches = PairCache(self._match, CACHED_OPINIONS)

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> KeyframeState:
        """Encode keyframes, ``[3+E, H, W]`` or ``[B, 3+E, H, W]``, RGB 0..1 and extra channels.

        Raises:
            ValueError: If the shape is another one, or there are no pixels.
            TypeError: If the frames are not floating point.
        """
        batch, batched = as_batch(frames)
        given = batch.detach().to(self.device, torch.float32).contiguous()
        planes = _padded(given)
        with self._autocast():
            state = self.network.encode(halved(planes[:, :3]))
        classical = self.network.matcher is None
        greys = tuple(_grey(item) for item in batch) if classical else ()
        tensors = [batch, planes, state.frames, *state.pyramid]
        size_bytes = sum(tensor.nbytes for tensor in tensors) + sum(grey.nbytes for grey in greys)
        features = ImfVfiFeatures(
            state=state,
            planes=planes,
            lowest=given.amin((2, 3)),
            highest=given.amax((2, 3)),
            greys=greys,
        )
        return KeyframeState(
            frames=batch, features=features, batched=batched, size_bytes=size_bytes
        )

    @torch.inference_mode()
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
        between = [value for value in values if 0 < value < 1]
        bends = self._bends(before, after, context)
        # A GPU wants many at once; a CPU's caches hold one, and a batch of 3 takes half as long
        # again as 3 by themselves.
        at_once = 1 if self.device.type == "cpu" else max(1, len(between))
        made = iter(
            frame
            for first in range(0, len(between), at_once)
            for frame in self._between(
                before, after, between[first : first + at_once], bends
            ).unbind(1)
        )
        keyframes = {0.0: before.frames, 1.0: after.frames}
        frames = [keyframes[value] if value in keyframes else next(made) for value in values]
        stacked = torch.stack(frames, dim=1)
        return stacked if before.batched else stacked[0]

    def _bends(
        self, before: KeyframeState, after: KeyframeState, context: Context | None
    ) -> list[Bend | None]:
        if self.network.matcher is not None:
            return [None] * before.frames.shape[0]
        return bends_of(self, self._flows, before, after, context)

    def _between(
        self,
        before: KeyframeState,
        after: KeyframeState,
        values: list[float],
        bends: list[Bend | None],
    ) -> Tensor:
        """Return the frames at timesteps strictly between, ``[B, T, 3+E, H, W]``."""
        B, C, H, W = before.frames.shape
        T = len(values)
        first, second = before.features, after.features
        times = torch.tensor(values, device=self.device, dtype=torch.float32).repeat(B)
        motion, bend, side = self._motion(before, after, values, bends)
        with self._autocast():
            found = self.network.decode(
                first.state.repeated(T),
                second.state.repeated(T),
                times,
                halved_flow(motion),
                None if bend is None else halved_flow(bend),
                (H / 2, W / 2),
            )
        planes0, planes1 = _repeated(first.planes, T), _repeated(second.planes, T)
        made = enlarged(planes0, planes1, times, motion, bend, found.float(), side)
        made = made[..., :H, :W].reshape(B, T, C, H, W)
        low = torch.minimum(first.lowest, second.lowest)[:, None, :, None, None]
        high = torch.maximum(first.highest, second.highest)[:, None, :, None, None]
        made = torch.minimum(torch.maximum(made, low), high)
        return made.to(before.frames.device, before.frames.dtype)

    def _motion(
        self,
        before: KeyframeState,
        after: KeyframeState,
        values: list[float],
        bends: list[Bend | None],
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the motion at each timestep of each item, how it bends, and who shows it, padded.

        Returns:
            ``[B * T, 2 * opinions, H, W]``, ``[B * T, 2, H, W]`` or None for even motion, and
            ``[B * T, 1, H, W]`` (see `Opinions.side`) or None.
        """
        if self.network.matcher is not None:
            return self._matched(before, after, values), None, None
        items = list(zip(self._opinions.get(before, after), bends, strict=True))
        _, _, *size = before.features.planes.shape
        rows = len(items) * len(values)
        motion = torch.empty(rows, 2 * self.network.config.opinions, *size)
        aside = torch.zeros(rows, 2, *size) if any(bends) else None
        side = None
        if any(opinions.side is not None for opinions, _ in items):
            side = torch.zeros(rows, 1, *size)
        for row, ((opinions, bend), value) in enumerate(product(items, values)):
            flows = opinions.flows
            moved = None if bend is None else bend.at(value, flows[0].shape[1::-1])
            # One at a time: all of them side by side, twice over, was half of the memory.
            for number, opinion in enumerate(flows):
                flow = moved_aside(flow_at(opinion, value), moved)
                motion[row, 2 * number : 2 * number + 2] = _planes(flow)
                if number == 0 and side is not None and opinions.side is not None:
                    side[row] = _planes(side_at(opinions.side, flow, value, moved)[..., None])
            if aside is not None and moved is not None:
                aside[row] = _planes(moved)
        return (
            motion.to(self.device),
            None if aside is None else aside.to(self.device),
            None if side is None else side.to(self.device),
        )

    def _matched(self, before: KeyframeState, after: KeyframeState, values: list[float]) -> Tensor:
        """Return the motion that the network finds by itself, ``[B * T, 2, H, W]``."""
        pair = self._matches.get(before, after)
        grown = {name: flow.repeat_interleave(len(values), 0) for name, flow in vars(pair).items()}
        times = torch.tensor(values, device=self.device).repeat(before.frames.shape[0])
        # It was found at half the size.
        return 2 * doubled(motion_at(PairMotion(**grown), times))

    def _match(self, before: KeyframeState, after: KeyframeState) -> PairMotion:
        with self._autocast():
            found = self.network.match(before.features.state, after.features.state)
        assert found is not None
        return PairMotion(**{name: flow.float() for name, flow in vars(found).items()})

    def _all_opinions(self, before: KeyframeState, after: KeyframeState) -> list[Opinions]:
        middles = self._flows.get(before, after)
        if self.network.config.opinions == 1:
            return [Opinions(flows=[middle]) for middle in middles]
        greys = zip(before.features.greys, after.features.greys, strict=True)
        frames = zip(before.frames, after.frames, strict=True)
        found = []
        for middle, pair, pictures in zip(middles, greys, frames, strict=True):
            opinions = [middle, *other_opinions(*pair)]
            if self.recogniser is not None:
                found.append(self.recogniser.corrected(pictures, pair, opinions))
            else:
                found.append(Opinions(flows=opinions))
        return found

    def _autocast(self) -> torch.autocast:
        enabled = self.half is not None
        return torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=enabled)


def _estimate(before: KeyframeState, after: KeyframeState) -> PairFlows:
    greys = zip(before.features.greys, after.features.greys, strict=True)
    return [estimate_middle(grey0, grey1) for grey0, grey1 in greys]


def _half(precision: str) -> torch.dtype | None:
    dtype = PRECISIONS[precision]
    return None if dtype == torch.float32 else dtype


def _padded(planes: Tensor) -> Tensor:
    """Return planes continued at the right and bottom until half of them suits the network."""
    height, width = planes.shape[2:]
    bottom, right = -height % (2 * STRIDES[-1]), -width % (2 * STRIDES[-1])
    return F.pad(planes, (0, right, 0, bottom), mode="replicate") if bottom or right else planes


def _repeated(planes: Tensor, times: int) -> Tensor:
    return planes if times == 1 else planes.repeat_interleave(times, 0)


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


def _planes(flow: FlowArray) -> Tensor:
    """Return a flow ``[H, W, 2]`` as planes, padded."""
    return _padded(torch.from_numpy(flow).permute(2, 0, 1)[None])[0]


def _grey(frame: Tensor) -> GreyPicture:
    picture = frame[:3].detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.convertScaleAbs(np.maximum(luma, 0), alpha=255), np.uint8)
