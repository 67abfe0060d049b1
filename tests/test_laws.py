"""Properties of the language, on random networks, layouts, edits and broken texts.

Each property is a function of one random value. `make test` tries some hundred values of each, the
slow variant 10,000.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from anetdsl import AnetError, check, format_text, parse
from anetdsl.interchange.document import from_json, to_json
from anetdsl.ir import Network, Node
from anetdsl.rendering.findings import render_concise, render_text
from anetdsl.rules.elaborate import elaborate
from anetdsl.source import LINE_END, SourceFile
from anetdsl.syntax.comments import comments_of
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax, tokenize
from anetdsl.text.edits import apply, find, invert
from tests.changes import Change, changes
from tests.strategies import EXAMPLES, Written, broken_texts, networks, written


def tree_of(text: str) -> SyntaxTree:
    return parse_syntax(SourceFile("text", text))


def comments(text: str) -> list[str]:
    return [comment.text for comment in comments_of(tree_of(text))]


# Texts


def concatenated_tokens_are_the_text(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert [token.start_pos for token in tokens] == [
        *[0][: len(tokens)],
        *[token.end_pos for token in tokens[:-1]],
    ]


def printed_network_parses_to_the_same_network(network: Network) -> None:
    text = str(network)
    assert parse(text) == network
    assert format_text(text) == text


def json_of_a_network_gives_the_same_network(network: Network) -> None:
    assert from_json(json.loads(json.dumps(to_json(network)))) == network


def layout_has_no_meaning(case: Written) -> None:
    assert parse(case.text) == case.network


def formatting_keeps_meaning_and_comments_and_is_idempotent(case: Written) -> None:
    formatted = format_text(case.text)
    assert parse(formatted) == case.network
    assert Counter(comments(formatted)) == Counter(comments(case.text))
    assert format_text(formatted) == formatted
    newline = LINE_END.search(case.text)
    assert set(LINE_END.findall(formatted)) == {newline[0] if newline else "\n"}
    assert not re.search(r"[ \t\f](?:\Z|[\r\n])|\A\ufeff|\A[\r\n]", formatted)
    assert not re.search(r"(?:\n|\r\n|\r(?!\n)){3}", formatted)


# Mistakes


def findings_are_unique_and_have_places_in_the_text(text: str) -> None:
    findings = check(text)
    assert len(set(findings)) == len(findings)
    counts = Counter((finding.code, finding.span, finding.message) for finding in findings)
    assert set(counts.values()) <= {1}
    for finding in findings:
        for span in (finding.span, *(label.span for label in finding.labels)):
            assert 0 <= span.start <= span.end <= len(text)
        if finding.fix is not None:
            assert apply(text, finding.fix.edits) != text
    source = SourceFile("text", text)
    assert render_text(source, findings).count("-->") == len(findings)
    assert render_concise(source, findings).count("\n") == len(findings)


def broken_text_is_refused_or_formatted_idempotently(text: str) -> None:
    if mistakes := tree_of(text).diagnostics:
        with pytest.raises(AnetError) as raised:
            format_text(text)
        assert raised.value.diagnostics == mistakes
    else:
        assert format_text(format_text(text)) == format_text(text)


_OPAQUE = re.compile(r'#[^\r\n]*|"(?:[^"\\\r\n]|\\[^\r\n])*"?')


def defined_names_are_not_reported_as_unknown(text: str) -> None:
    plain = _OPAQUE.sub(" ", text)
    defined = set(re.findall(r"(?<!\w)(?:node|input)\s+([A-Za-z_]\w*)(?!\w)", plain, re.ASCII))
    for finding in check(text):
        if finding.code == "A302":
            assert text[finding.span.start : finding.span.end] not in defined


# Edits


def _has_channels(network: Network, node: Node) -> bool:
    """Return whether a node has C, or is the stem of an object input, which needs none."""
    kinds = {value.name: value.kind for value in network.inputs}
    sources = {kinds.get(edge.source) for edge in node.inputs}
    return node.channels is not None or (node.is_stem and sources == {"object"})


def edit_of_the_text_is_the_same_edit_of_the_network(change: Change) -> None:
    assume(all(_has_channels(change.expected, node) for node in change.expected.nodes))
    text, tree = change.case.text, tree_of(change.case.text)
    made = change.build(tree)
    after = apply(text, made)
    new_tree = tree_of(after)
    assert not new_tree.diagnostics
    assert elaborate(new_tree).network == change.expected
    assert apply(after, invert(text, made)) == text
    old_comments, new_comments = Counter(comments(text)), Counter(comments(after))
    assert not new_comments - old_comments
    if not change.loses_comments:
        assert new_comments == old_comments
    if change.statement is not None:
        _assert_rest_is_unchanged(find(tree, *change.statement), text, after)


def _assert_rest_is_unchanged(statement: StatementNode, text: str, after: str) -> None:
    """Assert that the text before the statement, and after its last line, is unchanged."""
    assert after.startswith(text[: statement.span.start])
    line_end = LINE_END.search(text, statement.span.end)
    assert after.endswith(text[line_end.start() if line_end else len(text) :])


# The tests of all properties

PROPERTIES: list[tuple[Callable[[Any], None], st.SearchStrategy[Any], int]] = [
    (concatenated_tokens_are_the_text, st.text(st.characters()) | broken_texts(), 150),
    (printed_network_parses_to_the_same_network, networks(), 40),
    (json_of_a_network_gives_the_same_network, networks(), 40),
    (layout_has_no_meaning, written(), 40),
    (formatting_keeps_meaning_and_comments_and_is_idempotent, written(), 40),
    (findings_are_unique_and_have_places_in_the_text, broken_texts(), 150),
    (broken_text_is_refused_or_formatted_idempotently, broken_texts(), 60),
    (defined_names_are_not_reported_as_unknown, broken_texts(), 150),
    (edit_of_the_text_is_the_same_edit_of_the_network, changes(), 100),
]
all_properties = pytest.mark.parametrize(
    ("check_property", "values", "cases"),
    PROPERTIES,
    ids=[check_property.__name__ for check_property, _, _ in PROPERTIES],
)


def _try(check_property: Callable[[Any], None], values: st.SearchStrategy[Any], cases: int) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

    @settings(max_examples=cases, suppress_health_check=quiet)
    @given(values)
    def run(value: Any) -> None:
        check_property(value)

    run()


@all_properties
def test_properties(check_property, values, cases):
    """Each property holds for some hundred random values."""
    _try(check_property, values, cases)


@pytest.mark.slow
@all_properties
def test_properties_with_many_values(check_property, values, cases):
    """Each property holds for 10,000 random values."""
    _try(check_property, values, 10_000)


EVERYTHING = """\
anet 1  # every kind of statement
network demo  D=[8, 16, 32, 64]  edges=fixed
origin  parent="g 1"  candidate=2  ops=["r a2: 1 -> 2", "split"]
score  top1=40.5  fitness=1e2
input rgb   channels=3
input flow  channels=2
node s0  level=0  C=4  r=4  stride=4  inputs=[rgb]
node s1  level=0  C=4  r=1  stride=4  inputs=[flow]
node a1  level=1  C=16  r=1  stride=1  inputs=[s0@0.25, s1]
node a2  level=2  C=32  r=2  stride=2  inputs=[
    a1@0.5, s1,  # a comment
    s0@0.75
]
sink  inputs=[a1, a2]  classes=12  combine=concat
"""
EVERYTHING_PLUS = """\
anet 1  # every word of AssembleNet++
network demo  blocks=lite  modules=[1, 2, 1, 1]  attention=peer
input rgb  channels=3
input seg  channels=5  kind=object
node s0  level=0  C=4  r=1  stride=2  inputs=[rgb]
node s1  level=0  stride=4  inputs=[seg]
node a1  level=1  C=[4, 3, 2]  r=1  stride=2  inputs=[s0@0.25, s1]  peers=[s0@0.5, s1@0.5]
node a2  level=2  C=[4, 4, 4]  r=2  stride=1  inputs=[a1, s0]
sink  inputs=[a2]  classes=12
"""
ALL_TEXTS = [path.read_text() for path in EXAMPLES]


@pytest.mark.parametrize("times", [0, 2], ids=["deleted", "doubled"])
@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([EVERYTHING], id="everything"),
        pytest.param([EVERYTHING_PLUS], id="everything of AssembleNet++"),
        pytest.param(ALL_TEXTS, id="examples", marks=pytest.mark.slow),
    ],
)
def test_deleting_or_doubling_a_token_gives_at_most_one_error(texts, times):
    """It gives none if the result is a valid network, such as one without an edge."""
    for text in texts:
        tokens = tokenize(text)
        assert not [finding for finding in check(text) if finding.is_error]
        for index, token in enumerate(tokens):
            if token.type not in ("WHITESPACE", "COMMENT"):
                changed = "".join([*tokens[:index], f"{token} " * times, *tokens[index + 1 :]])
                errors = [finding for finding in check(changed) if finding.is_error]
                assert len(errors) <= 1, (token, errors)


def test_tokens_keep_all_bytes():
    """Also line ends of all kinds, a byte order mark, and characters beyond the first plane."""
    data = "\ufeffanet 1\r\n\r# \U0001f600\x00\x85\u2028\nnetwork a".encode()
    assert "".join(tokenize(data.decode())).encode() == data
