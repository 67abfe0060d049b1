"""The loops over Lark's tables give what Lark's own loops give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedToken
from lark.lexer import LexerThread

from anetdsl.syntax.grammar import START_RULES, load_parser
from anetdsl.syntax.machine import Machine, Scanner
from tests.strategies import texts

LARK: Lark = load_parser(Transformer())
LEXER = LARK._build_lexer(dont_ignore=True)
SCANNER = Scanner.of(LEXER)
MACHINES = {rule: Machine.of(LARK, rule) for rule in START_RULES}
WORDS = [
    "node",
    "n1",
    "input",
    "anet",
    "1",
    "0.5",
    "=",
    "@",
    ",",
    "[",
    "]",
    '"s"',
    "sink",
    "~",
    "1x",
]


def by_lark(rule: str, tokens: Sequence[Token]) -> Any:
    parser = LARK.parse_interactive(start=rule)
    try:
        for token in tokens:
            parser.feed_token(token)
        return parser.feed_eof(tokens[-1] if tokens else None)  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        return None


def significant(text: str) -> list[Token]:
    return [t for t in SCANNER.scan(text) if t.type not in ("WHITESPACE", "COMMENT", "BOM")]


@settings(max_examples=40)
@given(texts() | st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_tokens_are_those_of_larks_lexer(text: str) -> None:
    """Types, places and values; joined, they are the text."""
    own = list(SCANNER.scan(text))
    theirs = list(LexerThread.from_text(LEXER, text).lex(None))  # type: ignore[no-untyped-call]
    assert [(t.type, t.value, str(t), t.start_pos, t.end_pos) for t in own] == [
        (t.type, t.value, str(t), t.start_pos, t.end_pos) for t in theirs
    ]
    assert "".join(own) == text


@settings(max_examples=40)
@given(texts())
def test_trees_of_whole_files_are_those_of_larks_parser(text: str) -> None:
    tokens = significant(text)
    assert MACHINES["file"].run(tokens) == by_lark("file", tokens)


@pytest.mark.parametrize("rule", START_RULES)
@settings(max_examples=40)
@given(words=st.lists(st.sampled_from(WORDS), max_size=12))
def test_what_does_not_fit_is_refused_by_both(rule: str, words: list[str]) -> None:
    tokens = significant(" ".join(words))
    expected = by_lark(rule, tokens)
    assert MACHINES[rule].run(tokens) == expected
