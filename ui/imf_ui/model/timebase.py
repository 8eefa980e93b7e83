"""Times of the document: whole ticks, and positions as people write them.

A tick is 1/705 600 000 of a second, so that the frames of every usual rate, the NTSC ones
included, and the samples of every usual sound start on whole ticks.
"""

import re
from fractions import Fraction

TICKS_PER_SECOND = 705_600_000

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+)")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*s")


def ticks_of(seconds: Fraction) -> int:
    """Return the nearest tick to a time."""
    return round(seconds * TICKS_PER_SECOND)


def seconds_of(ticks: int) -> Fraction:
    """Return a time in ticks as exact seconds."""
    return Fraction(ticks, TICKS_PER_SECOND)


def format_time(seconds: Fraction, rate: Fraction) -> str:
    """Write a moment as ``mm:ss.ff``, hours before it from one hour on; ff counts frames."""
    frames = int(seconds * rate + Fraction(1, 1000))
    whole, rest = divmod(Fraction(frames) / rate, 1)
    digits = len(str(max(int(rate) - 1, 10)))
    minutes, second = divmod(int(whole), 60)
    hours, minute = divmod(minutes, 60)
    # Rates such as 30000/1001 drift against the clock: count the frames begun since the second.
    begun = int(rest * rate + Fraction(1, 1000))
    text = f"{minute:02}:{second:02}.{begun:0{digits}}"
    return f"{hours}:{text}" if hours else text


def parse_position(text: str, rate: Fraction, count: int, current: int = 0) -> int:
    """Read a position as a frame number within ``0 .. count - 1``.

    Args:
        text: A frame (``36``), frames from here (``+10``, ``-5``), seconds (``1.5s``), a clock
            time (``1:02.5``) or a timecode (``00:01:02:12``).
        rate: Frames per second.
        count: Number of frames.
        current: Where the playhead stands.

    Raises:
        ValueError: If it is none of these, with a sentence for the user.
    """
    words = text.strip().lower()
    frame = _frame_of(words, rate, current)
    if frame is None:
        raise ValueError(
            f"“{text.strip()}” is no position: give a frame such as 36, a time such as 1:02.5 "
            "or 1.5s, or a step such as +10"
        )
    return min(max(frame, 0), max(count - 1, 0))


def _frame_of(words: str, rate: Fraction, current: int) -> int | None:
    if words.isdecimal():
        return int(words)
    if words[:1] in "+-" and words[1:].isdecimal():
        return current + int(words)
    if found := _TIMECODE.fullmatch(words):
        hours, minutes, seconds, frames = map(int, found.groups())
        return round((hours * 3600 + minutes * 60 + seconds) * rate) + frames
    if found := _CLOCK.fullmatch(words):
        hours, minutes = int(found[1] or 0), int(found[2])
        return int((hours * 3600 + minutes * 60 + Fraction(found[3])) * rate + Fraction(1, 1000))
    if found := _SECONDS.fullmatch(words):
        return int(Fraction(found[1]) * rate + Fraction(1, 1000))
    return None
