"""From a failure as the services tell it to the error dialog, in the user's language."""

from collections.abc import Callable, Mapping

from PyQt6.QtWidgets import QWidget

from imf_ui.i18n import current_language, tr
from imf_ui.model.errors import Explained
from imf_ui.widgets.error_dialog import ErrorDialog, Fix


def title_of(explained: Explained) -> str:
    """Return what happened."""
    return tr(explained.title_template).format(**explained.facts)


def why_of(explained: Explained) -> str:
    """Return why, in one sentence; the engine's own, which is English, comes second elsewhere."""
    facts = dict(explained.facts)
    if current_language() != "en" and explained.in_general:
        facts["text"] = tr(explained.in_general)
        if explained.facts["text"]:
            facts["text"] += " " + tr("The engine says: {text}", text=explained.facts["text"])
    sentence = tr(explained.why_template).format(**facts)
    # The engine speaks to people at a terminal; here the way out is a button.
    return sentence.replace(" with -o", "")


def error_dialog(explained: Explained, parent: QWidget | None = None) -> ErrorDialog:
    """Return the dialog of a failure."""
    fixes = [
        Fix(name=action.id, words=tr(action.words))
        for action in explained.actions
        if action.id != "close"
    ]
    return ErrorDialog(
        title_of(explained), why_of(explained), fixes, details=explained.details, parent=parent
    )


def show_error(
    explained: Explained,
    ways_out: Mapping[str, Callable[[], object]],
    parent: QWidget | None = None,
) -> ErrorDialog:
    """Open the dialog beside the work, not over it, and carry out the way out that is chosen.

    Args:
        explained: The failure.
        ways_out: What the buttons do, by the id of the action.
        parent: The window.
    """
    dialog = error_dialog(explained, parent)
    dialog.setModal(False)

    def carry_out() -> None:
        work = ways_out.get(dialog.chosen)
        if work is not None:
            work()

    dialog.accepted.connect(carry_out)
    dialog.finished.connect(dialog.deleteLater)
    dialog.show()
    return dialog
