"""Read the text and CSV files of published data sets; errors name the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.source import LINE_END, decode_text

_OPEN_QUOTE = (
    "a cell begins with a quote that does not end in this line; remove the quote, or write a quote "
    'that belongs to the text twice, in a quoted cell: """a"" b"'
)


def read_text(path: Path) -> str:
    """Return a file's text without a byte order mark.

    Bytes that are neither UTF-8 nor (with a mark) UTF-16 become surrogates, as in file names.
    Raises CannotRun for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    try:
        return decode_text(data, "surrogateescape")
    except UnicodeDecodeError:
        raise CannotRun(f"{path}: not UTF-16 text, although it begins as such") from None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the stripped text of each line that is not blank."""
    for number, line in enumerate(LINE_END.split(read_text(path)), 1):
        if line.strip():
            yield number, line.strip()


def csv_rows(
    path: Path, *, separator: str = ",", skip_blanks: bool = False, free_text: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file that are not blank, each with the number of its line.

    `skip_blanks` skips blanks after a separator. A quoted cell must end in its line, as otherwise
    a single stray quote would silently swallow the rows that follow it. With `free_text`, as in the
    scripts of Charades, a quoted cell may span lines but must end. Raises CannotRun with the line
    where a wrong quote begins.
    """
    text = io.StringIO(read_text(path), newline="")
    reader = csv.reader(text, delimiter=separator, skipinitialspace=skip_blanks, strict=True)
    line = 0
    try:
        for row in reader:
            line += 1
            if reader.line_num > line and not free_text:
                raise line_error(path, line, _OPEN_QUOTE)
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num
    except csv.Error as error:
        line += 1
        unclosed = reader.line_num > line or "unexpected end" in str(error)
        what = _OPEN_QUOTE if unclosed else f"not valid CSV ({error})"
        raise line_error(path, line, what) from None


def line_error(path: Path, line: int, message: str) -> CannotRun:
    """Return the error for a line of a file."""
    return CannotRun(f"{path}:{line}: {message}")
