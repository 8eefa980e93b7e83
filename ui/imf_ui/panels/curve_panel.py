"""The lower part of the edit screen: timeline and curve over the same frames."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QMenu, QWidget

from imf_ui.i18n import tr
from imf_ui.model.document import Marks
from imf_ui.model.ops import SetMarks
from imf_ui.model.timebase import format_time
from imf_ui.panels.curve_control import CurveControl
from imf_ui.panels.curve_picture import speed_words
from imf_ui.services.app_services import Services
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.widgets.curve_view import CurveView
from imf_ui.widgets.key_table import SHAPES, shape_words
from imf_ui.widgets.parts import Segments, bar, column, icon_button, label
from imf_ui.widgets.timeline import Timeline

_THUMBNAILS, _THUMBNAIL_PX = 24, 46
_STATES_MS = 120


class CurvePanel(QWidget):
    """Timeline above, curve below, always showing the same stretch of the result."""

    action_wanted = pyqtSignal(str)
    """Name of an action that a button stands for."""

    def __init__(
        self, services: Services, control: CurveControl, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._services, self._session, self._control = services, services.session, control
        self._thumbnails: list[tuple[int, QImage]] = []
        self._thumbnails_of = ""
        self.timeline = Timeline()
        self.curve = CurveView()
        self.kind = Segments([("speed", tr("Speed"), ""), ("frame", tr("Time"), "")], self._on_kind)
        self.snap = icon_button("snap", tr("Snap to frames and round speeds (N)"), checkable=True)
        self.ripple = icon_button(
            "step-forward", tr("Ripple: what follows moves along (Shift+N)"), checkable=True
        )
        self.ripple.setIcon(icon_button("to-end", "").icon())
        self.hint = label("", "muted", "small")
        self.hint.setMinimumWidth(1)
        add = icon_button("key-add", tr("Add a key at the playhead (Ctrl+K)"))
        remove = icon_button("key-remove", tr("Delete the selected keys (Delete)"))
        add.clicked.connect(lambda: self.action_wanted.emit("add_key"))
        remove.clicked.connect(lambda: self.action_wanted.emit("delete_keys"))
        self.snap.setChecked(control.snap)
        self.ripple.setChecked(control.ripple)
        self.snap.toggled.connect(self._on_snap)
        self.ripple.toggled.connect(self._on_ripple)
        head = bar(self.kind, 6, add, remove, self.snap, self.ripple, 8, self.hint, None)
        layout = column(self.timeline, head, space_px=0)
        layout.addWidget(self.curve, 1)
        self.setLayout(layout)
        self._states_timer = QTimer(self)
        self._states_timer.setSingleShot(True)
        self._states_timer.setInterval(_STATES_MS)
        self._states_timer.timeout.connect(self._show_states)
        self._connect()
        self.refresh()
        if self._session.schedule() is not None:
            # The window is built anew on a clip that is open already.
            self._on_schedule()
            self._on_position(services.player.position)
            self._on_document(frozenset({"marks"}))

    def _connect(self) -> None:
        control, curve, timeline = self._control, self.curve, self.timeline
        timeline.seek_wanted.connect(self._services.player.seek)
        timeline.range_changed.connect(curve.set_view)
        timeline.marks_wanted.connect(self._on_marks)
        curve.scroll_wanted.connect(timeline.set_view)
        curve.seek_wanted.connect(self._services.player.seek)
        curve.drag_started.connect(control.begin_drag)
        curve.drag_ended.connect(self._on_drag_ended)
        curve.key_drag_wanted.connect(control.drag_key)
        curve.keys_shift_wanted.connect(control.shift_keys)
        curve.handle_drag_wanted.connect(control.drag_handle)
        curve.stretch_drag_wanted.connect(control.drag_stretch)
        curve.key_wanted.connect(control.add_key)
        curve.selection_wanted.connect(control.select)
        curve.menu_wanted.connect(self._on_menu)
        control.readout.connect(curve.set_readout)
        control.selection_changed.connect(lambda: curve.set_selected(control.selected))
        control.picture_changed.connect(self.refresh)
        control.picture_settled.connect(self._show_on_timeline)
        self._services.player.frameWanted.connect(self._on_position)
        self._services.preview.stateChanged.connect(self._states_timer.start)
        self._services.media.thumbnailsReady.connect(self._on_thumbnails)
        self._session.scheduleChanged.connect(self._on_schedule)
        self._session.documentChanged.connect(self._on_document)

    def refresh(self) -> None:
        """Draw the active clip's curve."""
        picture, clip = self._control.picture, self._session.clip
        self.kind.set_value("speed" if self._control.is_speed else "frame")
        if picture is None or clip is None:
            self.timeline.set_length(0)
            self.curve.show_curve(
                (), lambda _f: 1.0, is_speed=True, end=1, values=(0, 1.35), value_words=speed_words
            )
            return
        source_rate = picture.source_rate
        speed = self._control.is_speed
        values = picture.speed_range() if speed else picture.source_range(clip.media.frame_count)
        self.curve.show_curve(
            picture.speed_points() if speed else picture.time_points(),
            picture.sampler(speed),
            is_speed=speed,
            end=picture.end,
            values=values,
            value_words=speed_words
            if speed
            else lambda value: format_time(
                Fraction(round(max(value, 0))) / source_rate, source_rate
            ),
        )
        self.curve.set_selected(self._control.selected)
        if not self.curve.is_dragging:
            self._show_on_timeline()
            self._fit_length()
            self._place_thumbnails()

    def _show_on_timeline(self) -> None:
        picture = self._control.picture
        if picture is not None:
            rate = picture.rate
            self.timeline.set_labels(lambda frame: format_time(Fraction(frame) / rate, rate))
            self.timeline.set_keys(picture.frames)
            self._show_speed()

    def _fit_length(self) -> None:
        schedule = self._session.schedule()
        picture = self._control.picture
        count = schedule.count if schedule else round(picture.end) if picture else 0
        self.timeline.set_length(count)
        self.curve.set_view(*self.timeline.view)

    def _on_drag_ended(self) -> None:
        self._control.end_drag()
        self.refresh()

    def _on_schedule(self) -> None:
        if not self.curve.is_dragging:
            self._fit_length()
        clip, schedule = self._session.clip, self._session.schedule()
        if clip is None or schedule is None:
            return
        if self.curve.is_dragging:
            return
        if self._thumbnails_of != clip.media.path:
            self._thumbnails_of, self._thumbnails = clip.media.path, []
            self._services.media.want_thumbnails(clip.media.path, _THUMBNAILS, _THUMBNAIL_PX * 2)
        self._place_thumbnails()
        self._states_timer.start()

    def _on_document(self, aspects: frozenset[str]) -> None:
        clip = self._session.clip
        if clip is not None and aspects & {"marks", "active", "clips"}:
            self.timeline.set_marks(clip.marks.first, clip.marks.last)
        if aspects & {"view"}:
            self.refresh()

    def _on_thumbnails(self, path: str, pictures: Sequence[tuple[int, Pixels]]) -> None:
        if path == self._thumbnails_of:
            self._thumbnails = [(frame, image_of_bgra(pixels)) for frame, pixels in pictures]
            self._place_thumbnails()

    def _place_thumbnails(self) -> None:
        """Show at every place of the timeline the source frame that the curve shows there."""
        picture = self._control.picture
        if picture is None or not self._thumbnails:
            self.timeline.set_thumbnails([])
            return
        placed: list[tuple[float, QImage]] = []
        for step in range(_THUMBNAILS):
            frame = picture.end * step / _THUMBNAILS
            source = picture.source(frame + picture.end / _THUMBNAILS / 2)
            nearest = min(self._thumbnails, key=lambda item: abs(item[0] - source))
            placed.append((frame, nearest[1]))
        self.timeline.set_thumbnails(placed)
        self._show_cuts()

    def _show_cuts(self) -> None:
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return
        found = self._session.findings(clip.media.path)
        cuts = clip.cuts.manual
        if cuts is None:
            cuts = found.cuts if found and clip.cuts.find else ()
        places = [schedule.output_of_source(cut) for cut in cuts]
        self.timeline.set_cuts([place for place in places if place is not None])

    def _show_states(self) -> None:
        self.timeline.set_states(self._services.preview.states())

    def _on_position(self, frame: int) -> None:
        self.timeline.set_playhead(frame)
        self.curve.set_playhead(frame)
        self._show_speed()

    def _show_speed(self) -> None:
        picture = self._control.picture
        if picture is not None:
            speed = picture.speed(float(self._services.player.position))
            self.hint.setText(tr("{speed} at the playhead", speed=speed_words(speed)))

    def _on_marks(self, first: int, last: int) -> None:
        clip = self._session.clip
        mark_in, mark_out = (None if mark < 0 else mark for mark in (first, last))
        if clip is None or (mark_in is not None and mark_out is not None and mark_out < mark_in):
            return
        self._session.do(SetMarks(id=clip.id, marks=Marks(first=mark_in, last=mark_out)))

    def _on_kind(self, value: str) -> None:
        self._session.set_view(curve_view=value)
        self.refresh()

    def _on_snap(self, on: bool) -> None:
        self._control.snap = on

    def _on_ripple(self, on: bool) -> None:
        self._control.ripple = on

    def _on_menu(self, place: object, key: int, frame: float) -> None:
        menu = self.menu_for(key, frame)
        menu.exec(place)  # type: ignore[call-overload]

    def menu_for(self, key: int, frame: float) -> QMenu:
        """Return the context menu of a key, or of a place between keys (-1)."""
        control = self._control
        menu = QMenu(self)
        if key < 0:
            _entry(menu, tr("Add key here"), lambda: control.add_key(frame))
        else:
            if key not in control.selected:
                control.select([key])
            for shape in SHAPES:
                _entry(
                    menu,
                    tr("Then {shape}", shape=shape_words(shape)),
                    partial(control.set_shape, control.selected, shape),
                )
            menu.addSeparator()
            _entry(menu, tr("Delete"), lambda: control.delete_keys(control.selected))
        menu.addSeparator()
        _entry(menu, tr("Normal speed"), control.reset)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu


def _entry(menu: QMenu, words: str, work: Callable[[], object]) -> None:
    action = menu.addAction(words)
    assert action is not None
    action.triggered.connect(lambda _checked: work())
