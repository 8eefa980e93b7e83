"""What a clip must be like, and what its first frame tells about colour."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import vapoursynth as vs

from imf_hosts.vs.errors import fault

LONGEST_CLIP = 2**31 - 1
ENDLESS = 2**30
"""Clips from this length on come from players that do not know the end; results are cut, not
refused."""

_MATRICES = {
    "709": vs.MATRIX_BT709,
    "470bg": vs.MATRIX_BT470_BG,
    "601": vs.MATRIX_ST170_M,
    "170m": vs.MATRIX_ST170_M,
    "240m": vs.MATRIX_ST240_M,
    "fcc": vs.MATRIX_FCC,
    "ycgco": vs.MATRIX_YCGCO,
    "2020ncl": vs.MATRIX_BT2020_NCL,
    "2020cl": vs.MATRIX_BT2020_CL,
    "ictcp": vs.MATRIX_ICTCP,
}
_RANGES = {"limited": vs.RANGE_LIMITED, "full": vs.RANGE_FULL}


@dataclass(frozen=True, kw_only=True)
class Colour:
    """How the first frame says its values are to be read; the whole clip must agree."""

    matrix: int
    """H.273 number; 2 where nothing is said."""
    range: int
    """``vs.RANGE_LIMITED`` or ``vs.RANGE_FULL``."""
    chroma_location: int | None
    """As in ``_ChromaLocation``."""


def checked(clip: object, name: str = "clip", *, least_frames: int = 2) -> vs.VideoNode:
    """Return the clip, brought to main memory.

    Raises:
        vs.Error: If it is no clip of constant format and size with enough frames.
    """
    if not isinstance(clip, vs.VideoNode):
        raise fault(f"{name} must be a video clip, not {type(clip).__name__}")
    if clip.width == 0 or clip.height == 0:
        raise fault(f"{name} must have one size throughout: resize its frames first")
    if clip.format.color_family == vs.UNDEFINED:
        raise fault(f"{name} must have one format throughout: convert its frames first")
    _check_samples(clip.format, name)
    if clip.num_frames < least_frames:
        raise fault(f"{name} must have at least {least_frames} frames, not {clip.num_frames}")
    if getattr(clip, "gpu_resident", False):
        clip = vs.core.std.GPUDownload(clip)
    return clip


def _check_samples(format_: Any, name: str) -> None:
    bits = format_.bits_per_sample
    if (format_.sample_type == vs.FLOAT) or bits <= 16:
        return
    raise fault(f"{name} has {bits}-bit integers; 8 to 16 bit, half and single float are possible")


def is_variable_rate(clip: vs.VideoNode) -> bool:
    """Whether frame durations differ, so that there is no frame rate."""
    return bool(clip.fps_num == 0)


def frame_rate(clip: vs.VideoNode) -> Fraction:
    """Return the exact rate of a clip of constant rate."""
    return Fraction(clip.fps_num, clip.fps_den)


def first_properties(clip: vs.VideoNode) -> dict[str, Any]:
    """Return the properties of the first frame; the frame is closed again."""
    with clip.get_frame(0) as frame:
        return dict(frame.props)


def tagged(
    clip: vs.VideoNode, matrix: int | str | None, range_: int | str | None
) -> tuple[vs.VideoNode, Colour]:
    """Write a matrix and range that the user names onto the clip, and say how it is to be read.

    Raises:
        vs.Error: If they are unknown, the clip is YUV and no matrix is known, or it is interlaced.
    """
    tags = {}
    if matrix is not None:
        if clip.format.color_family != vs.YUV:
            raise fault(
                f"matrix is for YUV clips, and this one is {clip.format.name}: leave it out"
            )
        tags["_Matrix"] = _known("matrix", matrix, _MATRICES)
    if range_ is not None:
        tags["_Range"] = _known("range", range_, _RANGES)
    if tags:
        clip = clip.std.SetFrameProps(**tags)
    found = first_properties(clip)
    if found.get("_FieldBased"):
        raise fault(
            "the clip is interlaced (_FieldBased): deinterlace it first, or use "
            "std.SetFieldBased(0) if the tag is wrong"
        )
    colour = Colour(
        matrix=int(found.get("_Matrix", vs.MATRIX_UNSPECIFIED)),
        range=int(found.get("_Range", _usual_range(clip.format))),
        chroma_location=found.get("_ChromaLocation"),
    )
    if clip.format.color_family == vs.YUV and colour.matrix not in _MATRICES.values():
        raise fault(
            f"the clip does not say its YUV matrix (_Matrix is {colour.matrix}): give "
            'matrix="709" for most HD video, "601" for SD or "2020ncl" for HDR'
        )
    return clip, colour


def _usual_range(format_: Any) -> int:
    is_full = format_.color_family == vs.RGB or format_.sample_type == vs.FLOAT
    return int(vs.RANGE_FULL if is_full else vs.RANGE_LIMITED)


def _known(name: str, value: object, names: dict[str, Any]) -> int:
    if isinstance(value, str) and value.lower() in names:
        return int(names[value.lower()])
    numbers = {int(number) for number in names.values()}
    if isinstance(value, int) and not isinstance(value, bool) and int(value) in numbers:
        return int(value)
    raise fault(f"{name} must be one of {', '.join(names)} or its number, not {value!r}")


def limited_count(count: int, source_count: int) -> int:
    """Return how many of ``count`` frames a clip can have.

    Raises:
        vs.Error: If they are too many, and not merely because the source has no known end.
    """
    if count <= LONGEST_CLIP:
        return count
    if source_count >= ENDLESS:
        return LONGEST_CLIP
    raise fault(
        f"the result would have {count} frames, above VapourSynth's {LONGEST_CLIP}: "
        "lower the factor or the rate, or split the clip"
    )


def empty_like(clip: vs.VideoNode, count: int, rate: Fraction | None) -> vs.VideoNode:
    """Return a clip of the same format and size that only stands for length and rate."""
    rate = rate or Fraction(0)
    return vs.core.std.BlankClip(
        clip,
        length=count,
        fpsnum=rate.numerator,
        fpsden=rate.denominator,
        keep=True,
    )
