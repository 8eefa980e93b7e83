"""What a long task tells its caller: progress events and the wish to stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from imf_plugin.errors import Cancelled


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One progress event; printing it gives a readable line."""

    stage: str
    """What is being done: ``analyse``, ``render`` or ``join``."""
    done: int
    """Frames finished so far, frames of an earlier, interrupted run included."""
    total: int
    """Frames in all."""
    frames_per_second: float = 0.0
    """Measured rate of this run; 0 until known."""
    remaining_seconds: float | None = None
    """Estimated time left, None until known."""
    note: str = ""
    """Something the user should read, such as a warning; empty for plain progress."""

    def __str__(self) -> str:
        """Return the event as one line."""
        if self.note:
            return f"{self.stage}: {self.note}"
        line = f"{self.stage}: {self.done} of {self.total} frames"
        if self.frames_per_second:
            line += f", {self.frames_per_second:.1f} frames/s"
        if self.remaining_seconds is not None:
            line += f", {format_seconds(self.remaining_seconds)} left"
        return line


type ProgressCallback = Callable[[Progress], None]


def format_seconds(seconds: float) -> str:
    """Write a duration as ``m:ss`` or ``h:mm:ss``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class CancelToken:
    """Lets another thread stop a render; it stops within one frame."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            Cancelled: If `cancel` was called.
        """
        if self._event.is_set():
            raise Cancelled("cancelled; run the same command again to go on where it stopped")


class ProgressMeter:
    """Turns counts into progress events with rate and time left."""

    def __init__(
        self, stage: str, total: int, callback: ProgressCallback | None, already_done: int = 0
    ) -> None:
        self._stage = stage
        self._total = total
        self._callback = callback
        self._first = already_done
        self._done = already_done
        self._started = time.monotonic()

    def advance(self, frames: int = 1) -> None:
        """Count finished frames and report."""
        self._done += frames
        elapsed = time.monotonic() - self._started
        made = self._done - self._first
        rate = made / elapsed if elapsed > 0 else 0.0
        self._report(rate, (self._total - self._done) / rate if rate else None)

    def note(self, text: str) -> None:
        """Pass a sentence on to the user."""
        self._report(0.0, None, text)

    def _report(self, rate: float, remaining: float | None, note: str = "") -> None:
        if self._callback is None:
            return
        self._callback(
            Progress(
                stage=self._stage,
                done=self._done,
                total=self._total,
                frames_per_second=rate,
                remaining_seconds=remaining,
                note=note,
            )
        )
