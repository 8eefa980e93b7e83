"""Between the curve on screen and the session: every wish becomes one edit of the document.

A drag is one gesture. Each of its steps is worked out from the curve as it was when the drag began,
so that going back and forth with the mouse ends where it began, to the tick.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from imf_ui.i18n import tr
from imf_ui.model import curve_edits as edits
from imf_ui.model.curve import FASTEST, SpeedCurve, StretchKind
from imf_ui.model.document import Clip
from imf_ui.model.ops import SetCurve
from imf_ui.model.timebase import format_time, parse_position, seconds_of, ticks_of
from imf_ui.panels.curve_picture import CurvePicture, parse_speed, speed_words
from imf_ui.services.session import Session
from imf_ui.widgets.key_table import AT, SHAPE, SOURCE, SPEED

_SPEED_SNAPS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_GRID = 1000
_DRAGGED_MS = 50


class CurveControl(QObject):
    """Edits the active clip's curve as the widgets wish."""

    refused = pyqtSignal(str)
    """An edit is impossible; the sentence says why."""
    readout = pyqtSignal(str)
    """What the mouse is doing, in words."""
    picture_changed = pyqtSignal()
    """The curve, the clip or the view of the curve is another."""
    picture_settled = pyqtSignal()
    """The same, for what need not follow each step of a drag: lists and labels."""
    selection_changed = pyqtSignal()
    """Other keys are selected."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.snap, self.ripple = True, True
        self._picture: CurvePicture | None = None
        self._start: CurvePicture | None = None
        self._selected: list[int] = []
        self._settle_timer = QTimer(self)
        self._settle_timer.setSingleShot(True)
        self._settle_timer.setInterval(_DRAGGED_MS)
        self._settle_timer.timeout.connect(self.picture_settled)
        session.documentChanged.connect(self._on_document)

    @property
    def clip(self) -> Clip | None:
        """The clip being edited."""
        return self._session.clip

    @property
    def picture(self) -> CurvePicture | None:
        """The curve as it is drawn."""
        clip = self.clip
        if clip is None:
            return None
        made = self._picture
        if (
            made is None
            or made.curve is not clip.curve
            or (made.rate, made.source_rate) != (clip.output_rate, clip.media.rate)
        ):
            self._picture = CurvePicture(clip.curve, clip.output_rate, clip.media.rate)
        return self._picture

    @property
    def is_speed(self) -> bool:
        """Whether the speed is drawn, not the source's moment."""
        return self._session.document.view.curve_view == "speed"

    @property
    def selected(self) -> list[int]:
        """Numbers of the selected keys."""
        return self._selected

    def select(self, keys: Sequence[int]) -> None:
        """Select keys."""
        if list(keys) != self._selected:
            self._selected = list(keys)
            self.selection_changed.emit()

    def _on_document(self, aspects: frozenset[str]) -> None:
        if aspects & {"curve", "active", "render", "media", "clips", "view"}:
            if self.picture is None or aspects & {"active", "clips"}:
                self._selected = []
            elif self._selected and self._selected[-1] >= len(self.picture.frames):
                self._selected = []
                self.selection_changed.emit()
            self._tell_picture()

    def _tell_picture(self) -> None:
        self.picture_changed.emit()
        if self._start is None:
            self.picture_settled.emit()
        elif not self._settle_timer.isActive():
            self._settle_timer.start()

    def edit(self, words: str, change: Callable[[SpeedCurve], SpeedCurve]) -> bool:
        """Do an edit; a `ValueError` is the edit's way to say that it is impossible."""
        clip = self.clip
        if clip is None:
            return False
        base = self._start.curve if self._start is not None else clip.curve
        try:
            changed = change(base)
        except ValueError as error:
            self.refused.emit(str(error))
            return False
        if changed != clip.curve:
            self._session.do(SetCurve(id=clip.id, curve=changed, name_of_edit=words))
        return True

    def ticks_at(self, frame: int) -> int:
        """Return the moment of an output frame in ticks."""
        return self.picture.ticks_of(frame) if self.picture else 0

    def begin_drag(self, kind: str) -> None:
        """Begin a drag of a ``key``, ``handle`` or ``stretch``."""
        self._start = self.picture
        self._session.begin_gesture()

    def end_drag(self) -> None:
        """End a drag: it is now one step for undo."""
        self._start = None
        self._session.end_gesture()
        self._settle_timer.stop()
        self.picture_settled.emit()
        self.readout.emit("")

    def drag_key(self, number: int, frame: float, value: float) -> None:
        """Move a key to an output frame and value; NaN keeps one of them."""
        start = self._start or self.picture
        if start is None:
            return
        if self.is_speed:
            self._drag_speed_key(start, number, frame, value)
        else:
            self._drag_time_key(start, number, frame, value)

    def _drag_speed_key(self, start: CurvePicture, number: int, frame: float, value: float) -> None:
        inner = 0 < number < len(start.frames) - 1
        moves = inner and not math.isnan(frame) and abs(frame - start.frames[number]) > 0.5
        changes = not math.isnan(value)
        speed = self._speed_of(value) if changes else start.curve.key_speed(number)
        if not changes or abs(float(speed - start.curve.key_speed(number))) < 0.004:
            changes = False

        def change(curve: SpeedCurve) -> SpeedCurve:
            if moves:
                curve = edits.with_speed_key_moved(curve, number, self._at(start, frame))
            if changes:
                curve = edits.with_key_speed(curve, number, speed, ripple=self.ripple)
            return curve

        if self.edit("Move key", change):
            self._say(number)

    def _drag_time_key(self, start: CurvePicture, number: int, frame: float, value: float) -> None:
        clip = self.clip
        if clip is None:
            return
        at = None if math.isnan(frame) else self._at(start, frame)
        source = None if math.isnan(value) else start.source_ticks_of(value)
        if source is not None and self.snap:
            source = edits.snapped_source(source, clip.media.rate)
        if self.edit(
            "Move key",
            lambda curve: edits.with_key_moved(
                curve,
                number,
                at=at,
                source=source,
                source_duration=clip.media.duration,
                ripple=self.ripple,
            ),
        ):
            self._say(number)

    def drag_stretch(self, number: int, value: float) -> None:
        """Give the stretch after a key a speed."""
        speed = self._speed_of(value)
        if self.edit(
            "Change speed",
            lambda curve: self._with_level(curve, number, speed),
        ):
            self._say(number)

    def _with_level(self, curve: SpeedCurve, number: int, speed: Fraction) -> SpeedCurve:
        """Give a stretch a speed; ramps that lead to it and from it follow."""
        for key, beside in ((number, number - 1), (number + 1, number + 1)):
            if 0 <= beside < len(curve.keys) - 1 and curve.stretch_kind(beside) not in (
                StretchKind.CONSTANT,
                StretchKind.HOLD,
            ):
                curve = edits.with_key_speed(curve, key, speed, ripple=self.ripple)
        return edits.with_stretch_speed(curve, number, speed, ripple=self.ripple)

    def shift_keys(self, frames: float) -> None:
        """Move the selected keys together."""
        start = self._start or self.picture
        if start is None:
            return
        by = start.ticks_of(round(frames) if self.snap else frames)
        self.edit("Move keys", lambda curve: edits.with_keys_shifted(curve, self._selected, by))
        self.readout.emit(f"{frames:+.0f}")

    def drag_handle(self, number: int, side: str, frame: float, value: float) -> None:
        """Move a Bezier handle of a key to an output frame and source frame."""
        start = self._start or self.picture
        if start is None:
            return
        stretch = number if side == "out" else number - 1
        begin, stop = start.frames[stretch : stretch + 2]
        first, last = start.sources[stretch : stretch + 2]
        x = Fraction(round((frame - begin) / (stop - begin) * _GRID), _GRID)
        rise = last - first
        y = Fraction(round((value - first) / rise * _GRID), _GRID) if rise else Fraction(0)

        def change(curve: SpeedCurve) -> SpeedCurve:
            x1, y1, x2, y2 = curve.keys[stretch].handles
            moved = (x, y, x2, y2) if side == "out" else (x1, y1, x, y)
            return edits.with_handles(curve, stretch, moved)

        if self.edit("Move handle", change):
            self._say(number)

    def add_key(self, frame: float) -> None:
        """Add a key on the curve."""
        picture = self.picture
        if picture is None:
            return
        at = self._at(picture, frame)
        if self.edit("Add key", lambda curve: edits.with_key(curve, at)) and self.clip:
            added = [n for n, key in enumerate(self.clip.curve.keys) if key.at == at]
            self.select(added)

    def delete_keys(self, keys: Sequence[int]) -> None:
        """Remove keys."""
        if keys and self.edit("Delete keys", lambda curve: edits.without_keys(curve, keys)):
            self.select([])

    def set_shape(self, keys: Sequence[int], shape: str) -> None:
        """Change how the speed runs from these keys to the next ones."""

        def change(curve: SpeedCurve) -> SpeedCurve:
            for number in keys:
                if number < len(curve.keys) - 1:
                    curve = edits.with_ease(curve, number, StretchKind(shape))
            return curve

        self.edit("Change shape", change)

    def reset(self) -> None:
        """Show the clip as it is."""
        clip = self.clip
        if clip is None:
            return
        whole = clip.media.duration
        self.edit("Normal speed", lambda _curve: edits.at_speed(Fraction(1), 0, whole))
        self.select([])

    def set_whole_speed(self, text: str) -> None:
        """Show the whole clip at one speed."""
        clip = self.clip
        if clip is None:
            return
        try:
            speed = parse_speed(text)
        except ValueError as error:
            self.refused.emit(str(error))
            return
        whole = clip.media.duration
        self.edit("Change speed", lambda _curve: edits.at_speed(speed, 0, whole))

    def fit_to(self, seconds: Fraction) -> None:
        """Stretch the curve so that the result lasts so long."""
        self.edit("Fit to length", lambda curve: edits.fitted(curve, ticks_of(seconds)))

    def edit_cell(self, number: int, column: int, text: str) -> None:
        """Do what was typed into the key table."""
        picture, clip = self.picture, self.clip
        if picture is None or clip is None:
            return
        try:
            change = self._cell_change(picture, clip, number, column, text)
        except ValueError as error:
            self.refused.emit(str(error))
            self._tell_picture()
            return
        if not self.edit("Edit key", change):
            self._tell_picture()

    def _cell_change(
        self, picture: CurvePicture, clip: Clip, number: int, column: int, text: str
    ) -> Callable[[SpeedCurve], SpeedCurve]:
        if column == SPEED:
            speed = parse_speed(text)
            return lambda curve: edits.with_key_speed(curve, number, speed, ripple=self.ripple)
        if column == SHAPE:
            return lambda curve: edits.with_ease(
                curve, min(number, len(curve.keys) - 2), StretchKind(text)
            )
        whole = clip.media.duration
        if column == AT:
            frame = parse_position(text, picture.rate, 10**9, round(picture.frames[number]))
            at = picture.ticks_of(frame)
            return lambda curve: edits.with_key_moved(
                curve, number, at=at, source_duration=whole, ripple=self.ripple
            )
        assert column == SOURCE
        try:
            source = picture.source_ticks_of(float(text.replace(",", ".")))
        except ValueError:
            frame = parse_position(text, picture.source_rate, clip.media.frame_count)
            source = picture.source_ticks_of(frame)
        return lambda curve: edits.with_key_moved(
            curve, number, source=source, source_duration=whole
        )

    def _at(self, picture: CurvePicture, frame: float) -> int:
        return picture.ticks_of(round(frame) if self.snap else frame)

    def _speed_of(self, value: float) -> Fraction:
        value = min(max(abs(value), 0.01), float(FASTEST))
        if self.snap:
            near = [s for s in _SPEED_SNAPS if abs(math.sqrt(s) - math.sqrt(value)) < 0.02]
            value = near[0] if near else value
        return Fraction(round(value * 100), 100)

    def _say(self, number: int) -> None:
        picture, clip = self.picture, self.clip
        if picture is None or clip is None or number >= len(picture.frames):
            return
        words = speed_words(clip.curve.key_speed(number))
        length = format_time(seconds_of(clip.curve.duration), clip.output_rate)
        self.readout.emit(
            tr(
                "{speed} at {time}, length {length}",
                speed=words,
                time=picture.time_words(number),
                length=length,
            )
        )
