"""How long a render still takes, from when its frames were finished."""

from collections import deque

_WINDOW_SECONDS = 30.0
_SLOTS = 240


class Eta:
    """Estimates the time left from the frames finished lately; pauses do not count."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SLOTS)

    def add(self, now_s: float, done: int) -> None:
        """Note that ``done`` frames were finished at a moment."""
        if not self._samples or now_s - self._samples[-1][0] >= _WINDOW_SECONDS / _SLOTS:
            self._samples.append((now_s, done))
        while len(self._samples) > 2 and now_s - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()

    def pause(self) -> None:
        """Forget the past, because time went by without work."""
        self._samples.clear()

    def frames_per_second(self) -> float:
        """Return the rate of late; 0 until known."""
        if len(self._samples) < 2:
            return 0.0
        (first, begun), (last, done) = self._samples[0], self._samples[-1]
        return (done - begun) / (last - first) if last > first else 0.0

    def remaining_seconds(self, done: int, total: int) -> float | None:
        """Return the time left, or None until it can be said."""
        rate = self.frames_per_second()
        return (total - done) / rate if rate > 0 else None
