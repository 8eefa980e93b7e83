"""Making single frames in the worker, with the code that renders make them with."""

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imf_plugin.engine.keyframes import KeyframeSource
from imf_plugin.media.read import Reader, open_media
from imf_plugin.timeline.plan import Beyond, Decision, PlannedFrame
from imf_ui.services.faking import Faults
from imf_ui.services.pictures import bgra_of, reduced

_MOST_READERS = 2


@dataclass(frozen=True, kw_only=True)
class MakeRequest:
    """A frame to be made."""

    source: str
    before: int
    after: int
    timestep: Fraction
    decision: Decision
    earlier: Beyond | None
    later: Beyond | None
    scale: int
    model: str
    device: str
    precision: str
    tile: str

    @classmethod
    def of(cls, command: dict[str, Any]) -> "MakeRequest":
        """Read a command."""
        return cls(
            source=command["source"],
            before=command["before"],
            after=command["after"],
            timestep=Fraction(command["timestep"]),
            decision=Decision(command["decision"]),
            earlier=_beyond(command["earlier"]),
            later=_beyond(command["later"]),
            scale=command["scale"],
            model=command["model"],
            device=command["device"],
            precision=command["precision"],
            tile=command["tile"],
        )


def command_of(frame: PlannedFrame) -> dict[str, Any]:
    """Return what a command says of the frame that it asks for."""
    return {
        "before": frame.before,
        "after": frame.after,
        "timestep": str(frame.timestep),
        "decision": frame.decision.value,
        "earlier": frame.earlier and [frame.earlier.keyframe, str(frame.earlier.distance)],
        "later": frame.later and [frame.later.keyframe, str(frame.later.distance)],
    }


def _beyond(data: list[Any] | None) -> Beyond | None:
    return Beyond(keyframe=data[0], distance=Fraction(data[1])) if data else None


class Maker:
    """Makes frames of any clip, keeping the last files and models at hand."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults
        self._readers: OrderedDict[str, tuple[Reader, KeyframeSource]] = OrderedDict()
        self._maker: tuple[Any, Any] | None = None
        self._models: dict[tuple[str, str, str], Any] = {}

    def make(self, request: MakeRequest) -> NDArray[np.uint8]:
        """Return a frame ``[H, W, 4]``, as the viewer keeps it."""
        if self._faults is not None:
            return self._fake(self._faults, request)
        from imf_plugin.engine.pixels import to_pixels

        reader, _ = self._reader(request.source)
        maker = self._maker_for(request, reader)
        frame = PlannedFrame(
            time=Fraction(0),
            before=request.before,
            after=request.after,
            timestep=request.timestep,
            decision=request.decision,
            reason="",
            earlier=request.earlier,
            later=request.later,
        )
        for _, made in maker.make([frame]):
            if made is None:
                return bgra_of(self._keyframe(request.source, request.before), request.scale)
            return bgra_of(to_pixels(made, deep=reader.info.bit_depth > 8))
        raise RuntimeError("a frame came to nothing")

    def close(self) -> None:
        """Release the files."""
        for reader, _ in self._readers.values():
            reader.close()

    def _fake(self, faults: Faults, request: MakeRequest) -> NDArray[np.uint8]:
        """Cross-fade without loading the engine, so that tests start quickly."""
        faults.before_frame(tile=request.tile, device=request.device)
        share = float(request.timestep)
        before, after = (
            reduced(self._keyframe(request.source, index), request.scale).astype(np.float32)
            for index in (request.before, request.after)
        )
        return bgra_of(np.rint(before * (1 - share) + after * share).astype(np.uint8))

    def _keyframe(self, source: str, index: int) -> NDArray[Any]:
        return self._reader(source)[1].get(index).rgb()

    def _reader(self, source: str) -> tuple[Reader, KeyframeSource]:
        if source not in self._readers:
            reader = open_media(Path(source))
            self._readers[source] = (reader, KeyframeSource(reader))
            while len(self._readers) > _MOST_READERS:
                self._readers.popitem(last=False)[1][0].close()
        self._readers.move_to_end(source)
        return self._readers[source]

    def _maker_for(self, request: MakeRequest, reader: Reader) -> Any:
        """Return the maker of the last frame if it fits: it still holds its keyframes."""
        wanted = (
            request.source,
            request.scale,
            request.model,
            request.device,
            request.precision,
            request.tile,
        )
        if self._maker is None or self._maker[0] != wanted:
            self._maker = (wanted, self._new_maker(request, reader))
        return self._maker[1]

    def _new_maker(self, request: MakeRequest, reader: Reader) -> Any:
        from imf_plugin.engine.pictures import PictureMaker
        from imf_plugin.engine.pixels import to_tensor
        from imf_plugin.engine.session import open_session
        from imf_plugin.engine.tiles import TiledInterpolator, choose_tile_px

        session = open_session(request.device, request.precision)
        model = self._model(request, session.device, session.precision)
        height = reader.info.height // request.scale
        width = reader.info.width // request.scale
        if request.tile == "auto":
            edge = choose_tile_px(
                height, width, model.descriptor.bytes_per_pixel, session.working_bytes
            )
        else:
            edge = max(height, width) if request.tile == "off" else int(request.tile)
        return PictureMaker(
            TiledInterpolator(model, edge),
            lambda index: to_tensor(
                np.ascontiguousarray(reduced(self._keyframe(request.source, index), request.scale)),
                session.device,
            ),
        )

    def _model(self, request: MakeRequest, device: str, precision: str) -> Any:
        from imf_plugin.models.registry import load_interpolator

        key = (request.model, device, precision)
        if key not in self._models:
            self._models[key] = load_interpolator(request.model, device=device, precision=precision)
        return self._models[key]
