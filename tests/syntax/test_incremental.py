"""Parsing a changed text by means of the old tree gives the same as parsing it alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.source import SourceFile
from anetdsl.syntax.incremental import parse_again
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from tests.mistakes import GOOD
from tests.strategies import broken_texts, texts

PIECES = [
    "",
    "1",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\f",
    "#",
    '"',
    "[",
    "]",
    "=",
    ",",
    "@0.5",
    "//",
    "-",
    "e5",
]
PIECES += ["1e-", "\ufeff", "node ", "node x level=1\n", "sink", "😀", "origin ops=["]
PIECES += ["peers=[", "C=[1, ", "kind=object", "blocks=lite "]


def tokens(tree: SyntaxTree) -> list[tuple[object, ...]]:
    return [(t.type, str(t), t.value, t.start_pos, t.end_pos) for t in tree.tokens]


def check(before: SyntaxTree, text: str) -> SyntaxTree:
    source = SourceFile("x", text)
    found, expected = parse_again(before, source), parse_syntax(source)
    assert found == expected
    assert tokens(found) == tokens(expected)
    return found


@given(
    broken_texts() | texts(),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)), max_size=5),
)
@settings(max_examples=80)
def test_edits_give_the_tree_of_the_new_text(
    text: str, edits: list[tuple[float, int, str]]
) -> None:
    """Each edit uses the tree of the edit before."""
    tree = parse_syntax(SourceFile("x", text))
    for place, removed, inserted in edits:
        start = round(place * len(text))
        text = text[:start] + inserted + text[start + removed :]
        tree = check(tree, text)


@given(broken_texts(), broken_texts())
@settings(max_examples=50)
def test_any_other_text(one: str, other: str) -> None:
    check(parse_syntax(SourceFile("x", one)), other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x\r\ny", "x\ry"),
        ("x\r", "x\r\n"),
        ("a\n\ufeffanet 1", "\n\ufeffanet 1"),
        ("\ufeffanet 1", "anet 1"),
        ("score top1=1e-\nnode", "score top1=1e-5\nnode"),
        ("// node a\nsink", "/ node a\nsink"),
        ("node a level=1", "node node a level=1"),
    ],
)
def test_edits_at_the_borders_of_tokens(before: str, after: str) -> None:
    for one, other in ((before, after), (after, before)):
        check(parse_syntax(SourceFile("x", one)), other)


def test_unchanged_statements_are_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = parse_syntax(SourceFile("x", GOOD))
    parsed: list[str] = []
    from anetdsl.syntax import parser

    whole = parser._parse

    def count(rule: str, chunk: list[object]) -> object:
        parsed.append(str(chunk[0]))
        return whole(rule, chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(parser, "_parse", count)
    tree = parse_again(before, SourceFile("x", GOOD.replace("C=256", "C=255")))
    assert parsed == ["node"]
    assert len(tree.statements) == len(before.statements)
