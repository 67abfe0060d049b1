"""The outline of a text: its statements as symbols, and the parts that can be folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

from anetdsl.language_server.analysis import Analysis, int_value
from anetdsl.source import LINE_END, Span
from anetdsl.syntax.comments import comments_of
from anetdsl.syntax.nodes import ListValue, StatementNode


@attrs.frozen
class OutlineSymbol:
    """A statement as an entry of the outline."""

    name: str
    detail: str
    keyword: str
    span: Span
    name_span: Span


def outline(analysis: Analysis) -> Iterator[OutlineSymbol]:
    """Yield the statements, but not the version."""
    for statement in analysis.tree.statements:
        keyword = statement.keyword.text
        if keyword == "anet":
            continue
        word = statement.name or statement.keyword
        yield OutlineSymbol(word.text, _detail(statement), keyword, statement.span, word.span)


def _detail(statement: StatementNode) -> str:
    match statement.keyword.text:
        case "network":
            return "network"
        case "input":
            channels = int_value(statement, "channels")
            return "input" if channels is None else f"input, {channels} channels"
        case "node":
            level = int_value(statement, "level")
            kind = "stem" if level == 0 else "node" if level is None else f"level {level}"
            filters = _written(statement, "C")
            return f"{kind}, C={filters}" if filters else kind
        case "sink":
            classes = int_value(statement, "classes")
            return "" if classes is None else f"{classes} classes"
    return ""


def _written(statement: StatementNode, name: str) -> str:
    """Return the numbers of an attribute as they are written; an empty text without any."""
    attribute = statement.attribute(name)
    value = attribute.value if attribute is not None else None
    if isinstance(value, ListValue):
        return f"[{', '.join(item.value.text for item in value.items)}]"
    return "" if value is None else value.text


@attrs.frozen
class FoldingPart:
    """Lines, counted from 0, that can be folded to the first of them."""

    first: int
    last: int
    kind: Literal["comment", "region"]


def folding_parts(analysis: Analysis) -> Iterator[FoldingPart]:
    """Yield statements of several lines, blocks of comments, and paragraphs with a heading.

    A paragraph is a comment line and the lines below it, up to a blank line.
    """
    source = analysis.source
    for statement in analysis.tree.statements:
        first, last = _lines_of(analysis, statement.span)
        if last > first:
            yield FoldingPart(first, last, "region")
    block: list[int] = []
    lines = [
        source.position(comment.start).line
        for comment in comments_of(analysis.tree)
        if comment.own_line
    ]
    for line in [*lines, -1]:
        if block and line != block[-1] + 1:
            if len(block) > 1:
                yield FoldingPart(block[0], block[-1], "comment")
            last = _paragraph_end(analysis, block[-1])
            is_inside = any(
                s.span.start < source.line_span(block[0]).start < s.span.end
                for s in analysis.tree.statements
            )
            if last > block[-1] and not is_inside:
                yield FoldingPart(block[-1] if len(block) > 1 else block[0], last, "region")
            block = []
        block.append(line)


def _paragraph_end(analysis: Analysis, line: int) -> int:
    """Return the last line before a blank one."""
    source = analysis.source
    while line + 1 < source.line_count and source.line_text(line + 1).strip():
        line += 1
    return line


def _lines_of(analysis: Analysis, span: Span) -> tuple[int, int]:
    if LINE_END.search(analysis.text, span.start, span.end) is None:
        line = analysis.source.position(span.start).line
        return line, line
    return analysis.source.position(span.start).line, analysis.source.position(span.end).line
