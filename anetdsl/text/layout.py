"""Statements set as text: columns aligned like a table, long lists wrapped, comments in place.

Both the formatter (from a text's own syntax) and `str(network)` (from values) lay out through here,
so that there is one canonical look.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

WIDTH = 100
"""A statement longer than this has its lists wrapped."""
INDENT = "    "
"""What the further lines of a statement start with."""
GAP = "  "
"""What stands between two columns, and before a comment at the end of a line."""
WIDEST_COLUMN = 40
"""A wider cell sticks out of its column; the other rows are not padded to it."""


@attrs.frozen
class Comment:
    """A comment with its `#`. `own_line` is one that stands alone on its line."""

    text: str
    own_line: bool = False


@attrs.frozen
class Item:
    """One item of a list, and the comments after it; all but the first are set on own lines."""

    text: str
    comments: tuple[Comment, ...] = ()

    @property
    def has_note(self) -> bool:
        """Whether a comment stands at the end of the item's line."""
        return bool(self.comments) and not self.comments[0].own_line


@attrs.frozen
class Cell:
    """One column of a statement: a word, `key=value`, or `key=[items]`, with its comments.

    `key` names the column, so that equal columns of several rows stand below each other.
    """

    key: str
    text: str
    items: tuple[Item, ...] | None = None
    before: tuple[str, ...] = ()
    """Comments on own lines above the cell."""
    lead: tuple[Comment, ...] = ()
    """Comments between the bracket and the first item."""
    after: str = ""
    """The comment at the end of the cell's line; the statement goes on below."""

    @property
    def flat(self) -> str:
        """The cell on one line, without its comments."""
        if self.items is None:
            return self.text
        return f"{self.text}[{', '.join(item.text for item in self.items)}]"

    @property
    def must_break(self) -> bool:
        """Whether a comment within the list forces it onto several lines."""
        return bool(self.lead) or any(item.comments for item in self.items or ())


@attrs.frozen
class Row:
    """A statement. Rows with the same `group` share their columns' widths; None stands for itself.

    `comment` is the one at the statement's end.
    """

    cells: tuple[Cell, ...]
    group: str | None = None
    comment: str = ""


Line = Row | Comment | None
"""A statement, a comment on its own line, or a blank line."""


def render(lines: Iterable[Line], newline: str = "\n") -> str:
    """Set lines as text. It ends with a newline, unless it is empty."""
    lines = list(lines)
    widths = _column_widths([line for line in lines if isinstance(line, Row)])
    out: list[str] = []
    for kind, run in itertools.groupby(lines, key=_kind):
        if kind is None:
            out.extend(line.text if isinstance(line, Comment) else "" for line in run)
        else:
            rows = [line for line in run if isinstance(line, Row)]
            set_rows = [set_row(row, widths.get(row.group or "", {})) for row in rows]
            out.extend(_with_comments(set_rows, [row.comment for row in rows]))
    return "".join(line + newline for line in out)


def _kind(line: Line) -> tuple[str | None] | None:
    """Neighbours of one kind, other than None, are rows of one table."""
    return (line.group,) if isinstance(line, Row) else None


def _column_widths(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """For each group the width of every column, over the cells that something follows."""
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
    """The lines of neighbouring rows with their comments; those of one-liners are aligned."""
    single = [bool(comment) and len(row) == 1 for row, comment in zip(rows, comments)]
    for is_single, run in itertools.groupby(zip(rows, comments, single), key=lambda row: row[2]):
        group = list(run)
        fitting = [len(row[0]) for row, _, _ in group if is_single and len(row[0]) <= WIDTH]
        column = max(fitting, default=0)
        for row, comment, _ in group:
            yield from row[:-1]
            yield row[-1].ljust(column) + GAP + comment if comment else row[-1]


def set_row(row: Row, widths: Mapping[str, int], gap: str = GAP) -> list[str]:
    """The lines of a statement, without the comment at its end.

    `widths` are those of the columns, by the cells' keys. Of a statement that is too long the lists
    are wrapped, the longest first.
    """
    broken = {cell.key for cell in row.cells if cell.must_break}
    by_length = sorted((cell for cell in row.cells if cell.items), key=lambda cell: -len(cell.flat))
    setting = _Setting.of(row, widths, gap, broken)
    for cell in by_length:
        if setting.longest <= WIDTH:
            break
        broken.add(cell.key)
        setting = _Setting.of(row, widths, gap, broken)
    return setting.lines


@attrs.define
class _Setting:
    """Lines as they are written. `longest` leaves out comments, which nothing can shorten."""

    lines: list[str] = attrs.Factory(list)
    current: str = ""
    longest: int = 0

    @classmethod
    def of(cls, row: Row, widths: Mapping[str, int], gap: str, broken: set[str]) -> _Setting:
        """The lines of a row whose lists `broken` are wrapped."""
        setting = cls()
        column = 0
        aligned = True
        for index, cell in enumerate(row.cells):
            if cell.before:
                setting.end_line()
                setting.lines.extend(INDENT + comment for comment in cell.before)
                setting.current, aligned = INDENT, False
            elif setting.current.strip():
                if aligned:
                    setting.current = setting.current.ljust(column)
                setting.current += " " if index == 1 and cell.key == "name" else gap
            column = len(setting.current) + widths.get(cell.key, 0)
            if cell.items is not None and cell.key in broken:
                setting.write_list(cell)
                aligned = False
            else:
                setting.current += cell.flat
            if cell.after:
                setting.end_line(cell.after)
                setting.current, aligned = INDENT, False
        setting.end_line()
        return setting

    def end_line(self, comment: str = "") -> None:
        """Finish the current line. One that holds nothing yet is dropped."""
        if self.current.strip():
            self.longest = max(self.longest, len(self.current))
            self.lines.append(self.current + (GAP + comment if comment else ""))
        self.current = ""

    def write_list(self, cell: Cell) -> None:
        """Go on with a list, one item or more a line."""
        self.current += f"{cell.text}["
        self.end_line(_note(cell.lead))
        self.lines.extend(_below(cell.lead))
        self.lines.extend(_wrap(cell.items or ()))
        self.current = "]"


def _note(comments: Sequence[Comment]) -> str:
    """The comment that stands on the line of what it follows."""
    return comments[0].text if comments and not comments[0].own_line else ""


def _below(comments: Sequence[Comment]) -> list[str]:
    """The lines of the other comments."""
    rest = comments[1:] if _note(comments) else comments
    return [INDENT + comment.text for comment in rest]


def _wrap(items: Sequence[Item]) -> Iterator[str]:
    """Items filled into lines; one a line where they have comments or are sentences."""
    one_a_line = any(item.has_note or item.text.startswith('"') for item in items)
    current = ""
    for item in items:
        word = item.text + ","
        if current and (one_a_line or len(current) + 1 + len(word) > WIDTH):
            yield current
            current = ""
        current = f"{current} {word}" if current else INDENT + word
        if item.comments:
            yield current + (GAP + item.comments[0].text if item.has_note else "")
            yield from _below(item.comments)
            current = ""
    if current:
        yield current
