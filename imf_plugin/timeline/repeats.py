"""Telling drawings that are shown for several frames from calm motion, given how much changes.

The change of a frame is how far it differs from the frame before, on any scale. A frame repeats
the one before if it changes far less than frames on both sides of it do: comparing with one side
alone would take the start of every movement for a repeat.
"""

import math
from collections.abc import Sequence


def reach_of(longest_run: int) -> int:
    """Return how many changes on both sides of a frame `is_repeat` must see."""
    return longest_run + 1


def is_repeat(
    changes: Sequence[float | None],
    place: int,
    *,
    threshold: float,
    floor: float,
    longest_run: int,
) -> bool:
    """Say whether the frame at ``place`` repeats the one before.

    Args:
        changes: The changes around it; None where there is no frame before, or no frame.
        place: Which of them is asked about.
        threshold: A repeat changes less than this share of what moves around it.
        floor: Where nothing around it changes more than this, the picture is still and nothing is
            a repeat.
        longest_run: Repeats in a row that still count; more of them are a still picture.
    """
    change = changes[place]
    if change is None:
        return False
    reach = reach_of(longest_run)
    least = max(change / threshold, floor) if threshold else math.inf
    moves: list[float] = []
    for side in (changes[max(0, place - reach) : place], changes[place + 1 : place + 1 + reach]):
        moving = [other for other in side if other is not None and other > least]
        if moving:
            # The smallest movement, as the largest may be a cut.
            moves.append(min(moving))
        elif None not in side:
            # A side that the clip's end cuts short may lack the movement beyond it.
            return False
    limit = threshold * min(moves, default=0.0)
    return change < limit and _run_around(changes, place, limit) <= longest_run


def _run_around(changes: Sequence[float | None], place: int, limit: float) -> int:
    first = last = place
    while first > 0 and _below(changes[first - 1], limit):
        first -= 1
    while last + 1 < len(changes) and _below(changes[last + 1], limit):
        last += 1
    return last - first + 1


def _below(change: float | None, limit: float) -> bool:
    return (math.inf if change is None else change) < limit
