"""The tokens of a text cut into statements, so that a mistake in one cannot disturb the next.

A keyword starts a statement. Where one is misspelt, doubled, or stands in the place of a name, the
cut follows what was probably meant; line starts and indentation, which mean nothing in a text
without mistakes, help to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from lark import Token

from anetdsl.diagnostics import did_you_mean
from anetdsl.source import SourceFile
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

KEYWORD_TYPES = frozenset(keyword.upper() for keyword in KEYWORDS)
NAMED_TYPES = frozenset(s.keyword.upper() for s in STATEMENTS.values() if s.named)
"""Keywords that a name follows."""
_WORD_TYPES = KEYWORD_TYPES | {"NAME"}


def cut(tokens: Sequence[Token], source: SourceFile) -> Iterator[list[Token]]:
    """The tokens cut before every token that starts a statement, or was meant to."""
    chunk: list[Token] = []
    for index, token in enumerate(tokens):
        if (
            chunk
            and token.type in _WORD_TYPES
            and (
                _is_keyword_in_place(chunk[0], tokens, index, source)
                or _is_unknown_statement(tokens, index, source)
            )
        ):
            yield chunk
            chunk = []
        chunk.append(token)
    if chunk:
        yield chunk


def type_at(tokens: Sequence[Token], index: int) -> str:
    """The type of a token, or nothing beyond the ends."""
    return tokens[index].type if 0 <= index < len(tokens) else ""


def _starts_line(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    start, previous = cast(int, tokens[index].start_pos), cast(int, tokens[index - 1].start_pos)
    return not index or source.position(previous).line < source.position(start).line


def _is_indented(token: Token, keyword: Token, source: SourceFile) -> bool:
    """Whether a token stands to the right of a keyword, as what continues its statement does."""
    column = source.position(cast(int, token.start_pos)).column
    return column > source.position(cast(int, keyword.start_pos)).column + 1


def _is_keyword_in_place(
    start: Token, tokens: Sequence[Token], index: int, source: SourceFile
) -> bool:
    """Whether a keyword starts a statement, rather than stands where a name should.

    `start` is the token that the statement before it starts with.
    """
    token = tokens[index]
    if token.type not in KEYWORD_TYPES:
        return False
    before, after = type_at(tokens, index - 1), type_at(tokens, index + 1)
    starts_line = _starts_line(tokens, index, source)
    if after == "EQUAL":
        return starts_line and not _is_indented(token, start, source)
    if after in ("COMMA", "RSQB", "AT"):
        return before not in ("COMMA", "LSQB")
    if before not in NAMED_TYPES:
        return True
    is_name = not starts_line and type_at(tokens, index + 2) == "EQUAL"
    return after in ("NAME", "NUMBER") and not is_name


def is_doubled(chunk: Sequence[Token], following: Token, source: SourceFile) -> bool:
    """Whether a keyword stands alone before the same keyword, on one line."""
    return (
        len(chunk) == 1
        and chunk[0].type == following.type
        and following.type in KEYWORD_TYPES
        and not _starts_line([*chunk, following], 1, source)
    )


def stray_names(chunk: Sequence[Token]) -> Iterator[str]:
    """Names in a statement with a mistake that may be meant as its own."""
    for index, token in enumerate(chunk):
        before, after = type_at(chunk, index - 1), type_at(chunk, index + 1)
        if (
            token.type == "NAME"
            and before not in ("COMMA", "LSQB")
            and after not in ("COMMA", "RSQB", "AT", "EQUAL")
        ):
            yield str(token)


def holds_keyword(token: Token) -> bool:
    """Whether a word runs into a keyword that may start a statement, as in `64input`."""
    return token.type in ("NAME", "MALFORMED_NUMBER") and token.endswith(KEYWORDS)


def _is_unknown_statement(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    """Whether `index` is a misspelt keyword: first on its line, before a name or a statement."""
    token, previous = tokens[index], tokens[index - 1]
    if token.type != "NAME" or previous.type in KEYWORD_TYPES or previous.type == "EQUAL":
        return False
    if type_at(tokens, index + 1) not in ("NAME", "", *KEYWORD_TYPES):
        return False
    return _starts_line(tokens, index, source) and (
        previous.type not in ("COMMA", "LSQB", "AT") or did_you_mean(token, KEYWORDS) is not None
    )
