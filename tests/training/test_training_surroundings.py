"""What the neighbours of a cached pair say of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from imf_plugin.models.imf_vfi.beyond import OTHER_KEYFRAME
from imf_plugin.motion.flow import pixel_grid, sample
from imf_plugin.training.augment import (
    AugmentOptions,
    Sample,
    cut_sample,
    resized,
    reversed_in_time,
    turned,
)
from imf_plugin.training.cache import CachedClip, Pair, read_cache, write_clip, write_neighbours
from imf_plugin.training.data import as_tensors
from imf_plugin.training.prepare import PrepareOptions, half_size_flow, prepare
from imf_plugin.training.surroundings import surroundings_of

HEIGHT, WIDTH = 128, 160
PLACE = (slice(16, 112), slice(32, 128))
SPEED = 3
"""Pixels per frame to the right; pairs are two frames."""


def picture(shift: float) -> NDArray[np.uint8]:
    x, y = np.meshgrid(np.arange(WIDTH) - shift, np.arange(HEIGHT))
    plane = 127 + 60 * np.sin(x / 5 + y / 17) + 60 * np.cos(y / 6 - x / 23)
    return np.repeat(plane[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> CachedClip:
    """Seven frames of a plane that moves evenly; one pair has both neighbours, one has none."""
    frames = np.stack([picture(SPEED * number) for number in range(7)])
    write_clip(
        tmp_path / "clip",
        group="one",
        held_out=False,
        pairs=[Pair(first=2, gap=2, motion_px=6.0), Pair(first=0, gap=2, motion_px=6.0)],
        frames=frames,
        flows=np.stack([half_size_flow(frames[first], frames[first + 2])[0] for first in (2, 0)]),
    )
    return read_cache(tmp_path)[0]


@pytest.fixture
def surrounded(clip: CachedClip) -> CachedClip:
    flow = half_size_flow(clip.frames[0], clip.frames[2])[0]
    nothing = np.full_like(flow, np.nan)
    write_neighbours(clip, np.stack([[flow, flow], [nothing, nothing]]))
    return clip


def cut(clip: CachedClip) -> Sample:
    options = AugmentOptions(crop_px=96, alone_share=0.0, shrink_share=0.0, telling_share=0.0)
    return cut_sample(clip, 0, np.random.default_rng(3), options)


def test_even_motion_goes_on_and_does_not_bend(surrounded: CachedClip) -> None:
    found = surroundings_of(surrounded, 0, 0.5, PLACE)
    assert found is not None
    assert np.abs(found.aside).mean() < 0.1
    np.testing.assert_allclose(found.carried.mean((0, 1)), [6, 0, 6, 0], atol=0.4)
    assert found.earlier is not None
    assert found.later is not None
    np.testing.assert_allclose(found.earlier * 255, surrounded.frames[0, *PLACE], atol=1e-3)
    np.testing.assert_allclose(found.later * 255, surrounded.frames[6, *PLACE], atol=1e-3)


def test_where_nothing_is_known_there_is_nothing(
    clip: CachedClip, tmp_path: Path, surrounded: CachedClip
) -> None:
    assert surroundings_of(surrounded, 1, 0.5, PLACE) is None
    assert surroundings_of(surrounded, 0, 0.5, PLACE, (False, False)) is None
    (surrounded.folder / "neighbours.npy").unlink()
    assert surroundings_of(read_cache(tmp_path)[0], 0, 0.5, PLACE) is None


def test_the_pairs_own_motion_stands_in_for_a_side_that_is_not_known(
    surrounded: CachedClip,
) -> None:
    found = surroundings_of(surrounded, 0, 0.5, PLACE, (False, True))
    assert found is not None
    assert found.earlier is None
    assert found.later is not None
    own = surrounded.flows[0].astype(np.float32).mean((0, 1))
    np.testing.assert_allclose(found.carried[..., :2].mean((0, 1)), own, atol=0.2)


def carried_error(item: Sample) -> float:
    """How badly the carried motions bring the keyframes beyond onto the truth."""
    assert item.around is not None
    assert item.around.earlier is not None
    assert item.around.later is not None
    grid = pixel_grid(*item.target.shape[:2])
    inner = (slice(20, -20), slice(20, -20))
    errors = []
    for frame, motion, time in (
        (item.around.earlier, item.carried[..., :2], -1 - item.timestep),
        (item.around.later, item.carried[..., 2:], 2 - item.timestep),
    ):
        found = sample(np.ascontiguousarray(frame), grid + np.float32(time) * motion)
        errors.append(np.abs(found - item.target)[inner].mean())
    return float(max(errors))


@pytest.mark.parametrize(
    "change",
    [
        lambda item: item,
        lambda item: turned(item, mirror_x=True, mirror_y=False, transpose=False),
        lambda item: turned(item, mirror_x=False, mirror_y=True, transpose=True),
        reversed_in_time,
        lambda item: resized(item, 64),
    ],
    ids=["as it is", "mirrored", "turned", "backwards", "smaller"],
)
def test_changes_of_a_sample_keep_its_surroundings_true(
    surrounded: CachedClip, change: Callable[[Sample], Sample]
) -> None:
    assert carried_error(change(cut(surrounded))) < 0.03
    wrong = replace(cut(surrounded))
    assert wrong.around is not None
    wrong = replace(wrong, around=replace(wrong.around, carried=-wrong.around.carried))
    assert carried_error(change(wrong)) > 0.1


def test_a_sample_without_surroundings_shows_the_pair_itself(surrounded: CachedClip) -> None:
    alone = replace(cut(surrounded), around=None)
    tensors = as_tensors(alone)
    assert tensors["distances"].tolist() == [OTHER_KEYFRAME, OTHER_KEYFRAME]
    assert tensors["earlier"].equal(tensors["frame1"])
    assert tensors["later"].equal(tensors["frame0"])
    assert not tensors["bend"].any()
    assert tensors["motion"][-2:].equal(tensors["motion"][:2])
    known = as_tensors(cut(surrounded))
    assert known["distances"].tolist() == [1.0, 1.0]
    assert not known["earlier"].equal(known["frame1"])


def test_no_neighbour_lies_beyond_a_cut_or_the_end(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    make_clip(count=24, seeds=[1] * 12 + [7] * 12)
    options = PrepareOptions(scenes=0, moved=0, opinions=False, pairs_per_clip=24)
    prepare(tmp_path, tmp_path / "cache", options)
    (clip,) = read_cache(tmp_path / "cache")
    assert clip.neighbours is not None
    for pair, found in zip(clip.pairs, clip.neighbours, strict=True):
        first, last = (0, 11) if pair.first < 12 else (12, 23)
        expected = pair.first - pair.gap >= first, pair.first + 2 * pair.gap <= last
        assert tuple(np.isfinite(found).all((1, 2, 3))) == expected
    assert {tuple(np.isfinite(found).all((1, 2, 3))) for found in clip.neighbours} > {(True, True)}
