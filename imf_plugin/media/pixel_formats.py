"""Choosing the pixel format of the output nearest to that of the source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import av

from imf_plugin.media.color import bit_depth, has_alpha, is_rgb
from imf_plugin.media.info import MediaInfo


@dataclass(frozen=True, kw_only=True)
class PictureNeeds:
    """What a pixel format can hold, or a picture needs."""

    bits: int
    """Bits per component."""
    chroma_samples: int
    """Chroma samples in each 2x2 block of pixels: 1 for 4:2:0, 2 for 4:2:2, 4 for 4:4:4 and RGB."""
    alpha: bool
    """Whether there is transparency."""

    @classmethod
    def of_format(cls, pixel_format: str) -> Self:
        """What a pixel format holds."""
        format_ = av.VideoFormat(pixel_format, 64, 64)
        samples = 4
        if not is_rgb(pixel_format) and len(format_.components) >= 3:
            part = format_.components[1]
            samples = max(1, 4 * part.width * part.height // (64 * 64))
        elif not is_rgb(pixel_format):
            samples = 1
        return cls(
            bits=bit_depth(pixel_format), chroma_samples=samples, alpha=has_alpha(pixel_format)
        )

    @classmethod
    def of(cls, source: MediaInfo) -> Self:
        """What the pictures of a source need."""
        return cls.of_format(source.pixel_format)

    def without_subsampling(self) -> Self:
        """The same with full chroma."""
        return replace(self, chroma_samples=4)

    def for_delivery(self) -> Self:
        """What players everywhere accept of RGB: 4:2:0 and at most 10 bits."""
        return replace(self, chroma_samples=1, bits=min(self.bits, 10))


def choose_format(needs: PictureNeeds, formats: Sequence[str]) -> str:
    """Choose the format that loses nothing and wastes least, else the one that loses least.

    Size comes first: full chroma is only asked for where subsampling would not fit or was not
    there. Then alpha, then bits, then chroma.
    """

    def cost(name: str) -> tuple[bool, bool, int, bool, int, int, int]:
        held = PictureNeeds.of_format(name)
        return (
            needs.alpha and not held.alpha,
            held.alpha and not needs.alpha,
            max(0, needs.bits - held.bits),
            held.chroma_samples < needs.chroma_samples,
            max(0, needs.chroma_samples - held.chroma_samples),
            held.bits - needs.bits,
            held.chroma_samples,
        )

    return min(formats, key=cost)
