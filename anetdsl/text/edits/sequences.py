"""Things in a row, such as the items of a list, of which some go and others come.

A thing is removed with one of the gaps beside it. Which of them stays decides whether what follows
keeps its line, and must never put anything behind a comment.
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
class Thing:
    """What goes or stays as a whole: an item with its comma and its comment, or a comment alone."""

    span: Span
    ends_in_comment: bool = False

    def with_comment(self, comment: Span) -> Thing:
        """The thing and the comment behind it."""
        return Thing(self.span.to(comment), ends_in_comment=True)


def tokens_within(tree: SyntaxTree, span: Span) -> Sequence[Token]:
    """The tokens that start within a span, but for white space."""
    first = bisect.bisect_left(tree.tokens, span.start, key=_start)
    last = bisect.bisect_left(tree.tokens, span.end, first, key=_start)
    return [token for token in tree.tokens[first:last] if token.type != "WHITESPACE"]


def next_token(tree: SyntaxTree, offset: int) -> tuple[int, bool]:
    """Where the first token from `offset` on starts, or the text ends; and whether it is a comment.

    White space does not count.
    """
    index = bisect.bisect_left(tree.tokens, offset, key=_start)
    while index < len(tree.tokens) and tree.tokens[index].type == "WHITESPACE":
        index += 1
    if index == len(tree.tokens):
        return len(tree.source.text), False
    return _start(tree.tokens[index]), tree.tokens[index].type == "COMMENT"


def previous_end(tree: SyntaxTree, offset: int) -> int | None:
    """Where the last token before `offset` ends; None where there is nothing but white space."""
    index = bisect.bisect_left(tree.tokens, offset, key=_start) - 1
    while index >= 0 and tree.tokens[index].type == "WHITESPACE":
        index -= 1
    is_start = index < 0 or tree.tokens[index].type == "BOM"
    return None if is_start else token_span(tree.tokens[index]).end


def comment_behind(tree: SyntaxTree, offset: int) -> Span | None:
    """The comment that follows `offset` on its line, with nothing in between."""
    start, is_comment = next_token(tree, offset)
    if not is_comment or has_line_end(tree.source.text, offset, start):
        return None
    index = bisect.bisect_left(tree.tokens, start, key=_start)
    return token_span(tree.tokens[index])


def token_span(token: Token) -> Span:
    """Where a token stands."""
    return Span(cast(int, token.start_pos), cast(int, token.end_pos))


def _start(token: Token) -> int:
    return cast(int, token.start_pos)


def has_line_end(text: str, start: int, end: int) -> bool:
    """Whether a line ends between two places."""
    return LINE_END.search(text, start, end) is not None


def cuts(
    text: str, things: Sequence[Thing], removed: Container[int], start: int, end: int
) -> Iterator[Edit]:
    """Edits that remove the things of the indices `removed`, but not all of them.

    `start` is where the gap before the first thing starts, `end` where that behind the last ends.
    """
    index = 0
    while index < len(things):
        first = index
        while index < len(things) and index in removed:
            index += 1
        if index > first:
            gap_start = things[first - 1].span.end if first else start
            gap_end = things[index].span.start if index < len(things) else end
            run = things[first].span.to(things[index - 1].span)
            keeps_line = has_line_end(text, gap_start, run.start) and not (
                has_line_end(text, run.end, gap_end) or gap_end == len(text)
            )
            if first == 0 or keeps_line or starts_word(text, run.end):
                yield Edit(Span(run.start, gap_end), "")
            else:
                yield Edit(Span(gap_start, run.end), "")
        index += 1


def starts_word(text: str, offset: int) -> bool:
    """Whether a word starts right here, that must not become one with what is put before it."""
    return text[offset : offset + 1].isalnum() or text[offset : offset + 1] == "_"


def is_vertical(text: str, things: Sequence[Thing], places: Sequence[int], start: int) -> bool:
    """Whether there are things at `places`, and each starts a line of its own.

    `start` is where the gap before the first of all things starts.
    """
    starts = [start, *(thing.span.end for thing in things)]
    return bool(places) and all(
        has_line_end(text, starts[place], things[place].span.start) for place in places
    )


def indentation(text: str, offset: int) -> str:
    """What indents `offset`; a statement's usual indentation where it starts no line."""
    line_start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    indent = text[line_start:offset]
    return INDENT if indent.strip(" \t") else indent
