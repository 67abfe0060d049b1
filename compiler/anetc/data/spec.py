"""Which data, as one text: `moments:DIR`, `arrays:FILE?train=1,3&test=2`, `motion:level=2`.

What `--data` takes and what job files hold. A format with a place reads `FORMAT:PATH?k=v&k=v`, one
that is generated `FORMAT:k=v,k=v`. In these two forms `%3F` stands for `?` and so on (RFC 3986);
a bare path is taken as it is, and its format guessed from what lies there, or given beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import get_args
from urllib.parse import quote, unquote

from anetc.data.values import DataSpec, Format
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible

FORMATS: tuple[Format, ...] = get_args(Format)
GENERATED: frozenset[Format] = frozenset({"motion"})
"""Formats that need no files."""

# What stays readable in a spec: everything but what takes it apart, and what cannot be printed.
_PATH_SAFE = "/:,;=&@!$'()*+~[] "
_VALUE_SAFE = "/:;@!$'()*+~[] "
"""Of a value; a comma only where options are parted by `&`."""
_OPTIONS = re.compile(r"[a-z_]+=[^&]*(&[a-z_]+=[^&]*)*")
_SURE_SIGNS: tuple[tuple[Format, tuple[str, ...]], ...] = (
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


def parse_spec(data: str, format: str | None = None) -> DataSpec:
    """Read `data`, a spec or a bare path; `format` says what a bare path holds.

    Raises CannotRun for an unknown format, options that cannot be read, and a bare path that is not
    there or does not show what it holds.
    """
    wanted = None if format is None else _format(format)
    head, colon, rest = data.partition(":")
    if head in FORMATS and (colon or head in GENERATED):
        found = _format(head)
        if wanted is not None and wanted != found:
            raise CannotRun(f"--data {visible(data)}: this is {found}, but --format says {wanted}")
        return _generated(found, rest) if found in GENERATED else _placed(found, rest)
    if wanted in GENERATED:
        raise CannotRun(f"--data {visible(data)}: {wanted} has no place; write --data {wanted}")
    path, options = data, ""
    before, _, after = data.rpartition("?")
    if before and _OPTIONS.fullmatch(after) and not Path(data).exists():
        path, options = before, after
    return DataSpec(wanted or _guess(path), path, _pairs(options, "&"))


def spec_text(spec: DataSpec) -> str:
    """The one text of a spec; `parse_spec` reads it back."""
    mark, safe = (",", _VALUE_SAFE) if spec.format in GENERATED else ("&", _VALUE_SAFE + ",")
    options = mark.join(f"{name}={_quoted(value, safe)}" for name, value in spec.options)
    if spec.format in GENERATED:
        return f"{spec.format}:{options}" if options else spec.format
    text = f"{spec.format}:{_quoted(spec.path or '', _PATH_SAFE)}"
    return f"{text}?{options}" if options else text


def options_of(spec: DataSpec, known: Collection[str]) -> dict[str, str]:
    """The options by name. Raises CannotRun for one that the format does not know."""
    for name, _ in spec.options:
        if name not in known:
            guess = did_you_mean(name, known)
            hint = f"did you mean `{guess}`?" if guess else f"there are {', '.join(sorted(known))}"
            if not known:
                hint = "it has none"
            raise CannotRun(f"{shown(spec)}: {spec.format} has no option `{visible(name)}`; {hint}")
    return dict(spec.options)


def place_of(spec: DataSpec) -> Path:
    """The path of a spec. Raises CannotRun where there is nothing at it."""
    path = Path(spec.path or "")
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise cannot_read(f"--data {shown(spec)}", error) from None
    return path


def whole_number(spec: DataSpec, name: str, value: str, low: int, high: int) -> int:
    """An option's value between `low` and `high`. Raises CannotRun for anything else."""
    if re.fullmatch(r"\d{1,9}", value, re.ASCII) and low <= int(value) <= high:
        return int(value)
    raise CannotRun(
        f"--data {shown(spec)}: {name}={visible(value)}: must be a whole number "
        f"from {low} to {high}"
    )


def shown(spec: DataSpec) -> str:
    """The spec's text, safe for a terminal."""
    return visible(spec_text(spec))


def _format(name: str) -> Format:
    for known in FORMATS:
        if name == known:
            return known
    guess = did_you_mean(name, FORMATS)
    hint = f"did you mean {guess}?" if guess else f"there are {', '.join(FORMATS)}"
    raise CannotRun(f"--format {visible(name)}: no such format; {hint}")


def _generated(format: Format, text: str) -> DataSpec:
    return DataSpec(format, None, _pairs(text, ",", quoted=True))


def _placed(format: Format, text: str) -> DataSpec:
    path, _, options = text.partition("?")
    if not path:
        raise CannotRun(f"--data {format}: write {format}:PATH, the path of the data")
    return DataSpec(format, _unquoted(path), _pairs(options, "&", quoted=True))


def _pairs(text: str, mark: str, *, quoted: bool = False) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(mark)):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise CannotRun(f"--data: `{visible(part)}` is no option; write NAME=VALUE")
        if name in pairs:
            raise CannotRun(f"--data: the option `{visible(name)}` is given twice")
        pairs[name] = _unquoted(value) if quoted else value
    return tuple(pairs.items())


def _quoted(text: str, safe: str) -> str:
    # Letters of every language stay as they are: quote() would turn them into bytes.
    return "".join(
        char if char.isprintable() and not char.isascii() else quote(char, safe, "utf-8", _ESCAPES)
        for char in text
    )


def _unquoted(text: str) -> str:
    return unquote(text, "utf-8", _ESCAPES)


# File names may hold bytes that are no text.
_ESCAPES = "surrogateescape"


def _guess(path: str) -> Format:
    place = Path(path)
    if not place.exists():
        word = path.partition(":")[0]
        guess = did_you_mean(word, FORMATS)
        hint = f"; did you mean {guess}?" if guess else ""
        raise CannotRun(f"{cannot_read(f'--data {path}')}{hint}")
    if place.is_file() and place.suffix.lower() == ".npz":
        return "arrays"
    if place.is_dir():
        for format, signs in _SURE_SIGNS:
            if any(next(place.glob(sign), None) for sign in signs):
                return format
        if any(entry.is_dir() for entry in place.iterdir() if not entry.name.startswith(".")):
            return "folder"
    raise CannotRun(
        f"--data {visible(path)}: what is in there is not plain; name it with "
        f"--format {'|'.join(name for name in FORMATS if name not in GENERATED)}"
    )
