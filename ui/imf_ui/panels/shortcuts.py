"""The rows of the shortcut sheet: the keys of every action, and what the mouse does."""

from imf_ui.i18n import tr
from imf_ui.services.actions import ACTIONS, ActionRegistry
from imf_ui.widgets.shortcut_sheet import key_words

MENUS = ("File", "Edit", "View", "Play", "Mark", "Speed", "Help")

type Rows = list[tuple[str, str]]


def shortcut_groups(registry: ActionRegistry) -> list[tuple[str, Rows]]:
    """Return for each menu its name, and its actions' words and keys."""
    groups = []
    for menu in MENUS:
        rows: Rows = [
            (tr(action.words), key_words(registry.keys_of(action.id)))
            for action in ACTIONS
            if action.menu == menu
        ]
        groups.append((tr(menu), rows + (held_rows(registry) if menu == "Play" else [])))
    return [*groups, (tr("Mouse"), mouse_rows())]


def held_rows(registry: ActionRegistry) -> Rows:
    """Return what the shuttle keys do while the stop key is held."""
    held = key_words(registry.keys_of("stop")[:1])
    pairs = (
        ("play_reverse", tr("One frame back, held: slowly")),
        ("play_forward", tr("One frame forward, held: slowly")),
    )
    return [(words, f"{held} + {key_words(registry.keys_of(name)[:1])}") for name, words in pairs]


def mouse_rows() -> Rows:
    """Return what the mouse does on picture, timeline and curve."""
    return [
        (tr("Picture: zoom at the cursor"), tr("Wheel")),
        (tr("Picture: one to one, or fit"), tr("Double click")),
        (tr("Curve: new key"), tr("Double click")),
        (tr("Curve: only the speed of a key"), tr("Ctrl + drag")),
        (tr("Curve: only the moment of a key"), tr("Alt + drag")),
        (tr("Curve: select many keys"), tr("Drag a box")),
        (tr("Timeline: zoom"), tr("Ctrl + wheel")),
        (tr("Timeline: scroll"), tr("Wheel")),
    ]
