"""Parts cut from pictures, or pictures padded to a part that reaches beyond, and pasted back."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FEATHER = 0.06
"""Width of the soft border of a pasted part, as a share of its side."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A rectangle over a picture, in its pixels; it may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.width}x{self.height} at {self.left},{self.top}"


def centred_part(picture: tuple[int, int], size: tuple[int, int]) -> Part:
    """Return the part of a size that lies in the middle of a picture, both width and height."""
    return Part(
        left=(picture[0] - size[0]) // 2,
        top=(picture[1] - size[1]) // 2,
        width=size[0],
        height=size[1],
    )


def centred_square(height: int, width: int) -> Part:
    """Return the largest square in the middle of a picture."""
    side = min(height, width)
    return centred_part((width, height), (side, side))


def cut(pictures: Tensor, part: Part, size: tuple[int, int] | None = None) -> Tensor:
    """Return a part of ``[..., C, H, W]`` pictures, resized to ``size`` (height, width) if given.

    Where the part reaches beyond the picture the picture's edge is repeated.
    """
    height, width = pictures.shape[-2:]
    rows, columns = (
        torch.arange(start, start + length).clamp(0, whole - 1).to(pictures.device)
        for start, length, whole in (
            (part.top, part.height, height),
            (part.left, part.width, width),
        )
    )
    inside = pictures[..., rows[:, None], columns]
    return inside if size is None else resize(inside, size)


def paste(picture: Tensor, patch: Tensor, part: Part) -> Tensor:
    """Return ``[C, H, W]`` with a patch ``[C, h, w]`` laid into its part.

    It is laid softly along those edges that have some of the picture beyond them; what reaches
    beyond the picture is left out.
    """
    height, width = picture.shape[1:]
    made = picture.clone()
    left, top = max(0, part.left), max(0, part.top)
    right, bottom = min(width, part.left + part.width), min(height, part.top + part.height)
    target = made[:, top:bottom, left:right]
    shown = resize(patch, (part.height, part.width))[
        :, top - part.top : bottom - part.top, left - part.left : right - part.left
    ]
    weight = torch.minimum(
        _soft_ends(bottom - top, starts=top > 0, ends=bottom < height)[:, None],
        _soft_ends(right - left, starts=left > 0, ends=right < width)[None],
    ).to(picture)
    target += weight * (shown - target)
    return made


def border_weight(height: int, width: int) -> Tensor:
    """Return ``[H, W]`` weights: 1 inside, falling smoothly to 0 at the border."""
    rows, columns = (_ramp(length) for length in (height, width))
    return torch.from_numpy(np.minimum(rows[:, None], columns[None]).astype(np.float32))


def _soft_ends(length: int, *, starts: bool, ends: bool) -> Tensor:
    """Return weights that rise from 0 at the start, and fall to it at the end, where asked."""
    ramp, half = _ramp(length), length // 2
    if not starts:
        ramp[:half] = 1
    if not ends:
        ramp[half:] = 1
    return torch.from_numpy(ramp.astype(np.float32))


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
