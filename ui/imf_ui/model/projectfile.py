"""Project files: canonical JSON, so that opening and saving changes not one byte.

Members that this version does not know are kept; a file of a newer schema is opened read-only.
Saving writes beside the file and renames, and the version before stays as ``NAME.bak``.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imf_plugin.errors import ImfError
from imf_ui.model.document import Clip, Document, MediaRef
from imf_ui.model.ops import Macro, Op, SetMedia
from imf_ui.model.values import BadValue, from_json, to_json

FORMAT = "imf-project"
SCHEMA = 1
SUFFIX = ".imfp"


class ProjectError(ImfError):
    """A project file cannot be read or written."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was read."""

    document: Document
    is_read_only: bool = False
    """Whether a newer version wrote it."""
    from_backup: bool = False
    """Whether the file itself was broken."""
    notes: tuple[str, ...] = ()
    """What the user should know."""


def project_to_text(document: Document, *, relative_to: Path | None = None) -> str:
    """Write a document as text.

    Args:
        document: What to write.
        relative_to: The project's folder; media below it get a relative path too.
    """
    if relative_to is not None:
        document = _with_relative_paths(document, relative_to)
    data = {"format": FORMAT, "schema": SCHEMA, **to_json(document)}
    data.update({key: value for key, value in document.extra.items() if key == "schema"})
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def project_from_text(text: str, file: str) -> Loaded:
    """Read a document.

    Raises:
        ProjectError: If it is none.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ProjectError(f"{file} is damaged: it is no valid JSON ({error})") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ProjectError(f"{file} is no project of this editor")
    schema = data.get("schema")
    if not isinstance(schema, int):
        raise ProjectError(f"{file} is damaged: it does not say which schema it follows")
    newer = schema > SCHEMA
    members = {key: value for key, value in data.items() if key not in ("format", "schema")}
    try:
        document = from_json(Document, members, "project")
    except (BadValue, RecursionError) as error:
        raise ProjectError(f"{file} is damaged: {error}") from None
    if newer:
        extra = MappingProxyType({**document.extra, "schema": schema})
        document = replace(document, extra=extra)
    return Loaded(document=document, is_read_only=newer)


def load_project(path: Path) -> Loaded:
    """Read a project file; a broken one gives way to its backup.

    Raises:
        ProjectError: If neither can be read.
    """
    try:
        loaded = project_from_text(_text_of(path), str(path))
    except ProjectError as error:
        backup = backup_of(path)
        if not backup.exists():
            raise
        loaded = project_from_text(_text_of(backup), str(backup))
        note = f"{error}; the version before it was opened instead"
        loaded = replace(loaded, from_backup=True, notes=(note,))
    return replace(loaded, document=_resolved(loaded.document, path.parent))


def save_project(path: Path, document: Document) -> None:
    """Write a project file; whatever happens, the old one or the new one is whole.

    Raises:
        ProjectError: If it cannot be written.
    """
    text = project_to_text(document, relative_to=path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            backup = backup_of(path)
            backup.unlink(missing_ok=True)
            # A hard link keeps the old version under both names until the new one takes over.
            try:
                os.link(path, backup)
            except OSError:
                backup.write_bytes(path.read_bytes())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ProjectError(f"{path} cannot be written: {error.strerror}") from error


def backup_of(path: Path) -> Path:
    """Return where the version before lies."""
    return path.with_name(f"{path.name}.bak")


def missing_media(document: Document) -> tuple[Clip, ...]:
    """Return the clips whose media is not where it was."""
    return tuple(clip for clip in document.clips if not _exists(clip.media.path))


def relink(document: Document, clip_id: str, found: Path) -> Op | None:
    """Return the edit that points a clip, and others that moved along, to their media.

    Args:
        document: The project.
        clip_id: The clip that the user found.
        found: Where its media is now; the folder is searched for what else is missing.
    """
    ops: list[Op] = [_relinked(document.clip(clip_id), found)]
    for clip in missing_media(document):
        beside = found.parent / Path(clip.media.path).name
        fits = beside.exists() and clip.media.size_bytes in (0, _size(beside))
        if clip.id != clip_id and fits:
            ops.append(_relinked(clip, beside))
    return Macro(ops=tuple(ops), name_of_edit="Relink")


def _relinked(clip: Clip, path: Path) -> Op:
    media = replace(clip.media, path=str(path.absolute()))
    return SetMedia(id=clip.id, media=media)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}") from None


def _with_relative_paths(document: Document, folder: Path) -> Document:
    clips = []
    for clip in document.clips:
        extra = {key: value for key, value in clip.media.extra.items() if key != "relative"}
        path = Path(clip.media.path)
        if path.is_relative_to(folder.absolute()):
            extra["relative"] = path.relative_to(folder.absolute()).as_posix()
        media = replace(clip.media, extra=MappingProxyType(extra))
        clips.append(replace(clip, media=media))
    return replace(document, clips=tuple(clips))


def _resolved(document: Document, folder: Path) -> Document:
    """Find media that moved together with the project."""
    clips = []
    for clip in document.clips:
        media: MediaRef = clip.media
        relative = media.extra.get("relative")
        if isinstance(relative, str) and not _exists(media.path):
            beside = folder.absolute() / relative
            if beside.exists():
                media = replace(media, path=str(beside))
        extra: dict[str, Any] = {k: v for k, v in media.extra.items() if k != "relative"}
        media = replace(media, extra=MappingProxyType(extra))
        clips.append(replace(clip, media=media))
    return replace(document, clips=tuple(clips))


def _exists(path: str) -> bool:
    return Path(path).exists() or ("%" in path and Path(path).parent.is_dir())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
