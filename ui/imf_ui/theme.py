"""Three looks on Qt's Fusion style: dark, light and high contrast, with their contrast measured.

A theme is data. `TEXT_PAIRS` lists every pair of colours that text is drawn in, and the tests hold
each of them to the 4.5:1 that WCAG asks for.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication

MINIMUM_CONTRAST = 4.5
_FOLDER = Path(__file__).with_name("icons") / "themed"
_FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Cantarell", "DejaVu Sans")


@dataclass(frozen=True, kw_only=True)
class Theme:
    """The colours of one look, as ``#rrggbb``."""

    name: str
    """``dark``, ``light`` or ``contrast``."""
    window: str
    """Behind the panels."""
    panel: str
    """Panels and bars."""
    raised: str
    """Buttons and fields."""
    hover: str
    """Buttons under the mouse."""
    line: str
    """Hairlines between things; carries no text."""
    canvas: str
    """Behind pictures and the curve."""
    text: str
    """Normal text."""
    muted: str
    """Labels and hints."""
    accent: str
    """The one thing to do next; the playhead."""
    on_accent: str
    """Text on the accent."""
    selection: str
    """Behind selected rows."""
    real: str
    """Frames of the source."""
    made: str
    """Frames made in between."""
    warning: str
    """Cuts, missing things."""
    error: str
    """Failures."""


DARK = Theme(
    name="dark",
    window="#17181b",
    panel="#1f2125",
    raised="#2b2e34",
    hover="#383c44",
    line="#34373e",
    canvas="#101114",
    text="#eceef2",
    muted="#a6abb6",
    accent="#7cb0ff",
    on_accent="#0b1526",
    selection="#293d60",
    real="#5fd0b5",
    made="#f3b75f",
    warning="#ffc266",
    error="#ff8f87",
)
LIGHT = Theme(
    name="light",
    window="#e9ebef",
    panel="#f7f8fa",
    raised="#ffffff",
    hover="#e7ecf5",
    line="#cfd3db",
    canvas="#dfe2e8",
    text="#1b1e24",
    muted="#535a67",
    accent="#1d5fc4",
    on_accent="#ffffff",
    selection="#cfe0fb",
    real="#0b6152",
    made="#7d4a00",
    warning="#7d4a00",
    error="#b3201a",
)
CONTRAST = Theme(
    name="contrast",
    window="#000000",
    panel="#000000",
    raised="#0d0d0d",
    hover="#2b2b2b",
    line="#ffffff",
    canvas="#000000",
    text="#ffffff",
    muted="#e6e6e6",
    accent="#ffe94d",
    on_accent="#000000",
    selection="#00407a",
    real="#5cffd6",
    made="#ffc04d",
    warning="#ffc04d",
    error="#ffa39c",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}

TEXT_PAIRS = (
    *(
        (ink, ground)
        for ground in ("window", "panel", "raised", "canvas")
        for ink in ("text", "muted", "accent", "real", "made", "warning", "error")
    ),
    ("text", "hover"),
    ("text", "selection"),
    ("muted", "selection"),
    ("on_accent", "accent"),
    ("on_accent", "made"),
    ("on_accent", "real"),
)
"""Every (text, background) pair that the editor draws."""

_current = DARK
_is_applied = False


def contrast_ratio(first: str, second: str) -> float:
    """Return the WCAG contrast of two ``#rrggbb`` colours, 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def current_theme() -> Theme:
    """Return the theme that was applied last."""
    return _current


def system_theme() -> str:
    """Return ``light`` or ``dark`` as the desktop prefers, dark when it does not say."""
    hints = QGuiApplication.styleHints()
    light = hints is not None and hints.colorScheme() is Qt.ColorScheme.Light
    return "light" if light else "dark"


def apply_theme(app: QApplication, name: str = "system", *, font_points: int = 10) -> Theme:
    """Dress the application.

    Args:
        app: The running application.
        name: ``dark``, ``light``, ``contrast`` or ``system``.
        font_points: Size of normal text; everything else follows it.
    """
    global _current, _is_applied
    _is_applied = True
    _current = THEMES[system_theme() if name == "system" else name]
    app.setStyle("Fusion")
    font = QFont()
    font.setFamilies([*_FAMILIES, font.family()])
    font.setPointSize(font_points)
    app.setFont(font)
    app.setPalette(_palette(_current))
    app.setStyleSheet(_style_sheet(_current.name, font_points))
    for widget in app.allWidgets():
        widget.update()
    return _current


def is_applied() -> bool:
    """Return whether the editor dresses the program, rather than a host."""
    return _is_applied


def follow_host() -> Theme:
    """Take the colours that fit a host's own look, where nobody applied a theme.

    Only what the editor paints itself follows; the host's palette and style stay as they are.
    """
    global _current
    if not _is_applied:
        ground = QGuiApplication.palette().color(QPalette.ColorRole.Window)
        _current = LIGHT if ground.lightness() > 127 else DARK
    return _current


def colour(role: str) -> QColor:
    """Return a colour of the current theme by the name of its role."""
    return QColor(getattr(_current, role))


def _palette(theme: Theme) -> QPalette:
    role = QPalette.ColorRole
    colours = {
        role.Window: theme.panel,
        role.WindowText: theme.text,
        role.Base: theme.raised,
        role.AlternateBase: theme.panel,
        role.Text: theme.text,
        role.Button: theme.raised,
        role.ButtonText: theme.text,
        role.BrightText: theme.error,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text,
        role.PlaceholderText: theme.muted,
        role.Link: theme.accent,
        role.Mid: theme.line,
        role.Dark: theme.line,
        role.Light: theme.hover,
        role.Shadow: theme.canvas,
    }
    palette = QPalette()
    for name, value in colours.items():
        palette.setColor(name, QColor(value))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, _blend(theme.muted, theme.panel))
    return palette


def _blend(first: str, second: str) -> QColor:
    one, two = QColor(first), QColor(second)
    return QColor(*((a + b) // 2 for a, b in zip(one.getRgb()[:3], two.getRgb()[:3], strict=True)))


@cache
def _style_sheet(name: str, font_points: int) -> str:
    theme = THEMES[name]
    values = {field.name: getattr(theme, field.name) for field in fields(theme)}
    values |= {
        "small": str(max(font_points - 1, 7)),
        "large": str(font_points + 2),
        "title": str(font_points + 10),
        "chevron": (_FOLDER / f"chevron-{theme.name}.svg").as_posix(),
        "disabled": _blend(theme.muted, theme.panel).name(),
    }
    sheet = _SHEET
    for key, value in values.items():
        sheet = sheet.replace(f"@{key}@", value)
    return sheet


_SHEET = """
QMainWindow, QDialog, QStackedWidget#screens { background: @window@; }
QMenuBar { background: @window@; padding: 5px 6px 3px 6px; }
QMenuBar::item { padding: 5px 9px; border-radius: 5px; background: transparent; }
QMenuBar::item:selected, QMenuBar::item:pressed { background: @hover@; }
QMenu { background: @panel@; border: 1px solid @line@; padding: 5px; }
QMenu::item { padding: 5px 26px 5px 22px; border-radius: 4px; }
QMenu::item:selected { background: @selection@; color: @text@; }
QMenu::item:disabled { color: @disabled@; }
QMenu::separator { height: 1px; background: @line@; margin: 5px 8px; }
QToolTip { background: @raised@; color: @text@; border: 1px solid @line@; padding: 4px; }
QStatusBar { background: @window@; color: @muted@; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: @muted@; padding: 0 8px; font-size: @small@pt; }
QSplitter::handle { background: @window@; }
QSplitter::handle:hover { background: @accent@; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: @hover@; border-radius: 3px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: @muted@; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QPushButton, QToolButton, QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit {
  background: @raised@; color: @text@; border: 1px solid @line@; border-radius: 6px;
  padding: 4px 10px; min-height: 1.35em; }
QPushButton:hover, QToolButton:hover, QComboBox:hover { background: @hover@; }
QPushButton:pressed, QToolButton:pressed { background: @selection@; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus,
QLineEdit:focus, QAbstractItemView:focus, QCheckBox:focus, QRadioButton:focus,
QPlainTextEdit:focus { border: 1px solid @accent@; }
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled, QLineEdit:disabled,
QSpinBox:disabled { color: @disabled@; background: @panel@; }
QPushButton[primary="true"] { background: @accent@; color: @on_accent@; border-color: @accent@;
  font-weight: 600; }
QPushButton[primary="true"]:hover { border-color: @text@; }
QPushButton[primary="true"]:focus { border: 2px solid @text@; }
QPushButton[primary="true"]:disabled { background: @raised@; color: @disabled@;
  border-color: @line@; }
QToolButton[flat="true"] { background: transparent; border: 1px solid transparent; padding: 4px; }
QToolButton[flat="true"]:hover { background: @hover@; }
QToolButton[flat="true"]:checked { background: @selection@; }
QToolButton[flat="true"]:focus { border: 1px solid @accent@; }
QToolButton[segment="true"] { border-radius: 0; border-right-width: 0; padding: 4px 11px; }
QToolButton[segment="first"] { border-top-right-radius: 0; border-bottom-right-radius: 0;
  border-right-width: 0; padding: 4px 11px; }
QToolButton[segment="last"] { border-top-left-radius: 0; border-bottom-left-radius: 0;
  padding: 4px 11px; }
QToolButton[segment]:checked { background: @selection@; color: @text@; font-weight: 600; }
QToolButton[segment]:focus { border: 1px solid @accent@; }
QToolButton[tab="true"] { background: transparent; border: 1px solid transparent; color: @muted@;
  padding: 3px 12px; border-radius: 6px; font-weight: 600; }
QToolButton[tab="true"]:hover { color: @text@; background: @hover@; }
QToolButton[tab="true"]:checked { color: @text@; background: @raised@; }
QToolButton[tab="true"]:focus { border: 1px solid @accent@; }
QToolButton::menu-indicator { image: none; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { image: url("@chevron@"); width: 12px; height: 12px; margin-right: 8px; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; }
QComboBox QAbstractItemView { background: @panel@; border: 1px solid @line@; padding: 4px;
  selection-background-color: @selection@; selection-color: @text@; }
QLabel[muted="true"] { color: @muted@; }
QLabel[small="true"] { font-size: @small@pt; }
QLabel[strong="true"] { font-weight: 600; }
QLabel[heading="true"] { font-size: @large@pt; font-weight: 600; }
QLabel[title="true"] { font-size: @title@pt; font-weight: 600; }
QLabel[section="true"] { color: @muted@; font-size: @small@pt; font-weight: 700;
  letter-spacing: 1px; }
QLabel[state="error"] { color: @error@; }
QLabel[state="warning"] { color: @warning@; }
QLabel[state="good"] { color: @real@; }
QFrame[card="true"] { background: @panel@; border: 1px solid @line@; border-radius: 10px; }
QFrame[bar="true"] { background: @panel@; border: none; }
QFrame[drop="true"] { background: @panel@; border: 2px dashed @line@; border-radius: 16px; }
QFrame[drop="active"] { background: @selection@; border: 2px dashed @accent@; border-radius: 16px; }
QFrame[line="true"] { background: @line@; border: none; max-height: 1px; min-height: 1px; }
QTableView, QListView, QTreeView, QPlainTextEdit, QListWidget { background: @raised@;
  color: @text@; border: 1px solid @line@; border-radius: 6px; gridline-color: @line@;
  selection-background-color: @selection@; selection-color: @text@; }
QHeaderView { background: @raised@; }
QHeaderView::section { background: @raised@; color: @muted@; border: none;
  border-bottom: 1px solid @line@; padding: 4px 6px; font-size: @small@pt; }
QTableView[small="true"] { font-size: @small@pt; }
QTableView::item { padding: 1px 3px; }
QToolButton[preset="true"] { font-size: @small@pt; padding: 4px 6px; text-align: left; }
QProgressBar { background: @raised@; border: none; border-radius: 3px; max-height: 6px;
  min-height: 6px; }
QProgressBar::chunk { background: @accent@; border-radius: 3px; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QGroupBox { border: none; margin-top: 1.6em; }
QGroupBox::title { subcontrol-origin: margin; left: 0; color: @muted@; font-weight: 600; }
QTabWidget::pane { border: none; }
QTabBar::tab { background: transparent; color: @muted@; padding: 7px 14px;
  border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: @text@; border-bottom: 2px solid @accent@; }
QTabBar::tab:focus { color: @accent@; }
QCheckBox, QRadioButton { spacing: 7px; border: 1px solid transparent; border-radius: 4px;
  padding: 2px; }
"""
