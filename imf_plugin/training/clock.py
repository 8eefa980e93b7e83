"""How long a run has trained, for runs that are boxed in time."""

import time

LONGEST_STEP_SECONDS = 30.0
"""A step that took longer was stopped in between; only so much is counted."""


class TrainingClock:
    """Seconds of training: without validation, and without the times the process was stopped."""

    def __init__(self) -> None:
        self.total_seconds = 0.0
        self._last = time.monotonic()
        self._marks: dict[str, float] = {}

    def tick(self) -> float:
        """Count what has passed since the last tick and return it."""
        now = time.monotonic()
        passed = min(now - self._last, LONGEST_STEP_SECONDS)
        self._last = now
        self.total_seconds += passed
        return passed

    def skip(self) -> None:
        """Leave out what has passed since the last tick."""
        self._last = time.monotonic()

    def seconds_since(self, mark: str) -> float:
        """Return the seconds since this was last asked for the mark."""
        passed = self.total_seconds - self._marks.get(mark, 0.0)
        self._marks[mark] = self.total_seconds
        return passed

    def is_due(self, mark: str, seconds: float) -> bool:
        """Return whether so many seconds have passed since this last said so for the mark."""
        due = self.total_seconds - self._marks.get(mark, 0.0) >= seconds
        if due:
            self._marks[mark] = self.total_seconds
        return due
