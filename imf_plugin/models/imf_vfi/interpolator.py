"""The trained interpolator behind the `Interpolator` protocol.

A keyframe is padded, halved and encoded once; the motion between two keyframes is found once per
pair; on a GPU several timesteps of a pair go through the decoder as one batch. The frame is put
together at full size, see `enlargement`, extra channels as the colours are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

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
from imf_plugin.models.flow.layers import overruled
from imf_plugin.models.flow.opinions import moved_aside, other_opinions
from imf_plugin.models.imf_vfi.config import STRIDES
from imf_plugin.models.imf_vfi.enlargement import enlarged, halved_flow
from imf_plugin.models.imf_vfi.layers import doubled, halved
from imf_plugin.models.imf_vfi.matching import PairMotion, motion_at
from imf_plugin.models.imf_vfi.network import FrameState, ImfVfiNetwork
from imf_plugin.models.imf_vfi.weights import Card, load_network, read_card
from imf_plugin.models.pairs import PairCache
from imf_plugin.motion.flow import FlowArray, flow_at

CACHED_PAIRS = 6
"""Pairs whose classical flow is kept: the current one and both beside it, for two threads."""

CACHED_OPINIONS = 2
"""Pairs of which everything is kept: the current one and, for a second thread, the next."""

DECODING = 3
"""Goes up whenever the same weights give other pixels."""

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
    ) -> None:
        self.descriptor = descriptor
        self.device = torch.device(device)
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
        motion, bend = self._motion(before, after, values, bends)
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
        made = enlarged(planes0, planes1, times, motion, bend, found.float())
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
    ) -> tuple[Tensor, Tensor | None]:
        """Return the motion at each timestep of each item, and how it bends, padded.

        Returns:
            ``[B * T, 2 * opinions, H, W]`` and ``[B * T, 2, H, W]``; the latter is None for even
            motion.
        """
        if self.network.matcher is not None:
            return self._matched(before, after, values), None
        items = list(zip(self._opinions.get(before, after), bends, strict=True))
        _, _, *size = before.features.planes.shape
        rows = len(items) * len(values)
        motion = torch.empty(rows, 2 * self.network.config.opinions, *size)
        aside = torch.zeros(rows, 2, *size) if any(bends) else None
        for row, ((opinions, bend), value) in enumerate(product(items, values)):
            moved = None if bend is None else bend.at(value, opinions[0].shape[1::-1])
            # One at a time: all of them side by side, twice over, was half of the memory.
            for number, opinion in enumerate(opinions):
                flow = moved_aside(flow_at(opinion, value), moved)
                motion[row, 2 * number : 2 * number + 2] = _planes(flow)
            if aside is not None and moved is not None:
                aside[row] = _planes(moved)
        return motion.to(self.device), None if aside is None else aside.to(self.device)

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

    def _all_opinions(self, before: KeyframeState, after: KeyframeState) -> list[list[FlowArray]]:
        middles = self._flows.get(before, after)
        if self.network.config.opinions == 1:
            return [[middle] for middle in middles]
        greys = zip(before.features.greys, after.features.greys, strict=True)
        return [
            overruled(*pair, [middle, *other_opinions(*pair)])
            for middle, pair in zip(middles, greys, strict=True)
        ]

    def _autocast(self) -> torch.autocast:
        enabled = self.half is not None
        return torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=enabled)


def _estimate(before: KeyframeState, after: KeyframeState) -> PairFlows:
    greys = zip(before.features.greys, after.features.greys, strict=True)
    return [estimate_middle(grey0, grey1) for grey0, grey1 in greys]


def describe(name: str) -> ModelDescriptor:
    """Return the descriptor of a trained model, from the card beside its weights.

    Raises:
        ModelError: If the card is missing or damaged.
    """
    return _descriptor(name, read_card(name))


def load(name: str, device: str, precision: str, folder: Path | None = None) -> ImfVfiInterpolator:
    """Return a trained model, from the package's own weights or from those in ``folder``.

    Raises:
        ModelError: If its weights are missing or unusable.
    """
    network, card = load_network(name, folder)
    return ImfVfiInterpolator(network, _descriptor(name, card), device=device, precision=precision)


def describe_file(path: Path) -> ModelDescriptor:
    """Return the descriptor of weights of one's own, as `imf train interpolation` writes them.

    Raises:
        ModelError: If the card beside them is missing or damaged.
    """
    return _descriptor(path.stem, read_card(path.stem, path.parent))


def load_file(path: Path, device: str, precision: str) -> ImfVfiInterpolator:
    """Return a model from weights of one's own.

    Raises:
        ModelError: If they are missing or unusable.
    """
    network, card = load_network(path.stem, path.parent)
    about = _descriptor(path.stem, card)
    return ImfVfiInterpolator(network, about, device=device, precision=precision)


def _descriptor(name: str, card: Card) -> ModelDescriptor:
    classical = card.config.matching == "classical"
    return ModelDescriptor(
        name=name,
        summary="Trained here: motion tokens between keyframes"
        + (", starting from classical flow; for CPUs." if classical else "."),
        source="after IMF (CVPR 2024), GIMM-VFI (NeurIPS 2024) and IFRNet (CVPR 2022)",
        parameters=card.parameters,
        minimum_size_px=1,
        tile_overlap_px=96,
        context=4 if classical else 2,
        bytes_per_pixel=340,
        tiles=not classical,
        revision=f"{card.sha256[:12]}-{DECODING}",
        details={**card.details, "SHA-256 of the weights": card.sha256},
    )


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


def _planes(flow: FlowArray) -> Tensor:
    """Return a flow ``[H, W, 2]`` as planes, padded."""
    return _padded(torch.from_numpy(flow).permute(2, 0, 1)[None])[0]


def _grey(frame: Tensor) -> GreyPicture:
    picture = frame[:3].detach().to("cpu", torch.float32).permute(1, 2, 0).contiguous().numpy()
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.convertScaleAbs(np.maximum(luma, 0), alpha=255), np.uint8)
