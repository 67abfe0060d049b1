"""Lay statements out as text: align columns, wrap long lists, place comments.

The formatter and `str(network)` both use this module, so there is one canonical layout. The
formatter makes the rows from a text's syntax, `str(network)` from values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

WIDTH = 100
"""Longest line of a statement, in characters. Lists of a longer statement are wrapped."""
INDENT = "    "
"""Indentation of all lines of a statement but the first."""
GAP = "  "
"""Space between two columns, and before a comment at the end of a line."""
WIDEST_COLUMN = 40
"""Widest column in characters. Other rows are not padded to a wider cell."""


@attrs.frozen
class Comment:
    """A comment with its `#`. `own_line` is True if nothing precedes it on its line."""

    text: str
    own_line: bool = False


@attrs.frozen
class Item:
    """One item of a list and the comments after it. Only the first may be on the item's line."""

    text: str
    comments: tuple[Comment, ...] = ()

    @property
    def has_note(self) -> bool:
        """True if there is a comment at the end of the item's line."""
        return bool(self.comments) and not self.comments[0].own_line


@attrs.frozen
class Cell:
    """One column of a statement: a word, `key=value`, or `key=[items]`, with its comments.

    Cells with equal `key` in several rows are in one column.
    """

    key: str
    text: str
    items: tuple[Item, ...] | None = None
    before: tuple[str, ...] = ()
    """Comments on their own lines above the cell."""
    lead: tuple[Comment, ...] = ()
    """Comments between the bracket and the first item."""
    after: str = ""
    """Comment at the end of the cell's line; the statement continues on the next line."""

    @property
    def flat(self) -> str:
        """Text of the cell on one line, without comments."""
        if self.items is None:
            return self.text
        return f"{self.text}[{', '.join(item.text for item in self.items)}]"

    @property
    def must_break(self) -> bool:
        """True if the list has a comment inside, so that it needs several lines."""
        return bool(self.lead) or any(item.comments for item in self.items or ())


@attrs.frozen
class Row:
    """A statement. Rows with the same `group` have the same column widths, unless it is None.

    `comment` is the comment at the end of the statement.
    """

    cells: tuple[Cell, ...]
    group: str | None = None
    comment: str = ""


Line = Row | Comment | None
"""A statement, a comment on its own line, or a blank line."""


def render(lines: Iterable[Line], newline: str = "\n") -> str:
    """Return the lines as text, which ends with a newline unless it is empty."""
    lines = list(lines)
    widths = _column_widths([line for line in lines if isinstance(line, Row)])
    out: list[str] = []
    for kind, run in itertools.groupby(lines, key=_kind):
        if kind is None:
            out.extend(line.text if isinstance(line, Comment) else "" for line in run)
        else:
            rows = [line for line in run if isinstance(line, Row)]
            lines_of_rows = [row_lines(row, widths.get(row.group or "", {})) for row in rows]
            out.extend(_with_comments(lines_of_rows, [row.comment for row in rows]))
    return "".join(line + newline for line in out)


def _kind(line: Line) -> tuple[str | None] | None:
    """Return a key: neighbouring lines with equal keys other than None are rows of one table."""
    return (line.group,) if isinstance(line, Row) else None


def _column_widths(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Return the width of every column by group; the last cell of a row does not count."""
    groups: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.group is None:
            continue
        widths = groups.setdefault(row.group, {})
        for cell, following in itertools.pairwise(row.cells):
            if cell.must_break or cell.after or following.before:
                break
            if len(cell.flat) <= WIDEST_COLUMN:
                widths[cell.key] = max(widths.get(cell.key, 0), len(cell.flat))
    return groups


def _with_comments(rows: Sequence[list[str]], comments: Sequence[str]) -> Iterator[str]:
    """Yield the lines of neighbouring rows with comments, aligned after rows of one line."""
    single = [bool(comment) and len(row) == 1 for row, comment in zip(rows, comments)]
    for is_single, run in itertools.groupby(zip(rows, comments, single), key=lambda row: row[2]):
        group = list(run)
        fitting = [len(row[0]) for row, _, _ in group if is_single and len(row[0]) <= WIDTH]
        column = max(fitting, default=0)
        for row, comment, _ in group:
            yield from row[:-1]
            yield row[-1].ljust(column) + GAP + comment if comment else row[-1]


def row_lines(row: Row, widths: Mapping[str, int], gap: str = GAP) -> list[str]:
    """Return the lines of a statement without the comment at its end.

    `widths` holds the column widths by the cells' keys. If the statement is too long, its lists are
    wrapped, the longest first.
    """
    broken = {cell.key for cell in row.cells if cell.must_break}
    by_length = sorted((cell for cell in row.cells if cell.items), key=lambda cell: -len(cell.flat))
    writer = _RowWriter.of(row, widths, gap, broken)
    for cell in by_length:
        if writer.longest <= WIDTH:
            break
        broken.add(cell.key)
        writer = _RowWriter.of(row, widths, gap, broken)
    return writer.lines


@attrs.define
class _RowWriter:
    """The lines of a row in the course of writing. `longest` does not count comments."""

    lines: list[str] = attrs.Factory(list)
    current: str = ""
    longest: int = 0

    @classmethod
    def of(cls, row: Row, widths: Mapping[str, int], gap: str, broken: set[str]) -> _RowWriter:
        """Return the lines of a row; the lists with keys in `broken` are wrapped."""
        writer = cls()
        column = 0
        aligned = True
        for index, cell in enumerate(row.cells):
            if cell.before:
                writer.end_line()
                writer.lines.extend(INDENT + comment for comment in cell.before)
                writer.current, aligned = INDENT, False
            elif writer.current.strip():
                if aligned:
                    writer.current = writer.current.ljust(column)
                writer.current += " " if index == 1 and cell.key == "name" else gap
            column = len(writer.current) + widths.get(cell.key, 0)
            if cell.items is not None and cell.key in broken:
                writer.write_list(cell)
                aligned = False
            else:
                writer.current += cell.flat
            if cell.after:
                writer.end_line(cell.after)
                writer.current, aligned = INDENT, False
        writer.end_line()
        return writer

    def end_line(self, comment: str = "") -> None:
        """Finish the current line. Drop it if it is empty."""
        if self.current.strip():
            self.longest = max(self.longest, len(self.current))
            self.lines.append(self.current + (GAP + comment if comment else ""))
        self.current = ""

    def write_list(self, cell: Cell) -> None:
        """Write a wrapped list."""
        self.current += f"{cell.text}["
        self.end_line(_same_line_comment(cell.lead))
        self.lines.extend(_own_line_comments(cell.lead))
        self.lines.extend(_wrap(cell.items or ()))
        self.current = "]"


def _same_line_comment(comments: Sequence[Comment]) -> str:
    """Return the comment on the line of the preceding text, or an empty string."""
    return comments[0].text if comments and not comments[0].own_line else ""


def _own_line_comments(comments: Sequence[Comment]) -> list[str]:
    """Return the lines of the other comments."""
    rest = comments[1:] if _same_line_comment(comments) else comments
    return [INDENT + comment.text for comment in rest]


def _wrap(items: Sequence[Item]) -> Iterator[str]:
    """Yield lines filled with items, or one item per line if items have comments or are strings."""
    one_per_line = any(item.has_note or item.text.startswith('"') for item in items)
    current = ""
    for item in items:
        word = item.text + ","
        if current and (one_per_line or len(current) + 1 + len(word) > WIDTH):
            yield current
            current = ""
        current = f"{current} {word}" if current else INDENT + word
        if item.comments:
            yield current + (GAP + item.comments[0].text if item.has_note else "")
            yield from _own_line_comments(item.comments)
            current = ""
    if current:
        yield current
