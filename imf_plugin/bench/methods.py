"""What makes the missing frames: the models of the registry, and frame blending.

Every picture comes back in the depth of the keyframes, rounded. Time counts from float pictures to
float pictures: reading, conversion and rounding are the same for everyone and stay out.
"""

import time
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import torch

from imf_plugin.bench.items import Interval
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.models.base import Context, Interpolator, KeyframeState, Neighbour

type MethodKind = Literal["model", "peer"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The frames that a method made in one interval."""

    pictures: tuple[Pixels, ...]
    """One for each of the interval's timesteps."""
    seconds: float
    """How long all of them took together, by the clock on the wall."""
    cpu_seconds: float
    """Processor time of all threads together; 0 where the system does not tell."""


@dataclass(frozen=True, kw_only=True)
class MethodInfo:
    """What a method is, for reports."""

    name: str
    kind: MethodKind
    """Whether it is one of ours or a peer."""
    summary: str
    """One line, with the settings that matter."""


class Stopwatch:
    """Measures what this process spends from now on; waits for the GPU before it looks."""

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._spent: tuple[float, float] | None = None
        self._begin = self._now()

    def stop_clock(self) -> None:
        """Stop, while the pictures are still to be converted."""
        wall, cpu = self._now()
        self._spent = (wall - self._begin[0], cpu - self._begin[1])

    def stop(self, pictures: tuple[Pixels, ...]) -> Made:
        """Return what was made with what it took, stopping now if that was not done."""
        if self._spent is None:
            self.stop_clock()
        assert self._spent is not None
        return Made(pictures=pictures, seconds=self._spent[0], cpu_seconds=self._spent[1])

    def _now(self) -> tuple[float, float]:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize(self._device)
        return time.perf_counter(), time.process_time()


class PairMethod(Protocol):
    """A method that makes the frames of one interval from its two keyframes."""

    info: MethodInfo

    def make(self, interval: Interval) -> Made:
        """Make the frames at the interval's timesteps."""
        ...


class Blending:
    """Cross-fades the two keyframes: what an editor does without motion."""

    info = MethodInfo(
        name="blend", kind="peer", summary="frame blending, (1 - t) before + t after, rounded"
    )

    def make(self, interval: Interval) -> Made:
        """Make the frames at the interval's timesteps."""
        watch = Stopwatch()
        pictures = tuple(
            _blend(interval.before, interval.after, float(timestep))
            for timestep in interval.timesteps
        )
        return watch.stop(pictures)


class ModelMethod:
    """A model of the registry. Each keyframe is encoded once, as when rendering."""

    def __init__(
        self,
        model: Interpolator,
        *,
        name: str,
        device: str,
        precision: str = "fp32",
        context: int = 4,
    ) -> None:
        self.info = MethodInfo(
            name=name,
            kind="model",
            summary=(
                f"{model.descriptor.source}; revision {model.descriptor.revision}, {precision}, "
                f"{min(context, model.descriptor.context)} keyframes"
            ),
        )
        self._model = model
        self._device = device
        self._context = min(context, model.descriptor.context)
        self._known: list[tuple[Pixels, KeyframeState]] = []

    @torch.inference_mode()
    def make(self, interval: Interval) -> Made:
        """Make the frames at the interval's timesteps."""
        deep = interval.before.dtype == np.uint16
        pictures = [interval.earlier, interval.before, interval.after, interval.later]
        if self._context == 2:
            pictures = pictures[1:3]
        needed = [picture for picture in pictures if picture is not None]
        new = {
            id(picture): to_tensor(picture, self._device)
            for picture in needed
            if not any(picture is known for known, _ in self._known)
        }
        watch = Stopwatch(self._device)
        self._known = [
            *((known, state) for known, state in self._known if any(known is p for p in needed)),
            *((p, self._model.encode(new[id(p)])) for p in needed if id(p) in new),
        ]
        frames = self._interpolate(interval)
        watch.stop_clock()
        return watch.stop(tuple(to_pixels(frame, deep=deep) for frame in frames))

    def _interpolate(self, interval: Interval) -> torch.Tensor:
        before, after = self._state(interval.before), self._state(interval.after)
        assert before is not None
        assert after is not None
        earlier, later = self._state(interval.earlier), self._state(interval.later)
        if earlier is None and later is None:
            return self._model.interpolate(before, after, interval.timesteps)
        context = Context(
            earlier=None if earlier is None else Neighbour(keyframe=earlier),
            later=None if later is None else Neighbour(keyframe=later),
        )
        return self._model.interpolate(before, after, interval.timesteps, context=context)

    def _state(self, picture: Pixels | None) -> KeyframeState | None:
        """Return the state of a keyframe, None if there is none or it is not made use of."""
        found = (state for known, state in self._known if picture is known)
        return next(found, None)


def _blend(before: Pixels, after: Pixels, timestep: float) -> Pixels:
    blended: Pixels = cv2.addWeighted(  # type: ignore[assignment]
        before, 1.0 - timestep, after, timestep, 0.0
    )
    return blended
