"""Between decoded pictures and the tensors that models work on."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

type Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def to_tensor(pixels: Pixels, device: str) -> Tensor:
    """Return ``[H, W, C]`` integers as a float tensor ``[C, H, W]`` in 0..1."""
    highest = 255.0 if pixels.dtype == np.uint8 else 65535.0
    if pixels.dtype == np.uint16 and device == "cpu":
        # PyTorch has few operations on uint16, and numpy converts it as fast.
        tensor = torch.from_numpy(pixels.astype(np.float32))
    else:
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
    return tensor.permute(2, 0, 1).to(torch.float32).div_(highest)


def to_pixels(frame: Tensor, *, deep: bool) -> Pixels:
    """Return ``[C, H, W]`` floats as ``[H, W, C]`` integers, rounded and clipped.

    Args:
        frame: RGB and perhaps alpha in 0..1.
        deep: Whether to return 16 bits a channel instead of 8.
    """
    highest = 65535.0 if deep else 255.0
    scaled = frame.float().mul(highest).round_().clamp_(0.0, highest).permute(1, 2, 0)
    if deep:
        return np.ascontiguousarray(scaled.cpu().numpy().astype(np.uint16))
    return scaled.to(torch.uint8).contiguous().cpu().numpy()
