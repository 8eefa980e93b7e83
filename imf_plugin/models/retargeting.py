"""What a retargeting model is: the protocol that every family of them fulfils.

A retargeter reduces the frames of a *driving* video to motion tokens, a compact code of how things
stand in each frame, and plays tokens on a *reference* picture. Pictures are float tensors
``[3, H, W]`` or ``[T, 3, H, W]``, RGB in 0..1.

Tokens are compared with the *anchor*: the driving frame that stands as the reference picture
stands. How far a token is from the anchor's is what moves the reference.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from imf_plugin.models.base import ModelDescriptor


@dataclass(frozen=True, kw_only=True)
class ReferenceState:
    """One encoded reference picture."""

    image: Tensor
    """The picture as given, ``[3, H, W]``."""
    features: Any
    """Whatever the model wants to keep; opaque to everyone else."""
    note: str = ""
    """How the picture was matched to the anchor, for people to read; may be empty."""
    driving_box: tuple[float, float, float, float] | None = None
    """Where the driving frame lies over the picture: left, top, right and bottom in its pixels, for
    a model that aligns the two; None for one that reads the whole of both."""


@runtime_checkable
class Retargeter(Protocol):
    """Carries the motion of one video onto another picture."""

    descriptor: ModelDescriptor
    token_shape: tuple[int, ...]
    """Shape of one frame's token, such as ``(32,)``."""
    size_px: int | None
    """Side of the square pictures it works on; None if it takes any size."""

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        """Encode the picture that shall move.

        Args:
            image: ``[3, H, W]``.
            anchor: The driving frame ``[3, h, w]`` that stands as the picture stands, for models
                that align the two; None if there is none.
        """
        ...

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Reduce frames to tokens; each depends on its frame and the anchor alone.

        Args:
            frames: ``[T, 3, h, w]``.
            anchor: ``[3, h, w]``, for models whose tokens are motion from it; others ignore it.

        Returns:
            ``[T, *token_shape]``.
        """
        ...

    def reference_token(self, reference: ReferenceState) -> Tensor:
        """Return the token of the reference picture as it stands, ``[*token_shape]``."""
        ...

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        """Play tokens ``[T, *token_shape]`` on the reference.

        Returns:
            ``[T, 3, H, W]``, of the reference's size; the reference token gives the reference.
        """
        ...


@runtime_checkable
class PosingRetargeter(Retargeter, Protocol):
    """A retargeter that counts all motion from an anchor, which it aligns with the reference.

    Its tokens know no pose of their own, so for the mode ``absolute`` it lays the reference as the
    anchor stands; and tracks of it carry a small picture of the anchor.
    """

    def encode_posed_reference(self, image: Tensor, anchor: Tensor) -> ReferenceState:
        """Encode the picture ``[3, H, W]`` so that it stands where the anchor's subject stands.

        Args:
            image: ``[3, H, W]``.
            anchor: ``[3, h, w]``.
        """
        ...

    def with_picture(self, reference: ReferenceState, picture: Tensor) -> ReferenceState:
        """Return the same alignment for another picture ``[3, H, W]`` of the reference's size."""
        ...


@runtime_checkable
class AdaptingRetargeter(Retargeter, Protocol):
    """A retargeter that may learn the ways of one driving clip before it reads it."""

    def adapted(self, frames: Tensor, anchor: Tensor) -> "AdaptedRetargeter":
        """Return a model for the clip of frames ``[T, 3, h, w]``, counted from its anchor.

        Args:
            frames: Some dozens, spread over the clip.
            anchor: ``[3, h, w]``.
        """
        ...

    def with_directions(self, packed: bytes) -> "AdaptedRetargeter":
        """Return the model that had learned these `AdaptedRetargeter.directions`."""
        ...


@runtime_checkable
class AdaptedRetargeter(Retargeter, Protocol):
    """A retargeter that has learned the ways of one clip; its tracks carry what it learned."""

    directions: bytes


def check_picture(picture: Tensor, what: str) -> Tensor:
    """Return a picture after checking it.

    Raises:
        ValueError: If it is not ``[3, H, W]`` with pixels.
        TypeError: If it is not floating point.
    """
    if picture.ndim != 3 or picture.shape[0] != 3 or picture.numel() == 0:
        raise ValueError(f"expected {what} of shape [3, H, W], got {tuple(picture.shape) = }")
    if not picture.is_floating_point():
        raise TypeError(f"expected {what} as floats in 0..1, got {picture.dtype = }")
    return picture
