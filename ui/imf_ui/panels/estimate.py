"""What a result will hold and cost, in words."""

from fractions import Fraction

from imf_ui.i18n import tr
from imf_ui.model.document import Clip
from imf_ui.model.schedule import Schedule

_BEGIN_SECONDS = 3.0
"""Until the engine and its method are loaded and the file is open."""
_FRAME_SECONDS = {"flow": (0.005, 0.22), "imf-vfi-lite": (0.025, 0.6)}
"""A made frame: seconds, and seconds more for each megapixel, on two CPU cores, writing included.
`python -m imf_ui.measure 20` compares what is told with what it takes."""
_SLOWEST = _FRAME_SECONDS["imf-vfi-lite"]
_SECONDS_PER_REAL_MEGAPIXEL = 0.06


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


def export_seconds(schedule: Schedule, clip: Clip, automatic: str) -> float:
    """Return about how long an export takes on a CPU.

    Args:
        schedule: The result's frames.
        clip: What it is made of.
        automatic: The method that ``auto`` stands for; empty while that is not known.
    """
    counted, model = schedule.counts, clip.render.model
    megapixels = clip.media.width * clip.media.height / 1e6
    each, per_megapixel = _FRAME_SECONDS.get(automatic if model == "auto" else model, _SLOWEST)
    shown = (counted.real + counted.held) * megapixels * _SECONDS_PER_REAL_MEGAPIXEL
    return _BEGIN_SECONDS + counted.made * (each + megapixels * per_megapixel) + shown


def estimate_words(schedule: Schedule, clip: Clip, automatic: str) -> tuple[str, str]:
    """Return how many frames the result has, and what they are and take; see `export_seconds`."""
    counted = schedule.counts
    shown, made = counted.real + counted.held, counted.made
    seconds = float(schedule.duration_seconds)
    length = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
    if schedule.count == 1:
        counts = tr("1 frame, {seconds} s", seconds=length)
    else:
        counts = tr("{count} frames, {seconds} s", count=schedule.count, seconds=length)
    cost = tr(
        "{made} new, {real} real · about {time} to export on a CPU",
        made=made,
        real=shown,
        time=duration_words(export_seconds(schedule, clip, automatic)),
    )
    return counts, cost
