"""Squares cut from pictures for models of a fixed size, and pasted back."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FEATHER = 0.06
"""Width of the soft border of a pasted square, as a share of its side."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square part of a picture, in pixels."""

    left: int
    top: int
    side: int

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.side}x{self.side} at {self.left},{self.top}"


def centred_square(height: int, width: int) -> Square:
    """Return the largest square in the middle of a picture."""
    side = min(height, width)
    return Square(left=(width - side) // 2, top=(height - side) // 2, side=side)


def cut(pictures: Tensor, square: Square, side_px: int) -> Tensor:
    """Return the square of ``[..., C, H, W]`` pictures, resized to ``[..., C, side, side]``."""
    part = pictures[
        ...,
        square.top : square.top + square.side,
        square.left : square.left + square.side,
    ]
    return resize(part, (side_px, side_px))


def paste(picture: Tensor, patch: Tensor, square: Square) -> Tensor:
    """Return ``[C, H, W]`` with a patch ``[C, s, s]`` laid softly into its square."""
    made = picture.clone()
    target = made[:, square.top : square.top + square.side, square.left : square.left + square.side]
    weight = border_weight(square.side, square.side).to(picture)
    target += weight * (resize(patch, (square.side, square.side)) - target)
    return made


def border_weight(height: int, width: int) -> Tensor:
    """Return ``[H, W]`` weights: 1 inside, falling smoothly to 0 at the border."""
    rows, columns = (_ramp(length) for length in (height, width))
    return torch.from_numpy(np.minimum(rows[:, None], columns[None]).astype(np.float32))


def _ramp(length: int) -> NDArray[np.float64]:
    from_border = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    share = np.clip(from_border / max(1.0, FEATHER * length), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float64)


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``[..., H, W]`` to ``size`` (height, width), by area when it becomes smaller."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    flat = pictures.reshape(-1, *pictures.shape[-2:]).cpu().numpy()
    smaller = size[0] * size[1] < flat.shape[1] * flat.shape[2]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    planes = [cv2.resize(plane, (size[1], size[0]), interpolation=how) for plane in flat]
    made = torch.from_numpy(np.stack(planes)).to(pictures)
    return made.reshape(*pictures.shape[:-2], *size)
