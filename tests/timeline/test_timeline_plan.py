"""The render plan: decisions, and the file it is kept in."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import PlanError
from imf_plugin.timeline.plan import (
    Decision,
    OnCut,
    PlannedFrame,
    PlanSource,
    RenderPlan,
    make_frames,
)
from imf_plugin.timeline.planfile import plan_from_json, plan_to_json
from imf_plugin.timeline.timemap import SourceTiming, constant_rate, slow_motion

RATE = Fraction(25)


def clip(count: int) -> SourceTiming:
    return SourceTiming(frame_times=tuple(n / RATE for n in range(count)), duration=count / RATE)


def slowed(
    count: int,
    factor: int,
    *,
    cuts: tuple[int, ...] = (),
    on_cut: OnCut = OnCut.HOLD,
    duplicates: tuple[int, ...] = (),
) -> tuple[PlannedFrame, ...]:
    source = clip(count)
    moments = slow_motion(source, Fraction(factor), RATE)
    return make_frames(source, moments, cuts=cuts, on_cut=on_cut, duplicates=duplicates)


def make_plan(frames: tuple[PlannedFrame, ...], count: int) -> RenderPlan:
    return RenderPlan(
        source=PlanSource(
            path="clip ü\n.mp4",
            frame_count=count,
            frame_rate=RATE,
            duration=count / RATE,
            sha256="0" * 64,
        ),
        request={"slow motion": "4"},
        frame_rate=RATE,
        duration=len(frames) / RATE,
        frames=frames,
        cuts=(2,),
    )


@given(st.integers(1, 20), st.integers(2, 6))
def test_source_frames_are_shown_as_they_are(count: int, factor: int) -> None:
    frames = slowed(count, factor)
    real = [frame for frame in frames if frame.decision is Decision.REAL]
    assert [frame.before for frame in real] == list(range(count))
    assert all(frame.before == frame.after and frame.timestep == 0 for frame in real)


def test_between_two_keyframes_the_timestep_is_exact() -> None:
    steps = [(f.before, f.after, f.timestep) for f in slowed(3, 3)[:4]]
    assert steps == [(0, 0, 0), (0, 1, Fraction(1, 3)), (0, 1, Fraction(2, 3)), (1, 1, 0)]


def test_the_last_frame_is_held_to_the_end() -> None:
    tail = slowed(3, 4)[-3:]
    assert all(f.decision is Decision.HOLD and f.before == 2 for f in tail)
    assert {f.reason for f in tail} == {"after the last frame"}


def test_nothing_is_interpolated_across_a_cut() -> None:
    frames = slowed(4, 4, cuts=(2,))
    across = [f for f in frames if 1 / RATE < f.time / 4 < 2 / RATE]
    assert [(f.decision, f.before) for f in across] == [
        (Decision.HOLD, 1),
        (Decision.HOLD, 2),
        (Decision.HOLD, 2),
    ]
    assert {f.reason for f in across} == {"shot cut"}


def test_a_cut_can_be_cross_faded() -> None:
    frames = slowed(4, 2, cuts=(2,), on_cut=OnCut.BLEND)
    assert [(f.decision, f.before, f.after) for f in frames if f.reason == "shot cut"] == [
        (Decision.BLEND, 1, 2)
    ]


def test_repeated_frames_become_true_in_betweens_at_the_same_rate() -> None:
    source = clip(6)
    frames = make_frames(source, constant_rate(source, RATE), duplicates=(1, 3))
    assert [(f.decision, f.before, f.after, f.timestep) for f in frames[:4]] == [
        (Decision.REAL, 0, 0, 0),
        (Decision.INTERPOLATE, 0, 2, Fraction(1, 2)),
        (Decision.REAL, 2, 2, 0),
        (Decision.INTERPOLATE, 2, 4, Fraction(1, 2)),
    ]
    assert frames[1].reason == "duplicate replaced"


def test_a_long_run_of_repeats_is_a_still_and_stays() -> None:
    source = clip(9)
    frames = make_frames(source, constant_rate(source, RATE), duplicates=tuple(range(2, 8)))
    assert all(f.decision is Decision.REAL for f in frames)


def test_repeats_before_a_cut_or_the_end_stay() -> None:
    source = clip(6)
    moments = constant_rate(source, RATE)
    frames = make_frames(source, moments, duplicates=(2, 5), cuts=(3,))
    assert all(f.decision is Decision.REAL for f in frames)


@given(st.integers(2, 12), st.integers(2, 5), st.sets(st.integers(1, 11)))
def test_a_plan_reads_back_as_it_was_written(count: int, factor: int, duplicates: set[int]) -> None:
    repeats = tuple(sorted(d for d in duplicates if d < count))
    plan = make_plan(slowed(count, factor, duplicates=repeats), count)
    assert plan_from_json(plan_to_json(plan), "plan.json") == plan


def test_a_plan_has_one_frame_a_line() -> None:
    plan = make_plan(slowed(3, 2), 3)
    lines = [line for line in plan_to_json(plan).splitlines() if '"decision"' in line]
    assert len(lines) == 6


def edited(pattern: str, replacement: str) -> str:
    text = plan_to_json(make_plan(slowed(3, 2), 3))
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text
    return changed


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        ('"before": 0, "after": 1', '"before": 0, "after": 9', r'line 14: "after".*0 to 2, not 9'),
        ('"time": "1/25"', '"time": "0"', r"line 14: .time. is 0, which is not after"),
        ('"decision": "interpolate"', '"decision": "guess"', r"line 14: .decision. must be one of"),
        ('"timestep": "1/2"', '"timestep": "3/2"', r"line 14: .timestep. must lie in 0..1"),
        ('"timestep": "1/2"', '"timestep": "a"', r"line 14: .timestep. must be a number"),
        ('"before": 0, "after": 1', '"before": 1, "after": 1', r"line 14.*two different keyframes"),
        ('"reason": "source frame"', '"why": "x"', r"line 13: unknown member 'why'"),
        ('"format": "imf-plan"', '"format": "png"', "not a render plan"),
        ('"version": 1', '"version": 7', "version 7"),
        (r'"audio": \[.*\],', "", "lacks 'audio'"),
        ('"duration": "6/25",', '"duration": "1/25",', "must be later"),
        (r'"cuts": \[2\]', '"cuts": 5', "wrong type"),
    ],
)
def test_a_hand_edit_gone_wrong_is_shown_with_its_line(
    pattern: str, replacement: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_from_json(edited(pattern, replacement), "plan.json")
