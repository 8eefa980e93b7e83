"""How many frames are made at a time, and on which streams."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue

import torch
import vapoursynth as vs

_MOST_ON_CPU = 4
"""Each takes working memory, and models use several threads themselves."""


class Workers:
    """As many places as frames may be made at a time, each with a stream of its own on a GPU.

    Args:
        count: Number of places.
        device: ``cpu`` or ``cuda:N``.
    """

    def __init__(self, count: int, device: str) -> None:
        self._device = device
        self._free: SimpleQueue[torch.cuda.Stream | None] = SimpleQueue()
        for _ in range(count):
            on_gpu = device.startswith("cuda")
            self._free.put(torch.cuda.Stream(device) if on_gpu else None)  # type: ignore[no-untyped-call]

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a free place and work there; the work is finished when the block ends."""
        stream = self._free.get()
        try:
            # Inference mode belongs to a thread, so it is entered here and not around the script.
            with torch.inference_mode(), torch.cuda.stream(stream) if stream else nullcontext():
                yield
                if stream:
                    stream.synchronize()
        finally:
            self._free.put(stream)


def usual_places(device: str) -> int:
    """Return how many frames to make at a time: one on a GPU, up to four on a CPU."""
    if device.startswith("cuda"):
        return 1
    return min(int(vs.core.num_threads), _MOST_ON_CPU)
