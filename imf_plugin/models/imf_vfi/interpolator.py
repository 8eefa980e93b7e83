"""The trained interpolator behind the `Interpolator` protocol.

A keyframe is padded, halved and encoded once; the motion between two keyframes is found once per
pair; on a GPU several timesteps of a pair go through the decoder as one batch. The frame is put
together at full size, see `enlargement`, extra channels as the colours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.models.base import (
    Context,
    KeyframeState,
    ModelDescriptor,
    Neighbour,
    Timestep,
    as_batch,
    check_timesteps,
    encoded_context,
    encoded_pair,
)
from imf_plugin.models.flow.context import Around, PairFlows, look_around
from imf_plugin.models.flow.estimation import GreyPicture, estimate_middle
from imf_plugin.models.flow.opinions import other_opinions
from imf_plugin.models.imf_vfi.beyond import OTHER_KEYFRAME, Beyond
from imf_plugin.models.imf_vfi.config import STRIDES
from imf_plugin.models.imf_vfi.enlargement import enlarged
from imf_plugin.models.imf_vfi.handed import Handed, halved_around, halved_opinions, handed_motion
from imf_plugin.models.imf_vfi.layers import halved
from imf_plugin.models.imf_vfi.matching import PairMotion, motion_at
from imf_plugin.models.imf_vfi.network import FrameState, ImfVfiNetwork
from imf_plugin.models.imf_vfi.recogniser import Opinions, Recogniser
from imf_plugin.models.imf_vfi.standing import FEWEST, Picture, standing_still
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FloatArray

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
    pictures: tuple[Picture, ...]
    """8-bit colours ``[H, W, 3]``, to see what stands still; likewise."""


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
        floats = [_interleaved(item) for item in batch] if classical else []
        greys, pictures = tuple(map(_grey, floats)), tuple(map(_in_8_bits, floats))
        tensors = [batch, planes, state.frames, *state.pyramid]
        features = ImfVfiFeatures(
            state=state,
            planes=planes,
            lowest=given.amin((2, 3)),
            highest=given.amax((2, 3)),
            greys=greys,
            pictures=pictures,
        )
        size_bytes = sum(tensor.nbytes for tensor in tensors)
        size_bytes += sum(picture.nbytes for picture in (*greys, *pictures))
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
        context = encoded_context(self, context, before)
        around = self._look_around(before, after, context)
        beyond = _beyond(before, after, context) if self.network.config.carried else None
        standing = self._standing(before, after, context)
        # A GPU wants many at once; a CPU's caches hold one, and a batch of 3 takes half as long
        # again as 3 by themselves.
        at_once = 1 if self.device.type == "cpu" else max(1, len(between))
        made = iter(
            frame
            for first in range(0, len(between), at_once)
            for frame in self._between(
                before, after, between[first : first + at_once], around, beyond, standing
            ).unbind(1)
        )
        keyframes = {0.0: before.frames, 1.0: after.frames}
        frames = [keyframes[value] if value in keyframes else next(made) for value in values]
        stacked = torch.stack(frames, dim=1)
        return stacked if before.batched else stacked[0]

    def _look_around(
        self, before: KeyframeState, after: KeyframeState, context: Context | None
    ) -> list[Around]:
        matches_itself = self.network.matcher is not None
        found = look_around(self._flows, before, after, None if matches_itself else context)
        return [halved_around(item) for item in found]

    def _standing(
        self, before: KeyframeState, after: KeyframeState, context: Context | None
    ) -> Tensor | None:
        """Return where something stands still in all keyframes, None if nothing does."""
        earlier, later = (context.earlier, context.later) if context else (None, None)
        states = [_state(earlier), before, after, _state(later)]
        known = [state.features.pictures for state in states if state is not None]
        if len(known) < FEWEST or not before.features.pictures:
            return None
        motions = self._flows.get(before, after)
        masks = [
            standing_still(pictures, motion)
            for pictures, motion in zip(zip(*known, strict=True), motions, strict=True)
        ]
        if not any(mask is not None for mask in masks):
            return None
        planes = torch.zeros(len(masks), 1, *before.features.planes.shape[2:])
        height, width = before.frames.shape[2:]
        for into, mask in zip(planes, masks, strict=True):
            if mask is not None:
                into[0, :height, :width] = torch.from_numpy(mask)
        return planes.to(self.device)

    def _between(
        self,
        before: KeyframeState,
        after: KeyframeState,
        values: list[float],
        around: list[Around],
        beyond: Beyond | None,
        standing: Tensor | None,
    ) -> Tensor:
        """Return the frames at timesteps strictly between, ``[B, T, 3+E, H, W]``."""
        B, C, H, W = before.frames.shape
        T = len(values)
        first, second = before.features, after.features
        times = torch.tensor(values, device=self.device, dtype=torch.float32).repeat(B)
        handed = self._motion(before, after, values, around)
        with self._autocast():
            found = self.network.decode(
                first.state.repeated(T),
                second.state.repeated(T),
                times,
                handed.motion,
                handed.bend,
                (H / 2, W / 2),
                beyond and beyond.repeated(T),
            )
        planes0, planes1 = _repeated(first.planes, T), _repeated(second.planes, T)
        still = None if standing is None else _repeated(standing, T)
        made = enlarged(planes0, planes1, times, handed, found.float(), still)
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
        around: list[Around],
    ) -> Handed:
        """Return the motion at each timestep of each item."""
        if self.network.matcher is not None:
            return Handed(motion=self._matched(before, after, values))
        height, width = before.features.state.frames.shape[2:]
        return handed_motion(
            self._opinions.get(before, after),
            around,
            values,
            (height, width),
            carried=self.network.config.carried,
        ).to(self.device)

    def _matched(self, before: KeyframeState, after: KeyframeState, values: list[float]) -> Tensor:
        """Return the motion that the network finds by itself, ``[B * T, 2, H/2, W/2]``."""
        pair = self._matches.get(before, after)
        grown = {name: flow.repeat_interleave(len(values), 0) for name, flow in vars(pair).items()}
        times = torch.tensor(values, device=self.device).repeat(before.frames.shape[0])
        return motion_at(PairMotion(**grown), times)

    def _match(self, before: KeyframeState, after: KeyframeState) -> PairMotion:
        with self._autocast():
            found = self.network.match(before.features.state, after.features.state)
        assert found is not None
        return PairMotion(**{name: flow.float() for name, flow in vars(found).items()})

    def _all_opinions(self, before: KeyframeState, after: KeyframeState) -> list[Opinions]:
        middles = self._flows.get(before, after)
        if self.network.config.opinions - self.network.config.carried == 1:
            return [halved_opinions(Opinions(flows=[middle])) for middle in middles]
        greys = zip(before.features.greys, after.features.greys, strict=True)
        frames = zip(before.frames, after.frames, strict=True)
        found = []
        for middle, pair, pictures in zip(middles, greys, frames, strict=True):
            opinions = Opinions(flows=[middle, *other_opinions(*pair)])
            if self.recogniser is not None:
                opinions = self.recogniser.corrected(pictures, pair, opinions.flows)
            found.append(halved_opinions(opinions))
        return found

    def _autocast(self) -> torch.autocast:
        enabled = self.half is not None
        return torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=enabled)


def _beyond(before: KeyframeState, after: KeyframeState, context: Context | None) -> Beyond:
    """Return the keyframes around a pair, halved."""

    def known(neighbour: Neighbour | None, other: KeyframeState) -> tuple[Tensor, float]:
        state = _state(neighbour)
        if state is None or neighbour is None:
            return other.features.state.frames, OTHER_KEYFRAME
        return state.features.state.frames, neighbour.distance

    context = context or Context()
    earlier, came = known(context.earlier, after)
    later, goes = known(context.later, before)
    distances = earlier.new_tensor([[came, goes]]).expand(earlier.shape[0], 2)
    return Beyond(earlier=earlier, later=later, distances=distances)


def _state(neighbour: Neighbour | None) -> KeyframeState | None:
    """Return an encoded neighbour's state."""
    if neighbour is None:
        return None
    assert isinstance(neighbour.keyframe, KeyframeState)
    return neighbour.keyframe


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


def _interleaved(frame: Tensor) -> FloatArray:
    """Return the colours of a frame as a picture ``[H, W, 3]``."""
    return frame[:3].detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()


def _grey(picture: FloatArray) -> GreyPicture:
    return _in_8_bits(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)))


def _in_8_bits(picture: FloatArray) -> Picture:
    return np.asarray(cv2.convertScaleAbs(np.maximum(picture, 0), alpha=255), np.uint8)
