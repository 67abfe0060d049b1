"""Write settings as TOML. `anetdsl.settings_reader` reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_table(value: Any) -> dict[str, Any]:
    """Return an attrs value as a table. A value that is None is left out."""
    found: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        if item is not None:
            found[field.name] = as_table(item) if attrs.has(type(item)) else item
    return found


def toml_text(tables: Mapping[str, Any]) -> str:
    """Return nested tables of strings, numbers, booleans and lists as TOML."""
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
