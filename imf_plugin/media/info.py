"""What is known about a piece of media: exact times, geometry and colour, without any pixels."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ColorTags:
    """How numbers mean colour, in ffmpeg's names; None where a file does not say."""

    matrix: str | None = None
    """Luma and chroma from RGB: ``bt709``, ``smpte170m``, ``bt2020nc``; ``gbr`` is stored RGB."""
    primaries: str | None = None
    """The colours of the three lights: ``bt709``, ``bt2020``."""
    transfer: str | None = None
    """Signal to light: ``bt709``, ``smpte2084`` (PQ), ``arib-std-b67`` (HLG)."""
    range: str | None = None
    """``tv`` (16 to 235) or ``pc`` (0 to 255)."""


@dataclass(frozen=True, kw_only=True)
class HdrMetadata:
    """What an HDR10 stream says of its mastering display and brightest pictures."""

    mastering_display: str | None
    """Primaries, white point and luminance as ``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``, in units of
    0.00002 and 0.0001 cd/m²."""
    content_light: str | None
    """Brightest pixel and brightest mean of a frame in cd/m², ``1000,400``."""


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """One video or image sequence, described."""

    path: Path
    """The file, or the folder or pattern of images."""
    kind: Literal["video", "images"]
    """Whether it is a video file or numbered images."""
    width: int
    """Width in pixels of the upright picture."""
    height: int
    """Height in pixels of the upright picture."""
    frame_times: tuple[Fraction, ...]
    """When each frame appears, in seconds; the first is at 0."""
    durations: tuple[Fraction, ...]
    """How long each frame stays, in seconds."""
    frame_rate: Fraction
    """Frames per second: exact where the rate is constant, the average otherwise."""
    is_constant_rate: bool
    """Whether every frame lies on the grid of `frame_rate`."""
    pixel_format: str
    """ffmpeg's name of the decoded format, such as ``yuv420p10le``."""
    bit_depth: int
    """Bits per component."""
    has_alpha: bool
    """Whether the pictures carry transparency."""
    color: ColorTags
    """The colour tags of the stream."""
    sample_aspect_ratio: Fraction
    """Width over height of one upright pixel."""
    rotation: int
    """Clockwise degrees by which decoded pictures are turned to stand upright."""
    interlaced: bool
    """Whether the frames hold two fields each."""
    audio_streams: int = 0
    """Number of audio streams."""
    subtitle_streams: int = 0
    """Number of subtitle streams."""
    has_chapters: bool = False
    """Whether the file has chapter marks."""
    start_time: Fraction = Fraction(0)
    """Where frame 0 lies on the file's own clock, in seconds; audio is placed against it."""
    hdr: HdrMetadata | None = None
    """HDR10 metadata beyond the colour tags; None for most videos."""
    warnings: tuple[str, ...] = ()
    """What a user should know, one sentence each."""

    def __post_init__(self) -> None:
        if not self.frame_times or len(self.frame_times) != len(self.durations):
            raise ValueError(
                "a description needs one duration for each of its frames, "
                f"got {len(self.frame_times) = }, {len(self.durations) = }"
            )

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return len(self.frame_times)

    @property
    def duration(self) -> Fraction:
        """Seconds from the start of the first frame to the end of the last."""
        return self.frame_times[-1] + self.durations[-1]
