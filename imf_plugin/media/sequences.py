"""Images as video: a folder, or a printf pattern such as ``shots/%04d.png``, through OpenCV."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import av
import cv2
import numpy as np

from imf_plugin.errors import UnreadableMedia
from imf_plugin.media.color import RgbArray, array_to_packed, bit_depth, has_alpha
from imf_plugin.media.info import ColorTags, MediaInfo
from imf_plugin.media.read import Frame

DEFAULT_FRAME_RATE: Final = Fraction(24)
_SUFFIXES: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
    ".ppm",
    ".pgm",
    ".jp2",
)
_EXIF_SUFFIXES: Final = frozenset({".jpg", ".jpeg"})
_PRINTF: Final = re.compile(r"%(0\d+)?d")
_CACHED_PICTURES: Final = 4


def is_sequence(path: Path) -> bool:
    """Whether a path names images rather than a video: a folder, or a pattern with one ``%d``."""
    return path.is_dir() or (
        not path.exists() and len(_PRINTF.findall(path.name.replace("%%", ""))) == 1
    )


def is_image(path: Path) -> bool:
    """Whether a path names a single image, by its ending."""
    return path.suffix.lower() in _SUFFIXES and "%" not in path.name and not path.is_dir()


def sequence_files(path: Path) -> list[Path]:
    """List the images of a folder or pattern in the order of their numbers.

    Raises:
        UnreadableMedia: If there is none.
    """
    if path.is_dir():
        files = [f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES and f.is_file()]
        files = [file for file in files if not file.name.startswith(".")]
        if not files:
            raise UnreadableMedia(
                f"{path} holds no images: give a folder with {', '.join(_SUFFIXES)} files"
            )
        return sorted(files, key=_natural_order)
    numbered = sorted(_matches(path))
    if not numbered:
        raise UnreadableMedia(f"no file matches {path}: check the folder and the number of digits")
    return [file for _, file in numbered]


def _natural_order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def _matches(pattern: Path) -> Iterator[tuple[int, Path]]:
    if not pattern.parent.is_dir():
        return
    before, width, after = _PRINTF.split(pattern.name.replace("%%", "\0"), maxsplit=1)
    before, after = before.replace("\0", "%"), after.replace("\0", "%")
    for file in pattern.parent.iterdir():
        number = file.name.removeprefix(before).removesuffix(after)
        if number.isdecimal() and file.name == f"{before}{int(number):0{int(width or 0)}d}{after}":
            yield int(number), file


class ImageReader:
    """Reads numbered images of one size as the frames of a video."""

    def __init__(self, path: Path, *, frame_rate: Fraction | None = None) -> None:
        self._files = sequence_files(path)
        rate = frame_rate or DEFAULT_FRAME_RATE
        if rate <= 0:
            raise ValueError(f"a frame rate must be positive, got {frame_rate = }")
        first = array_to_packed(read_image(self._files[0]))
        self._cache: OrderedDict[int, av.VideoFrame] = OrderedDict({0: first})
        count = len(self._files)
        name = first.format.name
        self.info = MediaInfo(
            path=path,
            kind="images",
            width=first.width,
            height=first.height,
            frame_times=tuple(index / rate for index in range(count)),
            durations=(1 / rate,) * count,
            frame_rate=rate,
            is_constant_rate=True,
            pixel_format=name,
            bit_depth=bit_depth(name),
            has_alpha=has_alpha(name),
            color=ColorTags(matrix="gbr", range="pc"),
            sample_aspect_ratio=Fraction(1),
            rotation=0,
            interlaced=False,
        )
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the pictures that are kept."""
        self._cache.clear()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield the frames ``start`` to ``stop`` (not included) in order.

        Raises:
            ValueError: If the range does not lie within the sequence.
        """
        end = self.info.frame_count if stop is None else stop
        if not 0 <= start <= end <= self.info.frame_count:
            raise ValueError(
                f"no such frames, got {start = }, {stop = }, {self.info.frame_count = }"
            )
        return map(self.frame, range(start, end))

    def frame(self, index: int) -> Frame:
        """Return one frame.

        Raises:
            IndexError: If there is no such frame.
        """
        if not 0 <= index < self.info.frame_count:
            raise IndexError(f"no such frame, got {index = }, {self.info.frame_count = }")
        return Frame(index=index, time=self.info.frame_times[index], picture=self._picture(index))

    def entry_before(self, index: int) -> int:
        """Return ``index``: every image stands for itself."""
        return index

    def _picture(self, index: int) -> av.VideoFrame:
        if index not in self._cache:
            self._cache[index] = self._load(index)
            while len(self._cache) > _CACHED_PICTURES:
                self._cache.popitem(last=False)
        return self._cache[index]

    def _load(self, index: int) -> av.VideoFrame:
        """Read an image; an unreadable one is replaced by the nearest before it that reads."""
        file = self._files[index]
        try:
            rgb = read_image(file)
        except UnreadableMedia as error:
            if index == 0:
                raise
            self._note(f"{error}; the image before it is shown instead")
            return self._picture(index - 1)
        if rgb.shape[:2] != (self.info.height, self.info.width):
            raise UnreadableMedia(
                f"{file} is {rgb.shape[1]}x{rgb.shape[0]} pixels, but the sequence began with "
                f"{self.info.width}x{self.info.height}: give images of one size"
            )
        return array_to_packed(_like(rgb, deep=self.info.bit_depth > 8, alpha=self.info.has_alpha))

    def _note(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def read_image(path: Path) -> RgbArray:
    """Read an image file as RGB or RGBA, 8 or 16 bit, upright.

    Raises:
        UnreadableMedia: If it is missing, damaged or of an unsupported kind.
    """
    flags = cv2.IMREAD_UNCHANGED
    if path.suffix.lower() in _EXIF_SUFFIXES:
        # Only the colour modes of OpenCV turn pictures as their EXIF orientation says.
        flags = cv2.IMREAD_COLOR
    try:
        # OpenCV's own file access cannot open every Unicode name on Windows.
        encoded = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(encoded, flags) if encoded.size else None
    except (OSError, cv2.error):
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise UnreadableMedia(
            f"{path} is no image of 8 or 16 bits that can be read: replace it or leave it out"
        )
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels not in codes:
        raise UnreadableMedia(f"{path} has {channels} channels: save it as gray, RGB or RGBA")
    return cast(RgbArray, cv2.cvtColor(image, codes[channels]))


def _like(rgb: RgbArray, *, deep: bool, alpha: bool) -> RgbArray:
    """Give an image the depth and channels of the first one of its sequence."""
    if deep and rgb.dtype == np.uint8:
        rgb = rgb.astype(np.uint16) * 257
    elif not deep and rgb.dtype == np.uint16:
        rgb = ((rgb.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if alpha and rgb.shape[2] == 3:
        opaque = np.full((*rgb.shape[:2], 1), np.iinfo(rgb.dtype).max, dtype=rgb.dtype)
        rgb = np.concatenate([rgb, opaque], axis=2)
    return cast(RgbArray, rgb if alpha else np.ascontiguousarray(rgb[:, :, :3]))
