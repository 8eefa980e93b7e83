"""The document: everything a project file holds, as frozen values.

A project has clips; each clip is one retime of one piece of media. Playhead and marks count output
frames: frames of the result at the clip's output rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from imf_ui.model.curve import SpeedCurve

type Extra = Mapping[str, Any]
"""Members of a project file that this version does not know; they are written back unchanged."""

NOTHING: Extra = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class MediaRef:
    """A piece of media: where it is, and how to know it again."""

    path: str
    """Absolute path of the video, the folder or the pattern of images."""
    size_bytes: int = 0
    """Size of the file; 0 when unknown."""
    modified_ns: int = 0
    """When the file was last changed."""
    width: int = 0
    """Pixels."""
    height: int = 0
    """Pixels."""
    frame_count: int = 0
    """Number of frames."""
    rate: Fraction = Fraction(25)
    """Frames per second; the average of a variable rate."""
    duration: int = 0
    """Ticks."""
    is_constant_rate: bool = True
    """Whether all frames last alike."""
    has_audio: bool = False
    """Whether there is sound."""
    extra: Extra = NOTHING


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The part of the result that previews and exports cover."""

    first: int | None = None
    """First output frame; None for the start."""
    last: int | None = None
    """Last output frame, included; None for the end."""

    def __post_init__(self) -> None:
        """Check the order."""
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("the in mark must lie before the out mark")

    def span(self, count: int) -> tuple[int, int]:
        """Return the first and last output frame covered, of ``count``."""
        first = min(self.first or 0, max(count - 1, 0))
        last = count - 1 if self.last is None else min(self.last, count - 1)
        return first, max(first, last)


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """How shot cuts and repeated frames are treated."""

    find: bool = True
    """Whether cuts are looked for."""
    manual: tuple[int, ...] | None = None
    """Frames that begin a new shot, when the user set them; None for those found."""
    on_cut: str = "hold"
    """``hold`` or ``blend``."""
    dedup: bool = False
    """Whether repeated frames are replaced by true in-betweens."""
    extra: Extra = NOTHING


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """How a clip is rendered; the members are those of the engine's options."""

    rate: Fraction | None = None
    """Output frames per second; None for the clip's own."""
    model: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    """``auto``, ``off`` or pixels."""
    codec: str | None = None
    """None for the one that fits the file's ending."""
    crf: int | None = None
    audio: str | None = None
    """``keep``, ``stretch`` or ``drop``; None lets the engine decide."""
    output: str = ""
    """Where the result goes; empty until chosen."""
    extra: Extra = NOTHING


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One retime of one piece of media."""

    id: str
    """Short and unique within the document."""
    name: str
    """As shown; the user may change it."""
    media: MediaRef
    curve: SpeedCurve
    marks: Marks = Marks()
    cuts: CutSettings = CutSettings()
    render: RenderSettings = RenderSettings()
    extra: Extra = NOTHING

    @property
    def output_rate(self) -> Fraction:
        """Frames per second of the result."""
        return self.render.rate or self.media.rate


@dataclass(frozen=True, kw_only=True)
class RetargetSetup:
    """A picture that shall move as a video does; the members are those of `imf.retarget`."""

    reference: str = ""
    """An image, or a video of which one frame is taken; empty until chosen."""
    reference_frame: int = 0
    driving: str = ""
    """A video; empty until chosen."""
    model: str = "auto"
    mode: str = "relative"
    """``relative`` or ``absolute``."""
    anchor: int | None = None
    """Driving frame that stands as the reference does; None for the best."""
    strength: Fraction = Fraction(1)
    smooth: int = 0
    """Frames to either side."""
    mask: str = ""
    keep_background: bool = False
    output: str = ""
    extra: Extra = NOTHING


@dataclass(frozen=True, kw_only=True)
class ViewState:
    """What the window shows; kept with the project, but no step of undo."""

    playhead: int = 0
    """Output frame."""
    panel: str = "edit"
    """``edit``, ``retarget`` or ``queue``."""
    compare: str = "result"
    """A value of the frame view's ``Compare``."""
    wipe: Fraction = Fraction(1, 2)
    zoom: Fraction | None = None
    """Screen pixels per pixel; None fits."""
    curve_view: str = "speed"
    """``speed`` or ``frame``."""
    preview_scale: int = 2
    """1, 2 or 4: previews are made at 1/n of the clip's size."""
    selection: tuple[int, ...] = ()
    """Numbers of the selected keys."""
    extra: Extra = NOTHING


@dataclass(frozen=True, kw_only=True)
class Document:
    """A project."""

    clips: tuple[Clip, ...] = ()
    active: str = ""
    """Id of the clip being edited; empty without clips."""
    retarget: RetargetSetup = RetargetSetup()
    view: ViewState = ViewState()
    extra: Extra = field(default=NOTHING)

    def __post_init__(self) -> None:
        """Check that ids are unique and the active one exists."""
        ids = [clip.id for clip in self.clips]
        if len(set(ids)) != len(ids):
            raise ValueError("two clips of a document have the same id")
        if self.active not in ids and (self.active or ids):
            raise ValueError(f"the active clip must be one of the document, got {self.active!r}")

    def clip(self, clip_id: str = "") -> Clip:
        """Return a clip by its id, or the active one.

        Raises:
            KeyError: If there is none.
        """
        wanted = clip_id or self.active
        for clip in self.clips:
            if clip.id == wanted:
                return clip
        raise KeyError(wanted)

    def has(self, clip_id: str) -> bool:
        """Say whether there is such a clip."""
        return any(clip.id == clip_id for clip in self.clips)

    def with_clip(self, clip: Clip) -> "Document":
        """Return the document with the clip of the same id replaced."""
        self.clip(clip.id)
        clips = tuple(clip if other.id == clip.id else other for other in self.clips)
        return replace(self, clips=clips)

    def free_id(self) -> str:
        """Return an id that no clip has."""
        taken = {clip.id for clip in self.clips}
        number = len(self.clips) + 1
        while f"c{number}" in taken:
            number += 1
        return f"c{number}"


def new_clip(document: Document, media: MediaRef, name: str, *, render: RenderSettings) -> Clip:
    """Return a clip that shows its media as it is."""
    from imf_ui.model.curve import identity_curve

    return Clip(
        id=document.free_id(),
        name=name,
        media=media,
        curve=identity_curve(media.duration),
        render=render,
    )
