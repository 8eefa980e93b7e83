"""What the actions of the edit screen do: a method for each id of the action registry."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QInputDialog, QWidget

from imf_ui.i18n import tr
from imf_ui.model.document import Marks
from imf_ui.model.ops import SetCuts, SetMarks
from imf_ui.model.presets import BUILT_IN, apply_preset, preset_of
from imf_ui.panels.curve_control import CurveControl
from imf_ui.panels.curve_panel import CurvePanel
from imf_ui.panels.viewer import ViewerPanel
from imf_ui.services.app_services import Services
from imf_ui.widgets.frame_view import Compare

JUMP_FRAMES = 10


class EditActions:
    """Carries out the actions of the edit screen."""

    def __init__(
        self,
        services: Services,
        control: CurveControl,
        viewer: ViewerPanel,
        curve: CurvePanel,
        owner: QWidget,
    ) -> None:
        self._services, self._session, self._control = services, services.session, control
        self._viewer, self._curve, self._owner = viewer, curve, owner
        player = services.player
        self.table: dict[str, Callable[[], object]] = {
            "play_pause": player.toggle,
            "play_reverse": player.key_j,
            "stop": player.key_k,
            "play_forward": player.key_l,
            "step_back": lambda: player.step(-1),
            "step_forward": lambda: player.step(1),
            "jump_back": lambda: player.step(-JUMP_FRAMES),
            "jump_forward": lambda: player.step(JUMP_FRAMES),
            "go_start": lambda: player.seek(0),
            "go_end": lambda: player.seek(self._last()),
            "go_to": viewer.transport.position.begin,
            "loop": self.toggle_loop,
            "copy_frame_number": self.copy_frame_number,
            "mark_in": lambda: self.mark(first=player.position),
            "mark_out": lambda: self.mark(last=player.position),
            "go_mark_in": lambda: self._go_mark(0),
            "go_mark_out": lambda: self._go_mark(1),
            "clear_marks": self.clear_marks,
            "preview_range": self.preview_range,
            "next_key": lambda: self.go_key(1),
            "previous_key": lambda: self.go_key(-1),
            "add_key": lambda: control.add_key(player.position),
            "delete_keys": lambda: control.delete_keys(control.selected),
            "select_all_keys": self.select_all_keys,
            "snap": curve.snap.toggle,
            "ripple": curve.ripple.toggle,
            "curve_view": self.toggle_curve_view,
            "zoom_in": lambda: viewer.view.zoom_by(1),
            "zoom_out": lambda: viewer.view.zoom_by(-1),
            "zoom_actual": lambda: viewer.view.set_zoom(1.0),
            "zoom_fit": viewer.view.fit,
            "wipe_left": lambda: self.move_wipe(-0.02),
            "wipe_right": lambda: self.move_wipe(0.02),
            "reset_speed": control.reset,
            "detect_cuts": self.detect_cuts,
            "save_preset": self.save_preset,
        }
        for mode in Compare:
            self.table[f"compare_{mode.value}"] = partial(viewer.set_compare, mode.value)
        for preset in BUILT_IN:
            self.table[f"preset_{preset.id}"] = partial(self.apply_preset, preset.id)

    def _last(self) -> int:
        schedule = self._session.schedule()
        return max(schedule.count - 1, 0) if schedule else 0

    def toggle_loop(self) -> None:
        """Play in a loop, or not."""
        player = self._services.player
        player.loop = not player.loop
        self._viewer.transport.loop.setChecked(player.loop)

    def copy_frame_number(self) -> None:
        """Put the playhead's frame number on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(str(self._services.player.position))

    def mark(self, *, first: int | None = None, last: int | None = None) -> None:
        """Set one mark; the other gives way when it would lie on the wrong side."""
        clip = self._session.clip
        if clip is None:
            return
        mark_in = clip.marks.first if first is None else first
        mark_out = clip.marks.last if last is None else last
        if mark_in is not None and mark_out is not None and mark_out < mark_in:
            mark_in, mark_out = (first, None) if first is not None else (None, last)
        self._session.do(SetMarks(id=clip.id, marks=Marks(first=mark_in, last=mark_out)))

    def clear_marks(self) -> None:
        """Take both marks away."""
        clip = self._session.clip
        if clip is not None:
            self._session.do(SetMarks(id=clip.id, marks=Marks()))

    def _go_mark(self, which: int) -> None:
        clip = self._session.clip
        if clip is not None:
            place = (clip.marks.first, clip.marks.last)[which]
            self._services.player.seek((0, self._last())[which] if place is None else place)

    def preview_range(self) -> None:
        """Make all frames between the marks."""
        clip = self._session.clip
        if clip is not None:
            self._services.preview.set_range(*clip.marks.span(self._last() + 1))

    def go_key(self, direction: int) -> None:
        """Go to the next or previous key and select it."""
        picture = self._control.picture
        if picture is None:
            return
        here = self._services.player.position
        places = [(round(frame), number) for number, frame in enumerate(picture.frames)]
        beyond = [p for p in places if (p[0] - here) * direction > 0]
        if beyond:
            frame, number = min(beyond) if direction > 0 else max(beyond)
            self._services.player.seek(min(frame, self._last()))
            self._control.select([number])

    def select_all_keys(self) -> None:
        """Select all keys."""
        if self._control.picture:
            self._control.select(range(len(self._control.picture.frames)))

    def toggle_curve_view(self) -> None:
        """Change between the speed and the time picture."""
        self._session.set_view(curve_view="frame" if self._control.is_speed else "speed")

    def move_wipe(self, by: float) -> None:
        """Move the wipe, turning it on first."""
        if self._viewer.view.mode is not Compare.WIPE:
            self._viewer.set_compare(Compare.WIPE.value)
        self._viewer.view.set_wipe(self._viewer.view.wipe + by)

    def apply_preset(self, wanted: str) -> None:
        """Apply a preset to the clip; a freeze begins at the playhead."""
        clip = self._session.clip
        presets = {preset.id: preset for preset in (*BUILT_IN, *self._services.presets.load())}
        if clip is None or wanted not in presets:
            return
        at = self._control.ticks_at(self._services.player.position)
        self._control.edit(
            tr("Preset {name}", name=tr(presets[wanted].name)),
            lambda curve: apply_preset(presets[wanted], curve, clip.media.duration, at),
        )

    def save_preset(self) -> None:
        """Keep the curve as a preset of the user's."""
        name, agreed = QInputDialog.getText(
            self._owner, tr("Save preset"), tr("Name of the preset:")
        )
        if agreed and name.strip():
            self.save_preset_as(name.strip())

    def save_preset_as(self, name: str) -> None:
        """Keep the curve as a preset under a name."""
        clip = self._session.clip
        if clip is None:
            return
        own = f"own_{len(self._services.presets.load()) + 1}"
        try:
            self._services.presets.save(preset_of(clip.curve, clip.media.duration, own, name))
        except ValueError as error:
            self._control.refused.emit(str(error))

    def detect_cuts(self) -> None:
        """Look for shot cuts again, forgetting those set by hand."""
        clip = self._session.clip
        if clip is not None:
            self._session.do(SetCuts(id=clip.id, cuts=replace(clip.cuts, find=True, manual=None)))
            self._services.analyse()
