"""Reading what users type into nodes: rates, factors, lengths and lists of cuts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from imf_plugin.errors import PlanError
from imf_plugin.timeline.batches import Ending, factor_for_length
from imf_plugin.timeline.rational import parse_rate, to_fraction

type Timing = Literal["smoother", "slower"]

MULTIPLIER, TARGET_FPS, FRAME_COUNT = "multiplier", "target fps", "frame count"
BETWEEN, KEEP_DURATION = "between (ends with the last image)", "keep duration (holds it)"
SMOOTHER, SLOWER = "smoother (same duration)", "slower (same fps)"
_NTSC = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 90, 120, 240))
_NTSC_TOLERANCE = Fraction(6, 1000)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A retiming request, understood."""

    factor: Fraction
    """New frames for each old one."""
    rate: Fraction
    """Frames per second to show them at."""


def read_rate(value: float, what: str) -> Fraction:
    """Return a frame rate exactly; 23.976 and its like mean 24000/1001 and its like.

    Raises:
        PlanError: If it is no number above 0 and at most 1000.
    """
    if not math.isfinite(value):
        raise PlanError(f"{what} must be a number above 0 and at most 1000, not {value}")
    rate = to_fraction(value, what)
    if (rate * 10).denominator != 1:
        for exact in _NTSC:
            if abs(rate - exact) < _NTSC_TOLERANCE:
                return exact
    return parse_rate(rate)


def read_retime(
    choice: Mapping[str, Any], *, count: int, source_rate: Fraction, ending: Ending, timing: str
) -> Timed:
    """Return what a retime input asks for.

    Args:
        choice: The dynamic combo's value: its key under ``retime``, and that key's own inputs.
        count: Number of source frames.
        source_rate: Frames per second of the source.
        ending: What becomes of the time after the last frame.
        timing: `SMOOTHER` or `SLOWER`: whether new frames make the clip smoother or longer.

    Raises:
        PlanError: If it cannot be done.
    """
    kind = choice.get("retime")
    if kind == MULTIPLIER:
        factor = to_fraction(choice["factor"], "the multiplier")
        if not 0 < factor <= 1000:
            raise PlanError(f"the multiplier must be above 0 and at most 1000, not {factor}")
    elif kind == TARGET_FPS:
        target = read_rate(choice["target_fps"], "the target fps")
        factor = target / source_rate
    elif kind == FRAME_COUNT:
        factor = factor_for_length(count, int(choice["frames"]), ending)
    else:
        raise PlanError(f"retime must be {MULTIPLIER}, {TARGET_FPS} or {FRAME_COUNT}, not {kind!r}")
    return Timed(factor=factor, rate=source_rate * factor if timing == SMOOTHER else source_rate)


def read_ending(end_mode: str, loop: bool) -> Ending:
    """Return the ending that two inputs ask for."""
    if loop:
        return Ending.LOOP
    return Ending.BETWEEN if end_mode == BETWEEN else Ending.KEEP_DURATION


def read_cuts(text: str | None, count: int | None = None) -> tuple[int, ...]:
    """Return the frame numbers in a list such as ``24, 61``.

    Args:
        text: What was typed.
        count: Number of frames, where it is known already.

    Raises:
        PlanError: If something in it is no frame number, or no frame begins a shot there.
    """
    cuts = set()
    for word in (text or "").replace(";", ",").replace("\n", ",").split(","):
        word = word.strip()
        if not word:
            continue
        if not word.isdecimal() or int(word) < 1:
            raise PlanError(
                f"cuts: {word!r} is no frame number; write the numbers of the frames that begin "
                "a new shot, counted from 0, such as 24, 61"
            )
        cuts.add(int(word))
    found = tuple(sorted(cuts))
    if count is not None and found and found[-1] >= count:
        raise PlanError(
            f"cuts: there is no frame {found[-1]}, the last one is {count - 1} "
            "(frames are counted from 0)"
        )
    return found


def write_cuts(cuts: tuple[int, ...]) -> str:
    """Return cuts as `read_cuts` reads them."""
    return ", ".join(str(cut) for cut in cuts)


def shown_rate(rate: Fraction) -> float:
    """Return a rate for a FLOAT output."""
    return float(rate)
