"""JSON whose list elements remember the line they stand on, for errors that point at it."""

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from imf_plugin.errors import PlanError

_DECODER = json.JSONDecoder()
_WHITESPACE = re.compile(r"[ \t\r\n]*")


class LocatedList(list[Any]):
    """A list that knows the line of the text on which each of its elements starts."""

    lines: list[int]


def load_located(text: str, file: str, list_key: str) -> dict[str, Any]:
    """Decode a JSON object whose member ``list_key`` becomes a `LocatedList`.

    Args:
        text: The JSON text.
        file: How errors call the file.
        list_key: The member whose elements need line numbers.

    Raises:
        PlanError: If the text is not a JSON object, naming line and column.
    """
    try:
        members = dict(_members(text, list_key))
    except JSONDecodeError as error:
        raise PlanError(
            f"{file}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
        ) from None
    return members


def read_text(path: Path, what: str) -> str:
    """Read a text file.

    Args:
        path: The file.
        what: How to call it in an error, such as ``the curve file``.

    Raises:
        PlanError: If it cannot be read or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{what} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PlanError(f"{what} {path} is not a text file") from None


def _skip(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position


def _expect(text: str, position: int, wanted: str) -> str:
    character = text[position : position + 1]
    if not character or character not in wanted:
        raise JSONDecodeError(f"expected {' or '.join(map(repr, wanted))}", text, position)
    return character


def _members(text: str, list_key: str) -> Iterator[tuple[str, Any]]:
    position = _skip(text, 0)
    _expect(text, position, "{")
    position = _skip(text, position + 1)
    closing = text[position : position + 1] == "}"
    if closing:
        position += 1
    while not closing:
        _expect(text, position, '"')
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        _expect(text, position, ":")
        position = _skip(text, position + 1)
        value: Any
        if key == list_key and text[position : position + 1] == "[":
            value, position = _located_list(text, position)
        else:
            value, position = _DECODER.raw_decode(text, position)
        yield key, value
        position = _skip(text, position)
        closing = _expect(text, position, ",}") == "}"
        position = _skip(text, position + 1)
    if text[position:].strip():
        raise JSONDecodeError("extra text after the closing brace", text, position)


def _located_list(text: str, position: int) -> tuple[LocatedList, int]:
    elements = LocatedList()
    elements.lines = []
    line = text.count("\n", 0, position) + 1
    counted = position
    position = _skip(text, position + 1)
    closing = text[position : position + 1] == "]"
    while not closing:
        line += text.count("\n", counted, position)
        counted = position
        value, position = _DECODER.raw_decode(text, position)
        elements.append(value)
        elements.lines.append(line)
        position = _skip(text, position)
        closing = _expect(text, position, ",]") == "]"
        position = _skip(text, position + 1)
    return elements, position if elements else position + 1
