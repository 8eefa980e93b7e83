"""Between decoded pictures and the tensors that models work on.

On the CPU the work is done by NumPy and OpenCV: converting 8-bit integers with PyTorch took ten
times as long.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

type Pixels = NDArray[np.uint8] | NDArray[np.uint16]
type Plane = NDArray[Any]


def to_tensor(pixels: Pixels, device: str) -> Tensor:
    """Return ``[H, W, C]`` integers as a contiguous float tensor ``[C, H, W]`` in 0..1."""
    highest = np.float32(np.iinfo(pixels.dtype).max)
    planes = np.empty((pixels.shape[2], *pixels.shape[:2]), np.float32)
    for plane, channel in zip(planes, cv2.split(pixels), strict=True):
        np.divide(channel, highest, out=plane, dtype=np.float32)
    return torch.from_numpy(planes).to(device)


def to_pixels(frame: Tensor, *, deep: bool) -> Pixels:
    """Return ``[C, H, W]`` floats as ``[H, W, C]`` integers, rounded and clipped.

    Args:
        frame: RGB and perhaps alpha in 0..1.
        deep: Whether to return 16 bits a channel instead of 8.
    """
    planes = frame.detach().float().cpu().numpy()
    if not deep:
        # OpenCV rounds and saturates, but takes absolute values first.
        eight_bit = [cv2.convertScaleAbs(np.maximum(plane, 0), alpha=255) for plane in planes]
        return np.asarray(cv2.merge(eight_bit), np.uint8)
    scaled = np.rint(np.clip(planes, 0, 1) * np.float32(65535))
    return np.ascontiguousarray(scaled.transpose(1, 2, 0)).astype(np.uint16)


def planes_to_tensor(planes: Sequence[Plane], device: str, *, highest: int | None = None) -> Tensor:
    """Return planes ``[H, W]``, as hosts keep them, as a contiguous float tensor ``[C, H, W]``.

    Args:
        planes: Integers, or floats whose values are kept, outside 0..1 too.
        device: Where the tensor is wanted.
        highest: The value that means 1 in integer planes; None for floats.
    """
    pixels = np.empty((len(planes), *planes[0].shape), np.float32)
    for target, plane in zip(pixels, planes, strict=True):
        if highest is None:
            target[...] = plane
        else:
            np.divide(plane, np.float32(highest), out=target, dtype=np.float32)
    return torch.from_numpy(pixels).to(device)


def tensor_to_planes(frame: Tensor, planes: Sequence[Plane], *, highest: int | None = None) -> None:
    """Write ``[C, H, W]`` floats into planes: floats as they are, integers rounded and clipped.

    Args:
        frame: The picture.
        planes: Writable planes ``[H, W]``, one a channel.
        highest: The value that means 1 in integer planes; None for floats.
    """
    values = frame.detach().float().cpu().numpy()
    for target, channel in zip(planes, values, strict=True):
        if highest is None:
            target[...] = channel
        elif highest == 255:
            target[...] = cv2.convertScaleAbs(np.maximum(channel, 0), alpha=255)
        else:
            target[...] = np.rint(np.clip(channel, 0, 1) * np.float32(highest))
