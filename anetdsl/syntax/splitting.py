"""Split the tokens of a text into statements, so that a mistake in one does not affect the next.

A keyword starts a statement. If a keyword is misspelt, doubled or used as a name, the split follows
the probable intention. Line starts and indentation help to find it; they have no meaning in a text
without mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from lark import Token

from anetdsl.diagnostics import did_you_mean
from anetdsl.source import SourceFile
from anetdsl.vocabulary import KEYWORDS, STATEMENTS

KEYWORD_TYPES = frozenset(keyword.upper() for keyword in KEYWORDS)
NAMED_TYPES = frozenset(s.keyword.upper() for s in STATEMENTS.values() if s.named)
"""Keywords that are followed by a name."""
_WORD_TYPES = KEYWORD_TYPES | {"NAME"}


def cut(tokens: Sequence[Token], source: SourceFile) -> Iterator[list[Token]]:
    """Yield the tokens of each statement, and of each text that was probably meant as one."""
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


def without_slash_comments(tokens: Iterable[Token], source: SourceFile) -> Iterator[Token]:
    """Yield the tokens without the rest of a line after `//`, which starts no comment here.

    The `//` itself stays and is reported as an unexpected character.
    """
    line: int | None = None
    for token in tokens:
        if line is None or source.position(cast(int, token.start_pos)).line != line:
            line = None
            if token.type == "UNEXPECTED_CHARACTER" and token.startswith("//"):
                line = source.position(cast(int, token.start_pos)).line
            yield token


def type_at(tokens: Sequence[Token], index: int) -> str:
    """Return the type of a token, or an empty string for an index outside of the tokens."""
    return tokens[index].type if 0 <= index < len(tokens) else ""


def _starts_line(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    start, previous = cast(int, tokens[index].start_pos), cast(int, tokens[index - 1].start_pos)
    return not index or source.position(previous).line < source.position(start).line


def _is_indented(token: Token, keyword: Token, source: SourceFile) -> bool:
    """Return whether a token is indented more than a keyword, as if it continued its statement."""
    column = source.position(cast(int, token.start_pos)).column
    return column > source.position(cast(int, keyword.start_pos)).column + 1


def _is_keyword_in_place(
    start: Token, tokens: Sequence[Token], index: int, source: SourceFile
) -> bool:
    """Return whether a keyword starts a statement; otherwise it is used in place of a name.

    `start` is the first token of the previous statement.
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
    """Return whether a keyword is followed by the same keyword on the same line."""
    return (
        len(chunk) == 1
        and chunk[0].type == following.type
        and following.type in KEYWORD_TYPES
        and not _starts_line([*chunk, following], 1, source)
    )


def stray_names(chunk: Sequence[Token]) -> Iterator[str]:
    """Yield names in a statement with a mistake that may be intended as its own name."""
    for index, token in enumerate(chunk):
        before, after = type_at(chunk, index - 1), type_at(chunk, index + 1)
        if (
            token.type == "NAME"
            and before not in ("COMMA", "LSQB")
            and after not in ("COMMA", "RSQB", "AT", "EQUAL")
        ):
            yield str(token)


def holds_keyword(token: Token) -> bool:
    """Return whether a word ends with a keyword that may start a statement, as in `64input`."""
    return token.type in ("NAME", "MALFORMED_NUMBER") and token.endswith(KEYWORDS)


def _is_unknown_statement(tokens: Sequence[Token], index: int, source: SourceFile) -> bool:
    """Return whether a token is a misspelt keyword: first on its line, before a name or keyword."""
    token, previous = tokens[index], tokens[index - 1]
    if token.type != "NAME" or previous.type in KEYWORD_TYPES or previous.type == "EQUAL":
        return False
    if type_at(tokens, index + 1) not in ("NAME", "", *KEYWORD_TYPES):
        return False
    return _starts_line(tokens, index, source) and (
        previous.type not in ("COMMA", "LSQB", "AT") or did_you_mean(token, KEYWORDS) is not None
    )
