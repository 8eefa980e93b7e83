"""What a result will hold and cost, in words."""

from fractions import Fraction

from imf_ui.i18n import tr
from imf_ui.model.document import Clip
from imf_ui.model.schedule import Schedule

_SECONDS_PER_MEGAPIXEL = 0.35
"""A made frame with the `flow` method on two CPU cores, writing included; see docs/editor.md."""
_SECONDS_PER_REAL_MEGAPIXEL = 0.03


def rate_words(rate: Fraction) -> str:
    """Write a frame rate: ``29.97 fps``."""
    return f"{float(rate):.2f}".rstrip("0").rstrip(".") + " fps"


def duration_words(seconds: float) -> str:
    """Write a duration roughly: ``3 min 10 s``."""
    whole = round(seconds)
    if whole < 60:
        return tr("{seconds} s", seconds=max(whole, 1))
    if whole < 3600:
        return tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return tr("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)


def estimate_words(schedule: Schedule, clip: Clip) -> tuple[str, str]:
    """Return how many frames the result has, and what they are and take."""
    counted = schedule.counts
    shown, made = counted.real + counted.held, counted.made
    seconds = float(schedule.duration_seconds)
    length = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
    if schedule.count == 1:
        counts = tr("1 frame, {seconds} s", seconds=length)
    else:
        counts = tr("{count} frames, {seconds} s", count=schedule.count, seconds=length)
    megapixels = clip.media.width * clip.media.height / 1e6
    work = megapixels * (made * _SECONDS_PER_MEGAPIXEL + shown * _SECONDS_PER_REAL_MEGAPIXEL)
    cost = tr(
        "{made} new, {real} real · about {time} to export on a CPU",
        made=made,
        real=shown,
        time=duration_words(work),
    )
    return counts, cost
