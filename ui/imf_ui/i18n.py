"""The editor's languages: English in the code, others as JSON files of ``translations``.

`tr` looks a sentence up. Values are named (``tr("{count} frames", count=3)``), so a translation may
put them in its own order. The language ``pseudo`` lengthens everything by 40 %, for tests that look
for clipped text.
"""

import json
import locale
from pathlib import Path

FOLDER = Path(__file__).with_name("translations")
LANGUAGES = {"en": "English", "de": "Deutsch"}

_language = "en"
_catalogue: dict[str, str] = {}


def load_catalogue(language: str) -> dict[str, str]:
    """Return a language's sentences by their English ones; empty for English."""
    path = FOLDER / f"{language}.json"
    if not path.is_file():
        return {}
    return {str(key): str(value) for key, value in json.loads(path.read_text("utf-8")).items()}


def system_language() -> str:
    """Return the desktop's language when the editor speaks it, else English."""
    name = (locale.getlocale()[0] or "en").split("_")[0].lower()
    return name if name in LANGUAGES else "en"


def set_language(language: str) -> str:
    """Choose the language of everything that is built from now on.

    Args:
        language: A key of `LANGUAGES`, ``system`` or ``pseudo``.
    """
    global _language, _catalogue
    _language = system_language() if language == "system" else language
    _catalogue = load_catalogue(_language)
    return _language


def current_language() -> str:
    """Return the language in use."""
    return _language


def tr(text: str, /, **values: object) -> str:
    """Return a sentence in the current language, with its values put in."""
    found = _pseudo(text) if _language == "pseudo" else _catalogue.get(text, text)
    return found.format(**values) if values else found


def _pseudo(text: str) -> str:
    extra = max(1, round(len(text) * 0.4))
    return f"{text}{'~' * extra}"
