"""Reading factors and rates exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_plugin.errors import PlanError
from imf_plugin.timeline.rational import parse_factor, parse_rate, to_fraction


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", Fraction(4)),
        ("2.5", Fraction(5, 2)),
        ("5/2", Fraction(5, 2)),
        ("60000/1001", Fraction(60000, 1001)),
        (0.1, Fraction(1, 10)),
        ("1e2", Fraction(100)),
        (" 23.976 ", Fraction(23976, 1000)),
    ],
)
def test_numbers_are_read_without_rounding(text: str | float, value: Fraction) -> None:
    assert to_fraction(text, "it") == value


@given(st.fractions(min_value=Fraction(1001, 1000), max_value=1000, max_denominator=10**6))
def test_a_written_factor_reads_back_as_the_same_number(factor: Fraction) -> None:
    assert parse_factor(str(factor)) == factor


@pytest.mark.parametrize(
    "text", ["0", "-2", "nan", "inf", "1", "1e9", "four", "", "1/0", "1e999999999", "9" * 80]
)
def test_an_impossible_factor_gets_a_sentence_that_shows_it(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_factor(text)
    assert "factor" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0", "-24", "nan", "inf", "1001", "fast", "24000/0"])
def test_an_impossible_rate_gets_a_sentence(text: str) -> None:
    with pytest.raises(PlanError, match="frame rate"):
        parse_rate(text)
