"""Choosing how an output is encoded: codec, encoder, pixel format and options."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imf_plugin.errors import OutputRefused
from imf_plugin.media.codec_table import CODECS, EXTENSIONS, CodecRow, EncoderRow
from imf_plugin.media.color import is_rgb
from imf_plugin.media.ffmpeg import Ffmpeg, locate_ffmpeg
from imf_plugin.media.hdr import x265_parameters
from imf_plugin.media.info import HdrMetadata, MediaInfo
from imf_plugin.media.pixel_formats import PictureNeeds, choose_format


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """Everything about the encoding that does not change from part to part."""

    codec: str
    """Name in `CODECS`."""
    encoder: str
    """ffmpeg's encoder; ``opencv`` for images."""
    pixel_format: str
    """What the encoder is fed."""
    options: tuple[tuple[str, str], ...] = ()
    """Output options of ffmpeg, in order."""
    extension: str = ".mkv"
    """The final container's extension; ``.png`` for an image sequence."""
    warnings: tuple[str, ...] = ()
    """What the choice costs, one sentence each."""


def available_codecs(ffmpeg: Ffmpeg | None = None) -> dict[str, str | None]:
    """The encoder behind each codec name, None where it does not work; hardware is tried out."""
    binary = ffmpeg or locate_ffmpeg()
    found = {name: _first_encoder(row, binary) for name, row in CODECS.items()}
    return {name: encoder.name if encoder else None for name, encoder in found.items()}


def default_codec(destination: Path, source: MediaInfo | None) -> str:
    """The codec that suits a destination and a source when the user names none.

    Alpha survives where a container has a common way to carry it; pictures of more than 8 bits
    become HEVC, since few players take 10-bit H.264.
    """
    extension = destination.suffix.lower()
    alpha = source is not None and source.has_alpha
    if extension == "":
        return "png"
    if extension == ".webm":
        return "vp9"
    if alpha and extension in (".mov", ".mkv"):
        return "prores" if extension == ".mov" else "ffv1"
    return "hevc" if source is not None and source.bit_depth > 8 else "h264"


def choose_encoding(
    source: MediaInfo,
    destination: Path,
    *,
    codec: str | None = None,
    crf: int | None = None,
    ffmpeg: Ffmpeg | None = None,
) -> EncodeSettings:
    """Choose encoder, pixel format and options.

    The picture is never scaled: where an encoder cannot take an odd width or height in 4:2:0, it
    is fed 4:4:4, which keeps the size exactly, and a warning says so.

    Args:
        source: What the pictures come from.
        destination: The final file, or a folder for images.
        codec: A name in `CODECS`; None for what suits best.
        crf: The codec's own quality number, smaller is better; None for near-lossless to the eye.
        ffmpeg: The binary that will encode; None for the one that is found.

    Raises:
        OutputRefused: If the codec is unknown, absent here, or does not fit the container.
    """
    name = codec or default_codec(destination, source)
    check_container(destination, name)
    row = CODECS[name]
    ffmpeg = ffmpeg or locate_ffmpeg()
    encoder = _first_encoder(row, ffmpeg)
    if encoder is None:
        raise OutputRefused(
            f"codec {row.name} does not work with the ffmpeg at {ffmpeg.path}: "
            f"choose another --codec ('imf doctor' lists them)"
        )
    needs = PictureNeeds.of(source)
    if is_rgb(source.pixel_format) and "yuv420p" in encoder.formats:
        needs = needs.for_delivery()
    if encoder.even_size_only and (source.width % 2 or source.height % 2):
        needs = needs.without_subsampling()
    pixel_format = choose_format(needs, encoder.formats)
    return EncodeSettings(
        codec=row.name,
        encoder=encoder.name,
        pixel_format=pixel_format,
        options=_options(encoder, pixel_format, crf, row, source.hdr),
        extension=destination.suffix.lower() or ".png",
        warnings=_warnings(source, encoder, pixel_format, row),
    )


def check_container(destination: Path, codec: str | None = None) -> None:
    """Check a destination's extension, and that the codec fits into it.

    Args:
        destination: The final file, or a folder for images.
        codec: A name in `CODECS`; None checks the extension alone.

    Raises:
        OutputRefused: With what would fit.
    """
    extension = destination.suffix.lower()
    if extension and extension not in EXTENSIONS:
        raise OutputRefused(
            f"{destination} has an extension that is not known: use {', '.join(EXTENSIONS)}, "
            "or a folder name without a dot for images"
        )
    if codec is None:
        return
    row = CODECS.get(codec)
    if row is None:
        raise OutputRefused(f"there is no codec named {codec!r}; give one of {', '.join(CODECS)}")
    if extension in row.containers or (not extension and not row.containers):
        return
    way_out = (
        f"name the output with {', '.join(row.containers)}"
        if row.containers
        else "name a folder, without an extension, as the output"
    )
    raise OutputRefused(
        f"codec {codec} cannot be put into {destination}: {way_out}, or choose another --codec"
    )


def _first_encoder(row: CodecRow, ffmpeg: Ffmpeg) -> EncoderRow | None:
    for encoder in row.encoders:
        if encoder.name == "opencv":
            return encoder
        if encoder.is_hardware:
            trial = [word for key, value in encoder.options.items() for word in (f"-{key}", value)]
            if ffmpeg.can_encode(encoder.name, trial):
                return encoder
        elif encoder.name in ffmpeg.encoders:
            return encoder
    return None


def _options(
    encoder: EncoderRow,
    pixel_format: str,
    crf: int | None,
    row: CodecRow,
    hdr: HdrMetadata | None,
) -> tuple[tuple[str, str], ...]:
    options = dict(encoder.options)
    if encoder.quality is None:
        if crf is not None:
            raise OutputRefused(f"codec {row.name} is lossless and has no quality: leave out --crf")
    else:
        options[encoder.quality] = str(crf if crf is not None else encoder.default_quality)
    if encoder.name == "libx265" and hdr is not None:
        options["x265-params"] += f":{x265_parameters(hdr)}"
    if encoder.name == "prores_ks":
        options["profile:v"] = "4" if "444" in pixel_format else "3"
    if encoder.name == "libvpx-vp9" and pixel_format == "yuva420p":
        # libvpx cannot look ahead in the alpha layer.
        options["auto-alt-ref"] = "0"
    return tuple(options.items())


def _warnings(
    source: MediaInfo, encoder: EncoderRow, pixel_format: str, row: CodecRow
) -> tuple[str, ...]:
    kept = PictureNeeds.of_format(pixel_format)
    wanted = PictureNeeds.of(source)
    warnings = []
    if wanted.alpha and not kept.alpha:
        warnings.append(
            f"codec {row.name} cannot keep the transparency of {source.path}: "
            "use prores in .mov, vp9 in .webm or ffv1 in .mkv"
        )
    if kept.bits < wanted.bits and kept.bits == 8:
        warnings.append(f"codec {row.name} stores 8 of the {wanted.bits} bits of {source.path}")
    odd = source.width % 2 or source.height % 2
    if encoder.even_size_only and odd and not is_rgb(pixel_format):
        warnings.append(
            f"{source.width}x{source.height} is an odd size, so {row.name} is written in 4:4:4, "
            "which some players refuse: use --codec vp9 if yours does"
        )
    return tuple(warnings)


def frame_rate_text(rate: Fraction) -> str:
    """A rate as ffmpeg reads it, ``30000/1001``; kept within its 32-bit integers."""
    limited = (
        rate if max(rate.numerator, rate.denominator) < 2**31 else rate.limit_denominator(10**6)
    )
    return f"{limited.numerator}/{limited.denominator}"
