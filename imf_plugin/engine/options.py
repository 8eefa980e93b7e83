"""What a render may be asked for besides its plan."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from imf_plugin.errors import PlanError
from imf_plugin.models.base import Interpolator

if TYPE_CHECKING:
    from imf_plugin.engine.pixels import Pixels

type AudioMode = Literal["keep", "stretch", "drop"]
type Watch = Callable[[Callable[[], Pixels]], None]

AUDIO_MODES = ("keep", "stretch", "drop")


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """How to render and encode; every member has a sensible default."""

    model: str | Interpolator = "auto"
    """Name of a model, or a model that is already loaded."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    precision: str = "auto"
    """``auto``, ``fp32``, ``fp16`` or ``bf16``."""
    codec: str | None = None
    """Name of a codec; by the output's extension when None."""
    crf: int | None = None
    """Quality on the codec's own scale, lower is better; the codec's good default when None."""
    audio: AudioMode | None = None
    """``keep``, ``stretch`` or ``drop``; when None, stretch if the speed changes, else keep."""
    tile: str = "auto"
    """``auto``, ``off`` or the tile edge in pixels."""
    resume: bool = True
    """Whether finished parts of the same render, interrupted before, are used."""
    overwrite: bool = False
    """Whether an existing output may be replaced."""
    input_rate: Fraction | None = None
    """Frame rate of an image sequence."""
    watch: Watch | None = field(default=None, compare=False, repr=False)
    """Called after each finished frame with a function that gives its picture, for showing it."""

    def __post_init__(self) -> None:
        """Check what can be checked without opening anything."""
        if self.audio is not None and self.audio not in AUDIO_MODES:
            raise PlanError(
                f"there is no audio mode {self.audio!r}; give one of {', '.join(AUDIO_MODES)}"
            )
        if self.tile not in ("auto", "off") and not (
            self.tile.isdecimal() and int(self.tile) >= 128
        ):
            raise PlanError(
                f"the tile size must be auto, off or a number of pixels from 128, not {self.tile!r}"
            )
