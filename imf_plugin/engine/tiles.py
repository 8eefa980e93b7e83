"""Large pictures in overlapping tiles, so that memory stays within a budget.

The tiles cover the picture in an even grid. Each is computed with the model's own overlap around
it and merged with weights that fall off linearly inside the overlap, so no seam can show.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imf_plugin.errors import DeviceError
from imf_plugin.models.base import Interpolator, KeyframeState, Timestep

SMALLEST_TILE_PX = 128


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A rectangle of the picture, ends exclusive."""

    top: int
    """First row."""
    bottom: int
    """Row after the last."""
    left: int
    """First column."""
    right: int
    """Column after the last."""

    def of(self, picture: Tensor) -> Tensor:
        """Return the tile's part of ``[..., H, W]``."""
        return picture[..., self.top : self.bottom, self.left : self.right]


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Cover ``length`` with spans of at most ``tile`` that overlap by at least ``overlap``."""
    if tile >= length:
        return [(0, length)]
    overlap = min(overlap, tile // 2)
    count = math.ceil((length - overlap) / (tile - overlap))
    starts = [round(number * (length - tile) / (count - 1)) for number in range(count)]
    return [(start, start + tile) for start in starts]


def tile_grid(height: int, width: int, tile_px: int, overlap_px: int) -> list[Tile]:
    """Return the tiles of a picture, row by row."""
    return [
        Tile(top=top, bottom=bottom, left=left, right=right)
        for top, bottom in spans(height, tile_px, overlap_px)
        for left, right in spans(width, tile_px, overlap_px)
    ]


def choose_tile_px(height: int, width: int, bytes_per_pixel: int, working_bytes: int) -> int:
    """Return the tile edge that fits the budget; the longer side if the whole picture fits."""
    if height * width * bytes_per_pixel <= working_bytes:
        return max(height, width)
    edge = math.isqrt(working_bytes // bytes_per_pixel)
    return max(SMALLEST_TILE_PX, edge // 64 * 64)


@dataclass(frozen=True, kw_only=True)
class TiledState:
    """An encoded keyframe, one state a tile."""

    tiles: list[Tile]
    """The grid it was made with."""
    states: list[KeyframeState]
    """One for each tile."""
    frame: Tensor
    """The picture, ``[3+E, H, W]``."""


class TiledInterpolator:
    """Runs a model tile by tile and halves the tiles when memory runs out.

    Args:
        model: The model.
        tile_px: Tile edge in pixels; a picture no larger is done in one piece.
        on_note: Called with a sentence when tiles were halved.
    """

    def __init__(
        self, model: Interpolator, tile_px: int, on_note: Callable[[str], None] | None = None
    ) -> None:
        self.model = model
        self.tile_px = tile_px
        self._on_note = on_note

    def encode(self, frame: Tensor) -> TiledState:
        """Encode one keyframe ``[3+E, H, W]``."""
        while True:
            height, width = frame.shape[-2:]
            overlap = self.model.descriptor.tile_overlap_px
            tiles = tile_grid(height, width, self.tile_px, overlap)
            try:
                states = [self.model.encode(tile.of(frame)) for tile in tiles]
                return TiledState(tiles=tiles, states=states, frame=frame)
            except (torch.OutOfMemoryError, MemoryError):
                self._halve(frame)

    def interpolate(
        self, before: TiledState, after: TiledState, timesteps: Sequence[Timestep]
    ) -> Tensor:
        """Return ``[T, 3+E, H, W]``, merged from the tiles."""
        while True:
            try:
                if before.tiles != after.tiles or self._is_outdated(before):
                    before, after = self.encode(before.frame), self.encode(after.frame)
                return self._merge(before, after, timesteps)
            except (torch.OutOfMemoryError, MemoryError):
                self._halve(before.frame)

    def _is_outdated(self, state: TiledState) -> bool:
        tile = state.tiles[0]
        return max(tile.bottom - tile.top, tile.right - tile.left) > self.tile_px

    def _merge(
        self, before: TiledState, after: TiledState, timesteps: Sequence[Timestep]
    ) -> Tensor:
        if len(before.tiles) == 1:
            return self.model.interpolate(before.states[0], after.states[0], timesteps)
        height, width = before.frame.shape[-2:]
        merged = torch.zeros(
            len(timesteps), *before.frame.shape, dtype=torch.float32, device=before.frame.device
        )
        total = torch.zeros(height, width, device=before.frame.device)
        for tile, first, second in zip(before.tiles, before.states, after.states, strict=True):
            part = self.model.interpolate(first, second, timesteps)
            weight = self._weight(tile, height, width, part.device)
            tile.of(merged).add_(part * weight)
            tile.of(total).add_(weight)
        return merged.div_(total)

    def _weight(self, tile: Tile, height: int, width: int, device: torch.device) -> Tensor:
        overlap = self.model.descriptor.tile_overlap_px
        rows = _ramp(tile.top, tile.bottom, height, overlap, device)
        columns = _ramp(tile.left, tile.right, width, overlap, device)
        return rows[:, None] * columns[None, :]

    def _halve(self, frame: Tensor) -> None:
        edge = min(self.tile_px, max(frame.shape[-2:])) // 2
        if edge < SMALLEST_TILE_PX:
            height, width = frame.shape[-2:]
            raise DeviceError(
                f"memory ran out on a picture of {width}x{height} even with the smallest tiles; "
                "close other programs, or use --device cpu"
            )
        self.tile_px = edge
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._on_note:
            self._on_note(f"memory ran out, going on with tiles of {edge} pixels")


def _ramp(start: int, stop: int, length: int, overlap: int, device: torch.device) -> Tensor:
    """Weights along one side of a tile.

    Where a neighbour overlaps, the outer half of the overlap is context that the model saw too
    little around to be trusted, and the inner half fades in.
    """
    size = stop - start
    half = max(1, min(overlap, size // 2) // 2)
    fade = (torch.arange(2 * half, device=device) - half + 0.5).div(half).clamp(1e-6, 1.0)
    weight = torch.ones(size, device=device)
    if start > 0:
        weight[: 2 * half] = torch.minimum(weight[: 2 * half], fade)
    if stop < length:
        weight[-2 * half :] = torch.minimum(weight[-2 * half :], fade.flip(0))
    return weight
