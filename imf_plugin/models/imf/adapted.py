"""The model `imf` adapted to one driving clip: 32 numbers along directions of that clip.

Reading a clip twice is worth it: directions learned from some of its frames leave far less to a
frame's 32 numbers than directions that must suit all clips (`directions.py`). The motion is laid
over the reference as `transport` lays it; changes of looks, such as the inside of a mouth, are
added where anchor and reference show the same subject, and left out elsewhere.
"""

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from imf_plugin.errors import ModelError
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.imf.directions import Directions, fitted_token, learn_directions
from imf_plugin.models.retargeting import ReferenceState, check_picture
from imf_plugin.models.transport.alignment import Alignment
from imf_plugin.models.transport.retargeter import TransportRetargeter
from imf_plugin.motion.token_codec import DamagedTokens

SAME_SUBJECT = ("same", "features")
"""Alignments that mean that anchor and reference show the same thing."""


@dataclass(frozen=True, kw_only=True)
class _Reference:
    motion: ReferenceState
    place: Alignment
    """From driving pixels to where they are painted."""
    driving_size: tuple[int, int]
    """Width and height of the driving frame."""
    is_same: bool
    """Whether changes of looks are those of the reference's subject."""


class AdaptedImf:
    """Fulfils `imf_plugin.models.retargeting.PosingRetargeter` with directions of one clip.

    Args:
        packed: The directions, as `Directions.packed` gives them.
        base: The model that was adapted.

    Raises:
        ModelError: If the directions are damaged.
    """

    size_px: int | None = None

    def __init__(self, packed: bytes, base: ModelDescriptor) -> None:
        try:
            self._kept = Directions.unpacked(packed)
        except DamagedTokens as error:
            raise ModelError(
                f"the directions that {base.name} was adapted with are damaged; adapt it again"
            ) from error
        self.directions = packed
        self.token_shape: tuple[int, ...] = (self._kept.count,)
        digest = hashlib.sha256(packed).hexdigest()[:8]
        self.descriptor = replace(base, revision=f"{base.revision}+{digest}")
        self._transport = TransportRetargeter()

    @classmethod
    def learned(cls, frames: Tensor, anchor: Tensor, base: ModelDescriptor) -> "AdaptedImf":
        """Return the model adapted to frames ``[T, 3, h, w]`` of a clip and its anchor."""
        return cls(learn_directions(check_picture(anchor, "an anchor"), frames).packed(), base)

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Align the picture ``[3, H, W]`` with the anchor ``[3, h, w]``, if there is one."""
        return self._state(self._transport.encode_reference(image, anchor))

    def encode_posed_reference(self, image: Tensor, anchor: Tensor) -> ReferenceState:
        """Align as `encode_reference` does, and lay the picture as the anchor stands."""
        return self._state(self._transport.encode_posed_reference(image, anchor))

    def with_picture(self, reference: ReferenceState, picture: Tensor) -> ReferenceState:
        """Return the same alignment for another picture ``[3, H, W]``, which only moves."""
        features: _Reference = reference.features
        motion = self._transport.with_picture(features.motion, picture)
        return replace(
            reference,
            image=picture,
            features=replace(features, motion=motion, is_same=False),
        )

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Return how the anchor becomes frames ``[T, 3, h, w]``, ``[T, M + L]``.

        Raises:
            ValueError: If there is no anchor, or it is of another size than the frames.
        """
        if anchor is None or frames.shape[1:] != anchor.shape:
            raise ValueError(
                "adapted tokens are counted from an anchor of the frames' size, "
                f"got {tuple(frames.shape) = } and an anchor "
                f"of {None if anchor is None else tuple(anchor.shape)}"
            )
        tokens = torch.zeros(len(frames), *self.token_shape)
        for token, frame in zip(tokens, frames, strict=True):
            if not torch.equal(frame, anchor):
                token[...] = fitted_token(self._kept, anchor, frame)
        return tokens

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return no motion and no change."""
        return torch.zeros(self.token_shape)

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, M + L]`` on the reference; returns ``[T, 3, H, W]``.

        Raises:
            ValueError: If the tokens have another shape.
        """
        if tokens.ndim != 2 or tuple(tokens.shape[1:]) != self.token_shape:
            raise ValueError(
                f"expected tokens of shape [T, {self.token_shape[0]}], got {tuple(tokens.shape) = }"
            )
        features: _Reference = reference.features
        plain = tokens.detach().to("cpu", torch.float32)
        made = self._transport.render(features.motion, self._kept.splines(plain))
        if features.is_same:
            for picture, change, token in zip(made, self._kept.changes(plain), plain, strict=True):
                if token.any():
                    laid = self._laid(features, change, picture.shape[1], picture.shape[2])
                    picture.add_(laid.to(picture)).clamp_(0, 1)
        return made

    def _state(self, motion: ReferenceState) -> ReferenceState:
        inner = motion.features
        features = _Reference(
            motion=motion,
            place=inner.place,
            driving_size=inner.driving_size,
            is_same=inner.source.kind in SAME_SUBJECT,
        )
        return replace(motion, features=features)

    @staticmethod
    def _laid(reference: _Reference, change: Tensor, height: int, width: int) -> Tensor:
        """Return a change of looks where the reference shows it, ``[3, height, width]``."""
        small = change.permute(1, 2, 0).numpy()
        factor = np.array(reference.driving_size) / (small.shape[1], small.shape[0])
        # From pixels of the change to those of the driving frame, and on to the reference.
        grow = np.array([[factor[0], 0, (factor[0] - 1) / 2], [0, factor[1], (factor[1] - 1) / 2]])
        matrix = reference.place.matrix @ np.vstack([grow, [0, 0, 1]])
        laid = cv2.warpAffine(
            small, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        return torch.from_numpy(np.ascontiguousarray(laid)).permute(2, 0, 1)
