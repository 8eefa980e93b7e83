"""Carrying HDR10 metadata from a decoded picture to an encoder."""

import struct
from typing import Final

import av
from av.sidedata.sidedata import Type

from imf_plugin.media.info import HdrMetadata

_CHROMATICITY_UNITS: Final = 50_000
_LUMINANCE_UNITS: Final = 10_000


def read_hdr(picture: av.VideoFrame) -> HdrMetadata | None:
    """Read what a picture says of its mastering display and content light."""
    display = picture.side_data.get(Type.MASTERING_DISPLAY_METADATA)
    light = picture.side_data.get(Type.CONTENT_LIGHT_LEVEL)
    if display is None and light is None:
        return None
    return HdrMetadata(
        mastering_display=_display_text(bytes(display)) if display is not None else None,
        content_light=_light_text(bytes(light)) if light is not None else None,
    )


def x265_parameters(hdr: HdrMetadata) -> str:
    """The same as parameters of x265, to be added to others."""
    parts = ["hdr10=1"]
    if hdr.mastering_display is not None:
        parts.append(f"master-display={hdr.mastering_display}")
    if hdr.content_light is not None:
        parts.append(f"max-cll={hdr.content_light}")
    return ":".join(parts)


def _display_text(data: bytes) -> str | None:
    # Ten rationals (red, green, blue and white as x and y; darkest and brightest), then two flags.
    *numbers, has_primaries, has_luminance = struct.unpack_from("=22i", data)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if not (has_primaries and has_luminance) or any(not below for _, below in pairs):
        return None
    chroma = [round(above * _CHROMATICITY_UNITS / below) for above, below in pairs[:8]]
    red, green, blue, white = (f"({chroma[n]},{chroma[n + 1]})" for n in (0, 2, 4, 6))
    darkest, brightest = (round(above * _LUMINANCE_UNITS / below) for above, below in pairs[8:])
    return f"G{green}B{blue}R{red}WP{white}L({brightest},{darkest})"


def _light_text(data: bytes) -> str:
    pixel, mean = struct.unpack_from("=2I", data)
    return f"{pixel},{mean}"
