"""Read the annotation files of Charades: classes, and videos with their actions in time.

The published files hold actions that end after their video. These are cut at its end. A few actions
then do not begin before they end. These empty actions are dropped and counted, but the video keeps
their class, as in the official script. Videos without an action are kept.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import attrs

from anetc.data.formats.text_files import csv_rows, line_error, lines
from anetdsl.errors import CannotRun

Actions = tuple[tuple[int, float, float], ...]
"""Class number, start and end in seconds of each action; start < end."""

_CLASS = re.compile(r"c(\d{1,6})(?:\s+(.*))?", re.ASCII)
_ACTION = re.compile(r"c(\d{1,6})\s+(\S+)\s+(\S+)", re.ASCII)


@attrs.frozen
class CharadesRow:
    """A video, its classes and its actions.

    `classes` includes the classes of empty actions. `length` is in seconds, or None if missing.
    """

    line: int
    id: str
    subject: str
    length: float | None
    classes: tuple[int, ...]
    actions: Actions
    cut: int = 0
    """Number of actions that were cut at the end of the video."""
    empty: int = 0
    """Number of empty actions, which were dropped."""
    unknown: tuple[int, ...] = ()
    """Class numbers that are not in the list of classes."""


def read_classes(path: Path) -> tuple[str, ...]:
    """Read the names of the classes from lines `cNNN name`.

    Raises CannotRun for other lines, numbers with gaps, and an empty file.
    """
    names: list[str] = []
    for line, text in lines(path):
        match = _CLASS.fullmatch(text)
        if match is None or int(match[1]) != len(names):
            raise line_error(path, line, f"expected `c{len(names):03d} name`, not `{text[:80]}`")
        names.append(match[2] or f"c{match[1]}")
    if not names:
        raise CannotRun(f"{path}: the file has no classes")
    return tuple(names)


def read_rows(path: Path, classes: int) -> tuple[list[CharadesRow], int]:
    """Read the rows of a list; also return the number of empty actions.

    Raises CannotRun for a list without the columns id and actions, a repeated id, and times that
    are not numbers.
    """
    rows: dict[str, CharadesRow] = {}
    header: list[str] | None = None
    for line, cells in csv_rows(path, free_text=True):
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            if missing := {"id", "actions"} - set(header):
                raise line_error(path, line, f"the header has no column {' and no '.join(missing)}")
            continue
        row = _parse_row(path, line, dict(zip(header, map(str.strip, cells))), classes)
        if row.id in rows:
            raise line_error(path, line, f"{row.id} is already in line {rows[row.id].line}")
        rows[row.id] = row
    return list(rows.values()), sum(row.empty for row in rows.values())


def _parse_row(path: Path, line: int, cells: dict[str, str], classes: int) -> CharadesRow:
    name = cells.get("id", "")
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise line_error(path, line, f"`{name}` is not a video id")
    text = cells.get("length", "")
    length = _seconds(path, line, text) if text else None
    known: set[int] = set()
    unknown: set[int] = set()
    actions: list[tuple[int, float, float]] = []
    cut = empty = 0
    for part in filter(None, (part.strip() for part in cells.get("actions", "").split(";"))):
        match = _ACTION.fullmatch(part)
        if match is None:
            raise line_error(path, line, f"expected `cNNN start end`, not `{part[:80]}`")
        number = int(match[1])
        if number >= classes:
            unknown.add(number)
            continue
        known.add(number)
        start, end = (_seconds(path, line, match[group]) for group in (2, 3))
        if length is not None and end > length:
            cut, end = cut + 1, length
        if start < end:
            actions.append((number, start, end))
        else:
            empty += 1
    return CharadesRow(
        line=line,
        id=name,
        subject=cells.get("subject", ""),
        length=length,
        classes=tuple(sorted(known)),
        actions=tuple(actions),
        cut=cut,
        empty=empty,
        unknown=tuple(sorted(unknown)),
    )


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise line_error(path, line, f"`{text[:80]}` is not a time in seconds")
    return value
