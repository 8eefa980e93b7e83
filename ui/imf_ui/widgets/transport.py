"""The transport bar: play both ways, step, marks, loop, the position as a field."""

from collections.abc import Callable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QFontMetrics
from PyQt6.QtWidgets import QLabel, QToolButton, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import icon
from imf_ui.widgets.parts import icon_button, label, row
from imf_ui.widgets.timecode_edit import TimecodeEdit


class TransportBar(QWidget):
    """Buttons that say what the user wants of the player."""

    action_wanted = pyqtSignal(str)
    """Name of an action of the registry, such as ``play_pause``."""
    frame_wanted = pyqtSignal(int)
    """The user typed a moment."""

    def __init__(
        self,
        parse: Callable[[str], int],
        label_of: Callable[[int], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.position = TimecodeEdit(parse, label_of)
        self.position.frame_wanted.connect(self.frame_wanted)
        self.length_label = label("", "muted", "small")
        self.frame_label = label("", "muted", "small")
        self.frame_label.setMinimumWidth(
            QFontMetrics(self.frame_label.font()).horizontalAdvance("frame 00000 of 00000")
        )
        self.speed_label = label("", "strong", "small")
        self.buttons: dict[str, QToolButton] = {}
        start = self._button("go_start", "to-start", tr("First frame (Home)"))
        back = self._button("step_back", "step-back", tr("One frame back (Left)"))
        reverse = self._button("play_reverse", "play-back", tr("Play backwards (J)"))
        self.play = self._button("play_pause", "play", tr("Play (Space)"), 26)
        forward = self._button("step_forward", "step-forward", tr("One frame forward (Right)"))
        end = self._button("go_end", "to-end", tr("Last frame (End)"))
        mark_in = self._button("mark_in", "mark-in", tr("Set the in mark (I)"))
        mark_out = self._button("mark_out", "mark-out", tr("Set the out mark (O)"))
        self.loop = self._button("loop", "loop", tr("Play in a loop (Ctrl+L)"))
        self.loop.setCheckable(True)
        box = row(
            self.position,
            4,
            self.length_label,
            self.speed_label,
            None,
            start,
            back,
            reverse,
            self.play,
            forward,
            end,
            None,
            self.frame_label,
            mark_in,
            mark_out,
            self.loop,
            space_px=2,
        )
        box.setContentsMargins(12, 4, 12, 4)
        self.setLayout(box)
        self._shows_pause = False

    def _button(self, action: str, icon_name: str, words: str, size_px: int = 20) -> QToolButton:
        button = icon_button(icon_name, words, size_px=size_px)
        button.clicked.connect(lambda: self.action_wanted.emit(action))
        self.buttons[action] = button
        return button

    def set_position(self, frame: int, count: int) -> None:
        """Show the output frame at the playhead."""
        self.position.set_frame(frame)
        self.frame_label.setText(
            tr("frame {frame} of {count}", frame=frame, count=max(count - 1, 0))
        )

    def set_length(self, words: str) -> None:
        """Show how long the output is."""
        self.length_label.setText(f"/ {words}" if words else "")

    def set_playing(self, rate: float) -> None:
        """Show how fast it plays: 0 stands still, -2 runs backwards at double speed."""
        plays = rate != 0
        if plays != self._shows_pause:
            self._shows_pause = plays
            self.play.setIcon(icon("pause" if plays else "play"))
            words = tr("Pause (Space)") if plays else tr("Play (Space)")
            self.play.setToolTip(words)
            self.play.setAccessibleName(words)
        self.speed_label.setText("" if rate in (0, 1) else f"{rate:g}×")

    def label_of_speed(self) -> QLabel:
        """Return the label with the playback rate."""
        return self.speed_label
