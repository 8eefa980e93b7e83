"""How a retargeting is done: model, anchor, strength, smoothing and where the picture may move."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QSlider,
    QSpinBox,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.model.document import RetargetSetup
from imf_ui.panels.dropping import IMAGE_ENDINGS
from imf_ui.widgets.parts import ElidedLabel, card, icon_button, label, push_button, row

_KNOWN = ("transport", "imf", "latent-motion")
_STRONGEST_PERCENT = 200
_LONGEST_SMOOTHING = 30


def model_words(name: str) -> str:
    """Return how a retargeting model is called in the list."""
    return {
        "auto": tr("Automatic"),
        "transport": tr("Transport: dense motion"),
        "imf": tr("IMF: 32 numbers a frame"),
        "latent-motion": tr("Latent motion: smooth"),
    }.get(name, name)


def model_hint(name: str) -> str:
    """Return what a retargeting model is good for."""
    return {
        "auto": tr("Takes the model that works on anything."),
        "transport": tr("Carries all of the motion over as it is; works on anything."),
        "imf": tr("A learned code of the motion; learns the ways of the clip first."),
        "latent-motion": tr("Smooth deformations, good for gentle motion."),
    }.get(name, tr("Weights of your own."))


class RetargetSettings(QWidget):
    """The controls below the pictures; says what should change and follows the document."""

    changed = pyqtSignal(object)
    """Members of the setup and their new values, as a dict."""
    anchor_wanted = pyqtSignal()
    """The driving frame at the playhead should stand as the picture does."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = self._combo(tr("Method"))
        self.hint = label("", "muted", "small", wrap=True)
        self.set_models(_KNOWN)
        self.mode = self._combo(tr("Motion is taken"))
        self.mode.addItem(tr("relative to the anchor frame"), "relative")
        self.mode.addItem(tr("as it is"), "absolute")
        self.anchor = label("")
        self.anchor_here = push_button(tr("Use this frame"))
        self.anchor_here.setToolTip(
            tr("The anchor is the frame of the motion that stands as the picture does")
        )
        self.anchor_best = icon_button("retry", tr("Look for the best anchor frame again"))
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, _STRONGEST_PERCENT)
        self.strength.setPageStep(25)
        self.strength.setAccessibleName(tr("Strength in percent"))
        self.strength_label = label("100 %", "muted")
        width = self.strength_label.fontMetrics().horizontalAdvance("200 %")
        self.strength_label.setMinimumWidth(width + 4)
        self.smooth = QSpinBox()
        self.smooth.setRange(0, _LONGEST_SMOOTHING)
        self.smooth.setSuffix(tr(" frames"))
        self.smooth.setSpecialValueText(tr("off"))
        self.smooth.setAccessibleName(tr("Smoothing"))
        self.mask_name = ElidedLabel()
        self.mask_choose = push_button(tr("Choose…"), "open")
        self.mask_choose.setAccessibleName(tr("Choose a mask: white may move, black stays"))
        self.mask_choose.setToolTip(
            tr("An image of the picture's size: white may move, black stays")
        )
        self.mask_clear = icon_button("close", tr("Take the mask away"))
        self.background = QCheckBox(tr("Keep the border still"))
        self._build()
        self._connect()

    @staticmethod
    def _combo(name: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(12)
        return box

    def _build(self) -> None:
        how, what = card(), card()
        left, right = QFormLayout(how), QFormLayout(what)
        for form in (left, right):
            form.setSpacing(8)
            form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            form.setContentsMargins(16, 12, 16, 12)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        left.addRow(label(tr("Method"), "muted"), self.model)
        left.addRow(label("", "muted"), self.hint)
        left.addRow(label(tr("Motion is taken"), "muted"), self.mode)
        anchor = row(self.anchor, None, self.anchor_here, self.anchor_best)
        left.addRow(label(tr("Anchor"), "muted"), anchor)
        strength = row(self.strength, self.strength_label)
        right.addRow(label(tr("Strength"), "muted"), strength)
        right.addRow(label(tr("Smoothing"), "muted"), self.smooth)
        mask = row(self.mask_name, self.mask_choose, self.mask_clear)
        mask.setStretch(0, 1)
        right.addRow(label(tr("Mask"), "muted"), mask)
        right.addRow(label("", "muted"), self.background)
        box = row(how, what, space_px=10)
        box.setStretch(0, 1)
        box.setStretch(1, 1)
        self.setLayout(box)

    def _connect(self) -> None:
        self.model.activated.connect(self._on_model)
        self.mode.activated.connect(self._on_mode)
        self.anchor_here.clicked.connect(self.anchor_wanted)
        self.anchor_best.clicked.connect(lambda: self.changed.emit({"anchor": None}))
        self.strength.valueChanged.connect(self._on_strength)
        self.strength.sliderReleased.connect(self._on_released)
        self.smooth.editingFinished.connect(self._on_smooth)
        self.mask_choose.clicked.connect(self._on_mask)
        self.mask_clear.clicked.connect(lambda: self.changed.emit({"mask": ""}))
        self.background.clicked.connect(lambda on: self.changed.emit({"keep_background": on}))

    def set_models(self, names: Sequence[str]) -> None:
        """Offer the models that the engine has."""
        chosen = self.model.currentData()
        self.model.clear()
        for name in ("auto", *names):
            self.model.addItem(model_words(name), name)
        self._choose_model(chosen or "auto")

    def _choose_model(self, name: str) -> None:
        if self.model.findData(name) < 0:
            self.model.addItem(model_words(name), name)
        self.model.setCurrentIndex(self.model.findData(name))
        self.hint.setText(model_hint(name))

    def follow(self, setup: RetargetSetup, found_anchor: int | None) -> None:
        """Show a setup."""
        self._choose_model(setup.model)
        self.mode.setCurrentIndex(self.mode.findData(setup.mode))
        self.show_anchor(setup, found_anchor)
        percent = round(setup.strength * 100)
        self.strength.blockSignals(True)
        self.strength.setRange(0, max(_STRONGEST_PERCENT, percent))
        self.strength.setValue(percent)
        self.strength.blockSignals(False)
        self.strength_label.setText(f"{percent} %")
        self.smooth.setValue(setup.smooth)
        self.mask_name.setText(Path(setup.mask).name if setup.mask else tr("none"))
        self.mask_clear.setEnabled(bool(setup.mask))
        self.background.setChecked(setup.keep_background)

    def show_anchor(self, setup: RetargetSetup, found: int | None) -> None:
        """Say which frame of the motion stands as the picture does."""
        if setup.anchor is not None:
            words = tr("frame {number}", number=setup.anchor)
        elif found is None:
            words = tr("the most alike frame")
        else:
            words = tr("frame {number} (found)", number=found)
        self.anchor.setText(words)
        self.anchor_best.setEnabled(setup.anchor is not None)

    def _on_model(self, _index: int) -> None:
        self.hint.setText(model_hint(self.model.currentData()))
        self.changed.emit({"model": self.model.currentData()})

    def _on_mode(self, _index: int) -> None:
        self.changed.emit({"mode": self.mode.currentData()})

    def _on_strength(self, percent: int) -> None:
        self.strength_label.setText(f"{percent} %")
        if not self.strength.isSliderDown():
            self._on_released()

    def _on_released(self) -> None:
        self.changed.emit({"strength": Fraction(self.strength.value(), 100)})

    def _on_smooth(self) -> None:
        self.changed.emit({"smooth": self.smooth.value()})

    def _on_mask(self) -> None:
        endings = " ".join(f"*{ending}" for ending in IMAGE_ENDINGS)
        path, _ = QFileDialog.getOpenFileName(self, tr("Mask"), "", f"{tr('Images')} ({endings})")
        if path:
            self.changed.emit({"mask": path})
