"""Retargeting in memory: one reference, one anchor, and any frames in any order.

The hosts, the editor and the file render all stand on `Retargeting`. What it gives for a frame
depends on that frame alone, so order and threads do not matter.
"""

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.engine.crops import Part, border_weight, centred_square, cut, paste
from imf_plugin.engine.framing import Framing, aligned, equal_heights, squares
from imf_plugin.engine.layers import plate_behind
from imf_plugin.errors import PlanError
from imf_plugin.models.retargeting import (
    PosingRetargeter,
    ReferenceState,
    Retargeter,
    check_picture,
)
from imf_plugin.motion.token_curves import bell, smooth_tokens

__all__ = [
    "MODES",
    "RetargetMode",
    "Retargeting",
    "bell",
    "check_request",
    "likeness",
    "smooth_tokens",
]

type Plane = NDArray[np.float32]
type RetargetMode = Literal["relative", "absolute"]

MODES = ("relative", "absolute")
LARGEST_STRENGTH = 4.0
_ANCHOR_SIDE_PX = 48


class Retargeting:
    """Moves one picture with the tokens of driving frames.

    Args:
        model: The retargeting model.
        reference: The picture that shall move, ``[3, H, W]`` in 0..1.
        anchor: The driving frame ``[3, h, w]`` that stands as the picture stands; the motion is
            counted from it. None where the model does not need one and the mode is absolute.
        mode: ``relative`` adds the motion since the anchor to the picture's own pose; ``absolute``
            takes the driving frame's pose itself.
        strength: Multiplies the motion; 0 holds the picture still.
        mask: ``[H, W]`` in 0..1, where the picture may change; everywhere when None. A model that
            aligns moves what is masked in front of the rest, and makes up what lay behind it.
        keep_background: Whether the picture's border stays as it is.
        driving_size: Width and height of the driving frames; the anchor's when None.

    Raises:
        PlanError: If mode, strength or mask make no sense.
        ValueError: If the shape of a picture is another one.
    """

    def __init__(
        self,
        model: Retargeter,
        reference: Tensor,
        anchor: Tensor | None,
        *,
        mode: RetargetMode = "relative",
        strength: float = 1.0,
        mask: Tensor | None = None,
        keep_background: bool = False,
        driving_size: tuple[int, int] | None = None,
    ) -> None:
        check_request(mode, strength)
        self._model = model
        self._strength = strength
        self._whole = check_picture(reference, "a reference")
        if anchor is not None and driving_size is None:
            driving_size = _size(check_picture(anchor, "an anchor"))
        self._framing, self._part = _laid(model, driving_size, _size(reference))
        inner = self._inside(reference)
        self._anchor: Tensor | None
        if anchor is None or (mode == "absolute" and not isinstance(model, PosingRetargeter)):
            # The pose itself: measured from the reference, not from a driving frame.
            self._anchor = inner
            self._state = model.encode_reference(inner)
            self._anchor_token = model.reference_token(self._state)
        else:
            self._anchor = _inside(model, check_picture(anchor, "an anchor"))
            if mode == "absolute" and isinstance(model, PosingRetargeter):
                self._state = model.encode_posed_reference(inner, self._anchor)
            else:
                self._state = model.encode_reference(inner, self._anchor)
            self._anchor_token = model.encode_tokens(self._anchor[None], self._anchor)[0]
        self._own_token = model.reference_token(self._state)
        if driving_size and self._state.driving_box:
            self._framing = aligned(driving_size, _size(reference), self._state.driving_box)
        self._weight = self._where_to_change(mask, keep_background)
        self._subject: ReferenceState | None = None
        if mask is not None and isinstance(model, PosingRetargeter):
            # The subject moves in front of what lies behind it, so its mask moves with it.
            soft = self._where_to_change(mask, keep_background=False)
            assert soft is not None  # there is a mask
            self._subject = model.with_picture(self._state, soft.expand_as(inner).contiguous())
            self._plate = plate_behind(self._whole, soft)
            self._weight = border_weight(*inner.shape[1:]) if keep_background else None

    @classmethod
    def for_track(
        cls,
        model: Retargeter,
        reference: Tensor,
        anchor_token: Tensor,
        anchor: Tensor | None = None,
        *,
        mode: RetargetMode = "relative",
        strength: float = 1.0,
        mask: Tensor | None = None,
        keep_background: bool = False,
        driving_size: tuple[int, int] | None = None,
    ) -> "Retargeting":
        """Return a retargeting by stored tokens.

        Args:
            model: The retargeting model.
            reference: The picture that shall move, ``[3, H, W]``.
            anchor_token: The anchor's token, ``[*token_shape]``.
            anchor: A picture of the anchor, however small, for a model that aligns it.
            mode: See `Retargeting`.
            strength: See `Retargeting`.
            mask: See `Retargeting`.
            keep_background: See `Retargeting`.
            driving_size: Width and height of the frames that the tokens were made from; the
                anchor's shape when None.
        """
        aligns = isinstance(model, PosingRetargeter)
        made = cls(
            model,
            reference,
            anchor if aligns else None,
            mode=mode,
            strength=strength,
            mask=mask,
            keep_background=keep_background,
            driving_size=driving_size,
        )
        if aligns or mode == "relative":
            made._anchor_token = anchor_token
        return made

    @property
    def framing(self) -> Framing | None:
        """Which part of the driving frame moves which part of the reference; None if unknown."""
        return self._framing

    @property
    def note(self) -> str:
        """How reference and driving were matched and cropped, for people to read."""
        laid = str(self._framing) if self._framing else ""
        return ", ".join(part for part in (self._state.note, laid) if part)

    def tokens(self, frames: Tensor) -> Tensor:
        """Return the tokens of driving frames ``[T, 3, h, w]``, ``[T, *token_shape]``."""
        return self._model.encode_tokens(_inside(self._model, frames), self._anchor)

    def render(self, tokens: Tensor) -> Tensor:
        """Play tokens on the reference; returns ``[T, 3, H, W]`` of the reference's full size."""
        moved = self._own_token + self._strength * (tokens - self._anchor_token)
        made = self._model.render(self._state, moved)
        if self._part:
            made = torch.stack([paste(self._whole, patch, self._part) for patch in made])
        if self._subject is not None:
            shown = self._model.render(self._subject, moved)[:, :1]
            front = torch.lerp(self._plate.expand_as(made), made, shown)
            # Where the subject stands as it stood, and where it never is, the picture stays.
            made = torch.where(
                (made == self._whole) & (shown == self._subject.image[:1]), self._whole, front
            )
        if self._weight is not None:
            made = self._whole + self._weight * (made - self._whole)
        return made

    def _inside(self, picture: Tensor) -> Tensor:
        side = self._model.size_px
        if self._part is None:
            return picture
        return cut(picture, self._part, (side, side) if side else None)

    def _where_to_change(self, mask: Tensor | None, keep_background: bool) -> Tensor | None:
        height, width = self._whole.shape[1:]
        weight = border_weight(height, width) if keep_background else None
        if mask is None:
            return weight
        if tuple(mask.shape) != (height, width):
            raise PlanError(
                f"the mask is {mask.shape[-1]}x{mask.shape[-2]} and the reference "
                f"{width}x{height}; give a mask of the reference's size"
            )
        soft = torch.from_numpy(_feathered(mask.detach().cpu().float().numpy()))
        return soft if weight is None else weight * soft


def check_request(mode: str, strength: float) -> None:
    """Check what can be checked without any picture.

    Raises:
        PlanError: If there is no such mode, or the strength is out of reason.
    """
    if mode not in MODES:
        raise PlanError(f"there is no retargeting mode {mode!r}; give relative or absolute")
    if not 0 <= strength <= LARGEST_STRENGTH:
        raise PlanError(f"the strength must be from 0 to {LARGEST_STRENGTH:g}, not {strength}")


def likeness(reference: Tensor, frame: Tensor) -> float:
    """Return how alike two pictures stand, in -1..1, blind to brightness and contrast.

    For choosing the anchor: outlines are compared on small copies.
    """
    first, second = (_outline(picture) for picture in (reference, frame))
    return float((first * second).mean())


def _outline(picture: Tensor) -> Plane:
    height, width = picture.shape[1:]
    square = centred_square(height, width)
    side = _ANCHOR_SIDE_PX
    grey = cut(picture.mean(0), square, (side, side)).numpy().astype(np.float32)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), np.float32)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    spread = float(slope.std())
    return np.asarray((slope - slope.mean()) / (spread or 1.0), np.float32)


def _laid(
    model: Retargeter, driving: tuple[int, int] | None, reference: tuple[int, int]
) -> tuple[Framing | None, Part | None]:
    """Return how the two are laid over each other, and the part of the reference that is read.

    The part is None where the whole is read, as a model does that aligns the two by itself.
    """
    if model.size_px is not None:
        framing = squares(driving or reference, reference)
        return framing if driving else None, framing.moved
    if driving is None or isinstance(model, PosingRetargeter):
        return None, None
    framing, part = equal_heights(driving, reference)
    return framing, None if part.size == reference else part


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[2], picture.shape[1]


def _inside(model: Retargeter, pictures: Tensor) -> Tensor:
    """Return the part of driving pictures ``[..., 3, h, w]`` that the model looks at."""
    if model.size_px is None:
        return pictures
    side = model.size_px
    return cut(pictures, centred_square(*pictures.shape[-2:]), (side, side))


def _feathered(
    mask: Plane,
) -> Plane:
    sigma = max(1.0, 0.005 * max(mask.shape))
    return np.asarray(np.clip(cv2.GaussianBlur(mask, (0, 0), sigma), 0, 1), np.float32)
