"""Time maps: which source moment each output frame shows."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import PlanError
from imf_plugin.timeline.timemap import AudioSpan, SourceTiming, constant_rate, slow_motion

NTSC_FILM = Fraction(24000, 1001)


def clip(count: int, rate: Fraction = Fraction(24)) -> SourceTiming:
    return SourceTiming(frame_times=tuple(n / rate for n in range(count)), duration=count / rate)


def variable_clip(durations: list[Fraction]) -> SourceTiming:
    times = [Fraction(0)]
    for duration in durations:
        times.append(times[-1] + duration)
    return SourceTiming(frame_times=tuple(times[:-1]), duration=times[-1])


durations = st.lists(
    st.fractions(min_value=Fraction(1, 240), max_value=1, max_denominator=1000),
    min_size=1,
    max_size=30,
)


@given(st.integers(1, 60), st.integers(2, 9))
def test_slow_motion_by_an_integer_makes_exactly_n_times_the_frames(count: int, n: int) -> None:
    result = slow_motion(clip(count), Fraction(n), Fraction(24))
    assert len(result.moments) == count * n
    assert result.duration == Fraction(count * n, 24)
    assert [m.time for m in result.moments] == [Fraction(k, 24) for k in range(count * n)]


@given(durations, st.integers(2, 7))
def test_slow_motion_divides_every_interval_of_a_variable_rate_alike(
    spans: list[Fraction], n: int
) -> None:
    source = variable_clip(spans)
    result = slow_motion(source, Fraction(n), None)
    assert len(result.moments) == n * len(spans)
    for index, start in enumerate(source.frame_times):
        moment = result.moments[index * n]
        assert moment.source_time == start
        assert moment.time == start * n
    assert result.duration == source.duration * n


@given(durations, st.fractions(min_value=1, max_value=240, max_denominator=1001))
def test_a_new_rate_keeps_the_duration_to_within_one_frame(
    spans: list[Fraction], rate: Fraction
) -> None:
    source = variable_clip(spans)
    result = constant_rate(source, rate)
    assert len(result.moments) == math.ceil(source.duration * rate)
    assert 0 <= result.duration - source.duration < 1 / rate
    assert all(m.time == m.source_time for m in result.moments)


def test_film_to_sixty_does_not_drift_in_an_hour() -> None:
    frames = 86313  # one hour of 24000/1001
    result = constant_rate(clip(frames, NTSC_FILM), Fraction(60))
    last = len(result.moments) - 1
    assert result.moments[last].source_time == Fraction(last, 60)
    assert abs(result.duration - frames / NTSC_FILM) < Fraction(1, 60)


def span(start: int, end: int, lasting: int) -> AudioSpan:
    return AudioSpan(
        source_start=Fraction(start), source_end=Fraction(end), output_duration=Fraction(lasting)
    )


def test_sound_follows_the_picture() -> None:
    source = clip(48)
    slowed = slow_motion(source, Fraction(4), Fraction(24)).audio
    assert slowed == (span(0, 2, 8),)
    kept = constant_rate(source, Fraction(60)).audio
    assert kept == (span(0, 2, 2),)


def test_more_frames_than_anyone_can_want_are_refused() -> None:
    with pytest.raises(PlanError, match="lower the factor"):
        slow_motion(clip(10_000), Fraction(1000), Fraction(24))


def test_times_must_rise() -> None:
    with pytest.raises(ValueError, match="rise"):
        SourceTiming(frame_times=(Fraction(0), Fraction(2), Fraction(1)), duration=Fraction(3))
