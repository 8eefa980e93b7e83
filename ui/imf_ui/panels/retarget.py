"""The retarget screen: a picture, a video that drives it, and the picture moving."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QImage, QKeySequence
from PyQt6.QtWidgets import QFrame, QVBoxLayout, QWidget

from imf_ui.i18n import tr
from imf_ui.icons import icon
from imf_ui.model.document import RetargetSetup
from imf_ui.model.errors import Explained
from imf_ui.model.ops import SetRetarget
from imf_ui.panels.dropping import IMAGE_ENDINGS
from imf_ui.panels.explaining import why_of
from imf_ui.panels.retarget_panes import Pane, masked, small_copy
from imf_ui.panels.retarget_settings import RetargetSettings
from imf_ui.services.app_services import Services
from imf_ui.services.images import Pixels, image_of_bgra
from imf_ui.services.job_building import free_path
from imf_ui.widgets.key_guard import KeyGuard
from imf_ui.widgets.parts import icon_button, label, push_button, row
from imf_ui.widgets.token_strip import TokenStrip

_JUMP_FRAMES = 10


class RetargetPanel(QWidget):
    """Sets a retargeting up and shows it live."""

    refused = pyqtSignal(str)
    """Something cannot be done; the sentence says why."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services, self._session, self._service = services, services.session, services.retarget
        self._read: dict[str, Pixels] = {}
        self._shown: tuple[str, str] = ("", "")
        self._is_whole = False
        self._failure = ""
        self._direction = 1
        images = f"{tr('Images')} ({' '.join(f'*{ending}' for ending in IMAGE_ENDINGS)})"
        self.reference = Pane(
            tr("Picture"),
            tr("Drop the picture that should move"),
            f"{images};;{tr('All files')} (*)",
        )
        self.driving = Pane(tr("Motion"), tr("Drop the video that it should follow"))
        self.result = Pane(tr("Result"), tr("The result appears here"), takes_files=False)
        self.strip = TokenStrip()
        self.settings = RetargetSettings()
        self.place = label("", "muted", "small")
        self.play = icon_button("play", tr("Play (Space)"), size_px=26)
        self.buttons = (
            icon_button("step-back", tr("One frame back (Left)")),
            self.play,
            icon_button("step-forward", tr("One frame forward (Right)")),
        )
        self.export_button = push_button(tr("Add to queue"), "queue", primary=True)
        self._clock = QTimer(self)
        self._clock.setTimerType(Qt.TimerType.PreciseTimer)
        self.table: dict[str, Callable[[], object]] = {
            "play_pause": self.toggle,
            "play_forward": lambda: self.start(1),
            "play_reverse": lambda: self.start(-1),
            "stop": self.stop,
            "step_back": lambda: self.step(-1),
            "step_forward": lambda: self.step(1),
            "jump_back": lambda: self.step(-_JUMP_FRAMES),
            "jump_forward": lambda: self.step(_JUMP_FRAMES),
            "go_start": lambda: self.seek(0),
            "go_end": lambda: self.seek(self.strip.maximum()),
        }
        self._build()
        self._connect()
        self._make_actions()
        self._guard = KeyGuard(self)
        self._guard.watch(self)
        self.refresh()

    def _build(self) -> None:
        panes = row(space_px=10)
        for pane in (self.reference, self.driving, self.result):
            panes.addWidget(pane, 1)
        panes.setContentsMargins(14, 14, 14, 8)
        band = QFrame()
        band.setProperty("bar", True)
        back, play, forward = self.buttons
        back.clicked.connect(lambda: self.step(-1))
        play.clicked.connect(self.toggle)
        forward.clicked.connect(lambda: self.step(1))
        self.place.setMinimumWidth(self.fontMetrics().horizontalAdvance("00000 / 00000"))
        self.place.setAlignment(Qt.AlignmentFlag.AlignCenter)
        buttons = row(*self.buttons, space_px=2)
        left = QVBoxLayout()
        left.addStretch(1)
        left.addLayout(buttons)
        left.addWidget(self.place)
        left.addStretch(1)
        strip = row(space_px=10)
        strip.setContentsMargins(12, 8, 8, 6)
        strip.addLayout(left)
        strip.addWidget(self.strip, 1)
        band.setLayout(strip)
        foot = row(None, self.export_button)
        foot.setContentsMargins(14, 0, 14, 12)
        below = row(self.settings)
        below.setContentsMargins(14, 10, 14, 10)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(panes, 1)
        layout.addWidget(band)
        layout.addLayout(below)
        layout.addLayout(foot)

    def _connect(self) -> None:
        self.reference.file_wanted.connect(lambda path: self.change(reference=path, mask=""))
        self.driving.file_wanted.connect(lambda path: self.change(driving=path, anchor=None))
        self.strip.seek_wanted.connect(self._on_seek)
        self.settings.changed.connect(lambda members: self.change(**members))
        self.settings.anchor_wanted.connect(lambda: self.change(anchor=self.strip.value()))
        self.export_button.clicked.connect(self.add_to_queue)
        self._clock.timeout.connect(self._on_clock)
        self._service.frameReady.connect(self._on_frame)
        self._service.ready.connect(self._on_ready)
        self._service.stripChanged.connect(self._on_strip)
        self._service.failed.connect(self._on_failed)
        self._services.media.firstPicture.connect(self._on_picture)
        self._services.media.failed.connect(self._on_unreadable)
        self._services.worker.ready.connect(self._on_engine)
        self._session.documentChanged.connect(self._on_document)
        if self._services.worker.retargeters:
            self._on_engine()

    def _make_actions(self) -> None:
        """Give this screen the keys of the transport; the edit screen has its own."""
        self.qt_actions: dict[str, QAction] = {}
        for name, work in self.table.items():
            words = self._services.actions.action(name).words
            action = QAction(tr(words), self)
            action.setShortcuts([QKeySequence(key) for key in self._services.actions.keys_of(name)])
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _checked, work=work: work())
            self.addAction(action)
            self.qt_actions[name] = action

    def _on_engine(self) -> None:
        self.settings.set_models(self._services.worker.retargeters)
        self.settings.follow(self.setup, self._service.strip.anchor)

    def _on_document(self, aspects: frozenset[str]) -> None:
        if "retarget" in aspects:
            self.refresh()

    @property
    def setup(self) -> RetargetSetup:
        """What is set up now."""
        return self._session.document.retarget

    @property
    def is_complete(self) -> bool:
        """Whether there is a picture and something that drives it."""
        return bool(self.setup.reference and self.setup.driving)

    def take(self, paths: list[str]) -> None:
        """Put dropped files where they belong: a picture as picture, a video as motion."""
        for path in paths:
            if Path(path).suffix.lower() in IMAGE_ENDINGS:
                self.change(reference=path, mask="")
            else:
                self.change(driving=path, anchor=None)

    def change(self, **members: object) -> None:
        """Change the setup, as one step of undo."""
        changed = replace(self.setup, **members)  # type: ignore[arg-type]
        if changed != self.setup:
            self._session.do(SetRetarget(retarget=changed))

    def refresh(self) -> None:
        """Follow the document."""
        setup = self.setup
        for pane, path in ((self.reference, setup.reference), (self.driving, setup.driving)):
            pane.name.setText(Path(path).name)
            pane.name.setToolTip(path)
        self.settings.follow(setup, self._service.strip.anchor)
        self.settings.anchor_here.setEnabled(self.is_complete)
        for widget in (self.export_button, self.strip, *self.buttons):
            widget.setEnabled(self.is_complete)
        self._show_reference()
        if not setup.driving:
            self.driving.view.set_images(None, None)
            self.driving.view.set_message(tr("Drop the video that it should follow"))
        self._failure = ""
        if self.is_complete:
            self._say(tr("Reading picture and motion…"))
            self._service.prepare(setup, self._services.settings.values.device)
            self._service.show(self.strip.value())
        else:
            self.stop()
            self.result.view.set_images(None, None)
            self.result.view.set_message(tr("The result appears here"))

    def _say(self, words: str) -> None:
        """Write where the result would be, unless one stands there."""
        if self.result.view.images()[1] is None:
            self.result.view.set_message(words)

    def _show_reference(self) -> None:
        setup = self.setup
        if not setup.reference:
            self.reference.view.set_images(None, None)
            self.reference.view.set_message(tr("Drop the picture that should move"))
            self._shown = ("", "")
            return
        for path in (setup.reference, setup.mask):
            if path and path not in self._read:
                self._services.media.open(path)
        picture, mask = self._read.get(setup.reference), self._read.get(setup.mask)
        if picture is None:
            self.reference.view.set_message(tr("Reading…"))
        elif self._shown != (setup.reference, setup.mask if mask is not None else ""):
            self._shown = (setup.reference, setup.mask if mask is not None else "")
            self.reference.view.set_message("")
            shown = image_of_bgra(masked(picture, mask))
            self.reference.view.set_frame_size(QSize(shown.width(), shown.height()))
            self.reference.view.set_images(None, shown)

    def _on_picture(self, path: str, pixels: Pixels) -> None:
        if path in (self.setup.reference, self.setup.mask):
            kept = (self.setup.reference, self.setup.mask)
            self._read = {name: one for name, one in self._read.items() if name in kept}
            self._read[path] = small_copy(pixels)
            self._shown = ("", "")
            self._show_reference()

    def _on_unreadable(self, path: str, failure: Explained) -> None:
        if path and path in (self.setup.reference, self.setup.mask, self.setup.driving):
            pane = self.driving if path == self.setup.driving else self.reference
            pane.view.set_images(None, None)
            pane.view.set_message(why_of(failure))
            self.refused.emit(why_of(failure))

    def _on_ready(self, count: int) -> None:
        self.strip.set_length(count)
        self._service.show(self.strip.value())

    def _on_strip(self) -> None:
        strip = self._service.strip
        self.strip.set_motion(strip.frames, strip.lengths, strip.rows, strip.anchor)
        self.settings.show_anchor(self.setup, strip.anchor)

    def seek(self, number: int) -> None:
        """Show another frame of the motion."""
        if self.is_complete:
            number = min(max(number, 0), self.strip.maximum())
            self._is_whole, self._failure = False, ""
            self.strip.set_playhead(number)
            self._service.show(number)

    def _on_seek(self, number: int) -> None:
        self.stop()
        self.seek(number)

    def step(self, frames: int) -> None:
        """Go some frames on, or back."""
        self.stop()
        self.seek(self.strip.value() + frames)

    def toggle(self) -> None:
        """Play, or stop."""
        if self._clock.isActive():
            self.stop()
        else:
            self.start(1)

    def start(self, direction: int) -> None:
        """Play on and on; where frames must be made first it goes as fast as they come."""
        if self.is_complete:
            self._direction = direction
            self._clock.start(max(1, round(1000 / self._service.frames_per_second)))
            self._show_playing()

    def stop(self) -> None:
        """Stand still."""
        self._clock.stop()
        self._show_playing()

    @property
    def plays(self) -> bool:
        """Whether it plays."""
        return self._clock.isActive()

    def _show_playing(self) -> None:
        words = tr("Pause (Space)") if self.plays else tr("Play (Space)")
        self.play.setIcon(icon("pause" if self.plays else "play"))
        self.play.setToolTip(words)
        self.play.setAccessibleName(words)

    def _on_clock(self) -> None:
        if self._is_whole:
            self.seek((self.strip.value() + self._direction) % (self.strip.maximum() + 1))

    def _on_frame(
        self, number: int, driving: QImage | None, result: QImage | None, whole: bool
    ) -> None:
        self._is_whole = whole
        self.strip.set_playhead(number)
        self.strip.set_made(self._service.made)
        self.place.setText(f"{number} / {self.strip.maximum()}")
        for pane, picture in ((self.driving, driving), (self.result, result)):
            if picture is not None:
                pane.view.set_message("")
                pane.view.set_images(None, picture)
        if result is None:
            self._say(self._failure or tr("Making the frame…"))
        else:
            self._failure = ""

    def _on_failed(self, failure: Explained) -> None:
        self.stop()
        self._failure = why_of(failure)
        self.result.view.set_images(None, None)
        self.result.view.set_message(self._failure)
        self.refused.emit(self._failure)

    def add_to_queue(self) -> None:
        """Render it."""
        if not self.is_complete:
            self.refused.emit(tr("Choose a picture and a video first"))
            return
        output = self.setup.output or str(self._free_output())
        self._services.queue.add_retarget(self._session.document, output)
        self.refused.emit(tr("{name} is in the queue", name=Path(output).name))

    def _free_output(self) -> Path:
        """Return a name beside the picture that neither a file nor a job has."""
        reference, driving = Path(self.setup.reference), Path(self.setup.driving)
        wanted = reference.with_name(f"{reference.stem}_{driving.stem}.mp4")
        taken = {Path(job.output) for job in self._services.queue.jobs}
        free, number = free_path(wanted), 2
        while free in taken:
            free = free_path(wanted.with_stem(f"{wanted.stem}_{number}"))
            number += 1
        return free
