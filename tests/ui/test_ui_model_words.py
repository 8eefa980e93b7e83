"""Errors with a way out, jobs that go through their states, times that are told right."""

import errno
from dataclasses import replace
from fractions import Fraction

import pytest

from imf_plugin.errors import (
    Cancelled,
    DeviceError,
    EncoderFailed,
    ImfError,
    ModelError,
    OutputRefused,
    PlanError,
    UnreadableMedia,
)
from imf_plugin.timeline.plan import Decision, make_frames
from imf_plugin.timeline.timemap import SourceTiming, along_curve
from imf_ui.model.curve import identity_curve
from imf_ui.model.curve_edits import reversed_curve, with_hold
from imf_ui.model.document import Clip, CutSettings, MediaRef
from imf_ui.model.errors import (
    _IN_GENERAL,
    _TABLE,
    ACTIONS,
    ErrorCode,
    code_of,
    explain,
    explain_exception,
)
from imf_ui.model.eta import Eta
from imf_ui.model.presets import apply_preset, preset_named
from imf_ui.model.queue import Job, JobState, moved
from imf_ui.model.schedule import Findings, Schedule, planner_for
from imf_ui.model.timebase import ticks_of
from imf_ui.panels.estimate import export_seconds

F = Fraction


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_failure_has_a_title_a_reason_and_a_button(code: ErrorCode) -> None:
    found = explain(code, "the disk caught fire", file="a.mp4")
    assert found.title
    assert found.why.endswith(".")
    assert "{" not in found.title + found.why
    assert found.actions
    assert all(action.words == ACTIONS[action.id] for action in found.actions)


def test_every_reason_in_the_engine_s_words_has_one_in_general() -> None:
    quoting = {code for code, (_, why, _) in _TABLE.items() if "{text}" in why}
    assert quoting == set(_IN_GENERAL)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnreadableMedia("/a.mp4 does not exist: check"), ErrorCode.MEDIA_MISSING),
        (UnreadableMedia("/a.mp4 is damaged"), ErrorCode.MEDIA_UNREADABLE),
        (OutputRefused("/o.mp4 exists; add --overwrite"), ErrorCode.OUTPUT_EXISTS),
        (OutputRefused("the folder is not writable"), ErrorCode.OUTPUT_REFUSED),
        (EncoderFailed("ffmpeg: No space left on device"), ErrorCode.DISK_FULL),
        (EncoderFailed("the disk is full: ffmpeg could not encode"), ErrorCode.DISK_FULL),
        (OSError(errno.ENOSPC, "No space left"), ErrorCode.DISK_FULL),
        (EncoderFailed("died"), ErrorCode.ENCODER_FAILED),
        (DeviceError("memory ran out on a picture"), ErrorCode.OUT_OF_MEMORY),
        (MemoryError(), ErrorCode.OUT_OF_MEMORY),
        (DeviceError("sees no NVIDIA GPU here"), ErrorCode.NO_DEVICE),
        (ModelError("no weights"), ErrorCode.MODEL_UNUSABLE),
        (PlanError("too long"), ErrorCode.PLAN_IMPOSSIBLE),
        (Cancelled("stopped"), ErrorCode.CANCELLED),
        (ImfError("?"), ErrorCode.UNEXPECTED),
        (ZeroDivisionError(), ErrorCode.UNEXPECTED),
    ],
)
def test_the_engines_failures_are_recognised(error: BaseException, code: ErrorCode) -> None:
    assert code_of(error) is code
    assert explain_exception(error).code is code


def test_a_cause_deep_inside_counts() -> None:
    error = EncoderFailed("the encoder died")
    error.__cause__ = OSError(errno.ENOSPC, "full")
    assert code_of(error) is ErrorCode.DISK_FULL


def test_the_time_left_is_right_on_a_steady_load_from_a_tenth_on() -> None:
    eta, total, per_frame = Eta(), 300, 0.2
    for done in range(total + 1):
        eta.add(done * per_frame, done)
        if done >= total // 10 and done < total:
            left = eta.remaining_seconds(done, total)
            assert left == pytest.approx((total - done) * per_frame, rel=0.2)
    assert Eta().remaining_seconds(0, 10) is None


def test_a_pause_does_not_spoil_the_time_left() -> None:
    eta = Eta()
    for done in range(50):
        eta.add(done * 0.2, done)
    eta.pause()
    for done in range(50, 60):
        eta.add(600 + done * 0.2, done)
    assert eta.remaining_seconds(59, 100) == pytest.approx(41 * 0.2, rel=0.05)


def test_jobs_only_go_where_they_can() -> None:
    job = Job(id="j", name="n", output="o.mp4")
    done = job.to(JobState.RUNNING).to(JobState.PAUSED).to(JobState.RUNNING).to(JobState.DONE)
    assert done.to(JobState.QUEUED).state is JobState.QUEUED
    with pytest.raises(ValueError, match="from done to paused"):
        done.to(JobState.PAUSED)
    assert moved((1, 2, 3), 0, 9) == (2, 3, 1)


RATE = F(25)
TIMING = SourceTiming(frame_times=tuple(n / RATE for n in range(50)), duration=F(2))


def schedule_for(clip: Clip, found: Findings | None = None) -> Schedule:
    return Schedule(TIMING, planner_for(TIMING, clip, found), clip.curve, clip.output_rate)


def clip_with(preset: str | None = None, **members: object) -> Clip:
    duration = ticks_of(F(2))
    curve = identity_curve(duration)
    if preset:
        curve = apply_preset(preset_named(preset), curve, duration)
    media = MediaRef(path="a", rate=RATE, duration=duration, frame_count=50)
    return Clip(id="c", name="c", media=media, curve=curve, **members)  # type: ignore[arg-type]


def test_an_untouched_clip_shows_every_frame_as_it_is() -> None:
    schedule = schedule_for(clip_with())
    assert schedule.count == 50
    assert [schedule.frame(n).before for n in range(50)] == list(range(50))
    assert schedule.counts.real == 50
    assert schedule.counts.is_exact


@pytest.mark.parametrize("preset", ["slow_quarter", "hit", "reverse", "freeze", "ease"])
def test_single_frames_are_those_of_the_engines_plan(preset: str) -> None:
    clip = clip_with(preset, cuts=CutSettings(manual=(20,)))
    schedule = schedule_for(clip)
    moments = along_curve(TIMING, clip.curve.engine_curve(), RATE)
    frames = make_frames(TIMING, moments, cuts=(20,))
    assert tuple(schedule.frame(n) for n in range(schedule.count)) == frames
    assert sum((schedule.counts.real, schedule.counts.made, schedule.counts.held)) == len(frames)


def test_nothing_is_made_across_a_cut_that_was_found() -> None:
    clip = clip_with("slow_half")
    found = Findings(cuts=(10,))
    across = [f for f in map(schedule_for(clip, found).frame, range(100)) if f.after == 10]
    assert all(frame.decision is not Decision.INTERPOLATE for frame in across)
    off = clip_with("slow_half", cuts=CutSettings(find=False))
    assert schedule_for(off, found).frame(19).decision is Decision.INTERPOLATE


def test_a_source_frame_is_found_in_the_result_and_back() -> None:
    for curve in ("slow_quarter", "reverse"):
        schedule = schedule_for(clip_with(curve))
        for index in (3, 17, 30, 44):
            number = schedule.output_of_source(index)
            assert number is not None
            assert abs(schedule.source_position(number) - index) <= 1.0


def test_the_result_tells_its_speed_and_its_moments() -> None:
    clip = clip_with()
    held = Clip(**{**vars(clip), "curve": with_hold(clip.curve, ticks_of(F(1)), ticks_of(F(1)))})
    schedule = schedule_for(held)
    assert schedule.count == 75
    assert schedule.speed(10) == 1
    assert schedule.speed(30) == 0
    assert schedule.frame_at(schedule.ticks(30)) == 30
    back = Clip(**{**vars(clip), "curve": reversed_curve(clip.curve)})
    assert schedule_for(back).speed(10) == -1


def test_the_time_told_before_an_export_goes_by_the_method_and_the_size() -> None:
    clip = clip_with("slow_half")
    large = replace(clip, media=replace(clip.media, width=1280, height=720))
    schedule = schedule_for(clip)

    def told(clip: Clip, automatic: str, model: str = "auto") -> float:
        chosen = replace(clip, render=replace(clip.render, model=model))
        return export_seconds(schedule, chosen, automatic)

    assert told(large, "imf-vfi-lite") > 2 * told(large, "flow")
    assert told(large, "flow", "imf-vfi-lite") == told(large, "imf-vfi-lite")
    # What is not known, such as weights of one's own, counts as slow.
    assert told(large, "", "mine.safetensors") == told(large, "imf-vfi-lite")
    small = replace(clip, media=replace(clip.media, width=320, height=180))
    assert told(small, "imf-vfi-lite") < told(large, "imf-vfi-lite") / 4
