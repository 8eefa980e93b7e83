"""Making pictures from keyframes: one model, one cache, a limited number of workers."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import vapoursynth as vs
from torch import Tensor

from imf_hosts.vs.arguments import Options
from imf_hosts.vs.errors import fault
from imf_hosts.vs.keyframes import CacheStatistics, KeyframeCache
from imf_hosts.vs.workers import Workers, usual_places
from imf_plugin.engine.session import open_session
from imf_plugin.engine.tiles import (
    TiledContext,
    TiledInterpolator,
    TiledState,
    choose_tile_px,
)
from imf_plugin.models.base import Interpolator, ModelDescriptor
from imf_plugin.models.registry import describe_model, load_interpolator


@dataclass(frozen=True, kw_only=True)
class Source:
    """A keyframe that may have to be encoded."""

    key: Hashable
    """What it is called in the cache."""
    read: Callable[[], Tensor]
    """Returns its picture ``[3, H, W]``."""


type Around = tuple[Source, Fraction] | None
"""A keyframe beyond a pair and its distance, in units of the pair's own; None for nothing."""


@dataclass(frozen=True, kw_only=True)
class _Keyframe:
    """An encoded keyframe and the memory that it takes."""

    state: TiledState
    size_bytes: int


class Synthesiser:
    """Makes the pictures between keyframes of one filter.

    Args:
        options: Model, device and limits.
        width: Of the pictures, in pixels.
        height: Likewise.
    """

    def __init__(self, options: Options, width: int, height: int) -> None:
        session = open_session(options.device, options.precision)
        self.device = session.device
        smallest = _descriptor_of(options.model).minimum_size_px
        if min(width, height) < smallest:
            raise fault(
                f"the clip is {width}x{height}, but the model needs at least {smallest} pixels in "
                "both directions: enlarge the clip or use model='flow'"
            )
        places = options.num_streams or usual_places(session.device)
        self._workers = Workers(places, session.device)
        self._options = options
        self._session = session
        self._size = (height, width)
        # Enough for every thread to be at a pair of its own, and for what is around them.
        kept = options.cache_frames or max(8, int(vs.core.num_threads) + 4)
        self._cache: KeyframeCache[_Keyframe] = KeyframeCache(kept, options.cache_mb * 2**20)
        self._model = self._load()

    def _load(self) -> TiledInterpolator:
        model = self._options.model
        if isinstance(model, str | Path):
            model = load_interpolator(
                str(model), device=self._session.device, precision=self._session.precision
            )
        height, width = self._size
        edge = self._options.tile
        if edge == "auto":
            edge = choose_tile_px(
                height,
                width,
                model.descriptor.bytes_per_pixel,
                # Not divided among the workers: pictures must not depend on their number.
                self._session.working_bytes,
            )
        return TiledInterpolator(model, max(height, width) if edge == "off" else int(edge))

    def between(
        self,
        before: Source,
        after: Source,
        timestep: Fraction,
        *,
        earlier: Around = None,
        later: Around = None,
    ) -> Tensor:
        """Return the picture ``[3, H, W]`` at ``timestep``.

        Args:
            before: The keyframe before it.
            after: The one after it.
            timestep: Above 0, below 1.
            earlier: The keyframe before ``before``.
            later: The keyframe after ``after``.
        """
        # A thread that waits for another one's keyframe must not hold a place that one needs.
        first, second = self._keyframe(before), self._keyframe(after)
        context = TiledContext(earlier=self._beyond(earlier), later=self._beyond(later))
        with self._workers.one():
            return self._model.interpolate(first, second, [timestep], context)[0].cpu()

    def _beyond(self, around: Around) -> tuple[TiledState, float] | None:
        return around and (self._keyframe(around[0]), float(around[1]))

    def _keyframe(self, source: Source) -> TiledState:
        def encode() -> _Keyframe:
            with self._workers.one():
                state = self._model.encode(source.read())
            size_bytes = sum(tile.size_bytes for tile in state.states)
            return _Keyframe(state=state, size_bytes=size_bytes)

        return self._cache.get(source.key, encode).state

    def statistics(self) -> CacheStatistics:
        """Return what the keyframe cache has done."""
        return self._cache.statistics()


def keyframes_used(options: Options) -> int:
    """Return how many keyframes a new frame is made from: what is asked for, if the model can."""
    return min(options.context, _descriptor_of(options.model).context)


def _descriptor_of(model: str | Path | Interpolator) -> ModelDescriptor:
    return describe_model(str(model)) if isinstance(model, str | Path) else model.descriptor
