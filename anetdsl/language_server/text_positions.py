"""Positions of the LSP, in UTF-16 units, as offsets; and changes of a text."""

from __future__ import annotations

from anetdsl.source import SourceFile, Span


def offset_at(source: SourceFile, line: int, character: int) -> int:
    """Return the offset of a line and a UTF-16 column, both counted from 0.

    A position outside of the text counts as the nearest place in it. A position between the two
    units of one character counts as the place before the character.
    """
    if line < 0:
        return 0
    if line >= source.line_count:
        return len(source.text)
    span = source.line_span(line)
    end = min(span.start + max(0, character), span.end)
    if source.text.isascii():
        return end
    low, high = span.start, end  # At most as many characters as units.
    while low < high:
        middle = (low + high + 1) // 2
        if source.position(middle).utf16 <= character:
            low = middle
        else:
            high = middle - 1
    return low


def span_at(source: SourceFile, start: tuple[int, int], end: tuple[int, int]) -> Span:
    """Return the span between two positions, each a line and a UTF-16 column."""
    first, last = offset_at(source, *start), offset_at(source, *end)
    return Span(min(first, last), max(first, last))


def changed(source: SourceFile, span: Span, text: str) -> SourceFile:
    """Return the source with the text at a span replaced."""
    new = source.text[: span.start] + text + source.text[span.end :]
    return SourceFile(source.name, new)
