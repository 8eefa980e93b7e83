"""Finding the exact frame rate behind timestamps that a container has rounded."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd

_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (12, 15, 24, 30, 48, 60, 120))
_WHOLE = (24, 25, 30, 48, 50, 60, 1, 5, 6, 8, 10, 12, 15, 20, 90, 100, 120, 144, 240)
STANDARD_RATES = (*_NTSC, *map(Fraction, _WHOLE))


def constant_rate(
    ticks: Sequence[int], time_base: Fraction, declared: Iterable[Fraction]
) -> Fraction | None:
    """Return the constant rate that explains the timestamps, or None.

    A rate explains them when every frame lies within one tick of its place on the rate's grid:
    half a tick for its own rounding and half for that of the first frame.

    Args:
        ticks: Sorted timestamps in units of ``time_base``.
        time_base: Seconds per tick.
        declared: Rates that the container states, the most trusted first.
    """
    if len(ticks) < 2:
        return next((rate for rate in declared if rate > 0), None)
    # A file that was remuxed keeps the coarse rounding of its former container on a finer clock.
    unit = gcd(*(tick - ticks[0] for tick in ticks))
    ticks, time_base = [(tick - ticks[0]) // unit for tick in ticks], time_base * unit
    mean = (len(ticks) - 1) / ((ticks[-1] - ticks[0]) * time_base)
    stated = [rate for rate in declared if rate > 0]
    for rate in (*stated, mean):
        if _explains(rate, ticks, time_base, tolerance_ticks=0):
            return rate
    # A stated rate may itself be an average of rounded times (9001/375): common rates go first.
    common = [rate for rate in stated if rate in STANDARD_RATES]
    near = sorted(STANDARD_RATES, key=lambda rate: abs(rate / mean - 1))[:3]
    for rate in (*common, *near, *stated, mean):
        # With few ticks to a frame one tick is no rounding but a dropped or late frame.
        if rate * time_base <= Fraction(1, 4) and _explains(rate, ticks, time_base, 1):
            return rate
    return None


def _explains(
    rate: Fraction, ticks: Sequence[int], time_base: Fraction, tolerance_ticks: int
) -> bool:
    ticks_per_frame = 1 / (rate * time_base)
    scale, step = ticks_per_frame.denominator, ticks_per_frame.numerator
    first, tolerance = ticks[0], tolerance_ticks * scale
    return all(
        abs((tick - first) * scale - index * step) <= tolerance for index, tick in enumerate(ticks)
    )
