"""Speed curves: exact edits, the engine's own course, nothing lost on the way back."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_ui.model.curve import CurveKey, SpeedCurve, StretchKind, identity_curve
from imf_ui.model.curve_edits import (
    at_speed,
    fitted,
    reversed_curve,
    snapped_source,
    with_ease,
    with_handles,
    with_hold,
    with_key,
    with_key_moved,
    with_key_speed,
    with_keys_shifted,
    with_rewind,
    with_speed_key_moved,
    with_stretch_speed,
    without_keys,
)
from imf_ui.model.presets import (
    BUILT_IN,
    Preset,
    PresetStore,
    apply_preset,
    preset_named,
    preset_of,
)
from imf_ui.model.timebase import TICKS_PER_SECOND as SECOND
from imf_ui.model.timebase import format_time, parse_position, seconds_of, ticks_of

F = Fraction
CLIP = 4 * SECOND


def three_keys() -> SpeedCurve:
    curve = identity_curve(CLIP)
    for second in (1, 2, 3):
        curve = with_key(curve, second * SECOND)
    return curve


def test_a_slow_key_ramps_down_and_up_and_the_result_gets_longer() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    assert [slow.stretch_kind(n) for n in range(4)] == [
        StretchKind.CONSTANT,
        StretchKind.RAMP,
        StretchKind.RAMP,
        StretchKind.CONSTANT,
    ]
    assert slow.stretch_speeds(1) == (F(1), F(1, 4))
    # One second of the clip at a mean speed of 5/8 lasts 1.6 seconds.
    assert [key.at for key in slow.keys] == [
        0,
        SECOND,
        SECOND * 26 // 10,
        SECOND * 42 // 10,
        SECOND * 52 // 10,
    ]
    assert [key.source for key in slow.keys] == [n * SECOND for n in range(5)]


def test_a_ramp_is_exact_halfway_as_the_engine_shows_it() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    ramp = slow.engine_curve().stretches(F(100))[1]
    halfway = ramp.start + ramp.duration / 2
    # Speed falls evenly from 1 to 1/4, so the first half covers 13/20 of the way.
    assert ramp.source_time(halfway) == 1 + F(13, 20)


@pytest.mark.parametrize("speed", [F(1, 2), F(1, 3), F(3, 10), F(7, 1000), F(99)])
def test_setting_a_speed_and_setting_it_back_gives_the_same_curve(speed: Fraction) -> None:
    assert at_speed(F(1), 0, CLIP) == identity_curve(CLIP)
    there = at_speed(speed, 0, CLIP)
    assert at_speed(F(1), there.keys[0].source, there.keys[-1].source) == identity_curve(CLIP)
    curve = three_keys()
    assert with_key_speed(with_key_speed(curve, 2, speed), 2, F(1)) == curve
    assert with_stretch_speed(with_stretch_speed(curve, 1, speed), 1, F(1)) == curve


def test_removing_all_keys_of_a_slow_part_gives_the_clip_back() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    assert without_keys(slow, [1, 2, 3]) == identity_curve(CLIP)


def test_the_ends_cannot_be_removed() -> None:
    with pytest.raises(ValueError, match="first and the last key"):
        without_keys(three_keys(), [0, 4])


def test_a_new_key_leaves_the_course_as_it_was() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    curved = with_handles(slow, 1, (F(1, 5), F(2, 3), F(3, 5), F(9, 10)))
    for curve in (slow, curved):
        more = with_key(curve, SECOND * 2)
        assert len(more.keys) == 6
        for at in range(0, curve.duration, SECOND // 7):
            assert more.source_at(at) == pytest.approx(float(curve.source_at(at)), abs=SECOND / 1e5)


def test_without_ripple_what_follows_keeps_its_place() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4), ripple=False)
    assert [key.at for key in slow.keys] == [key.at for key in three_keys().keys]
    assert slow.keys[3].source < 3 * SECOND
    assert slow.stretch_speeds(2) == (F(1, 4), F(1))


def test_a_key_dragged_in_the_speed_view_lands_where_it_is_dragged() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    moved = with_speed_key_moved(slow, 2, 2 * SECOND)
    assert moved.keys[2].at == pytest.approx(2 * SECOND, abs=4)
    assert moved.stretch_speeds(1) == (F(1), F(1, 4))
    assert moved.keys[4].source == CLIP


def test_a_key_dragged_in_the_frame_view_stops_at_its_neighbours() -> None:
    curve = three_keys()
    moved = with_key_moved(curve, 2, at=10 * SECOND, source=99 * SECOND, source_duration=CLIP)
    assert moved.keys[2] == CurveKey(at=3 * SECOND - 1, source=CLIP)
    still = with_key_moved(curve, 0, at=SECOND, source=5, source_duration=CLIP)
    assert still.keys[0] == CurveKey(at=0, source=5)


def test_several_keys_move_together() -> None:
    moved = with_keys_shifted(three_keys(), [1, 2], SECOND // 2)
    assert [key.at for key in moved.keys][1:3] == [SECOND * 3 // 2, SECOND * 5 // 2]
    assert with_keys_shifted(three_keys(), [1, 2], 9 * SECOND).keys[2].at == 3 * SECOND - 1


def test_a_freeze_holds_the_picture_and_makes_the_result_longer() -> None:
    held = with_hold(identity_curve(CLIP), SECOND, SECOND // 2)
    assert held.duration == CLIP + SECOND // 2
    assert held.stretch_kind(1) is StretchKind.HOLD
    assert held.source_at(SECOND * 5 // 4) == SECOND
    assert held.speed_at(SECOND * 5 // 4) == 0
    assert without_keys(held, [1]) != held


def test_backwards_and_backwards_again_is_forwards() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    back = reversed_curve(slow)
    assert back.source_at(0) == CLIP
    assert back.speed_at(SECOND // 2) == -1
    assert reversed_curve(back) == slow


def test_a_rewind_plays_a_stretch_three_times() -> None:
    rewound = with_rewind(three_keys(), 1)
    assert rewound.duration == CLIP + 2 * SECOND
    assert [key.source // SECOND for key in rewound.keys] == [0, 1, 2, 1, 2, 3, 4]
    assert rewound.speed_at(SECOND * 5 // 2) == -1


def test_a_curve_fits_a_wanted_length_to_the_tick() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    assert fitted(slow, 7 * SECOND + 1).duration == 7 * SECOND + 1


def test_easing_changes_how_the_speed_runs_and_keeps_its_ends() -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    smooth = with_ease(slow, 1, StretchKind.SMOOTH)
    assert smooth.stretch_kind(1) is StretchKind.SMOOTH
    assert smooth.stretch_speeds(1) == slow.stretch_speeds(1)
    assert smooth.duration == slow.duration
    assert with_ease(smooth, 1, StretchKind.RAMP) == slow
    held = with_ease(slow, 1, StretchKind.HOLD)
    assert held.speed_at(SECOND * 2) == 0


def test_a_standstill_is_no_speed() -> None:
    with pytest.raises(ValueError, match="add a freeze"):
        with_key_speed(three_keys(), 1, F(0))


def test_frames_are_where_keys_snap_to() -> None:
    rate = F(30000, 1001)
    assert snapped_source(ticks_of(10 / rate) + 999, rate) == ticks_of(10 / rate)


@st.composite
def curves(draw: st.DrawFn) -> SpeedCurve:
    """Curves made by random edits, as a user would make them."""
    curve = identity_curve(CLIP)
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(1, curve.duration - 1))
        number = draw(st.integers(0, len(curve.keys) - 2))
        speed = F(draw(st.integers(1, 400)), 100)
        edit = draw(st.sampled_from(["key", "speed", "stretch", "hold", "reverse", "smooth"]))
        try:
            if edit == "key":
                curve = with_key(curve, at)
            elif edit == "speed":
                curve = with_key_speed(curve, number, speed)
            elif edit == "stretch":
                curve = with_stretch_speed(curve, number, speed)
            elif edit == "hold":
                curve = with_hold(curve, at, SECOND // 3)
            elif edit == "smooth":
                curve = with_ease(curve, number, StretchKind.SMOOTH)
            else:
                curve = reversed_curve(curve)
        except ValueError:
            continue
    return curve


@given(curves())
def test_whatever_is_done_keys_rise_and_nothing_beyond_the_clip_is_shown(curve: SpeedCurve) -> None:
    assert all(later.at > earlier.at for earlier, later in pairwise(curve.keys))
    for share in range(0, 101, 10):
        assert 0 <= curve.source_at(curve.duration * share // 100) <= CLIP


@given(curves())
def test_the_speed_shown_is_the_slope_of_what_the_engine_shows(curve: SpeedCurve) -> None:
    step = 1000
    for number, (key, following) in enumerate(pairwise(curve.keys)):
        middle = (key.at + following.at) // 2
        if following.at - key.at < 100 * step:
            continue
        way = curve.source_at(middle + step) - curve.source_at(middle - step)
        assert curve.speed_at(middle) == pytest.approx(float(way) / (2 * step), abs=0.02), number


@pytest.mark.parametrize("preset", BUILT_IN, ids=lambda preset: preset.id)
def test_every_preset_fits_every_clip(preset: Preset) -> None:
    for duration in (SECOND // 5, CLIP, 7200 * SECOND + 1):
        curve = apply_preset(preset, identity_curve(duration), duration)
        shown = [curve.source_at(curve.duration * n // 20) for n in range(21)]
        assert min(shown) == 0
        assert max(shown) == pytest.approx(duration)


def test_slow_in_the_middle_runs_at_a_quarter_there_and_normally_at_both_ends() -> None:
    curve = apply_preset(preset_named("slow_quarter"), identity_curve(CLIP), CLIP)
    assert curve.key_speed(0) == 1
    assert curve.speed_at(curve.duration // 2) == 0.25
    assert curve.key_speed(len(curve.keys) - 1) == 1


def test_ones_own_preset_brings_the_same_curve_back(tmp_path: object) -> None:
    slow = with_key_speed(three_keys(), 2, F(1, 4))
    preset = preset_of(slow, CLIP, "mine", "Mine")
    again = apply_preset(preset, identity_curve(CLIP), CLIP)
    for share in range(11):
        at = slow.duration * share // 10
        assert again.source_at(at) == pytest.approx(float(slow.source_at(at)), abs=3)


def test_presets_are_kept_in_a_file(tmp_path: "object") -> None:
    from pathlib import Path

    store = PresetStore(Path(str(tmp_path)))
    assert store.load() == ()
    preset = preset_of(three_keys(), CLIP, "mine", "Mine")
    store.save(preset)
    store.save(preset)
    assert PresetStore(Path(str(tmp_path))).load() == (preset,)
    store.delete("mine")
    assert store.load() == ()


@pytest.mark.parametrize(
    ("text", "frame"),
    [("36", 36), ("+10", 60), ("-5", 45), ("1.5s", 37), ("00:00:02:12", 62), ("0:02.48", 62)],
)
def test_positions_are_read_as_people_write_them(text: str, frame: int) -> None:
    assert parse_position(text, F(25), 100, current=50) == frame


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4:5", "--3"])
def test_what_is_no_position_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="give a frame such as 36"):
        parse_position(text, F(25), 100)


@given(st.integers(0, 10_000), st.sampled_from([F(24), F(25), F(30000, 1001), F(60)]))
def test_every_frame_is_written_and_its_second_is_the_clocks(frame: int, rate: Fraction) -> None:
    words = format_time(frame / rate, rate)
    minutes, rest = words.rsplit(":", 1)
    hours = minutes.split(":")
    whole = int(hours[-1]) * 60 + (int(hours[0]) * 3600 if len(hours) > 1 else 0)
    assert whole + int(rest.split(".")[0]) == int(frame / rate)


@given(st.integers(0, 10**6), st.sampled_from([F(24000, 1001), F(25), F(30000, 1001), F(120)]))
def test_frames_of_usual_rates_lie_on_whole_ticks(frame: int, rate: Fraction) -> None:
    assert seconds_of(ticks_of(frame / rate)) == frame / rate
