"""Rates, durations and lengths, all exact."""

import time
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import interpolate, slow_motion  # noqa: E402


def durations(clip: Any) -> list[Fraction]:
    return [
        Fraction(frame.props["_DurationNum"], frame.props["_DurationDen"])
        for frame in clip.frames()
    ]


def starts(clip: Any) -> list[Fraction]:
    return [Fraction(0), *accumulate(durations(clip))]


def test_a_frame_rate_is_reached_exactly(paint: Callable[..., Any]) -> None:
    made = interpolate(paint(count=8), fps_num=60000, fps_den=1001, model="flow")

    assert (made.fps_num, made.fps_den) == (60000, 1001)
    assert made.num_frames == 20
    assert set(durations(made)) == {Fraction(1001, 60000)}


def test_fewer_frames_are_possible_too(paint: Callable[..., Any]) -> None:
    made = interpolate(paint(count=10, rate=Fraction(50)), fps_num=20, fps_den=1, model="flow")

    assert made.num_frames == 4
    assert [frame.props["IMFSourceIndex"] for frame in made.frames()] == [0, 2, 5, 7]


@pytest.mark.parametrize("factor", [Fraction(2), Fraction(5, 2), Fraction(3)])
def test_source_frames_of_a_variable_rate_start_when_they_did(
    factor: Fraction, paint: Callable[..., Any]
) -> None:
    clip = paint(count=7, rate=None)
    made = interpolate(clip, factor, model="flow")

    assert made.fps_num == 0
    old, new = starts(clip), starts(made)
    assert new[-1] == old[-1]
    for number in range(0, clip.num_frames, factor.denominator):
        assert new[int(number * factor)] == old[number]


def test_slow_motion_stretches_a_variable_rate_evenly(paint: Callable[..., Any]) -> None:
    clip = paint(count=6, rate=None)
    made = slow_motion(clip, "5/2", model="flow")

    assert starts(made)[-1] == starts(clip)[-1] * Fraction(5, 2)
    assert starts(made)[5] == starts(clip)[2] * Fraction(5, 2)


def test_slow_motion_keeps_the_rate_or_takes_a_given_one(paint: Callable[..., Any]) -> None:
    clip = paint(count=6)
    assert slow_motion(clip, 8, model="flow").num_frames == 48
    assert slow_motion(clip, 8, model="flow").fps == clip.fps

    faster = slow_motion(clip, 2, fps_num=48000, fps_den=1001, model="flow")
    assert (faster.num_frames, faster.fps) == (24, Fraction(48000, 1001))


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), None])
def test_the_longest_clip_is_built_in_no_time(
    rate: Fraction | None, paint: Callable[..., Any]
) -> None:
    clip = paint(count=4, rate=rate)
    endless = vs.core.std.Loop(clip, 0)[: 2**31 - 1]
    interpolate(clip, 2, model="flow")  # so that nothing is imported for the first time below

    began = time.thread_time()
    made = interpolate(endless, "5/2", model="flow")
    assert time.thread_time() - began < 1
    assert made.num_frames == 2**31 - 1
    with made.get_frame(2**31 - 2) as frame:
        assert frame.props["IMFSourceIndex"] == (2**31 - 2) * 2 // 5
