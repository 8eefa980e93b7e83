import math
from pathlib import Path

import numpy as np
import pytest

from imf_plugin.errors import MediaError
from imf_plugin.models.flow.opinions import OPINIONS
from imf_plugin.models.imf_vfi.config import CARRIED
from imf_plugin.motion.flow import pixel_grid, sample
from imf_plugin.training.augment import (
    AugmentOptions,
    Sample,
    augmented,
    cut_sample,
    degraded,
    recoloured,
    resized,
    reversed_in_time,
    turned,
)
from imf_plugin.training.cache import CachedClip, Pair, read_cache, write_clip
from imf_plugin.training.data import DataOptions, TrainingSamples, as_tensors, collate
from imf_plugin.training.prepare import PrepareOptions, is_held_out, prepare
from imf_plugin.training.scenes import random_scene, render, true_flow, true_visibility
from imf_plugin.training.teacher import taught

OPTIONS = AugmentOptions(crop_px=96)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(folder / "nothing", folder, PrepareOptions(scenes=3))
    return folder


@pytest.fixture(scope="module")
def scene_sample() -> Sample:
    scene = random_scene(4, (96, 96), 0.6)
    flows = []
    for keyframe in (0.0, 1.0):
        flow = true_flow(scene, 0.25, keyframe)
        flow[~true_visibility(scene, 0.25, keyframe)] = np.nan
        flows.append(flow)
    middle = true_flow(scene, 0.5, 1.0) - true_flow(scene, 0.5, 0.0)
    frames = [render(scene, time) for time in (0.0, 1.0, 0.25)]
    return Sample(
        frame0=frames[0],
        frame1=frames[1],
        target=frames[2],
        timestep=0.25,
        middle_flow=middle,
        true_flows=np.concatenate(flows, axis=-1),
    )


def mismatch(item: Sample) -> float:
    """How badly the true flows explain the target from the keyframes."""
    errors = []
    for frame, flow in (
        (item.frame0, item.true_flows[..., :2]),
        (item.frame1, item.true_flows[..., 2:]),
    ):
        known = np.isfinite(flow).all(-1)
        positions = pixel_grid(*known.shape) + np.nan_to_num(flow)
        found = sample(np.ascontiguousarray(frame), positions.astype(np.float32))
        errors.append(np.abs(found - item.target).mean(-1)[known].mean())
    return float(max(errors))


def test_the_cache_comes_back_as_it_was_written(cache: Path) -> None:
    clips = read_cache(cache)
    assert [clip.folder.name for clip in clips] == [f"scene_{n:05d}" for n in range(3)]
    assert clips[0].frames.shape == (5, 192, 256, 3)
    assert clips[0].flows.shape == (1, 96, 128, 2)
    assert clips[0].truth is not None
    assert clips[0].truth.shape == (5, 2, 192, 256, 2)
    assert not clips[0].held_out
    # From a keyframe to itself nothing moves.
    assert np.nanmax(np.abs(clips[0].truth[0, 0].astype(np.float32))) < 0.01


def test_preparing_again_changes_nothing(cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    prepare(cache / "nothing", cache, PrepareOptions(scenes=3))
    assert before == {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}


def test_an_empty_cache_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"training\.prepare"):
        read_cache(tmp_path)


def test_a_damaged_cache_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "clip.json").write_text("{")
    with pytest.raises(MediaError, match="delete that folder"):
        read_cache(tmp_path)


def test_about_one_group_in_twelve_is_held_out() -> None:
    share = np.mean([is_held_out(f"group {number}") for number in range(3000)])
    assert 1 / 16 < share < 1 / 9


def test_a_sample_number_always_gives_the_same_sample(cache: Path) -> None:
    options = DataOptions(scene_share=1.0, augment=OPTIONS)
    first, second = (TrainingSamples(cache, options).sample(17) for _ in range(2))
    np.testing.assert_array_equal(first.target, second.target)
    np.testing.assert_array_equal(first.motion, second.motion)
    assert first.timestep == second.timestep
    other = TrainingSamples(cache, options).sample(18)
    assert not np.array_equal(first.target, other.target)


def test_batches_have_the_promised_shapes(cache: Path) -> None:
    samples = TrainingSamples(cache, DataOptions(augment=OPTIONS))
    batch = collate([samples[number] for number in range(3)])
    assert batch.frame0.shape == batch.frame1.shape == batch.target.shape == (3, 3, 96, 96)
    assert batch.motion.shape == (3, 2 * (OPINIONS + CARRIED), 96, 96)
    assert batch.earlier.shape == batch.later.shape == (3, 3, 96, 96)
    assert batch.bend.shape == (3, 2, 96, 96)
    assert batch.distances.shape == (3, 2)
    assert batch.true_flows.shape == (3, 4, 96, 96)
    assert batch.timesteps.shape == (3,)
    assert ((batch.timesteps > 0) & (batch.timesteps < 1)).all()


@pytest.mark.parametrize("mirror_x", [False, True])
@pytest.mark.parametrize("mirror_y", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
def test_flows_turn_with_the_picture(
    scene_sample: Sample, mirror_x: bool, mirror_y: bool, transpose: bool
) -> None:
    changed = turned(scene_sample, mirror_x=mirror_x, mirror_y=mirror_y, transpose=transpose)
    assert mismatch(changed) == pytest.approx(mismatch(scene_sample), rel=0.05)
    assert mismatch(changed) < 0.02


def test_played_backwards_the_flows_still_fit(scene_sample: Sample) -> None:
    back = reversed_in_time(scene_sample)
    assert back.timestep == 0.75
    assert mismatch(back) == pytest.approx(mismatch(scene_sample))
    again = reversed_in_time(back)
    np.testing.assert_array_equal(again.true_flows, scene_sample.true_flows)
    np.testing.assert_array_equal(again.middle_flow, scene_sample.middle_flow)


def test_resizing_scales_the_flows(scene_sample: Sample) -> None:
    smaller = resized(scene_sample, 48)
    assert smaller.target.shape == (48, 48, 3)
    ratio = np.abs(smaller.middle_flow).mean() / np.abs(scene_sample.middle_flow).mean()
    assert ratio == pytest.approx(0.5, rel=0.05)
    assert mismatch(smaller) < 0.03


def test_colours_change_alike_in_all_frames(scene_sample: Sample) -> None:
    same = Sample(**{**vars(scene_sample), "frame1": scene_sample.frame0})
    changed = recoloured(same, np.random.default_rng(0))
    np.testing.assert_array_equal(changed.frame0, changed.frame1)
    assert not np.array_equal(changed.frame0, same.frame0)


def test_only_the_keyframes_are_degraded(scene_sample: Sample) -> None:
    worse = degraded(scene_sample, np.random.default_rng(0), 1.0)
    np.testing.assert_array_equal(worse.target, scene_sample.target)
    assert 0.001 < np.abs(worse.frame0 - scene_sample.frame0).mean() < 0.05


def test_the_motion_of_a_sample_is_the_flow_seen_at_its_timestep(scene_sample: Sample) -> None:
    scene = random_scene(4, (96, 96), 0.6)
    expected = true_flow(scene, 0.25, 1.0) - true_flow(scene, 0.25, 0.0)
    assert np.median(np.abs(scene_sample.motion - expected)) < 0.5


def test_augmented_samples_stay_in_shape(cache: Path) -> None:
    clip: CachedClip = read_cache(cache)[1]
    random = np.random.default_rng(3)
    for _ in range(10):
        item = augmented(cut_sample(clip, 0, random, OPTIONS), random, OPTIONS)
        tensors = as_tensors(item)
        assert tensors["frame0"].shape == (3, 96, 96)
        assert tensors["motion"].isfinite().all()
        assert not math.isnan(float(tensors["target"].mean()))


def test_the_teacher_finds_flows_that_explain_the_truth_better(scene_sample: Sample) -> None:
    unknown = np.full_like(scene_sample.true_flows, np.nan)
    wrong = scene_sample.middle_flow + np.float32(1.5)
    student = Sample(**{**vars(scene_sample), "true_flows": unknown, "middle_flow": wrong})
    lesson = taught(student).true_flows
    known = np.isfinite(lesson) & np.isfinite(scene_sample.true_flows)
    assert known.mean() > 0.7
    time = np.float32(student.timestep)
    start = np.concatenate([-time * student.motion, (1 - time) * student.motion], -1)
    before = np.abs(start - scene_sample.true_flows)[known]
    after = np.abs(lesson - scene_sample.true_flows)[known]
    assert np.median(after) < 0.5 * np.median(before)


def test_true_flows_are_not_replaced_by_the_teacher(scene_sample: Sample) -> None:
    assert taught(scene_sample) is scene_sample


def test_disagreement_is_summed_over_where_the_warped_keyframes_differ(tmp_path: Path) -> None:
    frames = np.full((2, 64, 96, 3), 90, np.uint8)
    frames[1, 32:48, 16:32] = 190
    flows = np.zeros((1, 32, 48, 2), np.float16)
    pair = Pair(first=0, gap=1, motion_px=0.0)
    write_clip(
        tmp_path / "clip", group="g", held_out=False, pairs=[pair], frames=frames, flows=flows
    )
    summed = read_cache(tmp_path)[0].disagreement(0)
    assert summed.shape == (64 // 8 + 1, 96 // 8 + 1)
    assert summed[-1, -1] == pytest.approx(100 * 4, rel=1e-3)
    assert summed[6, 4] - summed[4, 4] - summed[6, 2] + summed[4, 2] == pytest.approx(400, rel=1e-3)


def test_crops_are_mostly_taken_where_the_keyframes_disagree(tmp_path: Path) -> None:
    frames = np.full((3, 192, 256, 3), 90, np.uint8)
    frames[1:, 144:176, 208:240] = 190
    flows = np.zeros((1, 96, 128, 2), np.float16)
    pair = Pair(first=0, gap=2, motion_px=0.0)
    write_clip(
        tmp_path / "clip", group="g", held_out=False, pairs=[pair], frames=frames, flows=flows
    )
    clip = read_cache(tmp_path)[0]
    shares = []
    for telling_share in (0.0, 1.0):
        options = AugmentOptions(crop_px=64, telling_share=telling_share, shrink_share=0.0)
        random = np.random.default_rng(0)
        crops = [cut_sample(clip, 0, random, options) for _ in range(60)]
        shares.append(np.mean([crop.frame1.max() > 0.7 for crop in crops]))
    assert shares[1] > 2 * shares[0] > 0
