"""The text files of published data sets: lines, and rows of CSV, with the places of mistakes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible


def read_text(path: Path) -> str:
    """A file's text, without a byte order mark. Bytes that are no UTF-8 are kept, as in file names.

    Raises CannotRun for a file that cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise cannot_read(path, error) from None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, with the numbers of their last lines."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise wrong(path, reader.line_num, f"this is no CSV ({error})") from None


def wrong(path: Path, line: int, what: str) -> CannotRun:
    """The error that a line of a file is."""
    return CannotRun(f"{visible(str(path))}:{line}: {visible(what)}")
