"""Tiles: coverage, seams, memory."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imf_plugin.engine.tiles import TiledInterpolator, choose_tile_px, spans, tile_grid
from imf_plugin.errors import DeviceError
from imf_plugin.models.base import (
    Context,
    KeyframeState,
    ModelDescriptor,
    Timestep,
    as_batch,
    check_timesteps,
)


class Blur:
    """A model that looks 8 pixels around itself: a blur of the mix of both keyframes."""

    descriptor = ModelDescriptor(
        name="blur",
        summary="for tests",
        source="none",
        parameters=0,
        minimum_size_px=1,
        tile_overlap_px=32,
        bytes_per_pixel=100,
    )

    def __init__(self, largest_px: int = 10**9) -> None:
        self._largest_px = largest_px

    def encode(self, frames: Tensor) -> KeyframeState:
        if max(frames.shape[-2:]) > self._largest_px:
            raise torch.OutOfMemoryError("CUDA out of memory")
        batch, batched = as_batch(frames)
        return KeyframeState(frames=batch, features=None, batched=batched, size_bytes=0)

    def interpolate(
        self,
        before: Tensor | KeyframeState,
        after: Tensor | KeyframeState,
        timesteps: Sequence[Timestep],
        *,
        context: Context | None = None,
    ) -> Tensor:
        assert isinstance(before, KeyframeState)
        assert isinstance(after, KeyframeState)
        made = [
            torch.lerp(before.frames[0], after.frames[0], step)
            for step in check_timesteps(timesteps)
        ]
        padded = torch.nn.functional.pad(torch.stack(made), (8, 8, 8, 8), mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 17, stride=1)


@given(st.integers(1, 3000), st.integers(128, 1000), st.integers(0, 200))
def test_spans_cover_everything_with_enough_overlap(length: int, tile: int, overlap: int) -> None:
    found = spans(length, tile, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    for (start, stop), (following, _) in pairwise(found):
        assert stop - start == tile
        assert stop - following >= min(overlap, tile // 2)


def pictures(height: int, width: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(7)
    return (
        torch.rand(3, height, width, generator=random),
        torch.rand(3, height, width, generator=random),
    )


@pytest.mark.parametrize(("height", "width"), [(200, 300), (131, 517), (128, 128)])
def test_tiles_leave_no_seam(height: int, width: int) -> None:
    first, second = pictures(height, width)
    whole = TiledInterpolator(Blur(), max(height, width))
    tiled = TiledInterpolator(Blur(), 128)
    steps = [0.25, 0.5]
    expected = whole.interpolate(whole.encode(first), whole.encode(second), steps)
    result = tiled.interpolate(tiled.encode(first), tiled.encode(second), steps)
    assert result.shape == (2, 3, height, width)
    assert (result - expected).abs().max() < 1e-5


def test_running_out_of_memory_halves_the_tiles_and_says_so() -> None:
    notes: list[str] = []
    model = TiledInterpolator(Blur(largest_px=300), 1024, on_note=notes.append)
    first, second = pictures(500, 700)
    result = model.interpolate(model.encode(first), model.encode(second), [0.5])
    assert result.shape == (1, 3, 500, 700)
    assert model.tile_px <= 300
    assert notes
    assert "tiles of" in notes[0]


def test_memory_too_small_for_any_tile_is_an_error_with_a_way_out() -> None:
    model = TiledInterpolator(Blur(largest_px=10), 1024)
    with pytest.raises(DeviceError, match=r"memory ran out.*--device cpu"):
        model.encode(pictures(300, 300)[0])


def test_the_tile_size_follows_the_budget() -> None:
    assert choose_tile_px(1080, 1920, 100, 2**30) == 1920
    edge = choose_tile_px(2160, 3840, 1000, 2**30)
    assert edge * edge * 1000 <= 2**30
    assert len(tile_grid(2160, 3840, edge, 32)) > 1
