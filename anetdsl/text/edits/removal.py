"""Remove statements with their comments."""

from __future__ import annotations

from anetdsl.source import LINE_END, Edit, Span
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.text.edits.sequences import (
    comment_after,
    has_line_end,
    next_token,
    previous_end,
    token_span,
    tokens_within,
)


def remove_statement(tree: SyntaxTree, statement: StatementNode) -> tuple[Edit, ...]:
    """Return edits that remove a statement, the comment after it, and its comment lines above it.

    The comment lines directly above are not removed if they start a paragraph in which another
    statement follows directly: they are its heading. Of blank lines on both sides, the lines above
    stay. Other statements that name a removed node stay; see
    `remove_node`.
    """
    text = tree.source.text
    index = tree.statements.index(statement)
    span = with_comment(tree, statement)
    before = tree.statements[index - 1].span.end if index else None
    following, _ = next_token(tree, span.end)
    if following < len(text) and not has_line_end(text, span.end, following):
        return (Edit(Span(span.start, following), ""),)
    if before is not None and not has_line_end(text, before, span.start):
        return (Edit(Span(before, span.end), ""),)
    start = _start_with_comments(tree, span, before or 0, following)
    return (Edit(_lines(tree, Span(start, span.end), following), ""),)


def with_comment(tree: SyntaxTree, statement: StatementNode) -> Span:
    """Return the span of the statement and the comment after it."""
    comment = comment_after(tree, statement.span.end)
    return statement.span.to(comment) if comment is not None else statement.span


def _start_with_comments(tree: SyntaxTree, span: Span, before: int, following: int) -> int:
    """Return the start of a statement's own comments above it, or of the statement."""
    text = tree.source.text
    start = span.start
    for token in reversed(tokens_within(tree, Span(before, start))):
        comment = token_span(token)
        own_line = before == 0 or has_line_end(text, before, comment.start)
        if token.type != "COMMENT" or not own_line or _line_ends(text, comment.end, start) > 1:
            break
        start = comment.start
    above = previous_end(tree, start)
    starts_paragraph = above is None or _line_ends(text, above, start) > 1
    _, is_comment = next_token(tree, span.end)
    continues = following < len(text) and _line_ends(text, span.end, following) == 1
    return span.start if starts_paragraph and continues and not is_comment else start


def _lines(tree: SyntaxTree, span: Span, following: int) -> Span:
    """Return the whole lines of a span, and the blank lines below if there are some above."""
    text = tree.source.text
    above = previous_end(tree, span.start)
    if following == len(text):
        return Span(span.start if above is None else above, span.end)
    start = _line_start(text, span.start)
    blank_above = above is None or _line_ends(text, above, span.start) > 1
    if blank_above and _line_ends(text, span.end, following) > 1:
        return Span(start, _line_start(text, following))
    line_end = LINE_END.search(text, span.end)
    return Span(start, line_end.end() if line_end is not None else len(text))


def _line_start(text: str, offset: int) -> int:
    """Return the start of the white space before an offset on its line."""
    while offset and text[offset - 1] in " \t\f":
        offset -= 1
    return offset


def _line_ends(text: str, start: int, end: int) -> int:
    return len(LINE_END.findall(text, start, end))
