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
    context: int = 4,
) -> tuple[PlannedFrame, ...]:
    source = clip(count)
    moments = slow_motion(source, Fraction(factor), RATE)
    return make_frames(
        source, moments, cuts=cuts, on_cut=on_cut, duplicates=duplicates, context=context
    )


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


def around(frame: PlannedFrame) -> tuple[int | None, int | None]:
    return (
        None if frame.earlier is None else frame.earlier.keyframe,
        None if frame.later is None else frame.later.keyframe,
    )


def test_a_new_frame_names_the_keyframes_beyond_its_two() -> None:
    frames = [frame for frame in slowed(5, 2) if frame.decision is Decision.INTERPOLATE]
    assert [around(frame) for frame in frames] == [(None, 2), (0, 3), (1, 4), (2, None)]
    assert frames[1].keyframes == (0, 1, 2, 3)
    assert frames[1].without_context().keyframes == (1, 2)


def test_context_stays_within_the_shot() -> None:
    frames = [f for f in slowed(6, 2, cuts=(3,)) if f.decision is Decision.INTERPOLATE]
    assert [around(frame) for frame in frames] == [(None, 2), (0, None), (None, 5), (3, None)]


def test_context_is_counted_in_keyframes_when_repeats_are_replaced() -> None:
    frames = slowed(7, 1, duplicates=(1, 3, 5))
    (frame,) = [f for f in frames if (f.before, f.after) == (2, 4)]
    assert around(frame) == (0, 6)


def test_context_can_be_left_out() -> None:
    source = clip(5)
    moments = slow_motion(source, Fraction(2), Fraction(25))
    frames = make_frames(source, moments, context=2)
    assert {around(frame) for frame in frames} == {(None, None)}
    with pytest.raises(ValueError, match="2 or 4"):
        make_frames(source, moments, context=3)


def test_a_variable_rate_tells_how_far_neighbours_are() -> None:
    times = [Fraction(t) for t in (0, 2, 3, 6, 30)]
    source = SourceTiming(frame_times=tuple(times), duration=Fraction(31))
    frames = make_frames(source, slow_motion(source, Fraction(2), None))
    distances = {
        frame.before: [
            None if beyond is None else beyond.distance for beyond in (frame.earlier, frame.later)
        ]
        for frame in frames
        if frame.decision is Decision.INTERPOLATE
    }
    assert distances[1] == [2, 3]
    assert distances[2] == [Fraction(1, 3), None], "a pause of 24 seconds tells nothing"


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        ('"earlier": [99, "1"]', "must be a frame number from 0"),
        ('"later": 3', "a frame number and a distance"),
        ('"later": [2, "0"]', "must be above 0"),
    ],
)
def test_a_hand_edited_context_gone_wrong_is_shown(member: str, complaint: str) -> None:
    text = plan_to_json(make_plan(slowed(4, 2, context=2), 4))
    line = text.index('"before": 0, "after": 1')
    with pytest.raises(PlanError, match=re.escape(complaint)):
        plan_from_json(text[:line] + member + ", " + text[line:], "a.json")
    real = text.index('"before": 0, "after": 0')
    with pytest.raises(PlanError, match="only a frame to interpolate"):
        plan_from_json(text[:real] + '"later": [1, "1"], ' + text[real:], "a.json")
