"""``transport`` at the token budget of the learned models: the fair baseline.

Its fields of 2048 numbers are projected onto their main directions, either those of clips in a
folder, which must then suit every clip, or those of the clip itself.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from imf_plugin.models.imf.directions import main_directions, mirrored
from imf_plugin.models.retargeting import ReferenceState
from imf_plugin.models.transport.retargeter import DESCRIPTOR, TransportRetargeter

NUMBERS = 32
FRAMES = 8
"""Of each clip, for each of its references."""


class ReducedTransport:
    """Fulfils `Retargeter`: ``transport`` along some directions, ``[K, 2, P, P]``."""

    descriptor = DESCRIPTOR
    size_px: int | None = None

    def __init__(self, directions: Tensor | None) -> None:
        self._transport = TransportRetargeter()
        self.token_shape: tuple[int, ...] = (NUMBERS if directions is None else len(directions),)
        self._basis = None if directions is None else torch.linalg.qr(directions.flatten(1).T).Q.T

    @classmethod
    def of_folder(cls, clips: Iterable[Tensor]) -> "ReducedTransport":
        """Return it along the main directions of clips ``[T, 3, S, S]``, which count alike."""
        rows = []
        for clip in clips:
            fields = torch.cat(list(_fields(clip)))
            rows.append(fields / fields.square().mean().add(1e-5).sqrt())
        every = torch.cat(rows)
        return cls(main_directions(torch.cat([every, mirrored(every)]), NUMBERS))

    def adapted(self, frames: Tensor, anchor: Tensor) -> "ReducedTransport":
        """Return it along the main directions of a clip."""
        return ReducedTransport(
            main_directions(self._transport.encode_tokens(frames, anchor), NUMBERS)
        )

    def with_directions(self, packed: bytes) -> "ReducedTransport":
        """Tracks of it are not written."""
        raise NotImplementedError

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Align the picture with the anchor."""
        return self._transport.encode_reference(image, anchor)

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return ``[T, K]``."""
        assert self._basis is not None
        rows: Tensor = self._transport.encode_tokens(frames, anchor).flatten(1) @ self._basis.T
        return rows

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return no motion."""
        return torch.zeros(self.token_shape)

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, K]``."""
        assert self._basis is not None
        shape = self._transport.token_shape
        return self._transport.render(reference, (tokens @ self._basis).reshape(-1, *shape))


def _fields(clip: Tensor) -> Iterator[Tensor]:
    """Yield the motion of frames of a clip, counted from three frames spread over it."""
    count = len(clip)
    for anchor in sorted({0, count // 3, 2 * count // 3}):
        chosen = torch.linspace(0, count - 1, FRAMES + 1).round().long()
        yield TransportRetargeter().encode_tokens(clip[chosen[chosen != anchor]], clip[anchor])


def read_folder(folder: Path, side: int) -> ReducedTransport:
    """Return it along the main directions of the clips below a folder."""
    from imf_plugin.training.retarget_reports.reenactment import clips_in, squares

    return ReducedTransport.of_folder(squares(path, 40, side) for path in clips_in([folder]))
