"""Remove elements of a sequence in a text, such as the items of a list.

An element is removed together with the gap before it or the gap after it. The choice decides
whether the next element stays on its line. No element may end up after a comment on one line.
"""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterator, Sequence
from typing import cast

import attrs
from lark import Token

from anetdsl.source import LINE_END, Edit, Span
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.text.layout import INDENT


@attrs.frozen
class Element:
    """A part that is removed or kept as a whole: an item with comma and comment, or a comment."""

    span: Span
    ends_in_comment: bool = False

    def with_comment(self, comment: Span) -> Element:
        """Return the element extended by the comment after it."""
        return Element(self.span.to(comment), ends_in_comment=True)


def tokens_within(tree: SyntaxTree, span: Span) -> Sequence[Token]:
    """Return the tokens that start within a span, without white space."""
    first = bisect.bisect_left(tree.tokens, span.start, key=_start)
    last = bisect.bisect_left(tree.tokens, span.end, first, key=_start)
    return [token for token in tree.tokens[first:last] if token.type != "WHITESPACE"]


def next_token(tree: SyntaxTree, offset: int) -> tuple[int, bool]:
    """Return the start of the first token from `offset` on, and whether it is a comment.

    White space does not count as a token. Without a token, the start is the end of the text.
    """
    index = bisect.bisect_left(tree.tokens, offset, key=_start)
    while index < len(tree.tokens) and tree.tokens[index].type == "WHITESPACE":
        index += 1
    if index == len(tree.tokens):
        return len(tree.source.text), False
    return _start(tree.tokens[index]), tree.tokens[index].type == "COMMENT"


def previous_end(tree: SyntaxTree, offset: int) -> int | None:
    """Return the end of the last token before `offset`, or None if there is white space only."""
    index = bisect.bisect_left(tree.tokens, offset, key=_start) - 1
    while index >= 0 and tree.tokens[index].type == "WHITESPACE":
        index -= 1
    is_start = index < 0 or tree.tokens[index].type == "BOM"
    return None if is_start else token_span(tree.tokens[index]).end


def comment_after(tree: SyntaxTree, offset: int) -> Span | None:
    """Return the comment that directly follows `offset` on its line, or None."""
    start, is_comment = next_token(tree, offset)
    if not is_comment or has_line_end(tree.source.text, offset, start):
        return None
    index = bisect.bisect_left(tree.tokens, start, key=_start)
    return token_span(tree.tokens[index])


def token_span(token: Token) -> Span:
    """Return the span of a token."""
    return Span(cast(int, token.start_pos), cast(int, token.end_pos))


def _start(token: Token) -> int:
    return cast(int, token.start_pos)


def has_line_end(text: str, start: int, end: int) -> bool:
    """Return whether a line ends between two offsets."""
    return LINE_END.search(text, start, end) is not None


def removal_edits(
    text: str, elements: Sequence[Element], removed: Container[int], start: int, end: int
) -> Iterator[Edit]:
    """Yield edits that remove the elements with the indices `removed`, but not all elements.

    `start` is the start of the gap before the first element, and `end` the end of the gap after the
    last one.
    """
    index = 0
    while index < len(elements):
        first = index
        while index < len(elements) and index in removed:
            index += 1
        if index > first:
            gap_start = elements[first - 1].span.end if first else start
            gap_end = elements[index].span.start if index < len(elements) else end
            run = elements[first].span.to(elements[index - 1].span)
            keeps_line = has_line_end(text, gap_start, run.start) and not (
                has_line_end(text, run.end, gap_end) or gap_end == len(text)
            )
            if first == 0 or keeps_line or starts_word(text, run.end):
                yield Edit(Span(run.start, gap_end), "")
            else:
                yield Edit(Span(gap_start, run.end), "")
        index += 1


def starts_word(text: str, offset: int) -> bool:
    """Return whether a word starts here, so that a word inserted before it needs a space."""
    return text[offset : offset + 1].isalnum() or text[offset : offset + 1] == "_"


def is_vertical(text: str, elements: Sequence[Element], indices: Sequence[int], start: int) -> bool:
    """Return whether `indices` is not empty and each of these elements starts a line.

    `start` is the start of the gap before the first of all elements.
    """
    starts = [start, *(element.span.end for element in elements)]
    return bool(indices) and all(
        has_line_end(text, starts[index], elements[index].span.start) for index in indices
    )


def indentation(text: str, offset: int) -> str:
    """Return the white space before `offset` on its line, or the default if there is more."""
    line_start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    indent = text[line_start:offset]
    return INDENT if indent.strip(" \t") else indent
