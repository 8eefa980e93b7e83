"""The retarget screen: a picture, a video that drives it, and the picture moving."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QImage, QImageReader
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.model.document import RetargetSetup
from imf_ui.model.errors import Explained
from imf_ui.model.ops import SetRetarget
from imf_ui.panels.explaining import why_of
from imf_ui.panels.export_dialog import KINDS, default_output
from imf_ui.services.app_services import Services
from imf_ui.widgets.frame_view import FrameView
from imf_ui.widgets.parts import bar, card, column, label, push_button, row

_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


class Pane(QFrame):
    """A picture with a heading; files can be dropped on it."""

    file_wanted = pyqtSignal(str)
    """A file was chosen for this place."""

    def __init__(self, title: str, hint: str, *, takes_files: bool = True) -> None:
        super().__init__()
        self.setProperty("card", True)
        self.view = FrameView()
        self.view.setAccessibleName(title)
        self.view.set_message(hint)
        self.name = label("", "muted", "small")
        self.choose = push_button(tr("Choose…"), "open")
        self.choose.setAccessibleName(tr("Choose: {title}", title=title))
        self.choose.setVisible(takes_files)
        self.choose.clicked.connect(self._on_choose)
        self.setAcceptDrops(takes_files)
        head = row(label(title, "strong"), self.name, None, self.choose)
        layout = column(head)
        layout.setContentsMargins(12, 8, 12, 12)
        layout.addWidget(self.view, 1)
        self.setLayout(layout)

    def _on_choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, tr("Open"))
        if path:
            self.file_wanted.emit(path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Welcome a file."""
        mime = event.mimeData() if event else None
        if event is not None and mime is not None and mime.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Take a file."""
        mime = event.mimeData() if event else None
        if event is not None and mime is not None and mime.urls():
            event.acceptProposedAction()
            self.file_wanted.emit(mime.urls()[0].toLocalFile())


class RetargetPanel(QWidget):
    """Sets a retargeting up and shows it live."""

    refused = pyqtSignal(str)
    """Something cannot be done; the sentence says why."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services, self._session, self._service = services, services.session, services.retarget
        self._pictures: dict[int, tuple[QImage, QImage]] = {}
        self.reference = Pane(tr("Picture"), tr("Drop the picture that should move"))
        self.driving = Pane(tr("Motion"), tr("Drop the video that it should follow"))
        self.result = Pane(tr("Result"), tr("The result appears here"), takes_files=False)
        self.reference.file_wanted.connect(lambda path: self._change(reference=path))
        self.driving.file_wanted.connect(lambda path: self._change(driving=path))
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setAccessibleName(tr("Frame of the motion"))
        self.position.valueChanged.connect(self._service.show)
        self.place = label("", "muted", "small")
        self.place.setMinimumWidth(self.fontMetrics().horizontalAdvance("0000 / 0000"))
        self.mode = QComboBox()
        self.mode.setAccessibleName(tr("Motion is taken"))
        self.mode.addItem(tr("relative to its anchor"), "relative")
        self.mode.addItem(tr("as it is"), "absolute")
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 200)
        self.strength.setAccessibleName(tr("Strength in percent"))
        self.strength_label = label("100 %", "muted")
        self.smooth = QSpinBox()
        self.smooth.setRange(0, 30)
        self.smooth.setSuffix(tr(" frames"))
        self.smooth.setAccessibleName(tr("Smoothing"))
        self.background = QCheckBox(tr("Keep the background still"))
        self.export_button = push_button(tr("Add to queue"), "queue", primary=True)
        self.export_button.clicked.connect(self.add_to_queue)
        self._build()
        self._connect()
        self.refresh()

    def _build(self) -> None:
        panes = row(space_px=10)
        for pane in (self.reference, self.driving, self.result):
            panes.addWidget(pane, 1)
        panes.setContentsMargins(14, 14, 14, 6)
        strip = bar(label(tr("Frame"), "muted"), self.position, self.place, space_px=10)
        form = QFormLayout()
        form.setSpacing(8)
        form.addRow(label(tr("Motion is taken"), "muted"), self.mode)
        form.addRow(label(tr("Strength"), "muted"), row(self.strength, self.strength_label))
        form.addRow(label(tr("Smoothing"), "muted"), self.smooth)
        form.addRow(QWidget(), self.background)
        settings = card()
        inner = QVBoxLayout(settings)
        inner.setContentsMargins(16, 12, 16, 12)
        inner.addLayout(form)
        inner.addLayout(row(None, self.export_button))
        settings.setMaximumWidth(560)
        below = row(settings, None)
        below.setContentsMargins(14, 6, 14, 14)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(panes, 1)
        layout.addWidget(strip)
        layout.addLayout(below)

    def _connect(self) -> None:
        self.mode.activated.connect(lambda _i: self._change(mode=self.mode.currentData()))
        self.strength.valueChanged.connect(lambda value: self.strength_label.setText(f"{value} %"))
        self.strength.sliderReleased.connect(self._on_strength)
        self.strength.actionTriggered.connect(self._on_strength_key)
        self.smooth.editingFinished.connect(lambda: self._change(smooth=self.smooth.value()))
        self.background.clicked.connect(lambda on: self._change(keep_background=on))
        self._service.frameReady.connect(self._on_frame)
        self._service.ready.connect(self._on_ready)
        self._service.failed.connect(self._on_failed)
        self._session.documentChanged.connect(self._on_document)

    def _on_document(self, aspects: frozenset[str]) -> None:
        if "retarget" in aspects:
            self.refresh()

    @property
    def setup(self) -> RetargetSetup:
        """What is set up now."""
        return self._session.document.retarget

    def take(self, paths: list[str]) -> None:
        """Put dropped files where they belong: a picture as picture, a video as motion."""
        for path in paths:
            if Path(path).suffix.lower() in _IMAGES:
                self._change(reference=path)
            else:
                self._change(driving=path)

    def _on_strength(self) -> None:
        self._change(strength=Fraction(self.strength.value(), 100))

    def _on_strength_key(self, _action: int) -> None:
        if not self.strength.isSliderDown():
            self._change(strength=Fraction(self.strength.sliderPosition(), 100))

    def _change(self, **changes: object) -> None:
        changed = replace(self.setup, **changes)  # type: ignore[arg-type]
        if changed != self.setup:
            self._session.do(SetRetarget(retarget=changed))

    def refresh(self) -> None:
        """Follow the document."""
        setup = self.setup
        self.reference.name.setText(Path(setup.reference).name)
        self.driving.name.setText(Path(setup.driving).name)
        self.mode.setCurrentIndex(self.mode.findData(setup.mode))
        self.strength.blockSignals(True)
        self.strength.setValue(round(setup.strength * 100))
        self.strength.blockSignals(False)
        self.strength_label.setText(f"{round(setup.strength * 100)} %")
        self.smooth.setValue(setup.smooth)
        self.background.setChecked(setup.keep_background)
        complete = bool(setup.reference and setup.driving)
        self.export_button.setEnabled(complete)
        self.position.setEnabled(complete)
        if setup.reference and Path(setup.reference).suffix.lower() in _IMAGES:
            reader = QImageReader(setup.reference)
            reader.setAutoTransform(True)
            self.reference.view.set_message("")
            self.reference.view.set_images(None, reader.read())
        if complete:
            self.result.view.set_message(tr("Working…"))
            self._service.prepare(setup)
            self._service.show(self.position.value())

    def _on_ready(self, count: int) -> None:
        self.position.setRange(0, max(count - 1, 0))
        self._service.show(self.position.value())

    def _on_frame(
        self, number: int, driving: QImage | None, result: QImage | None, _whole: bool
    ) -> None:
        self.place.setText(f"{number} / {self.position.maximum()}")
        for pane, picture in ((self.driving, driving), (self.result, result)):
            if picture is not None:
                pane.view.set_message("")
                pane.view.set_images(None, picture)

    def _on_failed(self, failure: Explained) -> None:
        self.result.view.set_message(why_of(failure))
        self.refused.emit(why_of(failure))

    def add_to_queue(self) -> None:
        """Render it."""
        driving = Path(self.setup.driving)
        output = self.setup.output or str(
            default_output(str(driving.with_stem(f"{driving.stem}_retargeted")), KINDS[0])
        )
        self._services.queue.add_retarget(self._session.document, output)
        self.refused.emit(tr("Added to the queue"))
