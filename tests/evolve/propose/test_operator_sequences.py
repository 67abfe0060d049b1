"""Sequences of operators give valid texts, in any layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.api import format_text, parse
from anetdsl.checking import check_source
from anetdsl.diff import diff
from anetdsl.evolve.operations import sentences
from anetdsl.evolve.propose.child_text import Parent, child_text, untrained
from anetdsl.evolve.propose.draft import Change, DraftNetwork
from anetdsl.evolve.propose.rewiring import repair
from anetdsl.ir import Edge, Input, Network, Node, Origin, Sink
from anetdsl.source import SourceFile
from tests.evolve.propose.test_operators import OPERATORS, SEARCHED, child_of, sums
from tests.evolve.searches import sink_fits
from tests.strategies import Written, written

# Sequences

COMMENTS = re.compile("#.*")
MARKED = re.compile(r"(?m)^(node (\w+) .*\])$")


def with_comments(text: str) -> str:
    """Return a text with a comment above each node and one at the end of its line."""
    return MARKED.sub(r"# above \2\n\1  # behind \2", text)


def blocks_of(text: str) -> dict[str, str]:
    """Return each node's statement with both comments, by node, without its column gaps."""
    pattern = r"# above (\w+)\nnode (\w+) [^#]*# behind \1\b"
    return {match[2]: re.sub(" +", " ", match[0]) for match in re.finditer(pattern, text)}


def apply_all(draft: DraftNetwork, steps: Sequence[tuple[str, int]]) -> list[Change]:
    changes: list[Change] = []
    for name, seed in steps:
        change = OPERATORS[name](draft, Random(seed))
        if change is not None:
            changes.append(change)
            draft = change.draft
    if (change := repair(draft, Random(0))) is not None:
        changes.append(change)
    return changes


STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATORS)), st.integers(0, 2**32)), min_size=1, max_size=5
)


@settings(max_examples=40)
@given(st.sampled_from(SEARCHED), st.lists(STEPS, min_size=1, max_size=2))
def test_any_sequence_of_operators_gives_a_valid_text(
    path: Path, generations: list[list[tuple[str, int]]]
) -> None:
    """It is formatted, passes the search's checks, and keeps the sums of C and the comments."""
    text = with_comments(path.read_text(encoding="utf-8"))
    network = parse(text)
    total = sums(network)
    warned = {d.code for d in check_source(SourceFile("", text), search=True).diagnostics}
    for number, steps in enumerate(generations):
        changes = apply_all(DraftNetwork.of(network), steps)
        if not changes:
            continue
        draft = attrs.evolve(changes[-1].draft, network=untrained(changes[-1].draft.network))
        ops = sentences(change.operation for change in changes)
        origin = Origin(network.name, number, 7, ops)
        parent = Parent.of(SourceFile("", text), network)
        new = child_text(parent, draft, f"g{number}", origin)
        assert new is not None
        assert format_text(new) == new
        checked = check_source(SourceFile("", new), search=True)
        assert checked.network is not None
        assert {d.code for d in checked.diagnostics} <= warned
        child = checked.network
        assert child == attrs.evolve(draft.network, name=f"g{number}", origin=origin, score=None)
        assert sums(child) == total
        assert sink_fits(child)
        same = {node.name for node in child.nodes} & {node.name for node in network.nodes}
        before, after = blocks_of(text), blocks_of(new)
        for name in same:
            if name in before and child.node(name) == network.node(name):
                assert after[name] == before[name]
            elif name in before:
                assert COMMENTS.findall(after[name]) == COMMENTS.findall(before[name])
        assert diff(parse(new), child).changes_network is False
        text, network = new, child


@settings(max_examples=50)
@given(written(), STEPS)
def test_the_edits_make_the_network_in_any_layout(
    case: Written, steps: list[tuple[str, int]]
) -> None:
    """Statements are in one line or in any order, with comments anywhere.

    The networks include some that a search would not make.
    """
    changes = apply_all(DraftNetwork.of(case.network), steps)
    if not changes:
        return
    draft = changes[-1].draft
    text = child_of(case.text, draft, case.network)
    network = parse(text)
    order = {node.name: node for node in network.nodes}
    assert {node.name: node for node in draft.network.nodes} == order
    assert network.sink == draft.network.sink


def test_an_untrained_child_has_fixed_weights_only() -> None:
    def network(edges: str) -> Network:
        given = (Input("rgb", 3, "rgb"),)
        nodes = (
            Node("s0", 0, 4, 1, 4, (Edge("rgb"),)),
            Node("a1", 1, 4, 1, 1, (Edge("s0", 0.3),)),
            Node("a2", 2, 4, 1, 2, (Edge("s0", 0.3), Edge("a1", 0.7))),
        )
        return Network("x", given, nodes, Sink((Edge("a2"),), 3), edges=edges)  # type: ignore[arg-type]

    def weights(value: Network) -> list[float | None]:
        return [edge.weight for node in value.nodes[1:] for edge in node.inputs]

    assert weights(untrained(network("learned"))) == [None, None, None]
    assert weights(untrained(network("learned"), keep_weights=True)) == [None, 0.3, 0.7]
    assert weights(untrained(network("fixed"))) == [None, 0.3, 0.7]
