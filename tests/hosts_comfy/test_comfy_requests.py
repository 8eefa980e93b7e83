from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imf_hosts.comfyui import requests
from imf_plugin.errors import PlanError
from imf_plugin.timeline.batches import Ending


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (24.0, Fraction(24)),
        (12.5, Fraction(25, 2)),
        (16.0, Fraction(16)),
    ],
)
def test_rates_are_exact_and_broadcast_ones_are_recognised(typed: float, exact: Fraction) -> None:
    assert requests.read_rate(typed, "fps") == exact


@pytest.mark.parametrize("typed", [0.0, -1.0, 1001.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused_with_the_number(typed: float) -> None:
    with pytest.raises(PlanError, match=r"above 0 and at most 1000"):
        requests.read_rate(typed, "the target fps")


def _read(choice: dict[str, Any], timing: str = requests.SMOOTHER) -> requests.Timed:
    return requests.read_retime(
        choice, count=25, source_rate=Fraction(24), ending=Ending.BETWEEN, timing=timing
    )


def test_a_target_rate_gives_the_exact_ratio() -> None:
    timed = _read({"retime": requests.TARGET_FPS, "target_fps": 59.94})
    assert timed.factor == Fraction(60000, 1001) / 24
    assert timed.rate == Fraction(60000, 1001)


def test_slower_keeps_the_rate_and_smoother_multiplies_it() -> None:
    choice = {"retime": requests.MULTIPLIER, "factor": 2.5}
    assert _read(choice).rate == 60
    assert _read(choice, requests.SLOWER) == requests.Timed(
        factor=Fraction(5, 2), rate=Fraction(24)
    )


def test_a_number_of_frames_is_hit_exactly() -> None:
    timed = _read({"retime": requests.FRAME_COUNT, "frames": 97})
    assert 24 * timed.factor + 1 == 97


def test_an_unknown_way_of_retiming_is_refused() -> None:
    with pytest.raises(PlanError, match="retime must be"):
        _read({"retime": "backwards"})


@given(st.sets(st.integers(1, 500)))
def test_cuts_are_read_as_they_are_written(numbers: set[int]) -> None:
    cuts = tuple(sorted(numbers))
    assert requests.read_cuts(requests.write_cuts(cuts)) == cuts


@pytest.mark.parametrize("text", ["12, x", "0", "-3", "1.5"])
def test_what_is_no_frame_number_is_named(text: str) -> None:
    with pytest.raises(PlanError, match="is no frame number"):
        requests.read_cuts(text)


def test_a_cut_beyond_the_clip_is_refused() -> None:
    with pytest.raises(PlanError, match="no frame 9, the last one is 8"):
        requests.read_cuts("3 , 9", 9)
