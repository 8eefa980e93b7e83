"""Between arrays and Qt's images, without copies, and keeping the arrays alive."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PyQt6.QtGui import QImage

type Pixels = NDArray[np.uint8]


def bgra_of(rgb: NDArray[Any], scale: int = 1) -> Pixels:
    """Return a picture as the viewer keeps it, ``[H, W, 4]``: blue, green, red, opacity.

    Args:
        rgb: ``[H, W, 3|4]``, 8 or 16 bit.
        scale: Divides the size; 1 keeps every pixel.
    """
    if rgb.dtype == np.uint16:
        # As `to_pixels` rounds, so that what is shown is what an 8-bit file would hold.
        rgb = ((rgb.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if scale > 1:
        size = (max(1, rgb.shape[1] // scale), max(1, rgb.shape[0] // scale))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    code = cv2.COLOR_RGBA2BGRA if rgb.shape[2] == 4 else cv2.COLOR_RGB2BGRA
    return np.asarray(cv2.cvtColor(rgb, code), dtype=np.uint8)


def image_of_bgra(pixels: Pixels) -> QImage:
    """Return an image that shares an array's memory."""
    height, width = pixels.shape[:2]
    image = QImage(
        np.ascontiguousarray(pixels).data, width, height, width * 4, QImage.Format.Format_RGB32
    )
    # QImage does not keep the memory alive by itself.
    image._pixels = pixels  # type: ignore[attr-defined]
    return image
