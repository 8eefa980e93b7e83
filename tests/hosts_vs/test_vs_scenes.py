"""Scene cuts: who may say so, and what fills the time before them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import detect_scenes, interpolate  # noqa: E402


def marked(clip: Any, name: str) -> list[int]:
    return [number for number, frame in enumerate(clip.frames()) if frame.props.get(name)]


def test_a_cut_is_found_and_marked_on_both_sides(paint: Callable[..., Any]) -> None:
    found = detect_scenes(paint(cut=3))

    assert marked(found, "_SceneChangePrev") == [3]
    assert marked(found, "_SceneChangeNext") == [2]


@pytest.mark.parametrize("format_", ["RGB24", "RGBH", "GRAY16", "YUV444P16"])
def test_cuts_are_found_in_every_format(format_: str, paint: Callable[..., Any]) -> None:
    clip = paint(getattr(vs, format_), cut=3)
    assert marked(detect_scenes(clip), "_SceneChangePrev") == [3]


@pytest.mark.parametrize(
    ("mode", "shown", "last_before"), [("hold", [2, 2, 2], 11), ("nearest", [2, 3, 3], 9)]
)
def test_nothing_is_made_across_a_cut(
    mode: str, shown: list[int], last_before: int, paint: Callable[..., Any], samples_of: Any
) -> None:
    clip = paint(cut=3)
    made = interpolate(clip, 4, sc_mode=mode, model="flow")

    source = [samples_of(frame) for frame in clip.frames()]
    between = [samples_of(made.get_frame(number)) for number in (9, 10, 11)]
    assert between == [source[index] for index in shown]
    assert marked(made, "_SceneChangeNext") == [last_before]
    assert marked(made, "_SceneChangePrev") == [last_before + 1]


def test_a_cut_can_be_cross_faded(paint: Callable[..., Any]) -> None:
    clip = paint(vs.RGBS, cut=3)
    made = interpolate(clip, 2, sc_mode="blend", model="flow")

    before, after, faded = clip.get_frame(2), clip.get_frame(3), made.get_frame(5)
    for number in range(3):
        wanted = (np.asarray(before[number]) + np.asarray(after[number])) / 2
        assert np.abs(np.asarray(faded[number]) - wanted).max() < 1e-6


@pytest.mark.parametrize(("name", "frame"), [("_SceneChangeNext", 1), ("_SceneChangePrev", 2)])
def test_one_existing_property_is_enough(
    name: str, frame: int, paint: Callable[..., Any], samples_of: Any
) -> None:
    clip = paint()
    plain, cut = (clip.std.SetFrameProps(**{name: value}) for value in (0, 1))
    clip = plain[:frame] + cut[frame] + plain[frame + 1 :]
    made = interpolate(clip, 2, model="flow")

    assert samples_of(made.get_frame(3)) == samples_of(clip.get_frame(1))
    assert made.get_frame(5).props["IMFInterpolated"] == 1


def test_properties_that_deny_a_cut_are_believed(paint: Callable[..., Any]) -> None:
    clip = paint(cut=3).std.SetFrameProps(_SceneChangePrev=0, _SceneChangeNext=0)
    made = interpolate(clip, 2, model="flow")
    assert made.get_frame(5).props["IMFInterpolated"] == 1


def test_the_last_frames_property_cuts_nothing(paint: Callable[..., Any]) -> None:
    clip = paint()
    clip = clip[:-1] + clip[-1].std.SetFrameProps(_SceneChangeNext=1)
    made = interpolate(clip, 2, model="flow")
    assert marked(made, "_SceneChangeNext") == []


def test_another_clip_can_tell_the_cuts(paint: Callable[..., Any]) -> None:
    clip, teller = paint(), paint(width=32, height=32, cut=3)
    made = interpolate(clip, 2, sc_clip=teller, model="flow")
    assert marked(made, "_SceneChangePrev") == [6]
    assert made.get_frame(5).props["IMFInterpolated"] == 0


def test_cuts_can_be_ignored(paint: Callable[..., Any]) -> None:
    clip = paint(cut=3).std.SetFrameProps(_SceneChangePrev=1)
    made = interpolate(clip, 2, sc=False, model="flow")
    with made.get_frame(5) as frame:
        assert frame.props["IMFInterpolated"] == 1
        assert "_SceneChangePrev" not in frame.props
