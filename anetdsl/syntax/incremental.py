"""Parse a changed text by means of the tree of the text before the change.

The result equals that of `parse_syntax`. Only the lines that changed are split into tokens again,
and only the statements that changed are parsed again. All others are moved to their new places.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import cast

from lark import Token

from anetdsl.source import LINE_END, SourceFile, Span
from anetdsl.syntax.nodes import (
    AttributeNode,
    ListItem,
    ListValue,
    Scalar,
    StatementNode,
    SyntaxTree,
    Value,
    Word,
)
from anetdsl.syntax.parser import parse_tokens, tokenize


def parse_again(before: SyntaxTree, source: SourceFile) -> SyntaxTree:
    """Return the tree of `source`. `before` is the tree of a similar text."""
    tokens = _tokens(before, source.text)
    if tokens is None:
        tokens = tokenize(source.text)
    old = before.source.text
    known = {
        old[statement.span.start : statement.span.end]: statement
        for statement in before.statements
        if not statement.broken
    }

    def reuse(span: Span) -> StatementNode | None:
        statement = known.get(source.text[span.start : span.end])
        return None if statement is None else _moved(statement, span.start - statement.span.start)

    return parse_tokens(source, tokens, reuse)


def _tokens(before: SyntaxTree, text: str) -> tuple[Token, ...] | None:
    """Return the tokens of a text, or None if too little of it is unchanged."""
    old = before.source.text
    same_start = _common_prefix(old, text)
    same_end = _common_suffix(old, text, min(len(old), len(text)) - same_start)
    # Every token but white space is within one line, so tokens of unchanged lines are unchanged.
    first = _tokens_before_line(before.tokens, old, same_start)
    last = _tokens_after_line(before.tokens, old, len(old) - same_end)
    if last is None:
        last = len(before.tokens)
    start = 0 if first == 0 else cast(int, before.tokens[first - 1].end_pos)
    old_end = len(old) if last == len(before.tokens) else cast(int, before.tokens[last].start_pos)
    growth = len(text) - len(old)
    changed = tokenize(text[start : old_end + growth])
    if start and changed and changed[0].type == "BOM":
        return None  # The mark is one at the start of the text only.
    return (
        *before.tokens[:first],
        *_moved_tokens(changed, start),
        *_moved_tokens(before.tokens[last:], growth),
    )


def _common_prefix(one: str, other: str) -> int:
    """Return the number of equal characters at the start of two texts."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_suffix(one: str, other: str, limit: int) -> int:
    """Return the number of equal characters at the end of two texts, at most `limit`."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        one_part = one[len(one) - middle : len(one) - low]
        if one_part == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _tokens_before_line(tokens: tuple[Token, ...], text: str, offset: int) -> int:
    """Return how many tokens end before the line of an offset, without white space at its start."""
    line = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    # A line end that is the last unchanged character may become a part of another line end.
    return bisect.bisect_right(tokens, line - 1, key=_end) if line else 0


def _tokens_after_line(tokens: tuple[Token, ...], text: str, offset: int) -> int | None:
    """Return the index of the first token below the line of an offset that is no white space."""
    line_end = LINE_END.search(text, offset)
    if line_end is None:
        return None
    index = bisect.bisect_left(tokens, line_end.end(), key=_start)
    while index < len(tokens) and tokens[index].type == "WHITESPACE":
        index += 1
    return index


def _start(token: Token) -> int:
    return cast(int, token.start_pos)


def _end(token: Token) -> int:
    return cast(int, token.end_pos)


# Move to another place


def _moved_tokens(tokens: Iterable[Token], by: int) -> Iterator[Token]:
    if not by:
        yield from tokens
        return
    new = str.__new__
    for token in tokens:
        moved = new(Token, token)  # A third of the time of Token(...), for thousands of tokens.
        moved.type = token.type
        moved.value = token.value
        moved.line, moved.column = token.line, token.column
        moved.end_line, moved.end_column = token.end_line, token.end_column
        moved.start_pos = token.start_pos + by  # type: ignore[operator]
        moved.end_pos = token.end_pos + by  # type: ignore[operator]
        yield moved


def _moved(statement: StatementNode, by: int) -> StatementNode:
    if not by:
        return statement
    return StatementNode(
        _moved_word(statement.keyword, by),
        None if statement.name is None else _moved_word(statement.name, by),
        None if statement.version is None else _moved_scalar(statement.version, by),
        tuple(
            AttributeNode(
                _moved_word(attribute.name, by),
                None if attribute.value is None else _moved_value(attribute.value, by),
                _moved_span(attribute.span, by),
            )
            for attribute in statement.attributes
        ),
        _moved_span(statement.span, by),
    )


def _moved_value(value: Value, by: int) -> Value:
    if isinstance(value, Scalar):
        return _moved_scalar(value, by)
    items = tuple(
        ListItem(
            _moved_scalar(item.value, by),
            None if item.weight is None else _moved_scalar(item.weight, by),
            _moved_span(item.span, by),
        )
        for item in value.items
    )
    return ListValue(items, _moved_span(value.span, by))


def _moved_word(word: Word, by: int) -> Word:
    return Word(word.text, _moved_span(word.span, by))


def _moved_scalar(scalar: Scalar, by: int) -> Scalar:
    return Scalar(scalar.kind, scalar.text, _moved_span(scalar.span, by))


def _moved_span(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)
