"""What the editor asks of the timeline: single frames, exact ramps, excerpts."""

from fractions import Fraction

import pytest

from imf_plugin.timeline.curve import Curve, Stretch, TimeKey
from imf_plugin.timeline.plan import (
    FramePlanner,
    OnCut,
    PlanSource,
    RenderPlan,
    excerpt,
    make_frames,
)
from imf_plugin.timeline.timemap import CurveMap, SourceTiming, along_curve

F = Fraction
RAMP = (F(1, 3), F(1, 2), F(2, 3), F(5, 6))
RATE = F(30000, 1001)
TIMING = SourceTiming(frame_times=tuple(n / RATE for n in range(40)), duration=40 / RATE)
CURVE = Curve(
    time_keys=(
        TimeKey(at=F(0), source=F(0)),
        TimeKey(at=F(1, 2), source=F(1, 2), ease="bezier", handles=RAMP),
        TimeKey(at=F(2), source=F(1), ease="hold"),
        TimeKey(at=F(5, 2), source=F(1)),
        TimeKey(at=F(3), source=F(1, 2)),
    )
)


def test_a_bezier_with_handles_at_thirds_is_uniform_acceleration_to_the_last_digit() -> None:
    first, last, duration = F(1), F(1, 4), F(8, 5)
    share = first / (first + last)
    ramp = Stretch(
        start=F(0),
        duration=duration,
        source_start=F(0),
        source_end=F(1),
        shape="bezier",
        parameters=(F(1, 3), share * 2 / 3, F(2, 3), 1 - (1 - share) * 2 / 3),
    )
    for number in range(9):
        time = duration * number / 8
        way = first * time + (last - first) * time**2 / (2 * duration)
        assert ramp.source_time(time) == way


def test_single_moments_and_frames_are_those_of_the_whole_plan() -> None:
    whole = along_curve(TIMING, CURVE, F(60))
    single = CurveMap(TIMING, CURVE, F(60))
    assert [single.moment(n) for n in range(single.count)] == list(whole.moments)
    assert single.duration == whole.duration
    frames = make_frames(TIMING, whole, cuts=(20,), on_cut=OnCut.BLEND, duplicates=(5,))
    planner = FramePlanner(TIMING, cuts=(20,), on_cut=OnCut.BLEND, duplicates=(5,))
    assert tuple(planner.frame(single.moment(n)) for n in range(single.count)) == frames


def whole_plan() -> RenderPlan:
    moments = along_curve(TIMING, CURVE, F(60))
    return RenderPlan(
        source=PlanSource(
            path="clip.mp4",
            frame_count=40,
            frame_rate=RATE,
            duration=TIMING.duration,
            sha256="0" * 64,
        ),
        request={},
        frame_rate=F(60),
        duration=moments.duration,
        frames=make_frames(TIMING, moments),
        audio=moments.audio,
    )


def test_an_excerpt_shows_the_same_frames_from_zero_on() -> None:
    plan = whole_plan()
    part = excerpt(plan, 50, 170)
    assert len(part.frames) == 120
    assert part.frames[0].time == 0
    assert part.duration == 2
    for mine, theirs in zip(part.frames, plan.frames[50:170], strict=True):
        assert (mine.before, mine.after, mine.timestep) == (
            theirs.before,
            theirs.after,
            theirs.timestep,
        )


def test_the_sound_of_excerpts_adds_up_to_the_whole() -> None:
    plan = whole_plan()
    parts = [excerpt(plan, start, start + 60) for start in range(0, 180, 60)]
    spans = [span for part in parts for span in part.audio]
    assert sum(span.output_duration for span in spans) == plan.duration
    assert spans[0].source_start == plan.audio[0].source_start
    assert spans[-1].source_end == plan.audio[-1].source_end
    for part in parts:
        assert sum(span.output_duration for span in part.audio) == part.duration


def test_an_excerpt_of_everything_is_the_plan_itself() -> None:
    plan = whole_plan()
    assert excerpt(plan, 0, len(plan.frames)) is plan
    with pytest.raises(ValueError, match="no such frames"):
        excerpt(plan, 5, 5)
