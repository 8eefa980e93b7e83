"""Speed and time curves."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import PlanError
from imf_plugin.timeline.curve import Curve, SpeedKey, TimeKey, parse_curve
from imf_plugin.timeline.timemap import SourceTiming, along_curve

RATE = Fraction(24)


def clip(seconds: int) -> SourceTiming:
    count = seconds * 24
    return SourceTiming(frame_times=tuple(n / RATE for n in range(count)), duration=count / RATE)


def curve(kind: str, *keys: dict[str, object]) -> Curve:
    return parse_curve(json.dumps({"kind": kind, "keys": list(keys)}), "curve.json")


def shown(source: SourceTiming, bent: Curve) -> list[Fraction]:
    return [moment.source_time for moment in along_curve(source, bent, RATE).moments]


def test_a_constant_speed_is_slow_motion() -> None:
    times = shown(clip(1), curve("speed", {"at": 0, "speed": "1/4"}))
    assert times == [Fraction(n, 96) for n in range(96)]


def test_a_step_changes_speed_at_its_key() -> None:
    bent = curve("speed", {"at": 0, "speed": 1, "ease": "step"}, {"at": 1, "speed": "1/2"})
    times = shown(clip(2), bent)
    assert len(times) == 24 + 48
    assert times[24] == 1
    assert times[26] - times[25] == Fraction(1, 48)


def test_a_linear_ramp_is_uniform_acceleration() -> None:
    # From speed 1 to 1/2 over 3 source seconds takes 2*3/(1+1/2) = 4 s, and after half of that
    # the clip has moved 1*2 - (1/2)/4 * 2**2 / 2 = 7/4 s.
    bent = curve("speed", {"at": 0, "speed": 1}, {"at": 3, "speed": 0.5})
    times = shown(clip(3), bent)
    assert len(times) == 4 * 24
    assert times[48] == Fraction(7, 4)


def test_a_ramp_into_the_end_of_the_clip_reaches_its_speed() -> None:
    stretch = curve("speed", {"at": 0, "speed": 1}, {"at": 2, "speed": "1/4"}).stretches(
        Fraction(2)
    )
    assert stretch[-1].parameters == (Fraction(1), Fraction(1, 4))
    assert stretch[-1].source_end == 2


def test_hold_freezes_the_picture_and_then_goes_on() -> None:
    bent = curve("speed", {"at": 0, "speed": 1}, {"at": 1, "speed": 1, "hold": 0.5})
    result = along_curve(clip(2), bent, RATE)
    assert len(result.moments) == (2 * 24) + 12
    held = [moment for moment in result.moments if moment.frozen]
    assert [moment.source_time for moment in held] == [Fraction(1)] * 12


def test_a_time_curve_can_run_backwards() -> None:
    bent = curve("time", {"at": 0, "source": 1}, {"at": 1, "source": 0})
    assert shown(clip(2), bent) == [1 - Fraction(n, 24) for n in range(24)]


def test_a_straight_bezier_is_a_line() -> None:
    third, two_thirds = [1 / 3, 1 / 3], [2 / 3, 2 / 3]
    bent = curve(
        "time",
        {"at": 0, "source": 0, "ease": "bezier", "handles": [third, two_thirds]},
        {"at": 1, "source": 1},
    )
    for number, time in enumerate(shown(clip(1), bent)):
        assert abs(time - Fraction(number, 24)) < Fraction(1, 10**6)


def test_an_ease_in_out_bezier_is_slow_at_both_ends_and_symmetric() -> None:
    bent = curve(
        "time",
        {"at": 0, "source": 0, "ease": "bezier", "handles": [[0.42, 0], [0.58, 1]]},
        {"at": 2, "source": 2},
    )
    times = shown(clip(2), bent)
    assert times[6] < Fraction(6, 24)
    assert abs(times[24] - 1) < Fraction(1, 10**6)
    assert abs(times[6] + times[42] - 2) < Fraction(1, 10**6)


speeds = st.fractions(min_value=Fraction(1, 8), max_value=4, max_denominator=50)


@given(st.lists(speeds, min_size=2, max_size=5), st.sampled_from(["linear", "smooth", "step"]))
def test_every_speed_curve_runs_forward_and_shows_the_whole_clip(
    values: list[Fraction], ease: str
) -> None:
    keys = tuple(
        SpeedKey(at=Fraction(place), speed=value, ease=ease) for place, value in enumerate(values)
    )
    stretches = Curve(speed_keys=keys).stretches(Fraction(len(values)))
    assert stretches[0].source_start == 0
    assert stretches[-1].source_end == len(values)
    for stretch in stretches:
        end = stretch.start + stretch.duration
        assert stretch.source_time(stretch.start) == stretch.source_start
        assert stretch.source_time(end) == stretch.source_end
        middle = stretch.source_time((stretch.start + end) / 2)
        assert stretch.source_start < middle < stretch.source_end


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6))
def test_a_time_curve_passes_through_its_keys(sources: list[int]) -> None:
    keys = tuple(
        TimeKey(at=Fraction(place), source=Fraction(value)) for place, value in enumerate(sources)
    )
    for stretch, key in zip(Curve(time_keys=keys).stretches(Fraction(200)), keys, strict=False):
        assert stretch.source_time(key.at) == key.source


GOOD = {"kind": "speed", "keys": [{"at": 0, "speed": 1}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("[1, 2]", "line 1, column 1"),
        ('{"kind": "speed",\n "keys": [}', "line 2"),
        ('{"kind": "speed", "keys": []}', "at least one key"),
        ('{"kind": "fast", "keys": [{"at": 0}]}', '"kind" must be'),
        ('{"kind": "speed", "keys": [\n{"at": 0}]}', 'line 2: the key lacks "speed"'),
        ('{"kind": "speed", "keys": [\n{"at": 0, "speed": 0}]}', "line 2.*hold"),
        ('{"kind": "speed", "keys": [\n{"at": 0, "speed": -1}]}', "line 2.*run backwards"),
        ('{"kind": "speed", "keys": [{"at": 0, "speed": "x"}]}', "line 1.*number"),
        ('{"kind": "speed", "keys": [{"at": 0, "speed": 1, "sped": 2}]}', "unknown member 'sped'"),
        (
            '{"kind": "speed", "keys": [\n{"at": 2, "speed": 1},\n{"at": 1, "speed": 1}]}',
            "line 3.*above",
        ),
        ('{"kind": "time", "keys": [{"at": 0, "source": 0}]}', "two keys"),
        (
            '{"kind": "time", "keys": [\n{"at": 0, "source": 0, "ease": "bezier"},'
            '\n{"at": 1, "source": 1}]}',
            "line 2.*handles",
        ),
        (json.dumps(GOOD) + "x", "extra text"),
    ],
)
def test_a_malformed_curve_names_the_file_the_line_and_the_fault(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        parse_curve(text, "ramp.json")
    assert str(caught.value).startswith("ramp.json")
    assert "\n" not in str(caught.value)
