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
from imf_plugin.models.base import Context, Interpolator, KeyframeState, Neighbour, Timestep

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
    tile_px: int
    """The tile size that was in force."""


@dataclass(frozen=True, kw_only=True)
class TiledContext:
    """The keyframes around a pair, each with its distance, see `imf_plugin.models.base.Context`."""

    earlier: tuple[TiledState, float] | None = None
    """The one before the first keyframe."""
    later: tuple[TiledState, float] | None = None
    """The one after the second."""

    def of_tile(self, number: int) -> Context | None:
        """Return what one tile's model sees of it, None if there is nothing."""
        if self.earlier is None and self.later is None:
            return None
        earlier, later = (
            one and Neighbour(keyframe=one[0].states[number], distance=one[1])
            for one in (self.earlier, self.later)
        )
        return Context(earlier=earlier, later=later)


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
            tiles = self._grid(*frame.shape[-2:])
            try:
                states = [self.model.encode(tile.of(frame)) for tile in tiles]
                return TiledState(tiles=tiles, states=states, frame=frame, tile_px=self.tile_px)
            except (torch.OutOfMemoryError, MemoryError):
                self._halve(frame)

    def _grid(self, height: int, width: int) -> list[Tile]:
        about = self.model.descriptor
        edge = self.tile_px if about.tiles else max(height, width)
        return tile_grid(height, width, edge, about.tile_overlap_px)

    def interpolate(
        self,
        before: TiledState,
        after: TiledState,
        timesteps: Sequence[Timestep],
        context: TiledContext | None = None,
    ) -> Tensor:
        """Return ``[T, 3+E, H, W]``, merged from the tiles."""
        context = context or TiledContext()
        while True:
            try:
                before, after = self._up_to_date(before), self._up_to_date(after)
                context = self._context_up_to_date(context)
                # Encoding one of the others may have had to halve the tiles.
                if before.tile_px == self.tile_px:
                    return self._merge(before, after, timesteps, context)
            except (torch.OutOfMemoryError, MemoryError):
                self._halve(before.frame)

    def _context_up_to_date(self, context: TiledContext) -> TiledContext:
        earlier, later = context.earlier, context.later
        return TiledContext(
            earlier=earlier and (self._up_to_date(earlier[0]), earlier[1]),
            later=later and (self._up_to_date(later[0]), later[1]),
        )

    def _up_to_date(self, state: TiledState) -> TiledState:
        """Return the state in tiles of the size that is in force now."""
        return state if state.tile_px == self.tile_px else self.encode(state.frame)

    def _merge(
        self,
        before: TiledState,
        after: TiledState,
        timesteps: Sequence[Timestep],
        context: TiledContext,
    ) -> Tensor:
        if len(before.tiles) == 1:
            return self._run(before.states[0], after.states[0], timesteps, context.of_tile(0))
        height, width = before.frame.shape[-2:]
        merged = torch.zeros(
            len(timesteps), *before.frame.shape, dtype=torch.float32, device=before.frame.device
        )
        total = torch.zeros(height, width, device=before.frame.device)
        pairs = zip(before.tiles, before.states, after.states, strict=True)
        for number, (tile, first, second) in enumerate(pairs):
            part = self._run(first, second, timesteps, context.of_tile(number))
            weight = self._weight(tile, height, width, part.device)
            tile.of(merged).add_(part * weight)
            tile.of(total).add_(weight)
        return merged.div_(total)

    def _run(
        self,
        before: KeyframeState,
        after: KeyframeState,
        timesteps: Sequence[Timestep],
        context: Context | None,
    ) -> Tensor:
        if context is None:
            # So that a model for two keyframes need not know of context at all.
            return self.model.interpolate(before, after, timesteps)
        return self.model.interpolate(before, after, timesteps, context=context)

    def _weight(self, tile: Tile, height: int, width: int, device: torch.device) -> Tensor:
        overlap = self.model.descriptor.tile_overlap_px
        rows = _ramp(tile.top, tile.bottom, height, overlap, device)
        columns = _ramp(tile.left, tile.right, width, overlap, device)
        return rows[:, None] * columns[None, :]

    def _halve(self, frame: Tensor) -> None:
        edge = min(self.tile_px, max(frame.shape[-2:])) // 2
        if edge < SMALLEST_TILE_PX or not self.model.descriptor.tiles:
            height, width = frame.shape[-2:]
            raise DeviceError(
                f"memory ran out on a picture of {width}x{height} even in the smallest pieces; "
                "close other programs, use --model flow, which takes least, or --device cpu"
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
