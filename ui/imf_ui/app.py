"""Starting the editor: one instance, one window, and nothing that fails silently."""

import faulthandler
import hashlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from PyQt6.QtCore import QLibraryInfo, QLockFile, QObject, QTimer, QTranslator, pyqtSignal
from PyQt6.QtNetwork import QLocalServer, QLocalSocket
from PyQt6.QtWidgets import QApplication

from imf_ui.i18n import current_language, set_language
from imf_ui.model.errors import ErrorCode, explain
from imf_ui.services.app_services import Services
from imf_ui.services.settings import Settings
from imf_ui.theme import apply_theme
from imf_ui.window import MainWindow

_BASE_POINTS = 10
_ANSWER_MS = 1500
_WARM_AFTER_MS = 300
"""When the engine is loaded: not before the window stands, for both would want the processor."""


def main(files: Sequence[str] = ()) -> int:
    """Run the editor until its window is closed; return the exit code."""
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        # OpenCV wheels with a window system of their own point these at the wrong Qt.
        os.environ.pop(name, None)
    app = QApplication([sys.argv[0]])
    app.setApplicationName("imf editor")
    app.setDesktopFileName("imf-editor")
    settings = Settings()
    paths = [str(Path(file).absolute()) for file in files]
    instance = SingleInstance(settings.home)
    if not instance.is_first:
        return 0 if instance.send(paths) else 1
    faulthandler.enable()
    editor = Editor(app, Services(settings=settings, warm=False))
    instance.files_sent.connect(editor.open_from_elsewhere)
    editor.open(paths)
    try:
        return app.exec()
    finally:
        editor.close()


class Editor(QObject):
    """The services and the window that shows them; the window is rebuilt for another look."""

    def __init__(self, app: QApplication, services: Services) -> None:
        super().__init__()
        self._app, self.services = app, services
        self._translator = QTranslator()
        sys.excepthook = self._on_exception
        self.window = self._build()
        self.window.show()
        QTimer.singleShot(_WARM_AFTER_MS, self.services.worker.start)

    def _build(self) -> MainWindow:
        values = self.services.settings.values
        set_language(values.language)
        apply_theme(
            self._app, values.theme, font_points=round(_BASE_POINTS * values.font_percent / 100)
        )
        self._app.removeTranslator(self._translator)
        folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        if self._translator.load(f"qtbase_{current_language()}", folder):
            self._app.installTranslator(self._translator)
        window = MainWindow(self.services)
        window.restart_wanted.connect(self._rebuild_soon)
        return window

    def _rebuild_soon(self) -> None:
        QTimer.singleShot(0, self.rebuild)

    def rebuild(self) -> None:
        """Build the window anew on the same document, where it was."""
        old = self.window
        self.window = self._build()
        self.window.setGeometry(old.geometry())
        self.window.show_screen(old.screen_name)
        self.window.show()
        old.abandon()
        self.services.preview.refresh()

    def open(self, paths: list[str]) -> None:
        """Open the files of the command line."""
        if paths:
            self.window.open_paths(paths)

    def open_from_elsewhere(self, paths: list[str]) -> None:
        """Open files that a second start was given, and come to the front."""
        self.open(paths)
        self.window.raise_()
        self.window.activateWindow()

    def close(self) -> None:
        """End everything."""
        # With Python's own hook PyQt would abort the process over a slip in a slot.
        sys.excepthook = _only_tell
        self.services.close()

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Keep the editor going after a slip of the program: the journal has every edit."""
        sys.__excepthook__(kind, error, trace)
        if issubclass(kind, KeyboardInterrupt):
            self._app.quit()
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        self.window.errors.show(
            explain(ErrorCode.UNEXPECTED, f"{kind.__name__}: {error}", details=details)
        )


def _only_tell(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.__excepthook__(kind, error, trace)


class SingleInstance(QObject):
    """One editor for each home folder; a second start hands its files to the first."""

    files_sent = pyqtSignal(list)
    """Files that a second start was given."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        home.mkdir(parents=True, exist_ok=True)
        self._name = "imf-editor-" + hashlib.sha256(str(home).encode()).hexdigest()[:16]
        self._lock = QLockFile(str(home / "editor.lock"))
        self._lock.setStaleLockTime(0)
        self.is_first = self._lock.tryLock(100)
        self._server = QLocalServer(self)
        if self.is_first:
            QLocalServer.removeServer(self._name)
            self._server.newConnection.connect(self._on_connection)
            self._server.listen(self._name)

    def send(self, paths: list[str]) -> bool:
        """Hand files to the first editor; False if it does not answer."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(_ANSWER_MS):
            return False
        socket.write(json.dumps(paths).encode() + b"\n")
        return socket.waitForBytesWritten(_ANSWER_MS)

    def _on_connection(self) -> None:
        socket = self._server.nextPendingConnection()
        if socket is not None:
            socket.readyRead.connect(self._on_files)
            socket.disconnected.connect(socket.deleteLater)

    def _on_files(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket) and socket.canReadLine():
            self.files_sent.emit(json.loads(bytes(socket.readLine().data())))

    def close(self) -> None:
        """Give the place free."""
        self._server.close()
        self._lock.unlock()
