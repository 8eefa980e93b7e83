from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.media.rates import STANDARD_RATES, constant_rate

MILLISECOND = Fraction(1, 1000)


@given(
    rate=st.sampled_from([rate for rate in STANDARD_RATES if rate <= 120]),
    count=st.integers(min_value=200, max_value=400),
    start=st.integers(min_value=0, max_value=10**6),
)
def test_a_standard_rate_is_found_behind_times_rounded_to_milliseconds(
    rate: Fraction, count: int, start: int
) -> None:
    ticks = [start + round(index / rate / MILLISECOND) for index in range(count)]
    assert constant_rate(ticks, MILLISECOND, []) == rate


def test_rounding_to_milliseconds_is_seen_through_on_a_finer_clock() -> None:
    rate = Fraction(60000, 1001)
    ticks = [16 * round(index * 1000 / rate) for index in range(300)]
    assert constant_rate(ticks, Fraction(1, 16000), []) == rate


def test_the_containers_word_decides_where_two_rates_explain_a_short_clip() -> None:
    ticks = [round(index * 1000 / 30) for index in range(10)]
    ntsc = Fraction(30000, 1001)
    assert constant_rate(ticks, MILLISECOND, [ntsc]) == ntsc
    assert constant_rate(ticks, MILLISECOND, [Fraction(30)]) == 30


def test_an_uncommon_rate_with_exact_times_is_kept_as_it_is() -> None:
    ticks = [index * 100 for index in range(50)]
    assert constant_rate(ticks, Fraction(1, 2997), []) == Fraction(2997, 100)


@given(
    gaps=st.lists(st.sampled_from([1, 2]), min_size=8, max_size=60),
)
def test_a_dropped_frame_is_not_taken_for_rounding(gaps: list[int]) -> None:
    ticks = [0]
    for gap in gaps:
        ticks.append(ticks[-1] + gap)
    found = constant_rate(ticks, Fraction(1, 25), [Fraction(25)])
    assert (found is not None) == (len(set(gaps)) == 1)


def test_a_variable_rate_has_no_constant_one() -> None:
    assert constant_rate([0, 40, 80, 160, 200], MILLISECOND, [Fraction(25)]) is None


@pytest.mark.parametrize("declared", [[], [Fraction(0)]])
def test_one_frame_without_a_stated_rate_has_none(declared: list[Fraction]) -> None:
    assert constant_rate([7], MILLISECOND, declared) is None
