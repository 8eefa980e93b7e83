"""The codecs that can be written: one explicit table, and the choice of settings from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Final

from imf_plugin.errors import OutputRefused
from imf_plugin.media.color import is_rgb
from imf_plugin.media.ffmpeg import Ffmpeg
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.pixel_formats import PictureNeeds, choose_format


@dataclass(frozen=True, kw_only=True)
class EncoderRow:
    """One encoder of ffmpeg and how to drive it."""

    name: str
    """ffmpeg's name."""
    formats: tuple[str, ...]
    """Pixel formats that it takes."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Output options beside quality."""
    quality: str | None = "crf"
    """The option that ``--crf`` sets; None where there is no such choice."""
    default_quality: int | None = None
    """What it is set to when the user says nothing."""
    is_hardware: bool = False
    """Whether it has to prove on a trial that it works on this machine."""
    even_size_only: bool = False
    """Whether 4:2:0 needs even width and height."""


@dataclass(frozen=True, kw_only=True)
class CodecRow:
    """One name for ``--codec``."""

    name: str
    """What users type."""
    summary: str
    """One line for lists."""
    encoders: tuple[EncoderRow, ...]
    """Encoders in order of preference; the first that exists is used."""
    containers: tuple[str, ...]
    """Extensions that it may be put into; empty for image sequences."""


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


_YUV8: Final = ("yuv420p", "yuv422p", "yuv444p")
_YUV10: Final = ("yuv420p10le", "yuv422p10le", "yuv444p10le")
_YUV12: Final = ("yuv420p12le", "yuv422p12le", "yuv444p12le")
_ALL: Final = (".mp4", ".mov", ".mkv")
_PRORES: Final = ("yuv422p10le", "yuv444p10le", "yuva444p10le")
# FFV1 is this project's lossless RGB; swscale reaches all of these from packed RGB without loss.
_RGB: Final = ("bgr0", "bgra", "gbrp16le", "gbrap16le")


def _gpu(codec: str, kind: str, formats: tuple[str, ...]) -> EncoderRow:
    quality, options = {
        "nvenc": ("cq", {"preset": "p5", "rc": "vbr", "b:v": "0", "forced-idr": "1"}),
        "qsv": ("global_quality", {"preset": "slow"}),
        "vaapi": ("qp", {"vaapi_device": "/dev/dri/renderD128", "vf": "format=nv12,hwupload"}),
        "videotoolbox": ("q:v", {"allow_sw": "0"}),
        "amf": ("qp_i", {"rc": "cqp", "quality": "quality"}),
    }[kind]
    return EncoderRow(
        name=f"{codec}_{kind}",
        formats=formats,
        options=options,
        quality=quality,
        default_quality=60 if kind == "videotoolbox" else 22,
        is_hardware=True,
        even_size_only=True,
    )


def _hardware_rows() -> list[CodecRow]:
    rows = []
    makers = {
        "nvenc": "NVIDIA",
        "qsv": "Intel",
        "vaapi": "VA-API",
        "videotoolbox": "Apple",
        "amf": "AMD",
    }
    for kind, maker in makers.items():
        for codec in ("h264", "hevc", "av1"):
            deep = () if codec == "h264" or kind == "vaapi" else ("p010le",)
            semi = ("nv12",) if kind != "nvenc" else ("yuv420p",)
            containers = (*_ALL, ".webm") if codec == "av1" else _ALL
            rows.append(
                CodecRow(
                    name=f"{codec}_{kind}",
                    summary=f"{codec} on {maker} hardware",
                    encoders=(_gpu(codec, kind, (*semi, *deep)),),
                    containers=containers,
                )
            )
    return rows


_SOFTWARE_ROWS: Final = (
    CodecRow(
        name="h264",
        summary="plays everywhere",
        encoders=(
            EncoderRow(
                name="libx264",
                formats=(*_YUV8, *_YUV10),
                options={"preset": "medium"},
                default_quality=17,
                even_size_only=True,
            ),
        ),
        containers=_ALL,
    ),
    CodecRow(
        name="hevc",
        summary="smaller than h264, 10 and 12 bit, HDR",
        encoders=(
            EncoderRow(
                name="libx265",
                formats=(*_YUV8, *_YUV10, *_YUV12),
                options={"preset": "medium", "x265-params": "open-gop=0:log-level=error"},
                default_quality=19,
                even_size_only=True,
            ),
        ),
        containers=_ALL,
    ),
    CodecRow(
        name="av1",
        summary="smallest, modern players",
        encoders=(
            EncoderRow(
                name="libsvtav1",
                formats=("yuv420p", "yuv420p10le"),
                options={"preset": "8"},
                default_quality=24,
                even_size_only=True,
            ),
            EncoderRow(
                name="libaom-av1",
                formats=(*_YUV8, *_YUV10, *_YUV12),
                options={"cpu-used": "6", "row-mt": "1"},
                default_quality=22,
            ),
        ),
        containers=(*_ALL, ".webm"),
    ),
    CodecRow(
        name="vp9",
        summary="for the web, with alpha",
        encoders=(
            EncoderRow(
                name="libvpx-vp9",
                formats=(*_YUV8, *_YUV10, *_YUV12, "yuva420p"),
                options={"b:v": "0", "cpu-used": "4", "row-mt": "1"},
                default_quality=22,
            ),
        ),
        containers=(".webm", ".mkv", ".mp4"),
    ),
    CodecRow(
        name="prores",
        summary="for editing, 10 bit, with alpha",
        encoders=(
            EncoderRow(
                name="prores_ks",
                formats=_PRORES,
                options={"vendor": "apl0"},
                quality="q:v",
                default_quality=9,
            ),
        ),
        containers=(".mov", ".mkv"),
    ),
    CodecRow(
        name="ffv1",
        summary="lossless RGB: every source frame comes back bit-exact",
        encoders=(
            EncoderRow(
                name="ffv1",
                formats=_RGB,
                options={"level": "3", "g": "1", "slices": "4", "slicecrc": "1"},
                quality=None,
            ),
        ),
        containers=(".mkv",),
    ),
    CodecRow(
        name="png",
        summary="numbered images in a folder, 8 or 16 bit, with alpha",
        encoders=(
            EncoderRow(
                name="opencv", formats=("rgb24", "rgba", "rgb48le", "rgba64le"), quality=None
            ),
        ),
        containers=(),
    ),
)

CODECS: Final[Mapping[str, CodecRow]] = MappingProxyType(
    {row.name: row for row in (*_SOFTWARE_ROWS, *_hardware_rows())}
)
EXTENSIONS: Final = (".mp4", ".mov", ".mkv", ".webm")


def available_codecs(ffmpeg: Ffmpeg) -> tuple[str, ...]:
    """Names of the codecs that work with this ffmpeg on this machine; hardware is tried out."""
    return tuple(name for name, row in CODECS.items() if _first_encoder(row, ffmpeg) is not None)


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


def choose_settings(
    destination: Path,
    source: MediaInfo,
    ffmpeg: Ffmpeg,
    *,
    codec: str | None = None,
    crf: int | None = None,
) -> EncodeSettings:
    """Choose encoder, pixel format and options.

    The picture is never scaled: where an encoder cannot take an odd width or height in 4:2:0, it
    is fed 4:4:4, which keeps the size exactly, and a warning says so.

    Args:
        destination: The final file, or a folder for images.
        source: What the pictures come from.
        ffmpeg: The binary that will encode.
        codec: A name in `CODECS`; None for what suits best.
        crf: The codec's own quality number, smaller is better; None for near-lossless to the eye.

    Raises:
        OutputRefused: If the codec is unknown, absent here, or does not fit the container.
    """
    extension = destination.suffix.lower()
    row = _codec_row(codec or default_codec(destination, source))
    _check_container(destination, row)
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
        options=_options(encoder, pixel_format, crf, row),
        extension=extension or ".png",
        warnings=_warnings(source, encoder, pixel_format, row),
    )


def _codec_row(name: str) -> CodecRow:
    row = CODECS.get(name)
    if row is None:
        raise OutputRefused(f"there is no codec named {name!r}; give one of {', '.join(CODECS)}")
    return row


def _check_container(destination: Path, row: CodecRow) -> None:
    extension = destination.suffix.lower()
    if extension and extension not in EXTENSIONS:
        raise OutputRefused(
            f"{destination} has an extension that is not known: use {', '.join(EXTENSIONS)}, "
            "or a folder name without a dot for images"
        )
    if row.containers and not extension:
        raise OutputRefused(
            f"{destination} has no extension, which means a folder of images, but codec {row.name} "
            f"makes a video: name the output with {', '.join(row.containers)}"
        )
    if extension and extension not in row.containers:
        way_out = (
            f"name the output with {', '.join(row.containers)}"
            if row.containers
            else "name a folder as the output"
        )
        raise OutputRefused(
            f"codec {row.name} does not fit into {destination}: {way_out}, or choose another --codec"
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
    encoder: EncoderRow, pixel_format: str, crf: int | None, row: CodecRow
) -> tuple[tuple[str, str], ...]:
    options = dict(encoder.options)
    if encoder.quality is None:
        if crf is not None:
            raise OutputRefused(f"codec {row.name} is lossless and has no quality: leave out --crf")
    else:
        options[encoder.quality] = str(crf if crf is not None else encoder.default_quality)
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
