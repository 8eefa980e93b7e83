"""Themes, icons and languages."""

import ast
import itertools
import json
import string
from pathlib import Path

import pytest
from PyQt6.QtCore import QSize
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication

from imf_ui import i18n
from imf_ui.icons import icon, icon_names
from imf_ui.model import errors
from imf_ui.model.ops import Op
from imf_ui.model.presets import BUILT_IN
from imf_ui.services.actions import ACTIONS
from imf_ui.theme import MINIMUM_CONTRAST, TEXT_PAIRS, THEMES, apply_theme, contrast_ratio

ROOM = Path(i18n.__file__).parent


def spoken() -> set[str]:
    """Every English sentence that the editor can say."""
    said: set[str] = set()
    for path in [*ROOM.glob("*.py"), *ROOM.glob("widgets/*.py"), *ROOM.glob("panels/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            # Names of edits are kept in the document in English and translated in the menu.
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name in ("tr", "edit") and isinstance(node.args[0], ast.Constant):
                said.add(str(node.args[0].value))
    said |= {action.words for action in ACTIONS} | {action.menu for action in ACTIONS}
    said |= {preset.name for preset in BUILT_IN}
    said |= set(errors.ACTIONS.values())
    said |= {words for title, why, _ in errors._TABLE.values() for words in (title, why)}
    said |= set(errors._IN_GENERAL.values())
    said |= {kind.words for kind in _kinds(Op)}
    return said


def _kinds(kind: type[Op]) -> list[type[Op]]:
    return [kind, *itertools.chain.from_iterable(_kinds(sub) for sub in kind.__subclasses__())]


@pytest.mark.parametrize("name", THEMES)
def test_every_pair_of_colours_that_text_is_drawn_in_has_enough_contrast(name: str) -> None:
    theme = THEMES[name]
    poor = {
        (ink, ground): round(contrast_ratio(getattr(theme, ink), getattr(theme, ground)), 2)
        for ink, ground in TEXT_PAIRS
        if contrast_ratio(getattr(theme, ink), getattr(theme, ground)) < MINIMUM_CONTRAST
    }
    assert poor == {}


def test_contrast_is_that_of_wcag() -> None:
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast_ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_theme_reaches_palette_and_style_sheet(app: QApplication) -> None:
    apply_theme(app, "light")
    assert app.palette().window().color().name() == THEMES["light"].panel
    assert THEMES["light"].accent in app.styleSheet()
    assert "@" not in app.styleSheet()
    apply_theme(app, "dark")


def test_every_icon_is_drawn_in_the_colour_of_the_theme(app: QApplication) -> None:
    assert len(icon_names()) >= 40
    for name in icon_names():
        picture = icon(name).pixmap(QSize(64, 64)).toImage()
        colours = [
            picture.pixelColor(x, y)
            for x in range(picture.width())
            for y in range(picture.height())
        ]
        strongest = max(colours, key=lambda one: one.alpha())
        assert strongest.alpha() > 200, name
        wanted = QColor(THEMES["dark"].text)
        apart = zip(strongest.getRgb()[:3], wanted.getRgb()[:3], strict=True)
        assert all(abs(one - two) <= 4 for one, two in apart), name


@pytest.mark.parametrize("language", [name for name in i18n.LANGUAGES if name != "en"])
def test_everything_the_editor_says_is_translated(language: str) -> None:
    catalogue = i18n.load_catalogue(language)
    assert sorted(spoken() - set(catalogue)) == []
    assert all(catalogue.values())


@pytest.mark.parametrize("language", [name for name in i18n.LANGUAGES if name != "en"])
def test_a_translation_has_the_same_values_as_the_sentence(language: str) -> None:
    def values(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    catalogue = i18n.load_catalogue(language)
    assert [text for text in catalogue if values(text) != values(catalogue[text])] == []


def test_no_translation_is_left_over() -> None:
    for path in i18n.FOLDER.glob("*.json"):
        assert sorted(set(json.loads(path.read_text("utf-8"))) - spoken()) == []


def test_a_language_without_catalogue_speaks_english() -> None:
    i18n.set_language("xx")
    assert i18n.tr("Open…") == "Open…"
    i18n.set_language("pseudo")
    assert i18n.tr("Open…") == "Open…~~"
    i18n.set_language("en")
