"""Speed along a curve."""

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import retime, retime_map  # noqa: E402
from imf_hosts.vs.retiming import Keys  # noqa: E402


def positions(clip: Any) -> list[Fraction]:
    return [
        Fraction(frame.props["IMFSourceTimeNum"], frame.props["IMFSourceTimeDen"])
        for frame in clip.frames()
    ]


def test_a_constant_speed_is_slow_motion(paint: Callable[..., Any]) -> None:
    clip = paint(count=4)
    made = retime(clip, [(0, "1/4")], model="flow")
    assert positions(made) == [Fraction(n, 4) for n in range(16)]
    assert made.fps == clip.fps


def test_frames_show_what_the_map_says(paint: Callable[..., Any]) -> None:
    clip = paint(count=12)
    curve: Keys = [(0, 1), (6, "1/4"), (11, 2)]
    made = retime(clip, curve, ease="linear", model="flow")

    told = retime_map(clip, curve, ease="linear")
    assert positions(made) == told
    assert told == sorted(told)
    steps = [later - earlier for earlier, later in pairwise(told)]
    assert min(steps) < Fraction(1, 3) < 1 < max(steps)


def test_time_can_run_backwards(paint: Callable[..., Any], samples_of: Any) -> None:
    clip = paint(count=5)
    made = retime(clip, [(0, 4), (4, 0)], kind="time", ease="linear", length=5, model="flow")

    backwards = [samples_of(frame) for frame in made.frames()]
    assert backwards == [samples_of(frame) for frame in clip.frames()][::-1]


def test_a_cut_is_marked_where_time_crosses_it_backwards(paint: Callable[..., Any]) -> None:
    clip = paint(count=6, cut=3)
    made = retime(clip, [(0, 5), (10, 0)], kind="time", ease="linear", model="flow")
    shown = [frame.props["_SceneChangePrev"] for frame in made.frames()]
    first = shown.index(1)
    assert sum(shown) == 1
    assert positions(made)[first] < 3 <= positions(made)[first - 1]


def test_a_step_holds_and_jumps(paint: Callable[..., Any]) -> None:
    made = retime(
        paint(count=8), [(0, 1), (4, 6), (6, 6)], kind="time", ease="step", length=6, model="flow"
    )
    assert positions(made) == [1, 1, 1, 1, 6, 6]


def test_a_length_beyond_the_curve_holds_its_end(paint: Callable[..., Any]) -> None:
    made = retime(paint(count=3), [(0, 1)], length=6, model="flow")
    assert positions(made) == [0, 1, 2, 3, 3, 3]
    assert made.get_frame(5).props["IMFSourceIndex"] == 2


def test_curve_files_are_read_as_the_command_reads_them(
    paint: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "curve.json"
    file.write_text(json.dumps({"kind": "speed", "keys": [{"at": 0, "speed": "1/2"}]}))
    made = retime(paint(count=4, rate=Fraction(24)), str(file), model="flow")
    assert positions(made) == [Fraction(n, 2) for n in range(8)]


def test_a_new_rate_leaves_the_speed_alone(paint: Callable[..., Any]) -> None:
    made = retime(paint(count=4, rate=Fraction(24)), [(0, 1)], fps_num=60, fps_den=1, model="flow")
    assert made.num_frames == 10
    assert positions(made)[5] == 2


def test_motion_blur_averages_over_half_a_frame(paint: Callable[..., Any], truth: Any) -> None:
    made = retime(paint(vs.RGBS, count=9), [(0, 2)], motion_blur=4, model="flow")

    with made.get_frame(1) as frame:
        shown = np.stack([np.asarray(plane) for plane in frame])
    wanted = np.mean([truth(2 + step / 4, 64, 48) for step in range(4)], axis=0)
    assert np.abs(shown - wanted)[:, 8:-8, 8:-8].max() < 0.02
    assert np.abs(shown - truth(2, 64, 48)).max() > 0.05


def test_retimed_frames_do_not_depend_on_order(
    paint: Callable[..., Any], samples_of: Any, shuffled: Any
) -> None:
    clip = paint(count=8)
    curve: Keys = [(0, 1), (4, "1/3"), (7, 1)]
    ordered = [samples_of(frame) for frame in retime(clip, curve, model="flow").frames()]
    assert shuffled(retime(clip, curve, model="flow")) == dict(enumerate(ordered))
