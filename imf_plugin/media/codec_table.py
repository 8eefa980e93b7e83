"""The codecs that can be written, as one explicit table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


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
