"""Pictures as the viewer keeps them; used on both sides of the worker, so nothing here knows Qt."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

type Pixels = NDArray[np.uint8]

_JPEG_SIDE_PX = 320
_JPEG_QUALITY = 80


def reduced(rgb: NDArray[Any], scale: int) -> NDArray[Any]:
    """Return a picture at 1/``scale`` of its size; 1 keeps every pixel."""
    if scale <= 1:
        return rgb
    size = (max(1, rgb.shape[1] // scale), max(1, rgb.shape[0] // scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def bgra_of(rgb: NDArray[Any], scale: int = 1) -> Pixels:
    """Return a picture as the viewer keeps it, ``[H, W, 4]``: blue, green, red, opacity.

    Args:
        rgb: ``[H, W, 3|4]``, 8 or 16 bit.
        scale: See `reduced`.
    """
    rgb = reduced(rgb, scale)
    if rgb.dtype == np.uint16:
        rgb = ((rgb.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    code = cv2.COLOR_RGBA2BGRA if rgb.shape[2] == 4 else cv2.COLOR_RGB2BGRA
    return np.asarray(cv2.cvtColor(rgb, code), dtype=np.uint8)


def small_jpeg(rgb: NDArray[Any]) -> bytes:
    """Return a small JPEG of a picture ``[H, W, 3|4]``, enough to see what it shows."""
    scale = -(-max(rgb.shape[:2]) // _JPEG_SIDE_PX)
    _, encoded = cv2.imencode(
        ".jpg", bgra_of(rgb, scale)[..., :3], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return encoded.tobytes()
