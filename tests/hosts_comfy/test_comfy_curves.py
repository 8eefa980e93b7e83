import itertools
from fractions import Fraction
from typing import Any

import pytest

from imf_hosts.comfyui import curves
from imf_plugin.errors import PlanError
from imf_plugin.timeline.timemap import SourceTiming, along_curve

LENGTH = Fraction(2)


def _made(preset: str, **options: Any) -> list[float]:
    """Return the source seconds shown, at 24 frames a second."""
    curve = curves.make_curve(preset, duration=LENGTH, **{"speed": 1.0, **options})
    timing = SourceTiming(frame_times=tuple(Fraction(n, 24) for n in range(48)), duration=LENGTH)
    return [
        float(moment.source_time) for moment in along_curve(timing, curve, Fraction(24)).moments
    ]


def test_constant_speed_is_the_clip_itself() -> None:
    assert _made(curves.CONSTANT) == pytest.approx([n / 24 for n in range(48)])


def test_half_the_speed_takes_twice_as_long() -> None:
    assert len(_made(curves.CONSTANT, speed=0.5)) == 96


def test_bullet_time_is_slowest_in_the_middle() -> None:
    shown = _made(curves.BULLET_TIME)
    steps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    middle = next(n for n, time in enumerate(shown) if time > 1)
    assert steps[middle] == pytest.approx(0.1 / 24, rel=0.02)
    assert steps[0] == pytest.approx(1 / 24)
    assert steps[-1] == pytest.approx(1 / 24)


def test_easing_in_and_out_are_each_other_reversed() -> None:
    into, out = _made(curves.EASE_IN), _made(curves.EASE_OUT)
    assert len(into) == len(out)
    assert into[1] == pytest.approx(0.25 / 24, rel=0.1)
    assert out[1] == pytest.approx(1 / 24, rel=0.1)


def test_typed_speeds_hold_at_their_places() -> None:
    assert curves.read_keyframes("0s:1, 1.5s : 0.2x; 3:1") == [
        (Fraction(0), Fraction(1)),
        (Fraction(3, 2), Fraction(1, 5)),
        (Fraction(3), Fraction(1)),
    ]
    assert curves.read_keyframes("50%:1/4", Fraction(3)) == [(Fraction(3, 2), Fraction(1, 4))]


def test_typed_positions_may_run_backwards() -> None:
    shown = _made(curves.KEYFRAMES, keyframes="0s:1s, 1s:0s", curve_is=curves.POSITION)
    assert len(shown) == 24
    assert shown[0] == 1
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there are none"),
        ("1s", "has no colon"),
        ("0s:fast", "must be a number"),
        ("1s:1, 0s:1", "must rise"),
        ("-1s:1", "before the clip"),
        ("0s:-1", "below 0"),
    ],
)
def test_keyframes_that_make_no_sense_are_named(text: str, complaint: str) -> None:
    with pytest.raises(PlanError, match=complaint):
        curves.read_keyframes(text)


def test_a_speed_of_nothing_is_refused_in_a_sentence() -> None:
    with pytest.raises(PlanError, match="to stand still, give positions"):
        _made(curves.KEYFRAMES, keyframes="0s:0, 1s:1")


@pytest.mark.parametrize("interpolation", ["linear", "monotone_cubic"])
def test_a_drawn_position_curve_is_followed(interpolation: str) -> None:
    drawn = {"points": [[0, 0], [0.5, 0.25], [1, 1]], "interpolation": interpolation}
    shown = _made(curves.CURVE, points=drawn, curve_is=curves.POSITION)
    assert len(shown) == 48
    assert shown[24] == pytest.approx(0.5, abs=1e-5)
    assert shown == sorted(shown)


def test_a_drawn_speed_of_one_changes_nothing() -> None:
    assert _made(curves.CURVE, points=[(0, 1), (1, 1)]) == pytest.approx(_made(curves.CONSTANT))


def test_the_editor_s_own_curve_object_is_evaluated_by_itself() -> None:
    class Drawn:
        points = ((0.0, 0.0), (1.0, 1.0))

        def interp(self, x: float) -> float:
            return x * x

    shown = _made(curves.CURVE, points=Drawn(), curve_is=curves.POSITION)
    assert shown[24] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("points", [{"points": []}, [(0.5, 1)], [(0, float("nan")), (1, 1)]])
def test_a_curve_without_points_is_refused(points: Any) -> None:
    with pytest.raises(PlanError, match="at least two points"):
        curves.check_points(points)


def test_a_missing_curve_is_refused() -> None:
    with pytest.raises(PlanError, match="none is connected"):
        _made(curves.CURVE)
