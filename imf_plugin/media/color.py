"""Between a decoder's pictures and RGB arrays, exactly as ffmpeg itself would convert.

Convention: RGB arrays are ``[H, W, 3]`` or, with alpha, ``[H, W, 4]``; ``uint8``, or
full-range ``uint16`` for pictures of more than 8 bits. Values stay in the signal's transfer curve.
Where a file carries no colour tags both directions assume what ffmpeg assumes: BT.601, and studio
range for YUV.
"""

from dataclasses import replace
from typing import Final, cast

import av
import numpy as np
from numpy.typing import NDArray

from imf_plugin.media._tags import color_tags
from imf_plugin.media.info import ColorTags

type RgbArray = NDArray[np.uint8] | NDArray[np.uint16]

# ffmpeg converts with bicubic chroma; PyAV's own default differs in 10-bit pictures.
_DECODE_SCALER: Final = "BICUBIC"
_BICUBIC, _FULL_CHROMA_INPUT, _ACCURATE_ROUNDING = 0x4, 0x4000, 0x40000
_ENCODE_SCALER: Final = _BICUBIC | _FULL_CHROMA_INPUT | _ACCURATE_ROUNDING
_SWSCALE_MATRICES = {
    "bt709": 1,
    "fcc": 4,
    "bt470bg": 5,
    "smpte170m": 5,
    "smpte240m": 7,
    "bt2020nc": 9,
    "bt2020c": 9,
}
_SWSCALE_DEFAULT_MATRIX = 5


def has_alpha(pixel_format: str) -> bool:
    """Whether pictures of this format carry transparency."""
    format_ = av.VideoFormat(pixel_format)
    return format_.has_palette or any(part.is_alpha for part in format_.components)


def bit_depth(pixel_format: str) -> int:
    """Bits per component of a pixel format; a palette holds 8-bit colours."""
    format_ = av.VideoFormat(pixel_format)
    return 8 if format_.has_palette else max(part.bits for part in format_.components)


def is_rgb(pixel_format: str) -> bool:
    """Whether the format stores red, green and blue rather than luma and chroma."""
    format_ = av.VideoFormat(pixel_format)
    return bool(format_.is_rgb or format_.has_palette)


def rgb_format(pixel_format: str) -> str:
    """The interleaved RGB format that holds all of ``pixel_format``."""
    deep = bit_depth(pixel_format) > 8
    if has_alpha(pixel_format):
        return "rgba64le" if deep else "rgba"
    return "rgb48le" if deep else "rgb24"


def picture_tags(picture: av.VideoFrame) -> ColorTags:
    """Read the colour tags that a picture carries."""
    return color_tags(
        picture.colorspace, picture.color_primaries, picture.color_trc, picture.color_range
    )


def picture_to_rgb(picture: av.VideoFrame) -> RgbArray:
    """Convert a decoded picture to an RGB array.

    Bit for bit what ``ffmpeg -pix_fmt`` gives for `rgb_format`, as long as the picture keeps the
    tags that its decoder gave it.
    """
    return packed_to_array(to_packed_rgb(picture))


def to_packed_rgb(picture: av.VideoFrame) -> av.VideoFrame:
    """Convert a picture to the interleaved RGB format that holds all of it."""
    return picture.reformat(format=rgb_format(picture.format.name), interpolation=_DECODE_SCALER)


def packed_to_array(picture: av.VideoFrame) -> RgbArray:
    """Copy an interleaved picture (``rgb24``, ``rgba64le``, ...) into an array."""
    channels = len(picture.format.components)
    dtype = np.uint16 if bit_depth(picture.format.name) > 8 else np.uint8
    plane = picture.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)[: picture.height]
    row_bytes = picture.width * channels * np.dtype(dtype).itemsize
    values = np.ascontiguousarray(rows[:, :row_bytes]).view(dtype)
    return cast(RgbArray, values.reshape(picture.height, picture.width, channels))


def array_to_packed(rgb: RgbArray) -> av.VideoFrame:
    """Copy an RGB array into an interleaved picture.

    Raises:
        ValueError: If the array is no ``[H, W, 3]`` or ``[H, W, 4]`` of ``uint8`` or ``uint16``.
    """
    formats = {(3, 1): "rgb24", (4, 1): "rgba", (3, 2): "rgb48le", (4, 2): "rgba64le"}
    if rgb.ndim != 3 or rgb.shape[2] not in (3, 4) or rgb.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            "expected RGB of shape [H, W, 3] or [H, W, 4] in uint8 or uint16, "
            f"got {rgb.shape = }, {rgb.dtype = }"
        )
    picture = av.VideoFrame(rgb.shape[1], rgb.shape[0], formats[rgb.shape[2], rgb.dtype.itemsize])
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    flat = np.ascontiguousarray(rgb).reshape(rgb.shape[0], -1).view(np.uint8)
    rows[: rgb.shape[0], : flat.shape[1]] = flat
    return picture


def rgb_to_picture(
    rgb: RgbArray, pixel_format: str, color: ColorTags | None = None
) -> av.VideoFrame:
    """Convert an RGB array to a picture of any format with the matrix and range of ``color``.

    Args:
        rgb: ``[H, W, 3]`` or ``[H, W, 4]``, ``uint8`` or full-range ``uint16``.
        pixel_format: ffmpeg's name of the wanted format.
        color: The tags that the picture is to follow; untagged parts mean ffmpeg's defaults.
    """
    return convert_picture(array_to_packed(rgb), pixel_format, color)


def convert_picture(
    picture: av.VideoFrame, pixel_format: str, color: ColorTags | None = None
) -> av.VideoFrame:
    """Convert a picture to another format; one that has it already is returned as it is.

    YUV becomes RGB through `picture_to_rgb`'s conversion, so that a lossless RGB file holds exactly
    what everyone sees when decoding the source. Between two YUV formats the colour stays as it is.
    """
    source_format = picture.format.name
    if source_format == pixel_format:
        return picture
    if is_rgb(pixel_format):
        packed = to_packed_rgb(picture)
        return packed.reformat(format=pixel_format, interpolation="POINT")
    if not is_rgb(source_format):
        return picture.reformat(format=pixel_format, interpolation=_ENCODE_SCALER)
    tags = color or ColorTags()
    return picture.reformat(
        format=pixel_format,
        dst_colorspace=_SWSCALE_MATRICES.get(tags.matrix or "", _SWSCALE_DEFAULT_MATRIX),
        dst_color_range=2 if tags.range == "pc" else 1,
        interpolation=_ENCODE_SCALER,
    )


def stored_tags(color: ColorTags, pixel_format: str) -> ColorTags:
    """The tags under which pictures of ``pixel_format`` are to be stored.

    Stored RGB has no matrix and always uses the whole range; tags that speak of RGB make no sense
    for YUV.
    """
    if is_rgb(pixel_format):
        return replace(color, matrix="gbr", range="pc")
    return replace(color, matrix=None, range=None) if color.matrix == "gbr" else color
