"""The laws of the language, on random networks, layouts, edits and broken texts.

Each law is a function of one random value. `make test` tries some hundred values of each, the slow
variant 10,000.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anetdsl import AnetError, check, edits, format_text, parse
from anetdsl.edits import apply, find, invert
from anetdsl.elaborate import elaborate
from anetdsl.interchange.document import from_json, to_json
from anetdsl.ir import Edge, Network, Node, Origin, Score
from anetdsl.rendering.text import render_concise, render_text
from anetdsl.source import LINE_END, Edit, SourceFile
from anetdsl.syntax.comments import comments_of
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax, tokenize
from tests.strategies import (
    EXAMPLES,
    Written,
    broken_texts,
    names,
    networks,
    origins,
    scores,
    weights,
    written,
)


def tree_of(text: str) -> SyntaxTree:
    return parse_syntax(SourceFile("text", text))


def comments(text: str) -> list[str]:
    return [comment.text for comment in comments_of(tree_of(text))]


# Texts


def tokens_joined_are_the_text(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert [token.start_pos for token in tokens] == [
        *[0][: len(tokens)],
        *[token.end_pos for token in tokens[:-1]],
    ]


def a_printed_network_parses_to_itself(network: Network) -> None:
    text = str(network)
    assert parse(text) == network
    assert format_text(text) == text


def a_network_as_json_is_the_same(network: Network) -> None:
    assert from_json(json.loads(json.dumps(to_json(network)))) == network


def layout_means_nothing(case: Written) -> None:
    assert parse(case.text) == case.network


def formatting_keeps_meaning_and_comments_and_is_final(case: Written) -> None:
    formatted = format_text(case.text)
    assert parse(formatted) == case.network
    assert Counter(comments(formatted)) == Counter(comments(case.text))
    assert format_text(formatted) == formatted
    newline = LINE_END.search(case.text)
    assert set(LINE_END.findall(formatted)) == {newline[0] if newline else "\n"}
    assert not re.search(r"[ \t\f](?:\Z|[\r\n])|\A\ufeff|\A[\r\n]", formatted)
    assert not re.search(r"(?:\n|\r\n|\r(?!\n)){3}", formatted)


# Mistakes


def findings_are_each_said_once_and_point_into_the_text(text: str) -> None:
    findings = check(text)
    assert len(set(findings)) == len(findings)
    places = Counter((finding.code, finding.span) for finding in findings if finding.is_error)
    assert set(places.values()) <= {1}
    for finding in findings:
        for span in (finding.span, *(label.span for label in finding.labels)):
            assert 0 <= span.start <= span.end <= len(text)
        if finding.fix is not None:
            assert apply(text, finding.fix.edits) != text
    source = SourceFile("text", text)
    assert render_text(source, findings).count("-->") == len(findings)
    assert render_concise(source, findings).count("\n") == len(findings)


def a_broken_text_is_refused_or_formatted_for_good(text: str) -> None:
    try:
        formatted = format_text(text)
    except AnetError as error:
        assert error.diagnostics == tree_of(text).diagnostics
    else:
        assert format_text(formatted) == formatted


_OPAQUE = re.compile(r'#[^\r\n]*|"(?:[^"\\\r\n]|\\[^\r\n])*"?')


def no_name_is_unknown_that_a_statement_defines(text: str) -> None:
    plain = _OPAQUE.sub(" ", text)
    defined = set(re.findall(r"(?<!\w)(?:node|input)\s+([A-Za-z_]\w*)(?!\w)", plain, re.ASCII))
    for finding in check(text):
        if finding.code == "A302":
            assert text[finding.span.start : finding.span.end] not in defined


# Edits


@attrs.frozen
class Change:
    """An edit of a text, and the same edit of the network that it means."""

    case: Written
    name: str
    build: Callable[[SyntaxTree], tuple[Edit, ...]] = attrs.field(repr=False)
    expected: Network
    statement: tuple[str, str | None] | None = None
    """The one statement that changes, if it is one."""
    loses_comments: bool = False


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any edit of a random text."""
    case = draw(written())
    kinds = [_numbers, _edges, _one_edge, _renaming, _insertion, _removal, _about, _settings]
    return draw(draw(st.sampled_from(kinds))(case))


def _with_node(network: Network, old: Node, new: Node) -> Network:
    return attrs.evolve(network, nodes=tuple(new if n is old else n for n in network.nodes))


@st.composite
def _numbers(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.sampled_from(case.network.nodes))
    values = draw(
        st.fixed_dictionaries(
            {},
            optional={"C": st.integers(1, 8192), "r": st.integers(1, 256), "stride": st.just(2)},
        )
    )
    fields = {"C": "channels", "r": "dilation", "stride": "stride"}
    new = attrs.evolve(node, **{fields[name]: value for name, value in values.items()})
    texts = {name: str(value) for name, value in values.items()}
    return Change(
        case,
        f"set {texts}",
        lambda tree: edits.set_attributes(tree, find(tree, "node", node.name), texts),
        _with_node(case.network, node, new),
        ("node", node.name),
    )


def _sources(network: Network, node: Node | None) -> list[str]:
    if node is not None and node.is_stem:
        return [value.name for value in network.inputs]
    return [n.name for n in network.nodes if node is None or n.level < node.level]


@st.composite
def _edges(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.none() | st.sampled_from(case.network.nodes))
    reader = case.network.sink if node is None else node
    may_weigh = node is not None and not node.is_stem
    edge = st.builds(
        Edge,
        st.sampled_from(_sources(case.network, node)),
        st.none() | weights if may_weigh else st.none(),
    )
    old = st.sampled_from(reader.inputs)
    new = tuple(draw(st.lists(edge | old, max_size=8)))
    if node is None:
        sink = attrs.evolve(case.network.sink, inputs=new)
        expected = attrs.evolve(case.network, sink=sink)
    else:
        expected = _with_node(case.network, node, attrs.evolve(node, inputs=new))
    target = ("sink", None) if node is None else ("node", node.name)
    return Change(
        case,
        f"set edges {new}",
        lambda tree: edits.set_edges(tree, find(tree, *target), new),
        expected,
        target,
        loses_comments=True,
    )


@st.composite
def _one_edge(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.sampled_from(case.network.nodes))
    inputs, source = node.inputs, draw(st.sampled_from(node.inputs)).source
    target = ("node", node.name)
    build: Callable[[SyntaxTree], tuple[Edit, ...]]
    match draw(st.sampled_from(["add", "remove", "weigh"] if not node.is_stem else ["add"])):
        case "add":
            edge = Edge(draw(st.sampled_from(_sources(case.network, node))))
            new, name = (*inputs, edge), f"add {edge}"
            build = lambda tree: edits.add_edge(tree, find(tree, *target), edge)  # noqa: E731
        case "remove":
            new, name = tuple(e for e in inputs if e.source != source), f"remove {source}"
            build = lambda tree: edits.remove_edge(tree, find(tree, *target), source)  # noqa: E731
        case _:
            weight = draw(st.none() | weights)
            new = tuple(attrs.evolve(e, weight=weight) if e.source == source else e for e in inputs)
            name = f"weight {source} {weight}"
            build = lambda tree: edits.set_weight(  # noqa: E731
                tree, find(tree, *target), source, weight
            )
    expected = _with_node(case.network, node, attrs.evolve(node, inputs=new))
    return Change(case, name, build, expected, target, loses_comments=name.startswith("remove"))


@st.composite
def _renaming(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    taken = [value.name for value in (*network.inputs, *network.nodes)]
    old, new = draw(st.sampled_from(taken)), draw(names.filter(lambda name: name not in taken))

    def renamed(value: Any) -> Any:
        value = attrs.evolve(value, name=new) if getattr(value, "name", "") == old else value
        if not hasattr(value, "inputs"):
            return value
        inputs = (attrs.evolve(e, source=new) if e.source == old else e for e in value.inputs)
        return attrs.evolve(value, inputs=tuple(inputs))

    expected = attrs.evolve(
        network,
        inputs=tuple(map(renamed, network.inputs)),
        nodes=tuple(map(renamed, network.nodes)),
        sink=renamed(network.sink),
    )
    return Change(case, f"{old} -> {new}", lambda tree: edits.rename(tree, old, new), expected)


@st.composite
def _insertion(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    taken = [value.name for value in (*network.inputs, *network.nodes)]
    name = draw(names.filter(lambda name: name not in taken))
    lower = [n.name for n in network.nodes if n.level < 4]
    read = draw(st.lists(st.sampled_from(lower), min_size=1, max_size=9))
    node = Node(name, 4, draw(st.integers(1, 8192)), 1, 2, tuple(map(Edge, read)))
    place = draw(st.integers(0, len(network.nodes) - 1))
    after = network.nodes[place]
    nodes = (*network.nodes[: place + 1], node, *network.nodes[place + 1 :])
    return Change(
        case,
        f"insert {node} after {after.name}",
        lambda tree: edits.insert_node(tree, node, find(tree, "node", after.name)),
        attrs.evolve(network, nodes=nodes),
    )


@st.composite
def _removal(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    gone = draw(st.sampled_from(network.nodes))

    def without(value: Any) -> Any:
        left = tuple(edge for edge in value.inputs if edge.source != gone.name)
        return attrs.evolve(value, inputs=left)

    nodes = (node if node.is_stem else without(node) for node in network.nodes if node is not gone)
    return Change(
        case,
        f"remove {gone.name}",
        lambda tree: edits.remove_statement(tree, find(tree, "node", gone.name)),
        attrs.evolve(network, nodes=tuple(nodes), sink=without(network.sink)),
        loses_comments=True,
    )


@st.composite
def _about(draw: st.DrawFn, case: Written) -> Change:
    if draw(st.booleans()):
        origin: Origin | None = draw(st.none() | origins)
        return Change(
            case,
            f"{origin}",
            lambda tree: edits.set_origin(tree, origin),
            attrs.evolve(case.network, origin=origin),
            loses_comments=True,
        )
    score: Score | None = draw(st.none() | scores)
    return Change(
        case,
        f"{score}",
        lambda tree: edits.set_score(tree, score),
        attrs.evolve(case.network, score=score),
        loses_comments=True,
    )


@st.composite
def _settings(draw: st.DrawFn, case: Written) -> Change:
    network, name = case.network, draw(names)
    widths = draw(st.tuples(*[st.integers(1, 8192)] * 4))
    frozen = draw(st.booleans())
    values = {"D": [str(width) for width in widths], "edges": "fixed" if frozen else None}

    def build(tree: SyntaxTree) -> tuple[Edit, ...]:
        statement = find(tree, "network")
        return (
            *edits.set_attributes(tree, statement, values),
            *edits.set_network_name(tree, name),
        )

    expected = attrs.evolve(
        network, name=name, widths=widths, edges="fixed" if frozen else "learned"
    )
    return Change(case, f"{values}", build, expected, ("network", None), loses_comments=True)


def an_edit_of_the_text_is_the_same_edit_of_the_network(change: Change) -> None:
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
        _holds_around(find(tree, *change.statement), text, after)


def _holds_around(statement: StatementNode, text: str, after: str) -> None:
    """What is before and behind a statement is as it was. (A comment behind it may be its own.)"""
    assert after.startswith(text[: statement.span.start])
    behind = LINE_END.search(text, statement.span.end)
    assert after.endswith(text[behind.start() if behind else len(text) :])


# The laws at work

LAWS: list[tuple[Callable[[Any], None], st.SearchStrategy[Any], int]] = [
    (tokens_joined_are_the_text, st.text(st.characters()) | broken_texts(), 300),
    (a_printed_network_parses_to_itself, networks(), 60),
    (a_network_as_json_is_the_same, networks(), 60),
    (layout_means_nothing, written(), 60),
    (formatting_keeps_meaning_and_comments_and_is_final, written(), 80),
    (findings_are_each_said_once_and_point_into_the_text, broken_texts(), 200),
    (a_broken_text_is_refused_or_formatted_for_good, broken_texts(), 100),
    (no_name_is_unknown_that_a_statement_defines, broken_texts(), 200),
    (an_edit_of_the_text_is_the_same_edit_of_the_network, changes(), 150),
]
with_laws = pytest.mark.parametrize(
    ("law", "values", "cases"), LAWS, ids=[law.__name__ for law, _, _ in LAWS]
)


def _try(law: Callable[[Any], None], values: st.SearchStrategy[Any], cases: int) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

    @settings(max_examples=cases, suppress_health_check=quiet)
    @given(values)
    def run(value: Any) -> None:
        law(value)

    run()


@with_laws
def test_laws(law, values, cases):
    """The laws of the language's design hold for some hundred random values."""
    _try(law, values, cases)


@pytest.mark.slow
@with_laws
def test_laws_at_length(law, values, cases):
    """The same for 10,000."""
    _try(law, values, 10_000)


SMALL = [path for path in EXAMPLES if path.stem in ("small_assemblenet", "asn50")]


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
@pytest.mark.parametrize("times", [0, 2], ids=["deleted", "doubled"])
def test_one_slip_gives_one_error(path, times):
    """Whichever token of an example is deleted or doubled: no false followers.

    Some slips leave a sound network, such as one without an edge.
    """
    tokens = tokenize(path.read_text())
    for index, token in enumerate(tokens):
        if token.type not in ("WHITESPACE", "COMMENT"):
            text = "".join([*tokens[:index], f"{token} " * times, *tokens[index + 1 :]])
            errors = [finding for finding in check(text) if finding.is_error]
            assert len(errors) <= 1, (token, errors)


def test_bytes_that_are_text_are_read_without_loss():
    """Line ends of all kinds, a byte order mark, and characters beyond the first plane."""
    data = "\ufeffanet 1\r\n\r# \U0001f600\x00\x85\u2028\nnetwork a".encode()
    assert "".join(tokenize(data.decode())).encode() == data
