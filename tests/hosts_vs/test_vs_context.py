"""Four keyframes: which ones a new frame is made from, and how far apart they count."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import (  # noqa: E402
    feature_stats,
    interpolate,
    merge,
    repair_duplicates,
    replace_frames,
    retime,
    slow_motion,
)
from imf_plugin.models.flow.interpolator import FlowInterpolator  # noqa: E402
from imf_plugin.timeline.plan import Beyond, make_frames  # noqa: E402
from imf_plugin.timeline.timemap import SourceTiming  # noqa: E402
from imf_plugin.timeline.timemap import slow_motion as slow_map  # noqa: E402

type Used = dict[tuple[int, int], tuple[Any, Any]]

SHADES = 16
"""The watched clips' frames are told apart by their brightness: frame n is n / SHADES."""


class Watching(FlowInterpolator):
    """Notes which keyframes each pair is interpolated with."""

    def __init__(self) -> None:
        super().__init__()
        self.used: Used = {}

    def interpolate(self, before: Any, after: Any, timesteps: Any, *, context: Any = None) -> Any:
        def beyond(neighbour: Any) -> Any:
            return neighbour and (
                number(neighbour.keyframe),
                Fraction(neighbour.distance).limit_denominator(1000),
            )

        earlier, later = (context.earlier, context.later) if context else (None, None)
        self.used[number(before), number(after)] = beyond(earlier), beyond(later)
        return super().interpolate(before, after, timesteps)


def number(state: Any) -> int:
    return round(float(state.frames.mean()) * SHADES)


def shades(numbers: Iterable[int], cuts: tuple[int, ...] = (), rate: int | None = 24) -> Any:
    """Return a clip whose frames can be told apart, marked as cut before some of them."""
    frames = []
    for place, shade in enumerate(numbers):
        frame = vs.core.std.BlankClip(
            width=32,
            height=32,
            format=vs.RGBS,
            length=1,
            color=[shade / SHADES] * 3,
            fpsnum=rate or (24, 30, 50)[place % 3],
            fpsden=1,
        )
        frames.append(frame.std.SetFrameProps(_SceneChangePrev=int(place in cuts)))
    return vs.core.std.Splice(frames)


def used_by(make: Callable[..., Any], *args: Any, **options: Any) -> Used:
    """Return what each pair of a whole clip was interpolated with."""
    model = Watching()
    for _ in make(*args, model=model, **options).frames(close=True):
        pass
    return model.used


def test_the_frames_on_both_sides_of_a_pair_are_used() -> None:
    one = Fraction(1)
    assert used_by(interpolate, shades(range(5))) == {
        (0, 1): (None, (2, one)),
        (1, 2): ((0, one), (3, one)),
        (2, 3): ((1, one), (4, one)),
        (3, 4): ((2, one), None),
    }


def test_nothing_beyond_a_cut_is_used() -> None:
    used = used_by(interpolate, shades(range(6), cuts=(3,)))
    assert {pair: [side and side[0] for side in sides] for pair, sides in used.items()} == {
        (0, 1): [None, 2],
        (1, 2): [0, None],
        (3, 4): [None, 5],
        (4, 5): [3, None],
    }


@pytest.mark.parametrize("options", [{"context": 2}, {"context": 4}])
def test_two_keyframes_can_be_asked_for(options: dict[str, int]) -> None:
    for make in (interpolate, slow_motion):
        used = used_by(make, shades(range(4)), **options)
        assert any(side for sides in used.values() for side in sides) == (options["context"] == 4)


def test_a_model_for_two_keyframes_is_given_two() -> None:
    from dataclasses import replace

    class Plain(Watching):
        descriptor = replace(FlowInterpolator.descriptor, context=2)

    model = Plain()
    list(interpolate(shades(range(4)), model=model).frames(close=True))
    assert set(model.used.values()) == {(None, None)}


def test_distances_are_those_of_the_plan_of_a_variable_rate() -> None:
    clip = shades(range(9), cuts=(5,), rate=None)
    times = [Fraction(0)]
    for frame in clip.frames(close=True):
        times.append(times[-1] + Fraction(frame.props["_DurationNum"], frame.props["_DurationDen"]))
    timing = SourceTiming(frame_times=tuple(times[:-1]), duration=times[-1])
    planned = make_frames(timing, slow_map(timing, Fraction(2), Fraction(60)), cuts=[5])

    def told(beyond: Beyond | None) -> tuple[int, Fraction] | None:
        return None if beyond is None else (beyond.keyframe, beyond.distance)

    wanted = {
        (frame.before, frame.after): (told(frame.earlier), told(frame.later))
        for frame in planned
        if frame.decision == "interpolate"
    }
    assert len(wanted) == 7
    assert used_by(interpolate, clip, 2) == wanted


def test_a_frame_much_longer_than_the_pair_tells_nothing() -> None:
    clip = shades(range(4))
    uneven = vs.core.std.Splice([clip[0].std.AssumeFPS(fpsnum=2), clip[1:]])
    assert used_by(interpolate, uneven)[1, 2] == (None, (3, Fraction(1)))


def test_drawings_on_twos_are_made_from_the_drawings_around_them() -> None:
    clip = shades([0, 0, 2, 2, 5, 5, 5, 8, 8, 10])
    used = used_by(repair_duplicates, clip, only=[1, 3, 5, 6, 8], sc=False)
    assert used == {
        (0, 2): (None, (5, Fraction(1))),
        (2, 5): ((0, Fraction(1)), (8, Fraction(3, 2))),
        (5, 8): ((2, Fraction(2, 3)), (10, Fraction(2, 3))),
        (8, 10): ((5, Fraction(3, 2)), None),
    }


def test_damage_is_rebuilt_from_the_good_frames_around_it() -> None:
    used = used_by(replace_frames, shades(range(10), cuts=(8,)), [2, (4, 5), 7], sc_threshold=0.5)
    assert used == {
        (1, 3): ((0, Fraction(1, 2)), (6, Fraction(3, 2))),
        (3, 6): ((1, Fraction(2, 3)), (8, Fraction(2, 3))),
        (6, 8): ((3, Fraction(3, 2)), (9, Fraction(1, 2))),
    }


def test_good_frames_beyond_a_marked_cut_do_not_help() -> None:
    used = used_by(replace_frames, shades(range(8), cuts=(2, 6)), [(3, 4)], sc_threshold=0.5)
    assert used == {(2, 5): (None, None)}


def test_merging_uses_the_pair_alone() -> None:
    clip = shades(range(5))
    used = used_by(merge, clip[:-1], clip[1:], Fraction(1, 2))
    assert set(used.values()) == {(None, None)}


def test_frames_of_a_falling_texture_follow_its_curve(
    paint: Callable[..., Any], truth: Any
) -> None:
    clip = paint(vs.RGBS, moments=[0.15 * n * n for n in range(6)])

    def error(context: int) -> float:
        made = interpolate(clip, model="flow", context=context)
        errors = []
        for place in (3, 5, 7):
            with made.get_frame(place) as frame:
                shown = np.stack([np.asarray(plane) for plane in frame])
            wanted = truth(0.15 * (place / 2) ** 2, 64, 48)
            errors.append(np.abs(shown - wanted)[:, 8:-8, 8:-8].mean())
        return float(np.mean(errors))

    assert error(4) < 0.6 * error(2)


def test_clips_of_two_and_three_frames_have_no_more_than_they_have() -> None:
    assert used_by(interpolate, shades(range(2)), 3) == {(0, 1): (None, None)}
    assert used_by(slow_motion, shades(range(3)), 3) == {
        (0, 1): (None, (2, Fraction(1))),
        (1, 2): ((0, Fraction(1)), None),
    }


def test_each_source_frame_is_encoded_once_though_four_pairs_use_it() -> None:
    clip = shades(range(14))
    for make, args in ((interpolate, (3,)), (interpolate, ("3/2",)), (retime, ([(0, "1/2")],))):
        made = make(clip, *args, model="flow")
        for _ in made.frames(prefetch=4, close=True):
            pass
        assert feature_stats(made)["encodes"] == 14


def test_the_network_makes_the_same_frames_in_any_order(
    paint: Callable[..., Any], samples_of: Any, shuffled: Any
) -> None:
    clip = paint(count=4, width=48)
    made = interpolate(clip, 2, model="imf-vfi-lite")
    ordered = [samples_of(frame) for frame in made.frames(prefetch=4)]
    assert feature_stats(made)["encodes"] == 4
    assert shuffled(interpolate(clip, 2, model="imf-vfi-lite")) == dict(enumerate(ordered))
