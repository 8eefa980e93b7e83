"""The viewer: the picture at the playhead, ways to compare it, and the transport below."""

from fractions import Fraction

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QComboBox, QWidget

from imf_plugin.timeline.plan import Decision, PlannedFrame
from imf_ui.i18n import tr
from imf_ui.model.timebase import format_time, parse_position
from imf_ui.services.app_services import Services
from imf_ui.widgets.frame_view import Compare, FrameView
from imf_ui.widgets.parts import Segments, bar, column, icon_button, label
from imf_ui.widgets.transport import TransportBar

SCALES = (1, 2, 4)


class ViewerPanel(QWidget):
    """Shows what the preview makes and lets the user compare it with the source."""

    action_wanted = pyqtSignal(str)
    """Name of an action that a button stands for."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._session = services.session
        self.view = FrameView()
        self.view.set_message(tr("Drop a video here, or press Ctrl+O"))
        self.compare = Segments(
            [
                (Compare.RESULT.value, tr("Result"), "result"),
                (Compare.SOURCE.value, tr("Source"), "source"),
                (Compare.WIPE.value, tr("Wipe"), "wipe"),
                (Compare.SIDE.value, tr("Side by side"), "side"),
                (Compare.DIFFERENCE.value, tr("Difference"), "difference"),
            ],
            self.set_compare,
        )
        self.compare.setAccessibleName(tr("Compare"))
        self.zoom_label = label("", "muted", "small")
        self.zoom_label.setMinimumWidth(self.fontMetrics().horizontalAdvance("1600 %"))
        self.zoom_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pixel_label = label("", "muted", "small")
        self.quality = QComboBox()
        self.quality.setAccessibleName(tr("Preview quality"))
        self.quality.setToolTip(tr("Preview quality; the export is always full"))
        self.quality.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for scale, words in zip(SCALES, (tr("Full"), "1/2", "1/4"), strict=True):
            self.quality.addItem(words, scale)
        self.quality.activated.connect(self._on_quality)
        self.transport = TransportBar(self._parse, self._label_of)
        self.transport.action_wanted.connect(self.action_wanted)
        self.transport.frame_wanted.connect(services.player.seek)
        top = bar(
            self.compare,
            None,
            self.pixel_label,
            self._button("zoom_out", "zoom-out", tr("Zoom out (-)")),
            self.zoom_label,
            self._button("zoom_in", "zoom-in", tr("Zoom in (+)")),
            self._button("zoom_fit", "fit", tr("Fit to the view (F)")),
            self._button("zoom_actual", "", tr("One to one (0)")),
            6,
            self.quality,
        )
        layout = column(top, space_px=0)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.transport)
        self.setLayout(layout)
        self.view.zoom_changed.connect(self._on_zoom)
        self.view.pixel_picked.connect(self._on_pixel)
        services.preview.frameShown.connect(self._on_frame)
        services.player.frameWanted.connect(self._on_position)
        services.player.rateChanged.connect(self.transport.set_playing)
        self._session.documentChanged.connect(self._on_document)
        self._session.scheduleChanged.connect(self.refresh)
        self.refresh()

    def _button(self, action: str, icon_name: str, words: str) -> QWidget:
        button = icon_button(icon_name or "fit", words)
        if not icon_name:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setText("1:1")
        button.clicked.connect(lambda: self.action_wanted.emit(action))
        return button

    def _rate(self) -> Fraction:
        clip = self._session.clip
        return clip.output_rate if clip else Fraction(25)

    def _count(self) -> int:
        schedule = self._session.schedule()
        return schedule.count if schedule else 0

    def _parse(self, text: str) -> int:
        return parse_position(text, self._rate(), self._count(), self._services.player.position)

    def _label_of(self, frame: int) -> str:
        return format_time(frame / self._rate(), self._rate())

    def set_compare(self, value: str) -> None:
        """Choose how source and result share the view."""
        self.view.set_mode(Compare(value))
        self.compare.set_value(value)
        self._session.set_view(compare=value)
        self._services.preview.show(self._services.player.position)

    def refresh(self) -> None:
        """Follow the document: clip, length, view."""
        document = self._session.document
        clip = self._session.clip
        self.compare.set_value(document.view.compare)
        if self.view.mode.value != document.view.compare:
            self.view.set_mode(Compare(document.view.compare))
        self.quality.setCurrentIndex(self.quality.findData(document.view.preview_scale))
        if clip is None:
            self.view.set_images(None, None)
            self.view.set_message(tr("Drop a video here, or press Ctrl+O"))
            self.transport.set_length("")
            return
        self.view.set_frame_size(QSize(clip.media.width, clip.media.height))
        count = self._count()
        self.transport.set_length(self._label_of(count) if count else "")
        self.transport.set_position(self._services.player.position, count)

    def _on_document(self, aspects: frozenset[str]) -> None:
        if aspects - {"view", "curve"}:
            self.refresh()

    def _on_position(self, frame: int) -> None:
        self.transport.set_position(frame, self._count())

    def _on_frame(
        self,
        number: int,
        source: QImage | None,
        result: QImage | None,
        planned: PlannedFrame,
        final: bool,
    ) -> None:
        self.view.set_message("")
        self.view.set_images(source, result)
        self.view.set_badge(*badge_of(planned, final))

    def _on_quality(self, _index: int) -> None:
        self._session.set_view(preview_scale=self.quality.currentData())

    def _on_zoom(self, zoom: float) -> None:
        self.zoom_label.setText(f"{zoom * 100:.0f} %")

    def _on_pixel(self, x: int, y: int, picked: QColor) -> None:
        self.pixel_label.setText(f"{x}, {y}   {picked.red()} {picked.green()} {picked.blue()}")


def badge_of(planned: PlannedFrame, final: bool) -> tuple[str, str]:
    """Return what the viewer says about a frame, and in which colour."""
    if not final and planned.decision in (Decision.REAL, Decision.HOLD):
        return tr("Looking for frame {number} …", number=planned.before), "muted"
    if planned.decision is Decision.REAL:
        return tr("Real frame {number}", number=planned.before), "real"
    if planned.decision is Decision.HOLD:
        return tr("Frame {number}, held", number=planned.before), "real"
    share = round(float(planned.timestep) * 100)
    if not final:
        return tr("Making {before} + {share} % …", before=planned.before, share=share), "muted"
    return tr("New frame {before} + {share} %", before=planned.before, share=share), "made"
