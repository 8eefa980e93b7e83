"""A deterministic engine for tests: it cross-fades, and fails when and how it is told to.

``fake:slow=50,crash=5,hang=3,full=4,oom=1,once=FILE``: milliseconds a frame; a segmentation fault,
a standstill, a full disk or a lack of memory at the so-manieth made frame. With ``once`` the
first three happen only as long as FILE does not exist, and make it. Memory suffices with tiles
or on the CPU.
"""

import errno
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imf_plugin.errors import DeviceError

if TYPE_CHECKING:
    from torch import Tensor

    from imf_plugin.models.base import Context, KeyframeState, Timestep


@dataclass
class Faults:
    """What shall go wrong, and how far it is."""

    slow_ms: int = 0
    crash_at: int = 0
    hang_at: int = 0
    full_at: int = 0
    oom_at: int = 0
    once: Path | None = None
    made: int = 0

    @classmethod
    def parse(cls, engine: str) -> "Faults":
        """Read a description such as ``fake:slow=50``."""
        pairs = dict(
            part.split("=", 1) for part in engine.partition(":")[2].split(",") if "=" in part
        )
        once = pairs.get("once")
        return cls(
            slow_ms=int(pairs.get("slow", 0)),
            crash_at=int(pairs.get("crash", 0)),
            hang_at=int(pairs.get("hang", 0)),
            full_at=int(pairs.get("full", 0)),
            oom_at=int(pairs.get("oom", 0)),
            once=Path(once) if once else None,
        )

    def before_frame(self, *, tile: str, device: str) -> None:
        """Count a made frame, and fail if it is time to.

        Raises:
            DeviceError: For a lack of memory.
            OSError: For a full disk.
        """
        self.made += 1
        if self.slow_ms:
            time.sleep(self.slow_ms / 1000)
        if self.oom_at and self.made >= self.oom_at and tile == "auto" and device != "cpu":
            raise DeviceError(
                "memory ran out on this picture; use smaller tiles, or make it on the CPU"
            )
        if self.made == self.crash_at and self._first_time():
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.made == self.full_at and self._first_time():
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.made == self.hang_at and self._first_time():
            threading.Event().wait()

    def _first_time(self) -> bool:
        if self.once is None:
            return True
        if self.once.exists():
            return False
        self.once.touch()
        return True


def fake_interpolator(faults: Faults, *, tile: str, device: str) -> Any:
    """Return a model for the engine that cross-fades."""
    import torch

    from imf_plugin.models.base import (
        KeyframeState,
        ModelDescriptor,
        as_batch,
        encoded_pair,
    )

    class FakeInterpolator:
        descriptor = ModelDescriptor(
            name="fake",
            summary="Cross-fades, for tests.",
            source="none",
            parameters=0,
            minimum_size_px=1,
            tile_overlap_px=16,
            bytes_per_pixel=48,
        )

        def encode(self, frames: "Tensor") -> "KeyframeState":
            batch, batched = as_batch(frames)
            return KeyframeState(frames=batch, features=None, batched=batched, size_bytes=0)

        def interpolate(
            self,
            before: "Tensor | KeyframeState",
            after: "Tensor | KeyframeState",
            timesteps: "Sequence[Timestep]",
            *,
            context: "Context | None" = None,
        ) -> "Tensor":
            first, second = encoded_pair(self, before, after)
            made = []
            for timestep in timesteps:
                faults.before_frame(tile=tile, device=device)
                share = float(timestep)
                made.append(first.frames * (1 - share) + second.frames * share)
            stacked = torch.stack(made, dim=1)
            return stacked if first.batched else stacked[0]

    return FakeInterpolator()
