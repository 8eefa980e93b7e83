from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.engine.pictures import find_picture_cuts, grouped, make_pictures
from imf_plugin.engine.tiles import TiledInterpolator, TiledState
from imf_plugin.models.base import Context, Neighbour
from imf_plugin.models.registry import load_interpolator
from imf_plugin.timeline.batches import Ending, plan_batch
from imf_plugin.timeline.plan import Decision, OnCut


def _tiled() -> TiledInterpolator:
    return TiledInterpolator(load_interpolator("flow"), 1024)


def test_real_frames_are_named_and_made_ones_are_what_the_model_makes() -> None:
    pictures = torch.rand(5, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    frames = plan_batch(5, Fraction(3), ending=Ending.BETWEEN)
    model = load_interpolator("flow")
    for longest in (1, 2, 16):
        made = list(make_pictures(frames, lambda i: pictures[i], _tiled(), longest=longest))
        assert [frame for frame, _ in made] == list(frames)
        for frame, picture in made:
            if frame.decision is Decision.REAL:
                assert picture is None
                continue
            assert picture is not None
            earlier, later = (
                None if beyond is None else Neighbour(keyframe=pictures[beyond.keyframe])
                for beyond in (frame.earlier, frame.later)
            )
            expected = model.interpolate(
                pictures[frame.before],
                pictures[frame.after],
                [frame.timestep],
                context=Context(earlier=earlier, later=later),
            )
            assert torch.equal(picture, expected[0])


@pytest.mark.parametrize("longest", [1, 2, 16])
def test_a_keyframe_is_encoded_once_for_all_pairs_that_look_at_it(
    longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = torch.rand(6, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    model, encoded = _tiled(), []

    def encode(picture: Tensor) -> TiledState:
        encoded.append(picture)
        return TiledInterpolator.encode(model, picture)

    monkeypatch.setattr(model, "encode", encode)
    frames = plan_batch(6, Fraction(4), ending=Ending.KEEP_DURATION)
    for _ in make_pictures(frames, lambda i: pictures[i], model, longest=longest):
        pass
    assert len(encoded) == 6


def test_a_blend_is_a_cross_fade() -> None:
    pictures = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    frames = plan_batch(2, Fraction(4), cuts=(1,), on_cut=OnCut.BLEND)
    made = dict(enumerate(make_pictures(frames, lambda i: pictures[i], _tiled())))
    picture = made[1][1]
    assert picture is not None
    assert torch.allclose(picture, torch.full((3, 8, 8), 0.25))


def test_runs_share_two_keyframes_and_keep_to_the_limit() -> None:
    frames = plan_batch(5, Fraction(7, 2))
    runs = list(grouped(frames, 3))
    assert [frame for run in runs for frame in run] == list(frames)
    for run in runs:
        assert len(run) <= 3
        assert len({index for frame in run for index in (frame.before, frame.after)}) <= 2


def test_a_cut_between_pictures_is_found_where_it_is() -> None:
    rng = np.random.default_rng(3)
    shots = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(2)]
    shots[1] = 255 - shots[1] // 4
    assert find_picture_cuts([shots[0]] * 6 + [shots[1]] * 6) == (6,)
    assert find_picture_cuts([shots[0]] * 6) == ()
