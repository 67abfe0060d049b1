"""Settings as TOML tables: frozen attrs values read from them, checked, and written back.

A key that there is not, or a value of the wrong type, is an error with its line and what was
probably meant. None is written by leaving a key out.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible

T = TypeVar("T")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=""")


@attrs.frozen
class Document:
    """A TOML file that was read: its tables, and its text to find the lines of keys in."""

    name: str
    text: str
    tables: Mapping[str, Any]

    def error(self, path: tuple[str, ...], message: str) -> CannotRun:
        """An error at the line of a key (or of a table's header, where the key is a table)."""
        line = _line_of(self.text, path)
        place = self.name if line is None else f"{self.name}:{line}"
        return CannotRun(f"{place}: {visible(message)}")


def read_document(path: str | Path) -> Document:
    """The tables of a TOML file. Raises CannotRun where it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CannotRun(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(path, error) from None
    return parse_document(str(path), text)


def parse_document(name: str, text: str) -> Document:
    """The tables of a TOML text. Raises CannotRun with the place of a mistake."""
    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CannotRun(f"{name}: is not TOML: {error}") from None


def table_of(document: Document, path: tuple[str, ...]) -> Mapping[str, Any]:
    """A table within the document, empty where it is not there. Raises CannotRun for no table."""
    found: Any = document.tables
    for depth, key in enumerate(path, 1):
        found = found.get(key, {})
        if not isinstance(found, Mapping):
            raise document.error(path[:depth], f"`{'.'.join(path[:depth])}` is a table")
    return typing.cast("Mapping[str, Any]", found)


def check_keys(document: Document, path: tuple[str, ...], known: typing.Iterable[str]) -> None:
    """Raise CannotRun where a table has a key that there is not."""
    names = tuple(known)
    for key in table_of(document, path):
        if key not in names:
            guess = did_you_mean(key, names)
            place = f"in [{'.'.join(path)}]" if path else "at the top"
            hint = f"did you mean `{guess}`?" if guess else f"there are {', '.join(names)}"
            raise document.error((*path, key), f"no setting `{key}` {place}; {hint}")


def value_of(document: Document, path: tuple[str, ...], default: T) -> T:
    """The default, with what the table at `path` sets in its place; tables within are values too.

    `default` is an attrs value. Raises CannotRun for what it does not have, with the place.
    """
    cls: Any = type(default)
    kinds = typing.get_type_hints(cls)
    names = [field.name for field in attrs.fields(cls)]
    check_keys(document, path, names)
    changes: dict[str, Any] = {}
    for key, given in table_of(document, path).items():
        current = getattr(default, key)
        if attrs.has(type(current)):
            table_of(document, (*path, key))
            changes[key] = value_of(document, (*path, key), current)
        else:
            changes[key] = _read(document, (*path, key), given, kinds[key])
    changed: T = attrs.evolve(typing.cast(Any, default), **changes)
    return changed


def _read(document: Document, path: tuple[str, ...], given: Any, kind: Any) -> Any:
    """A value of the wanted type. Raises CannotRun."""
    with contextlib.suppress(ValueError):
        return as_kind(given, kind)
    wanted = " or ".join(_describe(choice) for choice in _choices(kind))
    message = f"`{path[-1]}` is {wanted}, not {_show(given)}"
    words = [
        word
        for choice in _choices(kind)
        if typing.get_origin(choice) is typing.Literal
        for word in typing.get_args(choice)
    ]
    guess = did_you_mean(given, words) if isinstance(given, str) else None
    raise document.error(path, message + (f"; did you mean `{guess}`?" if guess else ""))


def as_kind(given: Any, kind: Any) -> Any:
    """A value of TOML or JSON as one of a field's type. Raises ValueError where it is none."""
    if given is None and type(None) in typing.get_args(kind):
        return None
    for choice in _choices(kind):
        found = _as(given, choice)
        if found is not None:
            return found
    raise ValueError(f"{_show(given)} is of another kind")


def _choices(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(part for part in typing.get_args(kind) if part is not type(None))
    return (kind,)


def _as(given: Any, kind: Any) -> Any:
    """The value as one of that type, None where it is none."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return given if given in parts and not isinstance(given, bool) else None
    if origin is tuple:
        if not isinstance(given, list):
            return None
        endless = len(parts) == 2 and parts[1] is Ellipsis
        if not endless and len(given) != len(parts):
            return None
        kinds = [parts[0]] * len(given) if endless else parts
        items = [_as(item, part) for item, part in zip(given, kinds)]
        return None if None in items else tuple(items)
    if kind is float:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        return float(given) if is_number and math.isfinite(given) else None
    if kind is int:
        return given if isinstance(given, int) and not isinstance(given, bool) else None
    return given if isinstance(given, kind) else None


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}


def _describe(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(f'"{part}"' for part in parts)
    if origin is tuple:
        item = _WORDS.get(parts[0], "a value").split(" ", 1)[-1]
        endless = len(parts) == 2 and parts[1] is Ellipsis
        return f"a list of {item}s" if endless else f"a list of {len(parts)} {item}s"
    return _WORDS.get(kind, "a value")


def _show(given: Any) -> str:
    return repr(given)[:60]


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a key, or of the header of the table that it names. None where it is not seen."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if table == path:
                return number
        elif (key := _KEY.match(line)) and (*table, key[1] or key[2] or key[3]) == path:
            return number
    return None


def as_table(value: Any) -> dict[str, Any]:
    """An attrs value as a table, without what is None."""
    found: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        if item is not None:
            found[field.name] = as_table(item) if attrs.has(type(item)) else item
    return found


def toml_text(tables: Mapping[str, Any]) -> str:
    """TOML of nested tables of strings, numbers, truth values and lists."""
    return "\n".join(_table_lines(tables, ())).strip("\n") + "\n"


def _table_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if path and (plain or not table):
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_toml(value)}"
    if plain or path:
        yield ""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _table_lines(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _toml(key)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            # TOML's basic strings have JSON's escapes, and DEL escaped as well.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            raise TypeError(f"{type(value).__name__} has no form in TOML")
