"""The annotations of Charades: classes, and rows of videos with their actions in time.

Real files hold actions that end after their video does, which are cut there, and a few that start
at or after their end, which have no place in time: they are dropped and counted, but still say that
the video shows the class, as the official script has it. Videos without an action are kept.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import attrs

from anetc.data.formats.text_files import csv_rows, lines, wrong
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

Actions = tuple[tuple[int, float, float], ...]
"""Class number, and start and end in seconds, start < end."""

_CLASS = re.compile(r"c(\d{1,6})(?:\s+(.*))?", re.ASCII)
_ACTION = re.compile(r"c(\d{1,6})\s+(\S+)\s+(\S+)", re.ASCII)


@attrs.frozen
class CharadesRow:
    """A video: all classes that it shows, and the actions that have a place in time.

    `length` is in seconds, None where it is missing. `beyond` counts the actions that were cut at
    the video's end, `dropped` those without a place; `unknown` are classes that there are not.
    """

    line: int
    id: str
    subject: str
    length: float | None
    classes: tuple[int, ...]
    actions: Actions
    beyond: int = 0
    dropped: int = 0
    unknown: tuple[int, ...] = ()


def read_classes(path: Path) -> tuple[str, ...]:
    """The names of the classes, from lines `cNNN name`. Raises CannotRun for numbers with gaps."""
    names: list[str] = []
    for line, text in lines(path):
        match = _CLASS.fullmatch(text)
        if match is None or int(match[1]) != len(names):
            raise wrong(path, line, f"`{text[:80]}` is not `c{len(names):03d} name`")
        names.append(match[2] or f"c{match[1]}")
    if not names:
        raise CannotRun(f"{visible(str(path))}: there are no classes in it")
    return tuple(names)


def read_rows(path: Path, classes: int) -> tuple[list[CharadesRow], int]:
    """The rows of a list, and how many actions were dropped in all.

    Raises CannotRun for a list without the columns id and actions, an id that occurs twice, and
    times that are no numbers.
    """
    rows: dict[str, CharadesRow] = {}
    header: list[str] | None = None
    for line, cells in csv_rows(path):
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            if missing := {"id", "actions"} - set(header):
                raise wrong(path, line, f"the header has no column {' and no '.join(missing)}")
            continue
        held = dict(zip(header, (cell.strip() for cell in cells)))
        row = _row(path, line, held, classes)
        if row.id in rows:
            raise wrong(path, line, f"{row.id} occurs twice, first in line {rows[row.id].line}")
        rows[row.id] = row
    return list(rows.values()), sum(row.dropped for row in rows.values())


def _row(path: Path, line: int, held: dict[str, str], classes: int) -> CharadesRow:
    name = held.get("id", "")
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise wrong(path, line, f"`{name}` is no id of a video")
    text = held.get("length", "")
    length = _seconds(path, line, text) if text else None
    shown: set[int] = set()
    unknown: set[int] = set()
    actions: list[tuple[int, float, float]] = []
    beyond = dropped = 0
    for part in filter(None, (part.strip() for part in held.get("actions", "").split(";"))):
        match = _ACTION.fullmatch(part)
        if match is None:
            raise wrong(path, line, f"`{part[:80]}` is not `cNNN start end`")
        number = int(match[1])
        if number >= classes:
            unknown.add(number)
            continue
        shown.add(number)
        start, end = (_seconds(path, line, match[place]) for place in (2, 3))
        if length is not None and end > length:
            beyond, end = beyond + 1, length
        if start < end:
            actions.append((number, start, end))
        else:
            dropped += 1
    return CharadesRow(
        line=line,
        id=name,
        subject=held.get("subject", ""),
        length=length,
        classes=tuple(sorted(shown)),
        actions=tuple(actions),
        beyond=beyond,
        dropped=dropped,
        unknown=tuple(sorted(unknown)),
    )


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise wrong(path, line, f"`{text[:80]}` is no time in seconds")
    return value
