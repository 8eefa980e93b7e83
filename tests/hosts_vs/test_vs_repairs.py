"""Repeated and damaged frames get new pictures; length and rate stay."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import (  # noqa: E402
    detect_duplicates,
    merge,
    repair_duplicates,
    replace_frames,
)

ON_TWOS: list[float | None] = [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]


def array(frame: Any) -> Any:
    return np.stack([np.asarray(plane).astype(np.float64) for plane in frame])


def interpolated(clip: Any) -> list[int]:
    return [n for n, frame in enumerate(clip.frames()) if frame.props["IMFInterpolated"]]


def duplicates(clip: Any) -> list[int]:
    found = detect_duplicates(clip)
    return [n for n, frame in enumerate(found.frames()) if frame.props["IMFDuplicate"]]


def test_drawings_on_twos_are_found(paint: Callable[..., Any]) -> None:
    assert duplicates(paint(moments=ON_TWOS)) == [1, 3, 5, 7, 9]
    assert duplicates(paint(count=10)) == []


def test_noise_on_repeats_and_a_start_from_rest_are_told_apart(paint: Callable[..., Any]) -> None:
    starting: list[float | None] = [0, 0, 0, 0, 0, 0.2, 0.8, 2, 4, 6]
    assert duplicates(paint(vs.YUV420P10, moments=starting)) == []
    wobbling: list[float | None] = [0, 0.1, 2, 2.1, 4, 4.1, 6, 6.1]
    assert duplicates(paint(moments=wobbling)) == [1, 3, 5, 7]


def test_repeats_become_frames_in_between(paint: Callable[..., Any], truth: Any) -> None:
    clip = paint(vs.RGBS, moments=ON_TWOS)
    made = repair_duplicates(clip, model="flow")

    assert (made.num_frames, made.fps) == (clip.num_frames, clip.fps)
    # After the last drawing there is nothing to move towards.
    assert interpolated(made) == [1, 3, 5, 7]
    for number in (1, 3, 5, 7):
        error = np.abs(array(made.get_frame(number)) - truth(number, 64, 48))[:, 8:-8, 8:-8]
        assert error.max() < 0.03


def test_centred_drawings_move_evenly(paint: Callable[..., Any], truth: Any) -> None:
    made = repair_duplicates(paint(vs.RGBS, moments=ON_TWOS), place="centre", model="flow")

    assert interpolated(made) == [1, 2, 3, 4, 5, 6, 7, 8]
    for number in range(1, 9):
        wanted = truth(number - 0.5, 64, 48)
        assert np.abs(array(made.get_frame(number)) - wanted)[:, 8:-8, 8:-8].max() < 0.05


def test_on_threes_the_middle_drawing_stays_when_centred(
    paint: Callable[..., Any], samples_of: Any
) -> None:
    moments: list[float | None] = [0, 0, 0, 2, 2, 2, 4, 4, 4, 6, 6, 6]
    clip = paint(moments=moments)
    made = repair_duplicates(clip, place="centre", model="flow")
    assert samples_of(made.get_frame(4)) == samples_of(clip.get_frame(3))
    assert made.get_frame(3).props["IMFInterpolated"] == 1
    assert interpolated(repair_duplicates(clip, model="flow")) == [1, 2, 4, 5, 7, 8]


def test_a_still_picture_stays_still(paint: Callable[..., Any]) -> None:
    moments: list[float | None] = [0, 2, 4, 4, 4, 4, 4, 4, 6, 8]
    assert interpolated(repair_duplicates(paint(moments=moments), model="flow")) == []
    longer = repair_duplicates(paint(moments=moments), max_run=5, model="flow")
    assert interpolated(longer) == [3, 4, 5, 6, 7]


def test_repeats_before_a_cut_stay(paint: Callable[..., Any]) -> None:
    made = repair_duplicates(paint(moments=ON_TWOS, cut=4), model="flow")
    assert interpolated(made) == [1, 5, 7]
    assert [n for n, frame in enumerate(made.frames()) if frame.props["_SceneChangePrev"]] == [4]


def test_the_user_knows_best(paint: Callable[..., Any]) -> None:
    clip = paint(moments=ON_TWOS)
    assert interpolated(repair_duplicates(clip, never=[3], model="flow")) == [1, 5, 7]
    assert interpolated(repair_duplicates(clip, only=[5], model="flow")) == [5]
    assert interpolated(repair_duplicates(clip, only=[], model="flow")) == []


def test_repairs_do_not_depend_on_order(
    paint: Callable[..., Any], samples_of: Any, shuffled: Any
) -> None:
    clip = paint(moments=ON_TWOS)
    for place in ("first", "centre"):
        made = repair_duplicates(clip, place=place, model="flow")
        ordered = [samples_of(frame) for frame in made.frames()]
        again = repair_duplicates(clip, place=place, model="flow")
        assert shuffled(again) == dict(enumerate(ordered))


def test_a_variable_rate_keeps_its_durations(paint: Callable[..., Any]) -> None:
    clip = paint(moments=ON_TWOS, rate=None)
    for made in (repair_duplicates(clip, model="flow"), replace_frames(clip, [4], model="flow")):
        assert made.fps_num == 0
        for frame, source in zip(made.frames(), clip.frames(), strict=True):
            for name in ("_DurationNum", "_DurationDen"):
                assert frame.props[name] == source.props[name]


def test_frames_that_stay_keep_what_other_filters_said_of_cuts(paint: Callable[..., Any]) -> None:
    clip = paint().std.SetFrameProps(_SceneChangePrev=0, _SceneChangeNext=0)
    clip = clip[:4] + clip[4].std.SetFrameProps(_SceneChangePrev=1) + clip[5:]
    for made in (
        replace_frames(clip, [2], model="flow"),
        repair_duplicates(clip, only=[2], sc=False, model="flow"),
    ):
        told = [frame.props.get("_SceneChangePrev") for frame in made.frames(close=True)]
        assert told == [0, 0, None, 0, 1, 0]


def test_a_variable_rate_says_when_a_new_frame_is(paint: Callable[..., Any]) -> None:
    clip = paint(moments=ON_TWOS, rate=None)
    lasting = [Fraction(f.props["_DurationNum"], f.props["_DurationDen"]) for f in clip.frames()]
    for made in (
        repair_duplicates(clip, model="flow"),
        replace_frames(clip, [3], sc=False, model="flow"),
    ):
        with made.get_frame(3) as frame:
            timestep = Fraction(frame.props["IMFTimeNum"], frame.props["IMFTimeDen"])
        assert timestep == lasting[2] / (lasting[2] + lasting[3])


def test_damaged_frames_are_rebuilt(paint: Callable[..., Any], truth: Any, samples_of: Any) -> None:
    clip = paint(vs.RGBS, moments=[0, 1, None, 3, 4, None, None, 7, 8])
    made = replace_frames(clip, [2, (5, 6)], sc_threshold=0.4, model="flow")

    assert interpolated(made) == [2, 5, 6]
    for number in (2, 5, 6):
        error = np.abs(array(made.get_frame(number)) - truth(number, 64, 48))[:, 8:-8, 8:-8]
        assert error.max() < 0.05
    assert samples_of(made.get_frame(4)) == samples_of(clip.get_frame(4))


def test_damage_may_be_listed_in_text(paint: Callable[..., Any], tmp_path: Path) -> None:
    clip = paint(count=9)
    listed = "2\n\n5,2\n"
    file = tmp_path / "damaged.txt"
    file.write_text(listed)
    for ranges in (listed, file, str(file), [5, 6, 2]):
        assert interpolated(replace_frames(clip, ranges, sc=False, model="flow")) == [2, 5, 6]


def test_damage_at_the_ends_shows_the_nearest_good_frame(
    paint: Callable[..., Any], samples_of: Any
) -> None:
    clip = paint(moments=[None, 1, 2, 3, None])
    made = replace_frames(clip, [0, 4], model="flow")
    assert interpolated(made) == []
    assert samples_of(made.get_frame(0)) == samples_of(clip.get_frame(1))
    assert samples_of(made.get_frame(4)) == samples_of(clip.get_frame(3))


def test_damage_at_a_cut_is_not_morphed(paint: Callable[..., Any], samples_of: Any) -> None:
    clip = paint(cut=3)
    made = replace_frames(clip, [2], sc_mode="nearest", model="flow")
    assert samples_of(made.get_frame(2)) == samples_of(clip.get_frame(3))


def test_damaged_frames_are_never_asked_for(paint: Callable[..., Any]) -> None:
    clip = paint(count=6)

    def broken(n: int, f: Any) -> Any:
        if n == 3:
            raise RuntimeError("cannot be decoded")
        return f

    clip = clip.std.ModifyFrame(clip, broken)
    made = replace_frames(clip, [3], model="flow")
    assert interpolated(made) == [3]


def test_clips_are_merged_in_time(paint: Callable[..., Any], truth: Any, samples_of: Any) -> None:
    clip = paint(vs.RGBS, count=5)
    clipa, clipb = clip[:-1], clip[1:]

    made = merge(clipa, clipb, Fraction(1, 4), model="flow")
    assert (made.num_frames, made.fps) == (4, clip.fps)
    for number, frame in enumerate(made.frames()):
        assert frame.props["IMFSourceIndex"] == number
        error = np.abs(array(frame) - truth(number + 0.25, 64, 48))[:, 8:-8, 8:-8]
        assert error.max() < 0.03
    for t, wanted in ((0, clipa), (1.0, clipb)):
        same = merge(clipa, clipb, t, model="flow")
        assert [samples_of(f) for f in same.frames()] == [samples_of(f) for f in wanted.frames()]


def test_a_clip_may_say_when(paint: Callable[..., Any], samples_of: Any) -> None:
    clip = paint(count=5)
    levels = [
        vs.core.std.BlankClip(width=16, height=16, format=vs.GRAY8, length=1, color=level)
        for level in (0, 51, 255, 102)
    ]
    made = merge(clip[:-1], clip[1:], vs.core.std.Splice(levels), model="flow")
    assert samples_of(made.get_frame(0)) == samples_of(clip.get_frame(0))
    assert samples_of(made.get_frame(2)) == samples_of(clip.get_frame(3))
    assert interpolated(made) == [1, 3]
    with made.get_frame(3) as frame:
        assert frame.props["IMFTimeNum"] / frame.props["IMFTimeDen"] == pytest.approx(0.4, abs=1e-4)
