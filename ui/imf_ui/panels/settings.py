"""The settings: looks, playback, engine, keys."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHeaderView,
    QKeySequenceEdit,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from imf_ui.i18n import LANGUAGES, tr
from imf_ui.services.actions import ACTIONS
from imf_ui.services.app_services import Services
from imf_ui.widgets.parts import column, label, push_button, row


class SettingsDialog(QDialog):
    """Everything takes effect at once; theme and language rebuild the window."""

    restart_wanted = pyqtSignal()
    """Theme, font size or language changed."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services, self._settings = services, services.settings
        self.setWindowTitle(tr("Settings"))
        self.resize(620, 520)
        tabs = QTabWidget()
        tabs.setAccessibleName(tr("Settings"))
        tabs.addTab(self._general(), tr("General"))
        tabs.addTab(self._playback(), tr("Playback"))
        tabs.addTab(self._engine(), tr("Engine"))
        tabs.addTab(self._keys(), tr("Keys"))
        tabs.addTab(self._privacy(), tr("Privacy"))
        close = push_button(tr("Close"), primary=True)
        close.clicked.connect(self.accept)
        self.setLayout(column(tabs, row(None, close), margins_px=16))

    @staticmethod
    def _page(rows: list[tuple[str, QWidget]]) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        form.setSpacing(10)
        form.setContentsMargins(4, 16, 4, 4)
        for words, widget in rows:
            widget.setAccessibleName(words)
            form.addRow(label(words, "muted") if words else QWidget(), widget)
        return page

    def _combo(self, items: list[tuple[str, object]], now: object) -> QComboBox:
        box = QComboBox()
        for words, value in items:
            box.addItem(words, value)
        box.setCurrentIndex(box.findData(now))
        return box

    def _general(self) -> QWidget:
        values = self._settings.values
        languages = [(tr("as the desktop"), "system"), *((w, k) for k, w in LANGUAGES.items())]
        self.language = self._combo(list(languages), values.language)
        themes = [
            (tr("as the desktop"), "system"),
            (tr("dark"), "dark"),
            (tr("light"), "light"),
            (tr("high contrast"), "contrast"),
        ]
        self.theme = self._combo(list(themes), values.theme)
        self.font_size = self._combo(
            [(f"{size} %", size) for size in (90, 100, 110, 125, 150)], values.font_percent
        )
        self.autosave = QCheckBox(tr("Keep a journal of every edit"))
        self.autosave.setChecked(values.autosave)
        self.language.activated.connect(lambda _i: self._restarting("language", self.language))
        self.theme.activated.connect(lambda _i: self._restarting("theme", self.theme))
        self.font_size.activated.connect(
            lambda _i: self._restarting("font_percent", self.font_size)
        )
        self.autosave.toggled.connect(lambda on: self._settings.set(autosave=on))
        return self._page(
            [
                (tr("Language"), self.language),
                (tr("Theme"), self.theme),
                (tr("Font size"), self.font_size),
                (tr("Autosave"), self.autosave),
            ]
        )

    def _restarting(self, name: str, box: QComboBox) -> None:
        self._settings.set(**{name: box.currentData()})
        self.restart_wanted.emit()

    def _playback(self) -> QWidget:
        values = self._settings.values
        self.cache = QSpinBox()
        self.cache.setRange(64, 65536)
        self.cache.setSingleStep(256)
        self.cache.setSuffix(" MB")
        self.cache.setValue(values.cache_mb)
        self.cache.valueChanged.connect(lambda value: self._settings.set(cache_mb=value))
        self.scale = self._combo([(tr("Full"), 1), ("1/2", 2), ("1/4", 4)], values.preview_scale)
        self.scale.activated.connect(
            lambda _i: self._settings.set(preview_scale=self.scale.currentData())
        )
        return self._page(
            [
                (tr("Memory for frames"), self.cache),
                (tr("Preview quality"), self.scale),
            ]
        )

    def _engine(self) -> QWidget:
        values, worker = self._settings.values, self._services.worker
        self.device = self._combo(
            [(tr("Automatic"), "auto"), ("CPU", "cpu"), ("CUDA", "cuda")], values.device
        )
        names = dict.fromkeys(("auto", *worker.models, values.model))
        self.model = self._combo(
            [(tr("Automatic") if n == "auto" else str(n), n) for n in names], values.model
        )
        self.device.activated.connect(
            lambda _i: self._settings.set(device=self.device.currentData())
        )
        self.model.activated.connect(lambda _i: self._settings.set(model=self.model.currentData()))
        return self._page(
            [
                (tr("Device"), self.device),
                (tr("Method for new clips"), self.model),
                (tr("Engine runs on"), label(worker.device_words or tr("not started"))),
            ]
        )

    def _privacy(self) -> QWidget:
        return self._page(
            [
                (
                    "",
                    label(
                        tr("Nothing leaves this machine: no accounts, no reports, no downloads."),
                        wrap=True,
                    ),
                ),
                (tr("Files of the editor"), label(str(self._settings.home), wrap=True)),
            ]
        )

    def _keys(self) -> QWidget:
        page = QWidget()
        box = QVBoxLayout(page)
        box.setContentsMargins(4, 12, 4, 4)
        self.table = QTableWidget(len(ACTIONS), 2)
        self.table.setAccessibleName(tr("Keys"))
        self.table.setHorizontalHeaderLabels([tr("Action"), tr("Keys")])
        header, rows = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None
        assert rows is not None
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows.hide()
        for number, action in enumerate(ACTIONS):
            for column_number, words in enumerate((tr(action.words), "")):
                item = QTableWidgetItem(words)
                item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
                self.table.setItem(number, column_number, item)
        self.key_edit = QKeySequenceEdit()
        self.key_edit.setAccessibleName(tr("New keys"))
        self.key_edit.editingFinished.connect(self._rebind)
        self.conflict = label("", "small", wrap=True)
        self.conflict.setProperty("state", "warning")
        reset = push_button(tr("Default keys"), "undo")
        reset.clicked.connect(self._reset_keys)
        self.table.currentCellChanged.connect(lambda *_: self._show_key())
        box.addWidget(self.table)
        box.addWidget(self.conflict)
        box.addLayout(row(label(tr("New keys"), "muted"), self.key_edit, None, reset))
        self._show_keys()
        return page

    def _show_keys(self) -> None:
        for number, action in enumerate(ACTIONS):
            item = self.table.item(number, 1)
            if item is not None:
                item.setText("  ".join(self._services.actions.keys_of(action.id)))
        clashes = self._services.actions.conflicts()
        words = {action.id: tr(action.words) for action in ACTIONS}
        self.conflict.setText(
            "; ".join(f"{key}: {', '.join(words[i] for i in ids)}" for key, ids in clashes)
        )

    def _show_key(self) -> None:
        keys = self._services.actions.keys_of(ACTIONS[max(self.table.currentRow(), 0)].id)
        self.key_edit.setKeySequence(QKeySequence(keys[0] if keys else ""))

    def _rebind(self) -> None:
        row_number = self.table.currentRow()
        if row_number >= 0:
            wanted = self.key_edit.keySequence().toString()
            self._services.actions.rebind(ACTIONS[row_number].id, wanted)
            self._show_keys()
            self.restart_wanted.emit()

    def _reset_keys(self) -> None:
        self._services.actions.reset()
        self._show_keys()
        self.restart_wanted.emit()
