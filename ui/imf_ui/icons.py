"""The editor's icons: small line drawings made for it, tinted from the theme.

Each is a file of ``icons/``, drawn on a 24 x 24 grid with strokes of ``currentColor``.
"""

from functools import cache
from pathlib import Path

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

from imf_ui.theme import colour

FOLDER = Path(__file__).with_name("icons")
_SIZES_PX = (16, 20, 24, 32, 48, 64)


def icon_names() -> list[str]:
    """Return the names of all icons."""
    return sorted(path.stem for path in FOLDER.glob("*.svg"))


def icon(name: str, role: str = "text") -> QIcon:
    """Return an icon in a colour of the current theme.

    Args:
        name: The file's name without its ending.
        role: The theme's colour, such as ``text`` or ``on_accent``.
    """
    drawn = QIcon()
    for tint, mode in ((role, QIcon.Mode.Normal), ("muted", QIcon.Mode.Disabled)):
        for size in _SIZES_PX:
            drawn.addPixmap(_pixmap(name, colour(tint).name(), size), mode)
    return drawn


def pixmap(name: str, role: str, size_px: int, ratio: float = 1.0) -> QPixmap:
    """Return one icon as a pixmap of a logical size."""
    drawn = QPixmap(_pixmap(name, colour(role).name(), round(size_px * ratio)))
    drawn.setDevicePixelRatio(ratio)
    return drawn


@cache
def _pixmap(name: str, tint: str, size_px: int) -> QPixmap:
    drawing = (FOLDER / f"{name}.svg").read_text("utf-8").replace("currentColor", tint)
    renderer = QSvgRenderer(QByteArray(drawing.encode()))
    if not renderer.isValid():
        raise ValueError(f"the icon {name}.svg is not a drawing that Qt can read")
    target = QPixmap(QSize(size_px, size_px))
    target.fill(Qt.GlobalColor.transparent)
    painter = QPainter(target)
    renderer.render(painter, QRectF(0, 0, size_px, size_px))
    painter.end()
    return target
