from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import PlanError
from imf_plugin.timeline.batches import Ending, batch_length, factor_for_length, plan_batch
from imf_plugin.timeline.plan import Decision

COUNTS = st.integers(1, 12)
FACTORS = st.fractions(Fraction(1, 3), 9, max_denominator=12)


@given(count=COUNTS, factor=FACTORS, ending=st.sampled_from(Ending))
def test_a_batch_becomes_as_many_pictures_as_announced(
    count: int, factor: Fraction, ending: Ending
) -> None:
    frames = plan_batch(count, factor, ending=ending)
    assert len(frames) == batch_length(count, factor, ending)
    assert all(0 <= index < count for frame in frames for index in frame.keyframes)


@given(count=st.integers(2, 12), length=st.integers(2, 60), ending=st.sampled_from(Ending))
def test_a_wanted_length_is_hit_exactly(count: int, length: int, ending: Ending) -> None:
    assert batch_length(count, factor_for_length(count, length, ending), ending) == length


@given(count=st.integers(2, 9), factor=st.integers(1, 6), ending=st.sampled_from(Ending))
def test_whole_factors_keep_every_picture(count: int, factor: int, ending: Ending) -> None:
    frames = plan_batch(count, Fraction(factor), ending=ending)
    real = [frame.before for frame in frames if frame.decision is Decision.REAL]
    assert real == list(range(count))


def test_between_ends_with_the_last_picture() -> None:
    frames = plan_batch(3, Fraction(4), ending=Ending.BETWEEN)
    assert len(frames) == 9
    assert (frames[-1].decision, frames[-1].before) == (Decision.REAL, 2)


def test_kept_duration_holds_the_last_picture() -> None:
    frames = plan_batch(3, Fraction(2))
    assert [frame.decision for frame in frames[-2:]] == [Decision.REAL, Decision.HOLD]


def test_a_loop_moves_on_into_the_first_picture() -> None:
    last = plan_batch(3, Fraction(2), ending=Ending.LOOP)[-1]
    assert (last.before, last.after, last.timestep) == (2, 0, Fraction(1, 2))


def test_the_motion_of_a_loop_follows_its_pictures_round_the_seam() -> None:
    frames = plan_batch(5, Fraction(2), ending=Ending.LOOP)[1::2]
    assert [frame.keyframes for frame in frames] == [
        *((4, 0, 1, 2), (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 0), (3, 4, 0, 1)),
    ]


@given(count=st.integers(3, 9), cut=st.integers(1, 8))
def test_the_motion_of_a_loop_follows_no_picture_of_another_shot(count: int, cut: int) -> None:
    cut = min(cut, count - 1)
    for frame in plan_batch(count, Fraction(2), ending=Ending.LOOP, cuts=(cut,)):
        path = frame.keyframes
        assert all(second != cut for _, second in pairwise(path))


def test_nothing_is_made_across_a_cut() -> None:
    frames = plan_batch(3, Fraction(4), cuts=(1,))
    assert {frame.decision for frame in frames[1:4]} == {Decision.HOLD}


def test_impossible_lengths_are_refused() -> None:
    with pytest.raises(PlanError, match="1 pictures cannot become 5"):
        factor_for_length(1, 5, Ending.BETWEEN)
    with pytest.raises(PlanError, match="lower the factor"):
        plan_batch(6000, Fraction(1000))
