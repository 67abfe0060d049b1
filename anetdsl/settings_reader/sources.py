"""Named values with the places that they were read from: TOML and JSON files, and options."""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.settings_reader.ranges import Range
from anetdsl.settings_reader.value_types import as_kind, mismatch, shown, without_names
from anetdsl.source import LINE_END, decode_text

Key = tuple[str, ...]
"""Path of a setting through tables: ("search", "candidates")."""


@attrs.frozen
class NamedValues:
    """Values by name, and where they were read."""

    source: str
    """File or option that messages start with."""
    values: Mapping[str, Any]
    path: Key = ()
    """Tables above these values."""
    lines: Mapping[Key, int] = attrs.field(factory=dict, repr=False)
    """Lines of keys in the file, by their paths from the top."""
    are_options: bool = False
    """True for options of a command: messages start with the name of the option."""

    def table(self, *keys: str) -> NamedValues:
        """Return a table within these values, empty if it is missing.

        Raise CannotRun if there is another value in its place.
        """
        values: Any = self.values
        for depth, key in enumerate(keys, 1):
            values = values.get(key, {})
            if not isinstance(values, Mapping):
                name = ".".join((*self.path, *keys[:depth]))
                raise self.error(without_names(name, values), *keys[:depth])
        return attrs.evolve(self, values=values, path=(*self.path, *keys))

    def without(self, *keys: str) -> NamedValues:
        """Return the values without some of them."""
        values = {key: value for key, value in self.values.items() if key not in keys}
        return attrs.evolve(self, values=values)

    def renamed(self, old: str, new: str) -> NamedValues:
        """Return the values with another name for one of them, at the same line."""
        values = {new if key == old else key: value for key, value in self.values.items()}
        lines = dict(self.lines)
        if (line := lines.get((*self.path, old))) is not None:
            lines[*self.path, new] = line
        return attrs.evolve(self, values=values, lines=lines)

    def check_names(self, names: Iterable[str]) -> None:
        """Raise CannotRun for a value that is none of these settings."""
        known = tuple(names)
        for key in self.values:
            if key not in known:
                place = f" in [{'.'.join(self.path)}]" if self.path else ""
                hint = f"there are {', '.join(known)}" if known else "there are no settings"
                if guess := did_you_mean(str(key), known):
                    hint = f"did you mean `{guess}`?"
                raise self.error(f"there is no setting `{key}`{place}; {hint}", str(key))

    def read(self, key: str, kind: Any, limits: Range | None = None) -> Any:
        """Return a value as a type, within limits. Raise CannotRun with what it must be."""
        value = self.values[key]
        with contextlib.suppress(ValueError):
            converted = as_kind(value, kind)
            if limits is None or limits.contains(converted):
                return converted
        raise self.error(mismatch(key, value, kind, limits), key)

    def error(self, message: str, *keys: str) -> CannotRun:
        """Return an error at the line of a key, or of the nearest table above it."""
        path = (*self.path, *keys)
        if self.are_options and path:
            return CannotRun(f"--{path[-1].replace('_', '-')}: {message}")
        for end in range(len(path), 0, -1):
            if (line := self.lines.get(path[:end])) is not None:
                return CannotRun(f"{self.source}:{line}: {message}")
        return CannotRun(f"{self.source}: {message}")


def named_values(values: object, source: str) -> NamedValues:
    """Return values without lines. Raise CannotRun if they have no names."""
    if not isinstance(values, Mapping):
        raise CannotRun(f"{source}: must hold settings by name, not {shown(values)}")
    return NamedValues(source, values)


def option_values(options: Mapping[str, Any]) -> NamedValues:
    """Return the options of a command by name, without those that were not given (None)."""
    given = {name: value for name, value in options.items() if value is not None}
    return NamedValues("the command line", given, are_options=True)


def read_toml(path: str | Path) -> NamedValues:
    """Return the values of a TOML file. Raise CannotRun if it cannot be read."""
    return parse_toml(str(path), _text_of(path))


def parse_toml(name: str, text: str) -> NamedValues:
    """Return the values of a TOML text. Raise CannotRun with the place of a syntax error."""
    try:
        return NamedValues(name, tomllib.loads(text), lines=_toml_lines(text))
    except tomllib.TOMLDecodeError as error:
        raise CannotRun(f"{name}: not TOML: {error}") from None


def read_json(path: str | Path) -> NamedValues:
    """Return the values of a JSON file. Raise CannotRun if it cannot be read."""
    text = _text_of(path)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: not JSON: {error}") from None
    return attrs.evolve(named_values(values, str(path)), lines=_json_lines(text))


def _text_of(path: str | Path) -> str:
    try:
        # TOML knows no other line ends than these.
        return LINE_END.sub("\n", decode_text(Path(path).read_bytes()))
    except UnicodeDecodeError:
        raise CannotRun(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise cannot_read(path, error) from None


# Lines

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_TOML_KEY = rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*"
_TOML_LINE = re.compile(rf"\s*\[{_TOML_KEY}\]\s*(?:#.*)?|{_TOML_KEY}=.*")
_JSON_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]:]|\n')


def _toml_lines(text: str) -> dict[Key, int]:
    """Return the line of each key and of each table's header."""
    lines: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TOML_LINE.fullmatch(line):
            key = tuple(part.strip("\"'") for part in re.findall(_PART, match[1] or match[2]))
            if match[1]:
                table = key
                lines.setdefault(table, number)
            else:
                lines.setdefault((*table, *key), number)
    return lines


def _json_lines(text: str) -> dict[Key, int]:
    """Return the line of each key. Objects of one list have the same path; the first one counts."""
    lines: dict[Key, int] = {}
    keys: list[str | None] = []
    line, string = 1, ""
    for token in _JSON_TOKEN.finditer(text):
        match token[0]:
            case "\n":
                line += 1
            case "{" | "[":
                keys.append(None)
            case "}" | "]":
                del keys[-1:]
            case ":" if keys:
                keys[-1] = json.loads(string)
                lines.setdefault(tuple(key for key in keys if key is not None), line)
            case word:
                string = word
    return lines
