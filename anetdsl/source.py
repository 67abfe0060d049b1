"""Source text, and places in it.

A place is an offset into the decoded text. Lines, columns and the UTF-16 positions of the Language
Server Protocol are computed from offsets when they are displayed.
"""

from __future__ import annotations

import bisect
import codecs
import re
from functools import cached_property

import attrs

LINE_END = re.compile(r"\r\n|\n|\r")
ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Return the text of a file without its byte order mark.

    Programs on Windows write the mark before UTF-8, and some write UTF-16, which always has one.
    Raises UnicodeDecodeError as `bytes.decode`.
    """
    return data.decode("utf-16" if is_utf16(data) else "utf-8-sig", errors)


def is_utf16(data: bytes) -> bool:
    """Return whether the bytes of a file begin with the mark of UTF-16."""
    return data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


@attrs.frozen
class Span:
    """A half-open range of characters. An empty span is a place between two characters."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """Return the smallest span that contains both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)
"""The span of a value that was not read from text."""


@attrs.frozen
class Position:
    """A line and a column, counted from 0. `utf16` is the column in UTF-16 units."""

    line: int
    column: int
    utf16: int


@attrs.frozen
class Edit:
    """The replacement of the text at `span` by `text`."""

    span: Span
    text: str


@attrs.frozen(slots=False)
class SourceFile:
    """A text and its name in messages: a path, or `<stdin>`."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    @cached_property
    def _astral(self) -> list[int]:
        """Offsets of the characters that take two UTF-16 units."""
        if self.text.isascii():
            return []
        return [match.start() for match in ASTRAL.finditer(self.text)]

    def position(self, offset: int) -> Position:
        """Return the line and column of an offset. An offset beyond the text counts as its end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect.bisect_right(self._line_starts, offset) - 1
        start = self._line_starts[line]
        pairs = bisect.bisect_left(self._astral, offset) - bisect.bisect_left(self._astral, start)
        return Position(line, offset - start, offset - start + pairs)

    def line_text(self, line: int) -> str:
        """Return the text of a line, counted from 0, without its line end."""
        start = self._line_starts[line]
        end = self._line_starts[line + 1] if line + 1 < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def line_span(self, line: int) -> Span:
        """Return the span of a line, counted from 0, without its line end."""
        start = self._line_starts[line]
        return Span(start, start + len(self.line_text(line)))

    @property
    def newline(self) -> str:
        """Line end of the first line, or `\\n` if the text has a single line."""
        match = LINE_END.search(self.text)
        return match[0] if match else "\n"

    @property
    def line_count(self) -> int:
        """Number of lines; an empty text has one."""
        return len(self._line_starts)
