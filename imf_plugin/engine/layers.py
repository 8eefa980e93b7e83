"""A picture in two layers: the subject that a mask shows, and what lies behind it."""

import cv2
import numpy as np
import torch
from torch import Tensor

LARGEST_SIDE_PX = 640
"""What lies behind the subject is made up on a picture of at most this side: it is smooth."""

_GROW = 0.008
_RADIUS_PX = 5


def plate_behind(picture: Tensor, mask: Tensor) -> Tensor:
    """Return the picture with the masked subject painted over from its surroundings.

    Args:
        picture: ``[3, H, W]`` in 0..1.
        mask: ``[H, W]`` in 0..1, 1 on the subject.
    """
    height, width = mask.shape
    hole = (mask.detach().cpu().numpy() > 0.02).astype(np.uint8)
    grow = 2 * max(1, round(_GROW * max(height, width))) + 1
    hole = np.asarray(cv2.dilate(hole, np.ones((grow, grow), np.uint8)), np.uint8)
    if not hole.any() or hole.all():
        return picture
    shrink = min(1.0, LARGEST_SIDE_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    pixels = np.ascontiguousarray(picture.detach().cpu().float().numpy().transpose(1, 2, 0))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    eight_bit = np.rint(np.clip(np.asarray(small), 0, 1) * 255).astype(np.uint8)
    small_hole = cv2.resize(hole, size, interpolation=cv2.INTER_NEAREST)
    filled = cv2.inpaint(eight_bit, small_hole, _RADIUS_PX, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    behind = torch.from_numpy(np.asarray(large, np.float32).transpose(2, 0, 1) / 255).to(picture)
    where = torch.from_numpy(cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.0)).to(picture)
    # Beyond the hole nothing changes, not by rounding either.
    return torch.where(where > 0, torch.lerp(picture, behind, where), picture)
