"""Pictures of what a method got wrong: input, truth, result and error side by side.

Layout: a strip of `LABEL_HEIGHT_PX` with the captions, under it four panels of the picture's own
size with `GAP_PX` white pixels between them.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.bench.report import cannot_write, check_writable
from imf_plugin.engine.pixels import Pixels
from imf_plugin.errors import OutputRefused

ERROR_SCALE: Final = 4
LABEL_HEIGHT_PX: Final = 28
GAP_PX: Final = 4
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_LARGEST_TEXT: Final = 0.6
_SMALLEST_TEXT: Final = 0.05
_TEXT_MARGIN_PX: Final = 4
_WHITE: Final = 255

type Picture8 = NDArray[np.uint8]


def error_map(made: Pixels, truth: Pixels) -> Picture8:
    """Return the absolute difference of each channel in 8-bit steps, times `ERROR_SCALE`.

    Returns:
        ``[H, W, 3]`` 8-bit; black where the pictures agree, clipped at 255.
    """
    difference = cv2.absdiff(to_8_bit(made), to_8_bit(truth)).astype(np.int32)
    return np.asarray(np.minimum(difference * ERROR_SCALE, 255), np.uint8)


def comparison(before: Pixels, truth: Pixels, made: Pixels, *, caption: str) -> Picture8:
    """Lay out input, truth, result and error map side by side.

    Args:
        before: The keyframe before, ``[H, W, 3]``.
        truth: The true frame.
        made: What the method made.
        caption: What stands over the result, such as the method and its PSNR.

    Returns:
        ``[LABEL_HEIGHT_PX + H, 4 W + 3 GAP_PX, 3]`` 8-bit RGB.
    """
    panels = [to_8_bit(before), to_8_bit(truth), to_8_bit(made), error_map(made, truth)]
    captions = ["input 0", "truth", caption, f"error x{ERROR_SCALE}"]
    height, width = panels[0].shape[:2]
    full_width = len(panels) * width + (len(panels) - 1) * GAP_PX
    page = np.full((LABEL_HEIGHT_PX + height, full_width, 3), _WHITE, np.uint8)
    for place, (panel, text) in enumerate(zip(panels, captions, strict=True)):
        left = place * (width + GAP_PX)
        page[LABEL_HEIGHT_PX:, left : left + width] = panel
        label = page[:LABEL_HEIGHT_PX, left : left + width]
        label[:] = _label(text, width)
    return page


def prepare_folder(folder: Path) -> None:
    """Make the folder for pictures, so that a place that cannot be is known before the work.

    Raises:
        OutputRefused: If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    check_writable(folder / "x.png")


def save_picture(picture: Picture8, path: Path) -> None:
    """Write RGB as a PNG, with the folders above it.

    Raises:
        OutputRefused: If the file cannot be written.
    """
    done, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise OutputRefused(f"{path} cannot be written as PNG: OpenCV refused the picture")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise cannot_write(path, error) from error


def to_8_bit(picture: Pixels) -> Picture8:
    """Return 8-bit values of a picture of 8 or 16 bits, rounded."""
    if picture.dtype == np.uint8:
        return np.asarray(picture, np.uint8)
    return np.asarray((picture.astype(np.uint32) + 128) // 257, np.uint8)


def _label(text: str, width: int) -> Picture8:
    strip = np.full((LABEL_HEIGHT_PX, width, 3), _WHITE, np.uint8)
    scale = _LARGEST_TEXT
    # Sizes round to pixels, so the scale that fits is found by trying.
    while scale > _SMALLEST_TEXT and _text_width(text, scale) > width - 2 * _TEXT_MARGIN_PX:
        scale *= 0.95
    if scale > _SMALLEST_TEXT:
        place = (_TEXT_MARGIN_PX, LABEL_HEIGHT_PX - 8)
        cv2.putText(strip, text, place, _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return strip


def _text_width(text: str, scale: float) -> int:
    (width_px, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
    return width_px
