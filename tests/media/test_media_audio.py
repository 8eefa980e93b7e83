from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.media.audio import AudioPlan, AudioSegment, merged_segments


def segment(start: object, end: object, duration: object) -> AudioSegment:
    return AudioSegment(
        source_start=Fraction(str(start)),
        source_end=Fraction(str(end)),
        output_duration=Fraction(str(duration)),
    )


def test_tempo_and_direction_follow_from_the_times() -> None:
    assert segment(0, 1, 4).tempo == Fraction(1, 4)
    assert segment(3, 1, 1).is_reversed
    assert segment(3, 1, 1).tempo == 2
    assert segment(2, 2, 5).tempo == 0


def test_moments_are_found_again_in_bent_time() -> None:
    plan = AudioPlan(segments=(segment(0, 1, 1), segment(1, 1, 2), segment(1, 3, 8)))
    assert plan.runs_forward
    assert not plan.keeps_time
    moments = [Fraction(text) for text in ("-1", "0", "1/2", "1", "2", "3", "9")]
    placed = [plan.output_time(moment) for moment in moments]
    assert placed == [0, 0, Fraction(1, 2), 3, 7, 11, 11]


@pytest.mark.parametrize(
    "segments",
    [(segment(0, 2, 2), segment(2, 0, 2)), (segment(0, 1, 1), segment(5, 6, 1))],
)
def test_times_cannot_be_carried_through_reverse_and_jumps(
    segments: tuple[AudioSegment, ...],
) -> None:
    assert not AudioPlan(segments=segments).runs_forward


def test_an_empty_plan_keeps_time() -> None:
    assert AudioPlan().keeps_time
    assert AudioPlan(segments=(segment(0, 2, 2), segment(2, 3, 1))).keeps_time
    assert not AudioPlan(segments=(segment(1, 2, 1),)).keeps_time


def test_nonsense_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="louder"):
        AudioPlan(mode="louder")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="last a while"):
        AudioPlan(segments=(segment(0, 1, 0),))


@given(
    st.lists(
        st.tuples(st.integers(-3, 5), st.integers(1, 20)),
        min_size=1,
        max_size=30,
    )
)
def test_merging_keeps_the_ends_and_the_direction(steps: list[tuple[int, int]]) -> None:
    place, segments = Fraction(100), []
    for length, duration in steps:
        end = place + Fraction(length, 25)
        segments.append(
            AudioSegment(source_start=place, source_end=end, output_duration=Fraction(duration, 25))
        )
        place = end
    merged = merged_segments(segments, Fraction(1, 4))
    assert merged[0].source_start == segments[0].source_start
    assert merged[-1].source_end == segments[-1].source_end
    total = sum(part.output_duration for part in segments)
    assert sum(part.output_duration for part in merged) == total
    reversed_seconds = sum(part.output_duration for part in segments if part.is_reversed)
    assert sum(part.output_duration for part in merged if part.is_reversed) == reversed_seconds
    frozen_seconds = sum(part.output_duration for part in segments if not part.tempo)
    assert sum(part.output_duration for part in merged if not part.tempo) == frozen_seconds
