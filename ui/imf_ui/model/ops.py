"""Every edit as a small frozen value that knows how to be applied, undone and written down."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from imf_ui.model.curve import SpeedCurve
from imf_ui.model.document import (
    Clip,
    CutSettings,
    Document,
    Marks,
    MediaRef,
    RenderSettings,
    RetargetSetup,
    ViewState,
)
from imf_ui.model.values import BadValue, from_json, to_json


class Op:
    """An edit of the document."""

    words: ClassVar[str] = "Edit"
    """For the Edit menu: Undo WORDS."""
    touched: ClassVar[frozenset[str]] = frozenset()

    @property
    def label(self) -> str:
        """What the Edit menu calls it."""
        return getattr(self, "name_of_edit", "") or self.words

    @property
    def aspects(self) -> frozenset[str]:
        """What of the document it changes."""
        return self.touched

    def apply(self, document: Document) -> Document:
        """Return the edited document."""
        raise NotImplementedError

    def inverse(self, document: Document) -> "Op":
        """Return the edit that brings ``document`` back after this one."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class AddClip(Op):
    """Put a clip in, and make it the active one if ``activate``."""

    words = "Add clip"
    touched = frozenset({"clips", "active"})
    clip: Clip
    index: int = 1_000_000
    activate: bool = True

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        clips = list(document.clips)
        clips.insert(self.index, self.clip)
        active = self.clip.id if self.activate or not document.active else document.active
        return replace(document, clips=tuple(clips), active=active)

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return RemoveClip(id=self.clip.id, next_active=document.active)


@dataclass(frozen=True, kw_only=True)
class RemoveClip(Op):
    """Take a clip out."""

    words = "Remove clip"
    touched = frozenset({"clips", "active"})
    id: str
    next_active: str = ""

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        document.clip(self.id)
        clips = tuple(clip for clip in document.clips if clip.id != self.id)
        active = self.next_active or (document.active if document.active != self.id else "")
        if not any(clip.id == active for clip in clips):
            active = clips[0].id if clips else ""
        return replace(document, clips=clips, active=active)

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        index = [clip.id for clip in document.clips].index(self.id)
        back = AddClip(clip=document.clip(self.id), index=index, activate=False)
        return Macro(ops=(back, Activate(id=document.active)), name_of_edit=self.words)


@dataclass(frozen=True, kw_only=True)
class MoveClip(Op):
    """Change the order of the clips."""

    words = "Move clip"
    touched = frozenset({"clips"})
    id: str
    index: int

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        moved = document.clip(self.id)
        clips = [clip for clip in document.clips if clip.id != self.id]
        clips.insert(self.index, moved)
        return replace(document, clips=tuple(clips))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return MoveClip(id=self.id, index=[clip.id for clip in document.clips].index(self.id))


@dataclass(frozen=True, kw_only=True)
class Activate(Op):
    """Edit another clip."""

    words = "Go to clip"
    touched = frozenset({"active"})
    id: str

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return replace(document, active=self.id)

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return Activate(id=document.active)


@dataclass(frozen=True, kw_only=True)
class SetCurve(Op):
    """Change a clip's speed; all edits of the curve end here."""

    words = "Change speed"
    touched = frozenset({"curve"})
    id: str
    curve: SpeedCurve
    name_of_edit: str = ""

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), curve=self.curve))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, curve=document.clip(self.id).curve)


@dataclass(frozen=True, kw_only=True)
class SetMarks(Op):
    """Set or clear the in and out marks."""

    words = "Set marks"
    touched = frozenset({"marks"})
    id: str
    marks: Marks

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), marks=self.marks))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, marks=document.clip(self.id).marks)


@dataclass(frozen=True, kw_only=True)
class SetCuts(Op):
    """Change how cuts and repeats are treated."""

    words = "Change cuts"
    touched = frozenset({"cuts"})
    id: str
    cuts: CutSettings

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), cuts=self.cuts))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, cuts=document.clip(self.id).cuts)


@dataclass(frozen=True, kw_only=True)
class SetRender(Op):
    """Change how a clip is rendered."""

    words = "Change output"
    touched = frozenset({"render"})
    id: str
    render: RenderSettings

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), render=self.render))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, render=document.clip(self.id).render)


@dataclass(frozen=True, kw_only=True)
class SetMedia(Op):
    """Point a clip to its media at another place."""

    words = "Relink"
    touched = frozenset({"media"})
    id: str
    media: MediaRef

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), media=self.media))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, media=document.clip(self.id).media)


@dataclass(frozen=True, kw_only=True)
class Rename(Op):
    """Name a clip."""

    words = "Rename clip"
    touched = frozenset({"clips"})
    id: str
    name: str

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return document.with_clip(replace(document.clip(self.id), name=self.name))

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, name=document.clip(self.id).name)


@dataclass(frozen=True, kw_only=True)
class SetRetarget(Op):
    """Change the retargeting."""

    words = "Change retargeting"
    touched = frozenset({"retarget"})
    retarget: RetargetSetup

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return replace(document, retarget=self.retarget)

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, retarget=document.retarget)


@dataclass(frozen=True, kw_only=True)
class SetView(Op):
    """Change what the window shows; journaled, but no step of undo."""

    words = "View"
    touched = frozenset({"view"})
    view: ViewState

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        return replace(document, view=self.view)

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        return replace(self, view=document.view)


@dataclass(frozen=True, kw_only=True)
class Macro(Op):
    """Several edits as one step."""

    words = "Edit"
    ops: tuple[Op, ...]
    name_of_edit: str = ""

    @property
    def aspects(self) -> frozenset[str]:
        """What of the document it changes."""
        return frozenset().union(*(op.aspects for op in self.ops))

    def apply(self, document: Document) -> Document:
        """See `Op`."""
        for op in self.ops:
            document = op.apply(document)
        return document

    def inverse(self, document: Document) -> Op:
        """See `Op`."""
        back: list[Op] = []
        for op in self.ops:
            back.append(op.inverse(document))
            document = op.apply(document)
        return Macro(ops=tuple(reversed(back)), name_of_edit=self.name_of_edit)


_KINDS: dict[str, type[Op]] = {
    kind.__name__: kind
    for kind in (
        AddClip, RemoveClip, MoveClip, Activate, SetCurve, SetMarks, SetCuts, SetRender, SetMedia,
        Rename, SetRetarget, SetView,
    )
}  # fmt: skip


def op_to_json(op: Op) -> dict[str, Any]:
    """Write an edit as JSON data, for the journal."""
    if isinstance(op, Macro):
        return {
            "op": "Macro",
            "ops": [op_to_json(one) for one in op.ops],
            "name_of_edit": op.name_of_edit,
        }
    data: dict[str, Any] = to_json(op)
    return {"op": type(op).__name__, **data}


def op_from_json(data: Any) -> Op:
    """Read an edit.

    Raises:
        BadValue: If it is none.
    """
    if not isinstance(data, dict) or "op" not in data:
        raise BadValue(f"an edit must be an object with an op, not {data!r}")
    rest = {name: value for name, value in data.items() if name != "op"}
    if data["op"] == "Macro":
        inner = tuple(op_from_json(one) for one in _list(rest.get("ops")))
        return Macro(ops=inner, name_of_edit=str(rest.get("name_of_edit", "")))
    if data["op"] not in _KINDS:
        raise BadValue(f"there is no edit {data['op']!r}")
    return from_json(_KINDS[data["op"]], rest, data["op"])


def _list(value: Any) -> Iterable[Any]:
    if not isinstance(value, list):
        raise BadValue(f"the edits of a macro must be a list, not {value!r}")
    return value
