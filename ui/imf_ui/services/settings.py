"""The user's settings: one versioned JSON file, written whole, and the folders of the program."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs
from PyQt6.QtCore import QObject, pyqtSignal

from imf_ui.model.document import RenderSettings
from imf_ui.model.values import BadValue, from_json, to_json

_VERSION = 1
_MOST_RECENT = 12


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A key of the user's own for an action."""

    action: str
    keys: str


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What the user chose; every member has a sensible default."""

    language: str = "system"
    theme: str = "dark"
    font_percent: int = 100
    autosave: bool = True
    cache_mb: int = 1024
    preview_scale: int = 2
    device: str = "auto"
    model: str = "auto"
    bindings: tuple[Binding, ...] = ()
    recent: tuple[str, ...] = ()
    """Paths of projects and media, newest first."""
    last_render: RenderSettings = field(default_factory=RenderSettings)
    """How the last clip was rendered, for new clips."""
    ripple: bool = True
    snap: bool = True


def default_home() -> Path:
    """Return the folder for settings, journals and the queue; ``IMF_EDITOR_HOME`` moves it."""
    moved = os.environ.get("IMF_EDITOR_HOME")
    return Path(moved) if moved else PlatformDirs("imf-editor", appauthor=False).user_data_path


class Settings(QObject):
    """Reads and writes `Preferences`."""

    changed = pyqtSignal()

    def __init__(self, home: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.home = home or default_home()
        self._file = self.home / "settings.json"
        self.values = self._read()

    def set(self, **changes: Any) -> None:
        """Change members of the preferences and write them down."""
        values = replace(self.values, **changes)
        if values != self.values:
            self.values = values
            self._write()
            self.changed.emit()

    def add_recent(self, path: str) -> None:
        """Put a file on top of the recent ones."""
        others = tuple(known for known in self.values.recent if known != path)
        self.set(recent=(path, *others)[:_MOST_RECENT])

    def _read(self) -> Preferences:
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            data.pop("version", None)
            return from_json(Preferences, data)
        except (OSError, ValueError, AttributeError, BadValue):
            # Settings that cannot be read must never keep the editor from starting.
            return Preferences()

    def _write(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(".tmp")
            data = {"version": _VERSION, **to_json(self.values)}
            temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
            temporary.replace(self._file)
        except OSError:
            return
