"""All actions in one table: what the menus, the keys and the shortcut sheet are built from."""

from collections import defaultdict
from dataclasses import dataclass

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QKeySequence

from imf_ui.services.settings import Binding, Settings


@dataclass(frozen=True, kw_only=True)
class EditorAction:
    """Something that the user can do."""

    id: str
    words: str
    """In English, as in the menu."""
    keys: str = ""
    """Default keys, several separated by two spaces."""
    menu: str = ""
    """The menu that it stands in."""
    context: str = "window"
    """``window``: everywhere."""


def _menu(name: str, *rows: tuple[str, str, str]) -> tuple[EditorAction, ...]:
    return tuple(EditorAction(id=i, words=w, keys=k, menu=name) for i, w, k in rows)


ACTIONS: tuple[EditorAction, ...] = (
    *_menu(
        "File",
        ("new", "New project", "Ctrl+N"),
        ("open", "Open…", "Ctrl+O"),
        ("save", "Save", "Ctrl+S"),
        ("save_as", "Save as…", "Ctrl+Shift+S"),
        ("export", "Add to queue", "Ctrl+E"),
        ("export_as", "Export…", "Ctrl+Shift+E"),
        ("settings", "Settings…", "Ctrl+,"),
        ("quit", "Quit", "Ctrl+Q"),
    ),
    *_menu(
        "Edit",
        ("undo", "Undo", "Ctrl+Z"),
        ("redo", "Redo", "Ctrl+Shift+Z"),
        ("add_key", "Add key", "Ctrl+K"),
        ("delete_keys", "Delete keys", "Del"),
        ("select_all_keys", "Select all keys", "Ctrl+A"),
        ("snap", "Snap to frames", "N"),
        ("ripple", "Ripple", "Shift+N"),
    ),
    *_menu(
        "View",
        ("screen_edit", "Edit", "Ctrl+1"),
        ("screen_retarget", "Retarget", "Ctrl+2"),
        ("screen_queue", "Queue", "Ctrl+3"),
        ("compare_result", "Result", "1"),
        ("compare_source", "Source", "2"),
        ("compare_wipe", "Wipe", "3"),
        ("compare_side", "Side by side", "4"),
        ("compare_difference", "Difference", "5"),
        ("wipe_left", "Wipe left", "["),
        ("wipe_right", "Wipe right", "]"),
        ("zoom_in", "Zoom in", "+  Ctrl++"),
        ("zoom_out", "Zoom out", "-  Ctrl+-"),
        ("zoom_actual", "One to one", "0  Ctrl+0"),
        ("zoom_fit", "Fit", "F"),
        ("curve_view", "Speed or frame curve", "C"),
        ("full_screen", "Full screen", "F11"),
    ),
    *_menu(
        "Play",
        ("play_pause", "Play or pause", "Space"),
        ("play_reverse", "Play backwards", "J"),
        ("stop", "Stop", "K"),
        ("play_forward", "Play forwards", "L"),
        ("step_back", "One frame back", "Left"),
        ("step_forward", "One frame forward", "Right"),
        ("jump_back", "Ten frames back", "Shift+Left"),
        ("jump_forward", "Ten frames forward", "Shift+Right"),
        ("go_start", "First frame", "Home"),
        ("go_end", "Last frame", "End"),
        ("go_to", "Go to…", "G"),
        ("loop", "Loop", "Ctrl+L"),
        ("copy_frame_number", "Copy frame number", "Ctrl+Shift+C"),
    ),
    *_menu(
        "Mark",
        ("mark_in", "Set in mark", "I"),
        ("mark_out", "Set out mark", "O"),
        ("go_mark_in", "Go to in mark", "Shift+I"),
        ("go_mark_out", "Go to out mark", "Shift+O"),
        ("clear_marks", "Clear marks", "Alt+X"),
        ("preview_range", "Preview the marked range", "P"),
        ("next_key", "Next key", "Down"),
        ("previous_key", "Previous key", "Up"),
    ),
    *_menu(
        "Speed",
        ("preset_slow_quarter", "Slow in the middle", "Alt+1"),
        ("preset_slow_half", "Half speed", "Alt+2"),
        ("preset_hit", "Hit", "Alt+3"),
        ("preset_freeze", "Freeze", "Alt+4"),
        ("preset_reverse", "Backwards", "Alt+5"),
        ("reset_speed", "Normal speed", "Alt+0"),
        ("fit_length", "Fit to length…", "Alt+F"),
        ("detect_cuts", "Find cuts", "Ctrl+D"),
    ),
    *_menu("Help", ("shortcuts", "Keys", "?"), ("about", "About", "")),
)


class ActionRegistry(QObject):
    """Knows the keys of every action, the user's own included."""

    changed = pyqtSignal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._by_id = {action.id: action for action in ACTIONS}
        settings.changed.connect(self.changed)

    def all(self) -> tuple[EditorAction, ...]:
        """Return all actions in the order of the menus."""
        return ACTIONS

    def action(self, action_id: str) -> EditorAction:
        """Return an action by its id."""
        return self._by_id[action_id]

    def keys_of(self, action_id: str) -> tuple[str, ...]:
        """Return the keys of an action, such as ``("Ctrl+E",)``."""
        own = {binding.action: binding.keys for binding in self._settings.values.bindings}
        keys = own.get(action_id, self._by_id[action_id].keys)
        return tuple(key for key in keys.split("  ") if key)

    def rebind(self, action_id: str, keys: str) -> None:
        """Give an action other keys; its default ones when ``keys`` says so, none when empty."""
        others = tuple(b for b in self._settings.values.bindings if b.action != action_id)
        if keys != self._by_id[action_id].keys:
            others = (*others, Binding(action=action_id, keys=keys))
        self._settings.set(bindings=others)

    def reset(self) -> None:
        """Give all actions their default keys."""
        self._settings.set(bindings=())

    def conflicts(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the keys that belong to several actions, with those."""
        users: dict[str, list[str]] = defaultdict(list)
        for action in ACTIONS:
            for key in self.keys_of(action.id):
                users[QKeySequence(key).toString()].append(action.id)
        return [(key, tuple(ids)) for key, ids in users.items() if len(ids) > 1]
