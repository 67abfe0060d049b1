"""Source text and places in it.

Everything that points at text does so by offsets into one decoded string; lines, columns and the
UTF-16 positions of the Language Server Protocol are derived from those when they are shown.
"""

from __future__ import annotations

import bisect
import re
from functools import cached_property

import attrs

LINE_END = re.compile(r"\r\n|\n|\r")
ASTRAL = re.compile("[\U00010000-\U0010ffff]")


@attrs.frozen
class Span:
    """A half-open range of characters. An empty span is a place between two."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)
"""The span of a value that was not read from text."""


@attrs.frozen
class Position:
    """A place for people and editors, counted from 0; `utf16` is the column in UTF-16 units."""

    line: int
    column: int
    utf16: int


@attrs.frozen
class Edit:
    """Replace the text of `span` by `text`. Every change of a text is made of these."""

    span: Span
    text: str


@attrs.frozen(slots=False)
class SourceFile:
    """A text and the name it is shown under: a path, or `<stdin>`."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    @cached_property
    def _astral(self) -> list[int]:
        """Where the characters stand that take two UTF-16 units."""
        if self.text.isascii():
            return []
        return [match.start() for match in ASTRAL.finditer(self.text)]

    def position(self, offset: int) -> Position:
        """The line and column of an offset. An offset beyond the text means its end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect.bisect_right(self._line_starts, offset) - 1
        start = self._line_starts[line]
        pairs = bisect.bisect_left(self._astral, offset) - bisect.bisect_left(self._astral, start)
        return Position(line, offset - start, offset - start + pairs)

    def line_text(self, line: int) -> str:
        """The text of a line, counted from 0, without its line end."""
        start = self._line_starts[line]
        end = self._line_starts[line + 1] if line + 1 < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def line_span(self, line: int) -> Span:
        """Where a line, counted from 0, stands, without its line end."""
        start = self._line_starts[line]
        return Span(start, start + len(self.line_text(line)))

    @property
    def newline(self) -> str:
        """The line end of this text: that of its first line, or `\\n` where it has none."""
        match = LINE_END.search(self.text)
        return match[0] if match else "\n"

    @property
    def line_count(self) -> int:
        """How many lines the text has; an empty text has one."""
        return len(self._line_starts)
