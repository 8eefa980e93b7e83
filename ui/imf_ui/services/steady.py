"""While a clip plays, Python does not look through the whole program for garbage.

Such a search stops all threads for as long as two frames take, since the program has many objects,
and finds next to nothing. What comes into being while playing is looked through as ever.
"""

import gc

from PyQt6.QtCore import QObject

from imf_ui.services.player import Player

_FROZEN_BY_PYTHON = 5000
"""More than the interpreter itself leaves out of the search from the start."""


class SteadyPlaying(QObject):
    """Leaves everything that is there when playing begins out of the search until it ends."""

    def __init__(self, player: Player, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._froze = False
        player.rateChanged.connect(self._on_rate)

    def _on_rate(self, rate: float) -> None:
        if rate and not self._froze:
            # A program that holds the editor's panels may have done the same for good.
            self._froze = gc.get_freeze_count() < _FROZEN_BY_PYTHON
            if self._froze:
                gc.freeze()
        elif not rate and self._froze:
            self._froze = False
            gc.unfreeze()
