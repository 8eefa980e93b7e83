"""Our models as ComfyUI's interpolation models, and ComfyUI's as ours.

ComfyUI hands interpolation models around as ``INTERP_MODEL``: a patcher whose module can
``extract_features`` and make frames from a pair. `InterpolationModule` gives our models that shape,
so that they run in the node that comes with ComfyUI; `ForeignInterpolator` gives its RIFE and FILM
ours, so that they run in our nodes.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imf_plugin.models.base import (
    Context,
    Interpolator,
    KeyframeState,
    ModelDescriptor,
    Timestep,
    as_batch,
    check_timesteps,
    encoded_pair,
)
from imf_plugin.models.retargeting import Retargeter


class InterpolationModule(nn.Module):
    """One of our models in the shape that ComfyUI's interpolation node expects.

    Args:
        interpolator: Makes frames between keyframes.
        retargeter: Makes the model for retargeting on first use, None if there is none.
        network: The interpolator's network, so that ComfyUI can move its weights.
    """

    pad_align = 1

    def __init__(
        self,
        interpolator: Interpolator,
        *,
        retargeter: Callable[[], Retargeter] | None = None,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.interpolator = interpolator
        self.network = network
        self._make_retargeter = retargeter
        self._retargeter: Retargeter | None = None

    @property
    def retargeter(self) -> Retargeter | None:
        """The model for retargeting that belongs to this one."""
        if self._retargeter is None and self._make_retargeter:
            self._retargeter = self._make_retargeter()
        return self._retargeter

    def get_dtype(self) -> torch.dtype:
        """Pictures are taken in single precision; a network chooses its own inside."""
        return torch.float32

    def memory_used_forward(self, shape: Sequence[int], dtype: torch.dtype) -> int:
        """Estimate the working memory for pictures ``[B, H, W, C]`` in bytes."""
        return self.interpolator.descriptor.bytes_per_pixel * shape[1] * shape[2]

    def extract_features(self, frames: Tensor) -> KeyframeState:
        """Encode keyframes ``[B, C, H, W]``."""
        return self.interpolator.encode(frames.float())

    def forward(
        self, before: Tensor, after: Tensor, timestep: Tensor, cache: dict[str, Any] | None = None
    ) -> Tensor:
        """Return ``[B, C, H, W]``: for each item of the batch the frame at its own timestep.

        Args:
            before: ``[B, C, H, W]``.
            after: Likewise.
            timestep: ``[B, 1, H, W]``, even over the picture.
            cache: Features of the one pair that the whole batch shares, under img0 and img1.
        """
        times = [float(value) for value in timestep[:, 0, 0, 0]]
        if cache and "img0" in cache and "img1" in cache:
            return self.forward_multi_timestep(before, after, times, cache)
        made = [
            self.interpolator.interpolate(first.float(), second.float(), [time])[0]
            for first, second, time in zip(before, after, times, strict=True)
        ]
        return torch.stack(made)

    def forward_multi_timestep(
        self,
        before: Tensor,
        after: Tensor,
        timesteps: Sequence[float],
        cache: dict[str, Any] | None = None,
    ) -> Tensor:
        """Return the frames ``[T, C, H, W]`` of one pair at several timesteps."""
        states = cache or {}
        first = states["img0"] if "img0" in states else self.extract_features(before[:1])
        second = states["img1"] if "img1" in states else self.extract_features(after[:1])
        return self.interpolator.interpolate(first, second, timesteps)[0]


class ForeignInterpolator:
    """A RIFE or FILM module of ComfyUI as an interpolator of ours.

    Args:
        module: What a patcher of ComfyUI's loader holds.
        dtype: The type of its weights.
        is_out_of_memory: Tells a failure for want of memory from others.
    """

    def __init__(
        self,
        module: Any,
        dtype: torch.dtype,
        *,
        is_out_of_memory: Callable[[BaseException], bool],
    ) -> None:
        self._module = module
        self._dtype = dtype
        self._align = int(getattr(module, "pad_align", 1))
        self._is_out_of_memory = is_out_of_memory
        self._at_once = 64
        self._size: torch.Size | None = None
        self.descriptor = ModelDescriptor(
            name=type(module).__name__,
            summary="An interpolation model loaded by ComfyUI.",
            source="ComfyUI",
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            minimum_size_px=1,
            tile_overlap_px=96,
            bytes_per_pixel=int(self._module.memory_used_forward((1, 1, 1, 3), dtype)),
        )

    def encode(self, frames: Tensor) -> KeyframeState:
        """Encode keyframes, see `imf_plugin.models.base.Interpolator`."""
        batch, batched = as_batch(frames)
        if len(batch) != 1:
            raise ValueError(f"expected a single picture, got {len(batch) = }")
        padded = self._padded(batch[:, :3].to(self._dtype))
        self._forget_grids(padded.shape[-2:])
        features = self._module.extract_features(padded)
        return KeyframeState(
            frames=batch, features=(padded, features), batched=batched, size_bytes=batch.nbytes
        )

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        """Make frames, see `imf_plugin.models.base.Interpolator`; extra channels cross-fade."""
        values = check_timesteps(timesteps)
        before, after = encoded_pair(self, before, after)
        height, width = before.frames.shape[-2:]
        inner = [value for value in values if 0 < value < 1]
        made = iter(self._between(before, after, inner) if inner else ())
        frames = []
        for value in values:
            if value in (0.0, 1.0):
                frames.append((after if value else before).frames[0])
                continue
            colours = next(made)[:, :height, :width].to(before.frames)
            extra = torch.lerp(before.frames[0, 3:], after.frames[0, 3:], value)
            frames.append(torch.cat([colours.clamp(0, 1), extra]))
        stacked = torch.stack(frames)
        return stacked[None] if before.batched else stacked

    def _between(self, before: KeyframeState, after: KeyframeState, values: list[float]) -> Tensor:
        cache = {"img0": before.features[1], "img1": after.features[1]}
        pictures = before.features[0], after.features[0]
        several = getattr(self._module, "forward_multi_timestep", None)
        if several is not None:
            return cast(Tensor, several(*pictures, values, cache=cache))
        made: list[Tensor] = []
        while len(made) < len(values):
            some = values[len(made) : len(made) + self._at_once]
            try:
                made.extend(self._at(*pictures, some, cache))
            except Exception as error:
                if not self._is_out_of_memory(error):
                    raise
                if len(some) == 1:
                    raise torch.OutOfMemoryError(str(error)) from error
                self._at_once = len(some) // 2
        return torch.stack(made)

    def _at(
        self, before: Tensor, after: Tensor, values: list[float], cache: dict[str, Any]
    ) -> Tensor:
        times = torch.tensor(values, device=before.device, dtype=before.dtype)
        planes = times.reshape(-1, 1, 1, 1).expand(-1, 1, *before.shape[-2:])
        batch = [picture.expand(len(values), -1, -1, -1) for picture in (before, after)]
        return cast(Tensor, self._module(*batch, timestep=planes, cache=dict(cache)))

    def _forget_grids(self, size: torch.Size) -> None:
        """Drop what FILM keeps for another size: it takes half a size's grids for its own."""
        grids = getattr(self._module, "_warp_grids", None)
        if isinstance(grids, dict) and size != self._size:
            grids.clear()
        self._size = size

    def _padded(self, frames: Tensor) -> Tensor:
        """Return the frames continued at the right and bottom to what the module can divide."""
        height, width = frames.shape[-2:]
        bottom, right = -height % self._align, -width % self._align
        if not (bottom or right):
            return frames
        mode = "reflect" if bottom < height and right < width else "replicate"
        return F.pad(frames, (0, right, 0, bottom), mode=mode)


def as_interpolator(
    module: Any, dtype: torch.dtype, *, is_out_of_memory: Callable[[BaseException], bool]
) -> Interpolator:
    """Return what makes frames with a model from an ``INTERP_MODEL`` input.

    Raises:
        TypeError: If it is no interpolation model.
    """
    if isinstance(module, InterpolationModule):
        return module.interpolator
    if hasattr(module, "extract_features") and hasattr(module, "memory_used_forward"):
        return ForeignInterpolator(module, dtype, is_out_of_memory=is_out_of_memory)
    raise TypeError(
        f"the model input got a {type(module).__name__}, which makes no frames: connect "
        "Load IMF Model or Load Frame Interpolation Model"
    )
