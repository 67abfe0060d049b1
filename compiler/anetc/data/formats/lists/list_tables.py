"""Tables of videos: CSV, TSV or with semicolons, with a line of column names. Also Kinetics.

A table has a column `path` and a column `label` or `labels`, and may have `split`, `start` and
`end` (in seconds). Other usual names of these columns are known. A cell of `label` is one label,
also with spaces and commas; a cell of `labels` has several, with `|`, `;` or, for numbers, commas
or spaces between them.

The lists of Kinetics have `label, youtube_id, time_start, time_end, split`. Their videos are called
ID_000012_000022.mp4 (ID, start and end with six digits) or ID.mp4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from anetc.data.formats.lists.label_numbers import is_number
from anetc.data.formats.lists.list_rows import ListRow, VideoList, label_of, seconds
from anetc.data.formats.text_files import csv_rows, line_error, lines
from anetc.data.split_names import split_of_name
from anetc.data.values import Segment, Split
from anetdsl.errors import CannotRun

COLUMNS: dict[str, tuple[str, ...]] = {
    "path": (
        *("path", "video_path", "clip_path", "file_path", "filepath", "file", "filename"),
        *("file_name", "video", "video_name", "clip_name", "name"),
    ),
    "youtube_id": ("youtube_id", "video_id", "ytid"),
    "label": ("label", "class", "class_name", "classname", "category", "action", "tag"),
    "labels": ("labels", "classes", "categories", "actions", "tags"),
    "split": ("split", "subset", "partition", "usage", "phase"),
    "start": ("start", "time_start", "start_time", "start_s", "start_seconds", "begin"),
    "end": ("end", "time_end", "end_time", "end_s", "end_seconds", "stop"),
}
_NO_LABEL = ("", "?", "none", "null", "nan", "-")


def table_columns(path: Path) -> dict[str, int] | None:
    """Return the numbers of the known columns by their usual name; None if it is not a table."""
    first, separator = _first_line(path)
    try:
        return next((_columns(cells) for _, cells in table_rows(path)), None)
    except CannotRun:
        # A table all the same, so that its reader names the line of the wrong quote.
        return _columns(first.split(separator))


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its line. Raises CannotRun."""
    _, separator = _first_line(path)
    for line, row in csv_rows(path, separator=separator, skip_blanks=True):
        yield line, [cell.strip() for cell in row]


def _first_line(path: Path) -> tuple[str, str]:
    """Return the first line that is not blank, and the mark that separates its cells."""
    first = next((line for _, line in lines(path)), "")
    marks = [mark for mark in ("\t", ";", ",") if mark in first]
    return first, max(marks, key=lambda mark: len(_columns(first.split(mark)) or ()), default=",")


def read_table(path: Path, split: Split | None) -> VideoList:
    """Read a table; `split` is the split of rows without one. Raises CannotRun."""
    rows: list[ListRow] = []
    columns: dict[str, int] | None = None
    unlabelled: set[Split] = set()
    width = 0
    for line, cells in table_rows(path):
        if columns is None:
            columns, width = _columns(cells), len(cells)
            if columns is None:
                raise line_error(
                    path, line, "the first line has no columns `path` and `label` (or `labels`)"
                )
            continue
        if len(cells) != width and any(cells[width:]):
            raise line_error(path, line, f"{len(cells)} cells, but the table has {width} columns")
        row = {name: cells[place] for name, place in columns.items() if place < len(cells)}
        own = _split(path, line, row.get("split", ""), split)
        labels = _labels(row)
        if not labels:
            if own is None or "labels" in row:
                raise line_error(path, line, "there is no label")
            unlabelled.add(own)
            continue
        rows.append(_row(path, line, row, labels, own))
    labelled = {row.split for row in rows}
    if rows and unlabelled & labelled:
        raise line_error(path, rows[0].line, "some rows of a split have a label, others have none")
    several = True if columns and "labels" in columns else None
    return VideoList(rows, unlabelled=frozenset(unlabelled), several=several)


def _columns(cells: list[str]) -> dict[str, int] | None:
    names = [re.sub(r"[\s-]+", "_", cell.strip().strip('"').lower()) for cell in cells]
    found = {}
    for column, known in COLUMNS.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None:
            found[column] = place
    if "path" in found:
        found.pop("youtube_id", None)
        return found if "label" in found or "labels" in found else None
    # The lists of test sets may have no labels.
    kinetics = "youtube_id" in found and {"label", "start"} & found.keys()
    return found if kinetics else None


def is_kinetics(columns: dict[str, int]) -> bool:
    """Return whether these are the columns of a list of Kinetics."""
    return "youtube_id" in columns


def _split(path: Path, line: int, cell: str, default: Split | None) -> Split | None:
    if not cell:
        return default
    found = split_of_name(cell)
    if found is None:
        raise line_error(path, line, f"`{cell[:40]}` is not train, validation or test")
    return found


def _labels(row: dict[str, str]) -> tuple[str | int, ...]:
    if "labels" in row:
        cell = row["labels"].strip("[]()")
        numbers = [part.strip("'\"") for part in re.split(r"[\s,;|]+", cell) if part]
        if numbers and all(map(is_number, numbers)):
            return tuple(dict.fromkeys(map(label_of, numbers)))
        parts = [part.strip().strip("'\"") for part in re.split(r"[;|]", cell)]
        return tuple(dict.fromkeys(filter(None, parts)))
    cell = row.get("label", "")
    if cell.lower() in _NO_LABEL:
        return ()
    return (label_of(cell),)


def _row(
    path: Path, line: int, row: dict[str, str], labels: tuple[str | int, ...], split: Split | None
) -> ListRow:
    start, end = (row.get(name, "") for name in ("start", "end"))
    segment = None
    if start and end:
        segment = Segment(seconds(path, line, start), seconds(path, line, end))
        if segment.start >= segment.end:
            raise line_error(path, line, f"the segment ends at {end} and begins at {start}")
    elif start or end:
        raise line_error(path, line, "a segment needs both a start and an end")
    if "youtube_id" not in row:
        if not row.get("path"):
            raise line_error(path, line, "there is no path")
        return ListRow(path, line, (row["path"],), (), labels, split, segment)
    name = row["youtube_id"]
    if not name or "/" in name:
        raise line_error(path, line, f"`{name}` is not a video id")
    if segment is None:
        return ListRow(path, line, (), (name,), labels, split)
    # A file whose name has the times is the segment; in another one the segment is looked up.
    times = f"{name}_{round(segment.start):06d}_{round(segment.end):06d}"
    segment = Segment(segment.start, segment.end, unless_cut=True)
    return ListRow(path, line, (), (times, name), labels, split, segment)
