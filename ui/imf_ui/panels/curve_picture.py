"""A speed curve as the curve view and the key table draw it: in floats and words."""

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction

from imf_ui.i18n import tr
from imf_ui.model.curve import SpeedCurve, StretchKind, bezier_slope
from imf_ui.model.timebase import TICKS_PER_SECOND, format_time, seconds_of
from imf_ui.widgets.curve_view import KeyPoint
from imf_ui.widgets.key_table import KeyRow

_STEPS = 24


def speed_words(speed: float | Fraction) -> str:
    """Write a speed as people say it: ``25 %``."""
    percent = float(speed) * 100
    if abs(percent) >= 10 or percent == round(percent):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %"


def parse_speed(text: str) -> Fraction:
    """Read a speed: ``25``, ``25 %``, ``0.25x`` or ``1/4``.

    Raises:
        ValueError: If it is none of these, with a sentence for the user.
    """
    words = text.strip().lower().replace(",", ".").replace("×", "x")
    try:
        if words.endswith("x"):
            return Fraction(words[:-1].strip())
        if "/" in words:
            return Fraction(words)
        return Fraction(words.rstrip("% ")) / 100
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            tr("“{text}” is no speed: give one such as 25 %, 0.25x or 1/4", text=text.strip())
        ) from None


class CurvePicture:
    """One curve at one output rate, with its times in output frames."""

    def __init__(self, curve: SpeedCurve, rate: Fraction, source_rate: Fraction) -> None:
        self.curve, self.rate, self.source_rate = curve, rate, source_rate
        self._per_tick = float(rate) / TICKS_PER_SECOND
        self._source_per_tick = float(source_rate) / TICKS_PER_SECOND
        self.frames = [key.at * self._per_tick for key in curve.keys]
        self.sources = [key.source * self._source_per_tick for key in curve.keys]
        count = len(curve.keys) - 1
        self._kinds = [curve.stretch_kind(number) for number in range(count)]
        self._speeds = [
            (float(first), float(last)) for first, last in map(curve.stretch_speeds, range(count))
        ]

    @property
    def end(self) -> float:
        """Last moment, in output frames."""
        return self.frames[-1]

    def ticks_of(self, frame: float) -> int:
        """Return the moment of an output frame in ticks."""
        return round(frame / self._per_tick)

    def source_ticks_of(self, frame: float) -> int:
        """Return the moment of a source frame in ticks."""
        return round(frame / self._source_per_tick)

    def _place(self, frame: float) -> tuple[int, float]:
        number = min(max(bisect_right(self.frames, frame) - 1, 0), len(self._kinds) - 1)
        start, stop = self.frames[number : number + 2]
        return number, min(max((frame - start) / (stop - start), 0.0), 1.0)

    def speed(self, frame: float) -> float:
        """Return the speed at an output frame."""
        number, progress = self._place(frame)
        first, last = self._speeds[number]
        if self._kinds[number] in (StretchKind.CONSTANT, StretchKind.HOLD):
            return first
        if self._kinds[number] is StretchKind.RAMP:
            return first + (last - first) * progress
        key, following = self.curve.keys[number : number + 2]
        mean = (following.source - key.source) / (following.at - key.at)
        return mean * bezier_slope(key.handles, progress)

    def source(self, frame: float) -> float:
        """Return the source frame that is shown at an output frame."""
        return float(self.curve.source_at(self.ticks_of(frame))) * self._source_per_tick

    def _key_speed(self, number: int) -> float:
        last = len(self._speeds)
        return self._speeds[number][0] if number < last else self._speeds[-1][1]

    def speed_points(self) -> list[KeyPoint]:
        """Return the keys of the speed picture."""
        last = len(self.frames) - 1
        return [
            KeyPoint(
                frame=frame,
                value=self._key_speed(number),
                words=self._words(number),
                flat=number < last and self._kinds[number] is StretchKind.CONSTANT,
            )
            for number, frame in enumerate(self.frames)
        ]

    def time_points(self) -> list[KeyPoint]:
        """Return the keys of the time picture, with the handles of Bezier stretches."""
        points = []
        for number, frame in enumerate(self.frames):
            points.append(
                KeyPoint(
                    frame=frame,
                    value=self.sources[number],
                    handle_out=self._handle(number, 0),
                    handle_in=self._handle(number - 1, 1),
                    words=self._words(number),
                )
            )
        return points

    def _handle(self, number: int, which: int) -> tuple[float, float] | None:
        if not 0 <= number < len(self._kinds):
            return None
        if self._kinds[number] not in (StretchKind.BEZIER, StretchKind.SMOOTH):
            return None
        x, y = (float(value) for value in self.curve.keys[number].handles[2 * which :][:2])
        start, stop = self.frames[number : number + 2]
        first, last = self.sources[number : number + 2]
        return start + x * (stop - start), first + y * (last - first)

    def _words(self, number: int) -> str:
        speed = speed_words(self._key_speed(number))
        return f"{self.time_words(number)}   {speed}"

    def time_words(self, number: int) -> str:
        """Write a key's output moment."""
        return format_time(seconds_of(self.curve.keys[number].at), self.rate)

    def rows(self) -> list[KeyRow]:
        """Return the keys for the table."""
        last = len(self.frames) - 1
        return [
            KeyRow(
                at=self.time_words(number),
                source=f"{self.sources[number]:.2f}".rstrip("0").rstrip("."),
                speed=speed_words(self._key_speed(number)),
                shape=str(self._kinds[min(number, last - 1)].value),
            )
            for number in range(len(self.frames))
        ]

    def speed_range(self) -> tuple[float, float]:
        """Return the lowest and highest speed to draw, with air."""
        speeds = [value for pair in self._speeds for value in pair]
        low, high = min(0.0, *speeds), max(1.0, *speeds)
        return low * 1.2, 1.35 if high <= 1.0 else high * 1.3

    def source_range(self, source_frames: float) -> tuple[float, float]:
        """Return the lowest and highest source frame to draw."""
        return 0.0, max(source_frames, *self.sources, 1.0)

    def sampler(self, is_speed: bool) -> Callable[[float], float]:
        """Return the function that the view draws."""
        return self.speed if is_speed else self.source
