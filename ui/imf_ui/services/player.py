"""The player: turns time into output frames, at any rate, both ways, dropping what comes too late.

The clock is handed in, so that tests can turn it by hand.
"""

import time
from math import ceil
from typing import Protocol

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal

from imf_ui.services.session import Session

FASTEST = 8.0
_MOST_LATE_SECONDS = 0.03
"""A frame that is later than this is skipped; a little late, it is shown, and the next ones follow
sooner. Neither eye nor ear notices so little."""
_OVERDUE_FRAMES = 0.5
"""How soon the next frame follows one that was late: sooner, the two would be painted as one."""


class Clock(Protocol):
    """Tells seconds."""

    def now(self) -> float:
        """Return seconds since some moment."""
        ...


class MonotonicClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return the seconds it was advanced."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds


class Player(QObject):
    """Plays the active clip's result."""

    frameWanted = pyqtSignal(int)
    """An output frame to show."""
    rateChanged = pyqtSignal(float)
    """0 stands still, -2 runs backwards at double speed."""

    def __init__(
        self, session: Session, clock: Clock | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._clock = clock or MonotonicClock()
        self._rate = 0.0
        self._position = 0
        self._began = (0.0, 0)
        self._holds_k = False
        self.loop = False
        """Whether the range is played over and over."""
        self.dropped = 0
        """Frames that were skipped since playing began."""
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)

    @property
    def position(self) -> int:
        """The output frame at the playhead."""
        return self._position

    @property
    def rate(self) -> float:
        """How fast it plays; 0 stands still."""
        return self._rate

    def play(self, rate: float = 1.0) -> None:
        """Play; at the end of the range it begins again."""
        schedule = self._session.schedule()
        if schedule is None or schedule.count < 2:
            return
        first, last = self._span()
        if rate > 0 and self._position >= last:
            self.seek(first)
        if rate < 0 and self._position <= first:
            self.seek(last)
        self.dropped = 0
        self._set_rate(rate)
        # Only now: opening the sound device may have taken a while.
        self._began = (self._clock.now(), self._position)
        self._set_timer(float(schedule.rate))

    def pause(self) -> None:
        """Stand still."""
        self._timer.stop()
        self._set_rate(0.0)

    def toggle(self) -> None:
        """Play at normal speed, or stand still."""
        if self._rate:
            self.pause()
        else:
            self.play(1.0)

    def key_j(self) -> None:
        """Play backwards, twice as fast with each press; with K held, one frame back."""
        if self._holds_k:
            self.step(-1)
            return
        self.play(max(self._rate * 2, -FASTEST) if self._rate < 0 else -1.0)

    def key_k(self) -> None:
        """Stand still."""
        self.pause()

    def key_l(self) -> None:
        """Play forwards, twice as fast with each press; with K held, one frame on."""
        if self._holds_k:
            self.step(1)
            return
        self.play(min(self._rate * 2, FASTEST) if self._rate > 0 else 1.0)

    def hold_k(self, held: bool) -> None:
        """Tell that K is pressed or was let go."""
        self._holds_k = held

    def step(self, frames: int) -> None:
        """Stand still and go some frames on or back."""
        self.pause()
        self.seek(self._position + frames)

    def seek(self, number: int) -> None:
        """Go to an output frame; playing goes on from there."""
        schedule = self._session.schedule()
        last = schedule.count - 1 if schedule else 0
        self._position = min(max(number, 0), last)
        self._began = (self._clock.now(), self._position)
        self.frameWanted.emit(self._position)

    def tick(self) -> None:
        """Show the frame that is due; called by the timer, and by tests."""
        schedule = self._session.schedule()
        if schedule is None or not self._rate:
            self.pause()
            return
        since, start = self._began
        moved = (self._clock.now() - since) * float(schedule.rate) * abs(self._rate)
        due = start + int(moved + 1e-6) * (1 if self._rate > 0 else -1)
        number = self._next_unless_late(due, moved)
        first, last = self._span()
        if start < first or start > last:
            first, last = 0, schedule.count - 1
        if not first <= number <= last:
            self._reach_end(first, last)
            return
        if number != self._position:
            self.dropped += max(abs(number - self._position) - max(round(abs(self._rate)), 1), 0)
            self._position = number
            self.frameWanted.emit(number)
        self._set_timer(float(schedule.rate))

    def _set_timer(self, frame_rate: float) -> None:
        """Wake when the next frame is due; soon, when it is overdue already."""
        if not self._rate:
            return
        since, start = self._began
        pace = frame_rate * abs(self._rate)
        left = abs(self._position - start) + 1 - (self._clock.now() - since) * pace
        wait_seconds = (left if left > 0 else _OVERDUE_FRAMES) / pace
        self._timer.start(max(1, ceil(wait_seconds * 1000)))

    def _next_unless_late(self, due: int, moved: float) -> int:
        """Return the frame after the last one where it may still be shown, else the one due."""
        schedule, direction = self._session.schedule(), 1 if self._rate > 0 else -1
        following = self._position + direction
        if schedule is None or abs(self._rate) > 1 or (due - following) * direction <= 0:
            return due
        late = moved - abs(following - self._began[1])
        limit = _MOST_LATE_SECONDS * float(schedule.rate) * abs(self._rate)
        return following if late <= limit else due

    def _reach_end(self, first: int, last: int) -> None:
        forwards = self._rate > 0
        if self.loop:
            self.seek(first if forwards else last)
            return
        end = last if forwards else first
        if self._position != end:
            self._position = end
            self.frameWanted.emit(end)
        self.pause()

    def _span(self) -> tuple[int, int]:
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return 0, 0
        return clip.marks.span(schedule.count)

    def _set_rate(self, rate: float) -> None:
        if rate != self._rate:
            self._rate = rate
            self.rateChanged.emit(rate)
