"""The window's status line: what was done last, and how engine, cache and project stand."""

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QLabel, QStatusBar, QWidget

from imf_ui.i18n import tr
from imf_ui.services.app_services import Services

_MESSAGE_MS = 6000
_NUMBERS_MS = 500


class WindowStatus(QStatusBar):
    """A sentence for a while on the left, and what always holds on the right."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self.setSizeGripEnabled(False)
        # Its height is there from the start: a bar that appears later would shrink the picture.
        self.setFixedHeight(self.fontMetrics().height() + 12)
        self.message = QLabel()
        self.message.setAccessibleName(tr("Message"))
        self._worker, self._cache, self._saved = QLabel(), QLabel(), QLabel()
        self.addWidget(self.message, 1)
        for widget in (self._saved, self._cache, self._worker):
            self.addPermanentWidget(widget)
        self._message_timer = QTimer(self)
        self._message_timer.setSingleShot(True)
        self._message_timer.timeout.connect(lambda: self.message.setText(""))
        self._numbers_timer = QTimer(self)
        self._numbers_timer.setInterval(_NUMBERS_MS)
        self._numbers_timer.timeout.connect(self.refresh)
        self._numbers_timer.start()
        services.worker.stateChanged.connect(self.refresh)

    def say(self, words: str) -> None:
        """Write a sentence for a while."""
        self.message.setText(words)
        self._message_timer.start(_MESSAGE_MS)

    def rest(self) -> None:
        """Follow the numbers no longer: the window closes."""
        self._numbers_timer.stop()

    def refresh(self) -> None:
        """Follow engine, cache and project."""
        worker, cache = self._services.worker, self._services.cache
        states = {
            "off": tr("engine off"),
            "starting": tr("engine starting"),
            "ready": tr("engine ready"),
            "busy": tr("engine working"),
            "stopped": tr("engine stopped"),
        }
        words, device = states.get(worker.state, worker.state), worker.device_words
        self._worker.setText(f"{words} · {device}" if device else words)
        used, budget = cache.used_bytes / 2**20, cache.budget_bytes / 2**20
        self._cache.setText(
            tr("cache {used} of {budget} MB", used=f"{used:.0f}", budget=f"{budget:.0f}")
        )
        self._saved.setText(tr("saved") if self._services.session.is_clean else tr("autosaved"))
