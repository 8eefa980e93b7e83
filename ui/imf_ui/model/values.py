"""Between the document's frozen values and JSON: exact, sorted, and keeping what it does not know.

Fractions are written as ``"3/4"``, ticks as integers; there is not one float in a project file.
"""

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

VOLATILE = {"volatile": True}
"""Metadata of a field that is not written down."""


class BadValue(ValueError):
    """A JSON value cannot be what is wanted; the text says where and why."""


def to_json(value: Any) -> Any:
    """Return a value as plain JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple | list):
        return [to_json(member) for member in value]
    if isinstance(value, Mapping):
        return {key: to_json(member) for key, member in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a project file cannot hold this, got {value = !r}")


def _object(value: Any) -> dict[str, Any]:
    known = {
        member.name: to_json(getattr(value, member.name))
        for member in dataclasses.fields(value)
        if member.name != "extra" and not member.metadata.get("volatile")
    }
    return {**dict(getattr(value, "extra", {})), **known}


def from_json[T](kind: type[T], data: Any, where: str = "") -> T:
    """Return a dataclass read from JSON data; members it does not know go into ``extra``.

    Raises:
        BadValue: If the data does not fit.
    """
    value: T = _read(kind, data, where or kind.__name__)
    return value


def _read(kind: Any, data: Any, where: str) -> Any:
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, data, where)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _read_optional(kind, data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise BadValue(f"{where} must be a list, not {data!r}")
        member = get_args(kind)[0]
        return tuple(_read(member, item, f"{where}[{n}]") for n, item in enumerate(data))
    return _read_plain(kind, data, where)


def _read_optional(kind: Any, data: Any, where: str) -> Any:
    if data is None:
        return None
    (wanted,) = (choice for choice in get_args(kind) if choice is not types.NoneType)
    return _read(wanted, data, where)


def _read_plain(kind: Any, data: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise BadValue(f"{where} must be one of {known}, not {data!r}") from None
    if kind is Fraction:
        try:
            if isinstance(data, str | int) and len(str(data)) < 4000:
                return Fraction(data)
        except (ValueError, ZeroDivisionError):
            pass
        raise BadValue(f"{where} must be a number such as 3/4, not {data!r}")
    if kind is int and isinstance(data, bool):
        raise BadValue(f"{where} must be a whole number, not {data!r}")
    if not isinstance(data, kind):
        raise BadValue(f"{where} must be {_WORDS.get(kind, kind.__name__)}, not {data!r}")
    return data


_WORDS = {int: "a whole number", str: "a text", bool: "true or false"}


def _read_object(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise BadValue(f"{where} must be an object, not {data!r}")
    hints = _hints(kind)
    names = {member.name for member in dataclasses.fields(kind)} - {"extra"}
    values = {
        name: _read(hints[name], data[name], f"{where}.{name}") for name in names if name in data
    }
    rest = {name: data[name] for name in data if name not in names}
    if rest and "extra" in hints:
        values["extra"] = types.MappingProxyType(rest)
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise BadValue(f"{where}: {error}") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
