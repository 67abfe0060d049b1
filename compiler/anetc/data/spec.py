"""Specs: texts that name a data set, such as `moments:DIR`, `arrays:FILE?train=1,3&test=2`.

`--data` takes a spec, and job files hold one. Data in files are `FORMAT:PATH?k=v&k=v`, generated
data `FORMAT:k=v,k=v`, such as `motion:level=2`. In these two forms `%3F` stands for `?` and so on
(RFC 3986). A bare path is taken literally; its format is guessed from the files, or given
separately.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import get_args
from urllib.parse import quote, unquote

from anetc.data.formats.directory_scan import folders_in, is_video_name
from anetc.data.formats.lists.find_lists import find_lists
from anetc.data.plugins import is_plugin_name, plugin_formats
from anetc.data.split_names import split_of_name
from anetc.data.values import DataSpec, Format
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.settings_reader import between, named_values

FORMATS: tuple[Format, ...] = get_args(Format)
GENERATED: frozenset[Format] = frozenset({"motion"})
"""Formats that generate their data."""

# Characters that a spec holds unescaped: all but the separators and what cannot be printed.
_PATH_SAFE = "/:,;=&@!$'()*+~[] "
_VALUE_SAFE = "/:;@!$'()*+~[] "
"""Unescaped characters of a value. A comma is one too if `&` separates the options."""
_OPTIONS = re.compile(r"[a-z_]+=[^&]*(&[a-z_]+=[^&]*)*")
_TYPICAL_FILES: tuple[tuple[Format, tuple[str, ...]], ...] = (
    ("moments", ("moments_categories.txt", "trainingSet.csv", "validationSet.csv")),
    (
        "charades",
        (
            *("Charades_v1_train.csv", "Charades_v1_test.csv", "Charades_v1_classes.txt"),
            "Charades/Charades_v1_train.csv",
        ),
    ),
    ("utd-mhad", ("*_depth.mat", "Depth/*_depth.mat")),
)


def parse_spec(data: str | os.PathLike[str], format: str | None = None) -> DataSpec:
    """Parse `data`, a spec or a bare path; `format` is the format of a bare path.

    Raises CannotRun for a value that is neither a text nor a path, an unknown format, malformed
    options, a bare path that does not exist, and one whose format cannot be guessed.
    """
    data = _data_text(data)
    given = None if format is None else _format(format)
    head, colon, rest = data.partition(":")
    if _is_format(head, path_follows=bool(colon)):
        found = _format(head)
        if given is not None and given != found:
            raise CannotRun(f"--data {data}: the format is {found}, but --format is {given}")
        return (
            _parse_generated(found, rest) if found in GENERATED else _parse_path_spec(found, rest)
        )
    if given in GENERATED:
        raise CannotRun(f"--data {data}: {given} has no path; write --data {given}")
    path, options = _split_options(data)
    return DataSpec(given or _guess(path), path, _pairs(options, "&"))


def _data_text(data: object) -> str:
    text = os.fspath(data) if isinstance(data, os.PathLike) else data
    if not isinstance(text, str):
        raise CannotRun(f"--data: must be a text or a path, not {type(data).__name__}")
    return text


def spec_text(spec: DataSpec) -> str:
    """Return the canonical text of a spec; `parse_spec` reads it."""
    mark, safe = (",", _VALUE_SAFE) if spec.format in GENERATED else ("&", _VALUE_SAFE + ",")
    options = mark.join(f"{name}={_quoted(value, safe)}" for name, value in spec.options)
    if spec.format in GENERATED:
        return f"{spec.format}:{options}" if options else spec.format
    text = f"{spec.format}:{_quoted(spec.path or '', _PATH_SAFE)}"
    return f"{text}?{options}" if options else text


def checked_options(spec: DataSpec, known: Collection[str]) -> dict[str, str]:
    """Return the options by name. Raises CannotRun for an unknown option."""
    options = dict(spec.options)
    named_values(options, f"--data {spec_text(spec)}").check_names(sorted(known))
    return options


def existing_path(spec: DataSpec) -> Path:
    """Return the path of a spec. Raises CannotRun if it does not exist."""
    path = Path(spec.path or "")
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise cannot_read(f"--data {spec_text(spec)}", error) from None
    return path


def parse_whole_number(spec: DataSpec, name: str, value: str, low: int, high: int) -> int:
    """Parse the value of an option between `low` and `high`. Raises CannotRun for another value."""
    number = int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else value
    given = named_values({name: number}, f"--data {spec_text(spec)}")
    parsed: int = given.read(name, int, between(low, high))
    return parsed


def parse_positive(spec: DataSpec, name: str, value: str) -> float:
    """Parse the value of an option above 0. Raises CannotRun for another value."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (0 < number <= 1e6):
        raise CannotRun(f"--data {spec_text(spec)}: {name} must be above 0, not {value}")
    return number


def _split_options(data: str) -> tuple[str, str]:
    """Split `PATH?k=v&k=v`; a path, and a value such as a pattern, may contain question marks."""
    if not _exists(data):
        for mark in re.finditer(r"\?", data):
            if mark.start() and _OPTIONS.fullmatch(data, mark.end()):
                return data[: mark.start()], data[mark.end() :]
    return data, ""


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        return False


def _is_format(name: str, *, path_follows: bool) -> bool:
    """Return whether a spec starts with the name of a format."""
    if name in FORMATS:
        return path_follows or name in GENERATED
    # To look for other packages takes time, so only if the name can be one of theirs.
    return path_follows and is_plugin_name(name) and name in plugin_formats()


def _format(name: str) -> str:
    if name in FORMATS:
        return name
    known = (*FORMATS, *plugin_formats())
    if name in known:
        return name
    guess = did_you_mean(name, known)
    hint = f"did you mean {guess}?" if guess else f"there are {', '.join(known)}"
    raise CannotRun(f"--format {name}: no such format; {hint}")


def _parse_generated(format: str, text: str) -> DataSpec:
    return DataSpec(format, None, _pairs(text, ",", quoted=True))


def _parse_path_spec(format: str, text: str) -> DataSpec:
    path, _, options = text.partition("?")
    if not path:
        raise CannotRun(f"--data {format}: write {format}:PATH, the path of the data")
    return DataSpec(format, _unquoted(path), _pairs(options, "&", quoted=True))


def _pairs(text: str, mark: str, *, quoted: bool = False) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(mark)):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise CannotRun(f"--data: `{part}` is not an option; write NAME=VALUE")
        if name in pairs:
            raise CannotRun(f"--data: the option `{name}` is given twice")
        pairs[name] = _unquoted(value) if quoted else value
    return tuple(pairs.items())


def _quoted(text: str, safe: str) -> str:
    # Letters of all languages are kept: quote() would encode them as bytes.
    return "".join(
        char if char.isprintable() and not char.isascii() else quote(char, safe, "utf-8", _ESCAPES)
        for char in text
    )


def _unquoted(text: str) -> str:
    return unquote(text, "utf-8", _ESCAPES)


# File names may contain bytes that are not UTF-8.
_ESCAPES = "surrogateescape"


def _guess(path: str) -> Format:
    place = Path(path)
    if not _exists(path):
        word = path.partition(":")[0]
        guess = did_you_mean(word, FORMATS)
        hint = f"; did you mean {guess}?" if guess else ""
        raise CannotRun(f"{cannot_read(f'--data {path}')}{hint}")
    if place.is_file() and place.suffix.lower() == ".npz":
        return "arrays"
    if place.is_file() and find_lists(place):
        return "list"
    if place.is_dir():
        return _guess_folder(place)
    raise _unknown(path, "")


def _guess_folder(place: Path) -> Format:
    try:
        for format, patterns in _TYPICAL_FILES:
            if any(next(place.glob(pattern), None) for pattern in patterns):
                return format
        folders = folders_in(place)
        # Lists beside split folders usually say the same.
        if any(split_of_name(name) and folders_in(place / name) for name in folders):
            return "folder"
        if find_lists(place):
            return "list"
        if folders:
            return "folder"
        loose = any(is_video_name(entry.name) for entry in place.iterdir())
    except OSError as error:
        raise cannot_read(f"--data {place}", error) from None
    hint = "; it has videos, but no folder for each class and no list of their labels"
    raise _unknown(str(place), hint if loose else "")


def _unknown(path: str, hint: str) -> CannotRun:
    names = "|".join(name for name in FORMATS if name not in GENERATED)
    return CannotRun(f"cannot tell the format of {path}{hint}; name it with --format {names}")
