"""Pictures from the worker to the editor through shared memory, without pipes.

The editor owns the memory; the worker attaches to it by name. A ring has more slots than requests
may be under way, so a slot is read before it is written again.
"""

import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

SLOTS = 6
MOST_UNDER_WAY = SLOTS - 2


class FrameRing:
    """The editor's end.

    Args:
        slot_bytes: Room for one picture.
    """

    def __init__(self, slot_bytes: int) -> None:
        self.slot_bytes = slot_bytes
        self._memory = SharedMemory(create=True, size=slot_bytes * SLOTS)

    @property
    def name(self) -> str:
        """What the worker attaches to."""
        return self._memory.name

    def read(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a copy of the picture in a slot, ``[H, W, 4]``."""
        start = slot * self.slot_bytes
        view = np.ndarray((height, width, 4), np.uint8, self._memory.buf, start)
        return view.copy()

    def close(self) -> None:
        """Give the memory back; safe to call twice."""
        try:
            self._memory.close()
            self._memory.unlink()
        except FileNotFoundError:
            return


class RingWriter:
    """The worker's end."""

    def __init__(self, name: str, slot_bytes: int) -> None:
        if sys.version_info >= (3, 13):
            self._memory = SharedMemory(name=name, track=False)
        else:
            self._memory = SharedMemory(name=name)
            # Before Python 3.13 the end of this process would remove the editor's memory.
            resource_tracker.unregister(self._memory._name, "shared_memory")  # type: ignore[attr-defined]
        self.slot_bytes = slot_bytes
        self._next = 0

    def write(self, picture: NDArray[np.uint8]) -> int:
        """Put a picture into the next slot and return its number."""
        if picture.nbytes > self.slot_bytes:
            raise ValueError(f"the picture does not fit, got {picture.nbytes = }")
        slot, self._next = self._next, (self._next + 1) % SLOTS
        start = slot * self.slot_bytes
        target = np.ndarray(picture.shape, np.uint8, self._memory.buf, start)
        target[...] = picture
        return slot

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
