"""The export dialog: a video, images, or the same job for another program."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import tr
from imf_ui.model.document import Clip, RenderSettings
from imf_ui.widgets.parts import Segments, column, icon_button, label, push_button, row


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file that can be exported."""

    id: str
    words: str
    ending: str
    codec: str | None
    bytes_per_pixel: float
    """Rough size of a frame, for the estimate of disk space."""


KINDS = (
    Kind(id="h264", words="MP4 · H.264", ending=".mp4", codec=None, bytes_per_pixel=0.05),
    Kind(id="h265", words="MP4 · H.265", ending=".mp4", codec="hevc", bytes_per_pixel=0.03),
    Kind(id="prores", words="MOV · ProRes", ending=".mov", codec="prores", bytes_per_pixel=0.6),
    Kind(id="ffv1", words="MKV · FFV1", ending=".mkv", codec="ffv1", bytes_per_pixel=1.6),
    Kind(id="images", words="PNG", ending="", codec=None, bytes_per_pixel=1.9),
)


def default_output(source: str, kind: Kind, marked: bool = False) -> Path:
    """Return a free name beside the source."""
    path = Path(source)
    stem = f"{path.stem}_{tr('part') if marked else tr('retimed')}"
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}_{number}"
        wanted = path.with_name(name + kind.ending)
        if not wanted.exists():
            return wanted
        number += 1


class ExportDialog(QDialog):
    """Asks where the result goes and of what kind it is; everything has a good default."""

    def __init__(
        self,
        clip: Clip,
        frame_count: int,
        texts: dict[str, str],
        parent: QWidget | None = None,
    ) -> None:
        """Make a dialog.

        Args:
            clip: What is exported.
            frame_count: Frames of the result, between the marks.
            texts: The job for other programs: ``cli``, ``vpy`` and ``comfy``.
            parent: Owner.
        """
        super().__init__(parent)
        self._clip, self._count, self._texts = clip, frame_count, texts
        self.setWindowTitle(tr("Export"))
        self.setMinimumWidth(560)
        self.kind_of_export = Segments(
            [
                ("video", tr("Video"), "film"),
                ("cli", tr("Command"), ""),
                ("vpy", "VapourSynth", ""),
                ("comfy", "ComfyUI", ""),
            ],
            self._choose,
        )
        self.pages = QStackedWidget()
        self.pages.addWidget(self._video_page())
        self.pages.addWidget(self._text_page())
        self.ok = push_button(tr("Export"), "export", primary=True)
        self.ok.setDefault(True)
        self.ok.clicked.connect(self.accept)
        cancel = push_button(tr("Cancel"))
        cancel.clicked.connect(self.reject)
        head = row(self.kind_of_export, None)
        self.setLayout(
            column(head, self.pages, row(None, cancel, self.ok), margins_px=20, space_px=14)
        )
        self.kind_of_export.set_value("video")
        self._choose("video")
        self.ok.setFocus()

    def _video_page(self) -> QWidget:
        marked = self._clip.marks.first is not None or self._clip.marks.last is not None
        self.kind = QComboBox()
        self.kind.setAccessibleName(tr("Kind of file"))
        for kind in KINDS:
            words = tr("Images · PNG") if kind.id == "images" else kind.words
            extra = {"ffv1": tr("lossless"), "prores": tr("for editing")}.get(kind.id)
            self.kind.addItem(f"{words}, {extra}" if extra else words, kind.id)
        self.path = QLineEdit(str(default_output(self._clip.media.path, KINDS[0], marked)))
        self.path.setAccessibleName(tr("File"))
        choose = icon_button("folder", tr("Choose the file…"))
        choose.clicked.connect(self._choose_path)
        self.quality = QSpinBox()
        self.quality.setRange(-1, 51)
        self.quality.setValue(-1 if self._clip.render.crf is None else self._clip.render.crf)
        self.quality.setSpecialValueText(tr("good"))
        self.quality.setAccessibleName(tr("Quality, lower is better"))
        self.room = label("", "muted", "small", wrap=True)
        first, last = self._clip.marks.first, self._clip.marks.last
        part = (
            tr("frames {first} to {last}", first=first or 0, last="…" if last is None else last)
            if marked
            else tr("the whole result")
        )
        form = QFormLayout()
        form.setSpacing(8)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(label(tr("Kind"), "muted"), self.kind)
        form.addRow(label(tr("File"), "muted"), row(self.path, choose))
        form.addRow(label(tr("Quality (CRF)"), "muted"), self.quality)
        form.addRow(label(tr("Range"), "muted"), label(part))
        form.addRow(label("", "muted"), self.room)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.path.textChanged.connect(self._check)
        page = QWidget()
        page.setLayout(form)
        return page

    def _text_page(self) -> QWidget:
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("The same job for another program"))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        copy, save = push_button(tr("Copy"), "copy"), push_button(tr("Save…"), "save")
        copy.clicked.connect(self._copy)
        save.clicked.connect(self._save_text)
        page = QWidget()
        box = QVBoxLayout(page)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.text)
        box.addLayout(row(None, copy, save))
        return page

    def _choose(self, value: str) -> None:
        self.kind_of_export.set_value(value)
        self.pages.setCurrentIndex(0 if value == "video" else 1)
        self.ok.setVisible(value == "video")
        self.text.setPlainText(self._texts.get(value, ""))
        self._check()

    @property
    def chosen_kind(self) -> Kind:
        """The kind of file that is chosen."""
        return next(kind for kind in KINDS if kind.id == self.kind.currentData())

    def _on_kind(self, _index: int) -> None:
        kind, path = self.chosen_kind, Path(self.path.text())
        self.path.setText(str(path.with_suffix(kind.ending)))
        self._check()

    def _check(self) -> None:
        needed = (
            self._count
            * self._clip.media.width
            * self._clip.media.height
            * self.chosen_kind.bytes_per_pixel
        )
        folder = Path(self.path.text()).parent
        free = shutil.disk_usage(folder).free if folder.is_dir() else None
        words = tr(
            "{count} frames, about {megabytes} MB",
            count=self._count,
            megabytes=max(round(needed / 1e6), 1),
        )
        state = ""
        writable = free is not None and os.access(folder, os.W_OK)
        if free is None:
            words, state = tr("There is no folder {folder}.", folder=folder), "error"
        elif not writable:
            words, state = tr("The folder {folder} cannot be written to.", folder=folder), "error"
        elif free < needed:
            words += " · " + tr("only {megabytes} MB are free", megabytes=round(free / 1e6))
            state = "warning"
        if Path(self.path.text()).is_file():
            words, state = tr("The file that is there will be replaced."), "warning"
        self.room.setText(words)
        self.room.setProperty("state", state)
        style = self.room.style()
        if style is not None:
            style.polish(self.room)
        self.ok.setEnabled(writable and bool(Path(self.path.text()).name))

    def _choose_path(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, tr("Export"), self.path.text())
        if path:
            self.path.setText(path)

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text.toPlainText())

    def _save_text(self) -> None:
        ending = {"cli": ".sh", "vpy": ".vpy", "comfy": ".json"}[self.kind_of_export.value()]
        beside = Path(self._clip.media.path).with_suffix(ending)
        path, _ = QFileDialog.getSaveFileName(self, tr("Save"), str(beside))
        if path:
            Path(path).write_text(self.text.toPlainText(), encoding="utf-8")

    def settings(self) -> RenderSettings:
        """Return the clip's render settings with what was chosen."""
        crf = self.quality.value()
        return replace(
            self._clip.render,
            output=self.path.text(),
            codec=self.chosen_kind.codec,
            crf=None if crf < 0 else crf,
        )
