"""Writing numbered PNG images, 8 or 16 bit, with or without alpha, through OpenCV."""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import av
import cv2

from imf_plugin.errors import EncoderFailed, OutputRefused
from imf_plugin.media.codecs import EncodeSettings
from imf_plugin.media.color import convert_picture, packed_to_array

_FAST_COMPRESSION: Final = [cv2.IMWRITE_PNG_COMPRESSION, 3]
_PARTIAL_SUFFIX: Final = ".partial"


def image_name(number: int) -> str:
    """The file name of a frame: ``000042.png``."""
    return f"{number:06d}.png"


class ImageWriter:
    """Writes pictures as images into a folder that gets its name when it is complete."""

    def __init__(self, path: Path, *, settings: EncodeSettings, first_number: int = 0) -> None:
        self._path = path
        self._partial = path.with_name(path.name + _PARTIAL_SUFFIX)
        self._pixel_format = settings.pixel_format
        self._next_number = first_number
        self._is_open = True
        shutil.rmtree(self._partial, ignore_errors=True)
        try:
            self._partial.mkdir()
        except OSError as error:
            raise OutputRefused(write_failure(self._partial, error)) from error

    def write(self, picture: av.VideoFrame) -> None:
        """Add a picture.

        Raises:
            OutputRefused: If it cannot be written, as when the disk is full.
        """
        if not self._is_open:
            raise ValueError("this part is closed already")
        rgb = packed_to_array(convert_picture(picture, self._pixel_format))
        code = cv2.COLOR_RGBA2BGRA if rgb.shape[2] == 4 else cv2.COLOR_RGB2BGR
        fine, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, code), _FAST_COMPRESSION)
        if not fine:
            raise EncoderFailed(f"OpenCV could not encode image {self._next_number}")
        file = self._partial / image_name(self._next_number)
        try:
            file.write_bytes(encoded.tobytes())
        except OSError as error:
            self.abort()
            raise OutputRefused(write_failure(file, error)) from error
        self._next_number += 1

    def close(self) -> None:
        """Give the folder its name."""
        if self._is_open:
            self._is_open = False
            shutil.rmtree(self._path, ignore_errors=True)
            os.replace(self._partial, self._path)

    def abort(self) -> None:
        """Remove the unfinished folder; does nothing after `close`."""
        if self._is_open:
            self._is_open = False
            shutil.rmtree(self._partial, ignore_errors=True)


def gather_images(parts: Sequence[Path], count: int, destination: Path) -> None:
    """Bring the images of several folders into one new folder; the parts stay as they are.

    Raises:
        EncoderFailed: If there are not ``count`` images.
        OutputRefused: If the folder cannot be written.
    """
    files = [file for part in parts for file in sorted(part.glob("*.png"))]
    if len(files) != count:
        raise EncoderFailed(
            f"the parts beside {parts[0]} hold {len(files)} images instead of {count}: "
            "delete them and render again"
        )
    try:
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir()
        for number, file in enumerate(files):
            _link_or_copy(file, destination / image_name(number))
    except OSError as error:
        shutil.rmtree(destination, ignore_errors=True)
        raise OutputRefused(write_failure(destination, error)) from error


def write_failure(path: Path, error: Exception) -> str:
    """Say in one sentence why something could not be written."""
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"the disk is full: {path} could not be written; free some space and run this again"
    reason = getattr(error, "strerror", None) or error
    return f"{path} cannot be written ({reason}): check the folder and the disk"


def _link_or_copy(file: Path, destination: Path) -> None:
    try:
        os.link(file, destination)
    except OSError:
        # Not every file system has hard links.
        shutil.copyfile(file, destination)
