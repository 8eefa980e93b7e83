"""Frames and motion of a retargeting in the worker, with the code that renders make them with.

Live changes must be quick, so what is slow is kept for as long as it fits: the model, the anchor
that was looked for in the whole clip, and the token of every driving frame that was read.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_ui.model.queue import RetargetSpec
from imf_ui.model.values import from_json
from imf_ui.services.pictures import bgra_of

_KEPT_BYTES = 256 * 2**20
"""Room for tokens."""
_MOST_ROWS = 32


class Animator:
    """Shows one retargeting after another; hand it the setup with each question.

    A setup is the members of `imf_ui.model.queue.RetargetSpec` as JSON data, and ``device``.
    """

    def __init__(self) -> None:
        self._setup: dict[str, Any] = {}
        self._motion: _Motion | None = None
        self._retargeting: Any = None
        self._smooth = 0

    def picture(self, setup: dict[str, Any], number: int) -> NDArray[np.uint8]:
        """Return the picture of a driving frame, ``[H, W, 4]``."""
        from imf_plugin.engine.pixels import to_pixels
        from imf_plugin.engine.retarget_render import smoothed_tokens

        motion = self._prepared(setup)
        token = next(iter(smoothed_tokens(motion, number, number + 1, self._smooth)))
        return bgra_of(to_pixels(self._retargeting.render(token[None])[0], deep=False))

    def lengths(self, setup: dict[str, Any], frames: Sequence[int]) -> list[float]:
        """Return how far each of the frames is from the anchor."""
        motion = self._prepared(setup)
        if list(frames) == list(range(frames[0], frames[-1] + 1)):
            found = list(motion.tokens(frames[0], frames[-1] + 1))
        else:
            found = [motion.token(number) for number in frames]
        return [motion.length(token) for token in found]

    def rows(self, setup: dict[str, Any], frames: Sequence[int]) -> list[list[float]]:
        """Return the numbers of the tokens over the frames, ``[row][frame]``, within -1..1."""
        from imf_plugin.motion.track_pictures import track_rows
        from imf_plugin.motion.tracks import TokenTrack

        motion = self._prepared(setup)
        track = TokenTrack(
            tokens=torch.stack([motion.token(number) for number in frames]),
            anchor_token=motion.anchor_token,
            rate=motion.reader.info.frame_rate,
            model=motion.model.descriptor.name,
            revision=motion.model.descriptor.revision,
        )
        rows, _ = track_rows(track)
        shares = rows[:_MOST_ROWS] / max(float(np.abs(rows).max()), 1e-12)
        return [[round(float(share), 3) for share in row] for row in shares]

    @property
    def anchor(self) -> int:
        """Number of the driving frame that stands as the picture does."""
        return self._motion.anchor if self._motion else 0

    def _prepared(self, setup: dict[str, Any]) -> "_Motion":
        if self._motion is not None and setup == self._setup:
            return self._motion
        from imf_plugin.engine.retarget_sources import read_mask
        from imf_plugin.engine.retargeting import Retargeting

        self._setup = {}
        device = setup.get("device", "auto")
        members = {key: value for key, value in setup.items() if key != "device"}
        spec = from_json(RetargetSpec, members)
        motion = self._motion
        if motion is None or motion.key != _Motion.key_of(spec, device):
            self._motion = None
            motion = self._motion = _Motion(spec, device)
        self._retargeting = Retargeting(
            motion.model,
            motion.picture,
            motion.anchor_frame,
            mode=spec.mode,  # type: ignore[arg-type]
            strength=float(spec.strength),
            mask=read_mask(Path(spec.mask), motion.picture) if spec.mask else None,
            keep_background=spec.keep_background,
        )
        motion.encode_with(self._retargeting)
        self._smooth, self._setup = spec.smooth, setup
        return motion


class _Motion:
    """A driving clip as one model sees it: everything that strength and mask do not change.

    It is a source of tokens to the engine, and remembers those that it gave.
    """

    identity = ""

    def __init__(self, spec: RetargetSpec, device: str) -> None:
        from imf_plugin.engine.progress import ProgressMeter
        from imf_plugin.engine.retarget_functions import load_retargeter
        from imf_plugin.engine.retarget_sources import adapted_model, choose_anchor, read_reference
        from imf_plugin.media.read import open_media

        self.key = self.key_of(spec, device)
        self.picture = read_reference(Path(spec.reference), spec.reference_frame)
        self.reader = open_media(Path(spec.driving))
        self.count = self.reader.info.frame_count
        meter = ProgressMeter("anchor", self.count, None)
        wanted = "best" if spec.anchor is None else spec.anchor
        self.anchor, self.anchor_frame = choose_anchor(
            self.reader,
            self.picture,
            wanted,  # type: ignore[arg-type]
            meter,
        )
        model = load_retargeter(spec.model, device=device)
        self.model = adapted_model(model, self.reader, self.anchor_frame)
        self._encoder: Any = None
        self._tokens: dict[int, Tensor] = {}
        self._most = max(64, _KEPT_BYTES // (4 * int(np.prod(self.model.token_shape))))
        self.anchor_token = torch.zeros(self.model.token_shape)

    @staticmethod
    def key_of(spec: RetargetSpec, device: str) -> tuple[object, ...]:
        """Return what decides the motion."""
        files = (Path(spec.reference), Path(spec.driving))
        changed = tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)
        return (spec.model, device, *files, *changed, spec.reference_frame, spec.anchor, spec.mode)

    def encode_with(self, retargeting: Any) -> None:
        """Encode from now on with a retargeting of this picture, model and anchor."""
        from imf_plugin.engine.retarget_sources import DrivingTokens

        self._encoder = DrivingTokens(self.reader, retargeting, "")
        self.anchor_token = retargeting.tokens(self.anchor_frame[None])[0]

    def token(self, number: int) -> Tensor:
        """Return the token of a frame."""
        return next(self.tokens(number, number + 1))

    def length(self, token: Tensor) -> float:
        """Return how far a token is from the anchor's."""
        return float((token - self.anchor_token).square().mean().sqrt())

    def tokens(self, start: int, stop: int) -> Iterator[Tensor]:
        """Yield the tokens of the frames ``start`` to ``stop``."""
        stream: Iterator[Tensor] | None = None
        for number in range(start, stop):
            token = self._tokens.get(number)
            if token is not None:
                stream = None
            else:
                # One stream for a run of unknown frames: each new one would seek.
                stream = stream or self._encoder.tokens(number, stop)
                token = next(stream)
                if len(self._tokens) >= self._most:
                    self._tokens.clear()
                self._tokens[number] = token
            yield token
