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
from imf_plugin.engine.tiles import TiledInterpolator, TiledState, choose_tile_px
from imf_plugin.models.base import Interpolator, ModelDescriptor
from imf_plugin.models.registry import describe_model, load_interpolator


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
        # Enough for every thread to be at a keyframe of its own.
        kept = options.cache_frames or max(8, int(vs.core.num_threads) + 2)
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
        before: tuple[Hashable, Callable[[], Tensor]],
        after: tuple[Hashable, Callable[[], Tensor]],
        timestep: Fraction,
    ) -> Tensor:
        """Return the picture ``[3, H, W]`` at ``timestep``.

        Args:
            before: What the keyframe is called in the cache, and how to read it.
            after: Likewise.
            timestep: Above 0, below 1.
        """
        # A thread that waits for another one's keyframe must not hold a place that one needs.
        first, second = self._keyframe(*before), self._keyframe(*after)
        with self._workers.one():
            return self._model.interpolate(first, second, [timestep])[0].cpu()

    def _keyframe(self, key: Hashable, read: Callable[[], Tensor]) -> TiledState:
        def encode() -> _Keyframe:
            with self._workers.one():
                state = self._model.encode(read())
            size_bytes = sum(tile.size_bytes for tile in state.states)
            return _Keyframe(state=state, size_bytes=size_bytes)

        return self._cache.get(key, encode).state

    def statistics(self) -> CacheStatistics:
        """Return what the keyframe cache has done."""
        return self._cache.statistics()


def _descriptor_of(model: str | Path | Interpolator) -> ModelDescriptor:
    return describe_model(str(model)) if isinstance(model, str | Path) else model.descriptor
