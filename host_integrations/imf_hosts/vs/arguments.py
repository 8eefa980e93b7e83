"""Arguments that the functions share, checked before anything is built."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import vapoursynth as vs

from imf_hosts.vs.errors import fault
from imf_plugin.errors import PlanError
from imf_plugin.models.base import Interpolator
from imf_plugin.timeline.rational import MAXIMUM_FACTOR, parse_rate, to_fraction

type Rate = int | Fraction | str
type SceneMode = Literal["hold", "nearest", "blend"]

SCENE_MODES = ("hold", "nearest", "blend")
SMALLEST_TILE_PX = 128


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every function that makes frames accepts."""

    model: str | Path | Interpolator = "auto"
    """Name of a model of ``imf models``, the path of a weights file, or a loaded model."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: str = "auto"
    """``auto``, ``fp32``, ``fp16`` or ``bf16``."""
    tile: str | int = "auto"
    """``auto``, ``off`` or the tile edge in pixels."""
    sc: bool = True
    """Whether scene cuts are respected."""
    sc_threshold: float | None = 0.15
    """Mean change of luma, 0..1, that begins a scene; None to trust properties only."""
    sc_clip: vs.VideoNode | None = None
    """A clip of the same length whose properties or pictures tell the cuts."""
    sc_mode: SceneMode = "hold"
    """What fills the time before a cut: the frame before it, the nearer one, or a cross-fade."""
    context: int = 4
    """Keyframes that a new frame is made from: the two around it, or four, so that motion follows
    a curve."""
    static_mask: vs.VideoNode | None = None
    """Gray clip, white where the picture stands still (text, a display) and is cross-faded."""
    matrix: int | str | None = None
    """YUV matrix of the clip, where its frames do not say or are wrong."""
    range: int | str | None = None
    """``full`` or ``limited``, likewise."""
    num_streams: int | None = None
    """Frames made at a time; 1 on a GPU and up to 4 on the CPU when None."""
    cache_frames: int | None = None
    """Encoded keyframes kept; 8, or four more than VapourSynth has threads, when None."""
    cache_mb: int = 2048
    """Memory that they may take; two are kept whatever they take."""

    def __post_init__(self) -> None:
        """Check what can be checked without a clip."""
        if not isinstance(self.model, str | Path | Interpolator):
            raise fault(f"model must be a name or a loaded model, not {self.model!r}")
        for name in ("device", "precision"):
            if not isinstance(getattr(self, name), str):
                raise fault(f"{name} must be a text such as 'auto', not {getattr(self, name)!r}")
        _check_tile(self.tile)
        if isinstance(self.context, bool) or self.context not in (2, 4):
            raise fault(f"context must be 2 or 4 keyframes, not {self.context!r}")
        self._check_scenes()
        for name, least in (("cache_frames", 2), ("num_streams", 1)):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), least)
        check_integer("cache_mb", self.cache_mb, 1)

    def _check_scenes(self) -> None:
        check_flag("sc", self.sc)
        if self.sc_threshold is not None:
            check_share("sc_threshold", self.sc_threshold)
        if self.sc_mode not in SCENE_MODES:
            raise fault(f"sc_mode must be one of {', '.join(SCENE_MODES)}, not {self.sc_mode!r}")


def _check_tile(tile: object) -> None:
    is_edge = isinstance(tile, int) and not isinstance(tile, bool) and tile >= SMALLEST_TILE_PX
    if not (is_edge or tile in ("auto", "off")):
        raise fault(f"tile must be 'auto', 'off' or a number of pixels from 128, not {tile!r}")


def check_integer(name: str, value: object, least: int) -> None:
    """Refuse what is not an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise fault(f"{name} must be an integer of at least {least}, not {value!r}")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False (0 and 1 of script arguments count)."""
    if not isinstance(value, bool) and value not in (0, 1):
        raise fault(f"{name} must be True or False, not {value!r}")


def check_share(name: str, value: object) -> None:
    """Refuse what is not a number in 0..1."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise fault(f"{name} must be a number from 0 to 1, not {value!r}")
    if not 0 <= value <= 1:
        raise fault(f"{name} must lie between 0 and 1, not {value!r}")


def exact(name: str, value: object) -> Fraction:
    """Read an exact number: an integer, a fraction or text such as "5/2"; a float is refused."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction | str):
        kind = "float" if isinstance(value, float) else type(value).__name__
        raise fault(
            f'{name} must be an integer, a Fraction or text such as "5/2", so that it is exact; '
            f"got the {kind} {value!r}"
        )
    try:
        return to_fraction(value, name)
    except PlanError as error:
        raise fault(str(error)) from None


def exact_factor(value: object) -> Fraction:
    """Read a factor above 0 and at most 1000."""
    factor = exact("factor", value)
    if not 0 < factor <= MAXIMUM_FACTOR:
        raise fault(f"factor must be above 0 and at most {MAXIMUM_FACTOR}, not {value}")
    return factor


def wanted_rate(fps_num: object, fps_den: object) -> Fraction | None:
    """Return the frame rate asked for, if one is.

    Raises:
        vs.Error: If only one of the two is given, or they are no frame rate.
    """
    if fps_num is None and fps_den is None:
        return None
    if fps_num is None or fps_den is None:
        raise fault(
            "fps_num and fps_den must be given together, such as 60000 and 1001 or 60 and 1"
        )
    check_integer("fps_num", fps_num, 1)
    check_integer("fps_den", fps_den, 1)
    assert isinstance(fps_num, int)
    assert isinstance(fps_den, int)
    return parse_rate(Fraction(fps_num, fps_den))
