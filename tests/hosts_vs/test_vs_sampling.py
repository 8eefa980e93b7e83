"""The engine's arithmetic for hosts that ask for one frame at a time."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from imf_plugin.timeline.curve import Curve, SpeedKey
from imf_plugin.timeline.plan import Decision, make_frames
from imf_plugin.timeline.repeats import is_repeat
from imf_plugin.timeline.sampling import CurveSampling, EvenSampling, in_frames, place_at
from imf_plugin.timeline.timemap import SourceTiming, along_curve, constant_rate, slow_motion

factors = st.fractions(min_value=Fraction(1, 8), max_value=8, max_denominator=30)
counts = st.integers(min_value=1, max_value=12)


def even_timing(count: int) -> SourceTiming:
    return SourceTiming(
        frame_times=tuple(Fraction(n, 24) for n in range(count)), duration=Fraction(count, 24)
    )


@settings(max_examples=40, deadline=None)
@given(counts, factors)
def test_an_even_sampling_plans_what_the_time_maps_plan(count: int, factor: Fraction) -> None:
    timing, sampling = even_timing(count), EvenSampling(source_count=count, factor=factor)
    for moments in (
        slow_motion(timing, factor, Fraction(24)),
        constant_rate(timing, 24 * factor),
    ):
        frames = make_frames(timing, moments)
        assert len(frames) == sampling.count
        for number, frame in enumerate(frames):
            place = place_at(sampling.position(number), count)
            assert (place.before, place.timestep) == (frame.before, frame.timestep)
            assert (place.before == place.after) == (frame.decision is not Decision.INTERPOLATE)
            assert place.is_source_frame == (frame.decision is Decision.REAL)


@settings(max_examples=40, deadline=None)
@given(counts, factors)
def test_shares_cover_every_source_frame_once(count: int, factor: Fraction) -> None:
    sampling = EvenSampling(source_count=count, factor=factor)
    covered = [Fraction(0)] * count
    for number in range(sampling.count):
        for index, share in sampling.shares(number):
            assert share > 0
            covered[index] += share
    assert covered == [Fraction(1)] * count


def test_a_sampling_of_any_length_answers_at_once() -> None:
    sampling = EvenSampling(source_count=2**31 - 1, factor=Fraction(5, 2))
    last = place_at(sampling.position(2**31 - 1), 2**31 - 1)
    assert last.before == (2**31 - 1) * 2 // 5


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.fractions(Fraction(1, 4), 4, max_denominator=8), min_size=1, max_size=4),
    st.sampled_from(["linear", "smooth", "step"]),
)
def test_a_curve_of_frames_is_the_curve_of_seconds(speeds: list[Fraction], ease: str) -> None:
    count, rate = 16, Fraction(24)
    curve = Curve(
        speed_keys=tuple(
            SpeedKey(at=Fraction(4 * n, 24), speed=speed, ease=ease)
            for n, speed in enumerate(speeds)
        )
    )
    moments = along_curve(even_timing(count), curve, rate)
    sampling = CurveSampling(
        source_count=count, curve=in_frames(curve, rate), rate=Fraction(1), length=None
    )
    assert sampling.count == len(moments.moments)
    for number, moment in enumerate(moments.moments):
        error = abs(sampling.position(number) - moment.source_time * rate)
        assert error <= Fraction(1, 2 * 65536)


def repeats(changes: list[float | None], longest_run: int = 3) -> list[int]:
    found = []
    for number in range(len(changes)):
        found += [number] * is_repeat(
            changes,
            number,
            threshold=0.4,
            floor=0.002,
            longest_run=longest_run,
        )
    return found


def test_repeats_stand_out_on_both_sides() -> None:
    on_twos: list[float | None] = [None, 0.001, 0.1, 0.003, 0.12, 0.0, 0.1, 0.001, 0.1]
    assert repeats(on_twos) == [1, 3, 5, 7]
    assert repeats([None, 0.0, 0.0, 0.0, 0.0, 0.01, 0.05, 0.1, 0.1, 0.1]) == []
    assert repeats([None, *[0.05] * 10]) == []


def test_stills_and_long_runs_are_no_repeats() -> None:
    assert repeats([None, *[0.0005, 0.0001] * 6]) == []
    run: list[float | None] = [None, 0.1, 0.1, *[0.0] * 4, 0.1, 0.1, 0.1]
    assert repeats(run) == []
    assert repeats(run, longest_run=4) == [3, 4, 5, 6]


def test_a_huge_change_does_not_make_movements_repeats() -> None:
    assert repeats([0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1]) == []
