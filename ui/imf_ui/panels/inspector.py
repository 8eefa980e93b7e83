"""The inspector: presets, keys as a table, how the result is made, and what it will cost."""

from dataclasses import replace
from fractions import Fraction

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.model.document import Clip, RenderSettings
from imf_ui.model.ops import SetCuts, SetRender
from imf_ui.panels.curve_control import CurveControl
from imf_ui.panels.estimate import estimate_words, rate_words
from imf_ui.panels.preset_bar import PresetBar
from imf_ui.services.app_services import Services
from imf_ui.widgets.key_table import SHAPES, KeyTable, shape_words
from imf_ui.widgets.parts import DownScroll, hairline, icon_button, label, push_button, row

_RATES = ("24", "25", "30", "50", "60", "120", "24000/1001", "30000/1001", "60000/1001")

_COUNT_MS = 120


class InspectorPanel(QWidget):
    """Everything about the active clip that is no picture."""

    action_wanted = pyqtSignal(str)
    """Name of an action that a button stands for."""
    preset_wanted = pyqtSignal(str)
    """Id of a preset."""

    def __init__(
        self, services: Services, control: CurveControl, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._services, self._session, self._control = services, services.session, control
        self.presets = PresetBar()
        self.presets.preset_wanted.connect(self.preset_wanted)
        self.table = KeyTable()
        self.shape = self._combo(tr("Shape of the stretch"), [(shape_words(s), s) for s in SHAPES])
        self.whole_speed = QLineEdit()
        self.length = QLineEdit()
        self.rate = self._combo(tr("Frame rate"), [(tr("as the clip"), "")])
        self.method = self._combo(tr("Method"), [(tr("Automatic"), "auto")])
        self.cuts = QCheckBox(tr("Do not morph across cuts"))
        self.on_cut = self._combo(
            tr("At a cut"), [(tr("hold the frame"), "hold"), (tr("cross-fade"), "blend")]
        )
        self.dedup = QCheckBox(tr("Replace repeated frames"))
        self.audio = self._combo(
            tr("Sound"),
            [
                (tr("Automatic"), ""),
                (tr("keep"), "keep"),
                (tr("stretch, same pitch"), "stretch"),
                (tr("leave out"), "drop"),
            ],
        )
        self.counts = label("", "strong")
        self.estimate = label("", "muted", "small", wrap=True)
        self.preview_button = push_button(tr("Preview range"))
        self.export_button = push_button(tr("Export…"), "export", primary=True)
        self.save_preset = icon_button("save", tr("Save this curve as a preset"))
        self.key_add = icon_button("key-add", tr("Add a key at the playhead (Ctrl+K)"))
        self.key_remove = icon_button("key-remove", tr("Delete the selected keys (Delete)"))
        self._count_timer = QTimer(self)
        self._automatic = ""
        self._build()
        self._connect()
        self.refresh()

    @staticmethod
    def _combo(name: str, items: list[tuple[str, str]]) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(8)
        for words, value in items:
            box.addItem(words, value)
        return box

    def _build(self) -> None:
        self.whole_speed.setAccessibleName(tr("Speed of the whole clip"))
        self.length.setAccessibleName(tr("Length of the result in seconds"))
        self.length.setPlaceholderText(tr("seconds"))
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(14, 12, 14, 12)
        box.setSpacing(8)
        heading = row(label(tr("SPEED"), "section"), None, self.save_preset)
        box.addLayout(heading)
        box.addWidget(self.presets)
        box.addLayout(
            self._form(
                [
                    (tr("Whole clip"), self.whole_speed),
                    (tr("Fit to length"), self.length),
                ]
            )
        )
        box.addWidget(hairline())
        box.addLayout(
            row(label(tr("KEYS"), "section"), None, self.key_add, self.key_remove, space_px=2)
        )
        self.table.setMinimumHeight(128)
        box.addWidget(self.table, 1)
        box.addLayout(self._form([(tr("Then"), self.shape)]))
        box.addWidget(hairline())
        box.addWidget(label(tr("RESULT"), "section"))
        box.addLayout(
            self._form(
                [
                    (tr("Frame rate"), self.rate),
                    (tr("Method"), self.method),
                    (tr("Sound"), self.audio),
                    (tr("At a cut"), self.on_cut),
                ]
            )
        )
        box.addWidget(self.cuts)
        box.addWidget(self.dedup)
        scroll = DownScroll(inside)
        foot = QFrame()
        foot.setProperty("bar", True)
        foot_box = QVBoxLayout(foot)
        foot_box.setContentsMargins(14, 8, 14, 12)
        foot_box.setSpacing(4)
        foot_box.addWidget(self.counts)
        foot_box.addWidget(self.estimate)
        foot_box.addSpacing(4)
        foot_box.addLayout(row(self.preview_button, self.export_button))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(scroll, 1)
        whole.addWidget(hairline())
        whole.addWidget(foot)

    @staticmethod
    def _form(rows: list[tuple[str, QWidget]]) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(6)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for words, widget in rows:
            caption = QLabel(words)
            caption.setProperty("muted", True)
            caption.setBuddy(widget)
            form.addRow(caption, widget)
        return form

    def _connect(self) -> None:
        control = self._control
        self.table.edit_wanted.connect(control.edit_cell)
        self.table.delete_wanted.connect(control.delete_keys)
        self.table.add_wanted.connect(lambda: self.action_wanted.emit("add_key"))
        self.table.selection_wanted.connect(control.select)
        control.selection_changed.connect(lambda: self.table.set_selected(control.selected))
        control.selection_changed.connect(self._show_shape)
        control.picture_settled.connect(self._show_keys)
        self.shape.activated.connect(self._on_shape)
        self.key_add.clicked.connect(lambda: self.action_wanted.emit("add_key"))
        self.key_remove.clicked.connect(lambda: self.action_wanted.emit("delete_keys"))
        self.save_preset.clicked.connect(lambda: self.action_wanted.emit("save_preset"))
        self.preview_button.clicked.connect(lambda: self.action_wanted.emit("preview_range"))
        self.export_button.clicked.connect(lambda: self.action_wanted.emit("export_as"))
        self.whole_speed.editingFinished.connect(self._on_whole_speed)
        self.length.editingFinished.connect(self._on_length)
        for box in (self.rate, self.method, self.audio):
            box.activated.connect(self._on_render)
        self.cuts.clicked.connect(self._on_cuts)
        self.dedup.clicked.connect(self._on_cuts)
        self.on_cut.activated.connect(self._on_cuts)
        self._session.documentChanged.connect(self._on_document)
        # Counting looks at many frames; once a drag rests is often enough.
        self._count_timer.setSingleShot(True)
        self._count_timer.setInterval(_COUNT_MS)
        self._count_timer.timeout.connect(self._show_counts)
        self._session.scheduleChanged.connect(self._count_timer.start)
        self._services.worker.stateChanged.connect(self._on_worker)

    def _on_document(self, aspects: frozenset[str]) -> None:
        if aspects - {"view", "curve", "marks"}:
            self.refresh()
        elif "marks" in aspects:
            self._show_counts()

    def refresh(self) -> None:
        """Show the active clip."""
        clip = self._session.clip
        self.setEnabled(clip is not None)
        self._show_keys()
        if clip is None:
            self.counts.setText("")
            self.estimate.setText("")
            return
        self._show_rates(clip)
        self._show_methods()
        self.audio.setCurrentIndex(self.audio.findData(clip.render.audio or ""))
        self.cuts.setChecked(clip.cuts.find)
        self.dedup.setChecked(clip.cuts.dedup)
        self.on_cut.setCurrentIndex(self.on_cut.findData(clip.cuts.on_cut))
        self._show_counts()

    def _show_rates(self, clip: Clip) -> None:
        wanted = "" if clip.render.rate is None else str(clip.render.rate)
        self.rate.clear()
        self.rate.addItem(tr("{rate}, as the clip", rate=rate_words(clip.media.rate)), "")
        for text in dict.fromkeys((*_RATES, wanted or "60")):
            self.rate.addItem(rate_words(Fraction(text)), text)
        self.rate.setCurrentIndex(self.rate.findData(wanted))

    def _show_methods(self) -> None:
        clip = self._session.clip
        if clip is None:
            return
        names = dict.fromkeys(("auto", *self._services.worker.models, clip.render.model))
        self.method.clear()
        for name in names:
            self.method.addItem(tr("Automatic") if name == "auto" else str(name), str(name))
        self.method.setCurrentIndex(self.method.findData(clip.render.model))

    def _on_worker(self, _state: str) -> None:
        self._show_methods()
        if self._services.worker.automatic_model != self._automatic:
            self._count_timer.start()

    def _show_keys(self) -> None:
        picture = self._control.picture
        rows = picture.rows() if picture else []
        self.table.set_rows(rows)
        speeds = {row.speed for row in rows}
        if not self.whole_speed.hasFocus():
            self.whole_speed.clear()
        self.whole_speed.setPlaceholderText(speeds.pop() if len(speeds) == 1 else tr("varies"))
        self._show_shape()
        clip = self._session.clip
        if clip is not None and not self.length.hasFocus():
            self.length.setText(f"{float(clip.curve.duration) / 705_600_000:.2f} s")

    def _show_shape(self) -> None:
        picture, chosen = self._control.picture, self._control.selected
        self.shape.setEnabled(bool(picture and chosen))
        if picture and chosen:
            number = min(chosen[0], len(picture.frames) - 2)
            kind = picture.curve.stretch_kind(number).value
            self.shape.setCurrentIndex(self.shape.findData(str(kind)))

    def _show_counts(self) -> None:
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return
        self._automatic = self._services.worker.automatic_model
        counts, cost = estimate_words(schedule, clip, self._automatic)
        self.counts.setText(counts)
        self.estimate.setText(cost)

    def _on_shape(self, _index: int) -> None:
        self._control.set_shape(self._control.selected, str(self.shape.currentData()))

    def _on_whole_speed(self) -> None:
        # Also when the field is left, but only after something was typed into it.
        if self.whole_speed.isModified():
            self.whole_speed.setModified(False)
            self._control.set_whole_speed(self.whole_speed.text())

    def _on_length(self) -> None:
        if not self.length.isModified():
            return
        self.length.setModified(False)
        try:
            seconds = Fraction(self.length.text().strip().rstrip("s").replace(",", "."))
        except (ValueError, ZeroDivisionError):
            self._control.refused.emit(tr("Give the length in seconds, such as 12.5"))
            return
        self._control.fit_to(seconds)

    def _on_render(self, _index: int) -> None:
        clip = self._session.clip
        if clip is None:
            return
        text = str(self.rate.currentData())
        changed: RenderSettings = replace(
            clip.render,
            rate=Fraction(text) if text else None,
            model=str(self.method.currentData()),
            audio=str(self.audio.currentData()) or None,
        )
        if changed != clip.render:
            self._session.do(SetRender(id=clip.id, render=changed))

    def _on_cuts(self, *_: object) -> None:
        clip = self._session.clip
        if clip is None:
            return
        changed = replace(
            clip.cuts,
            find=self.cuts.isChecked(),
            dedup=self.dedup.isChecked(),
            on_cut=str(self.on_cut.currentData()),
        )
        if changed != clip.cuts:
            self._session.do(SetCuts(id=clip.id, cuts=changed))
