"""Between arrays and Qt's images, without copies, and keeping the arrays alive."""

from typing import Any, cast

import numpy as np
from PyQt6.QtGui import QImage

from imf_ui.services.pictures import Pixels, bgra_of

__all__ = ["Pixels", "bgra_of", "image_of_bgra"]


def image_of_bgra(pixels: Pixels) -> QImage:
    """Return an image that shares an array's memory."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    # Qt's type hints know bytes only, but any buffer will do.
    memory = cast(Any, pixels.data)
    image = QImage(memory, width, height, width * 4, QImage.Format.Format_RGB32)
    # QImage does not keep the memory alive by itself.
    cast(Any, image)._pixels = pixels
    return image
