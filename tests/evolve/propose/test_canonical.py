"""Canonical forms: equal for networks that differ in names and order only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.evolve.propose.canonical import canonical, canonical_form
from anetdsl.evolve.propose.draft import DraftNetwork
from anetdsl.evolve.propose.initial import random_network
from anetdsl.evolve.propose.operators import split_node
from anetdsl.evolve.settings.presets import space
from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink
from tests.networks import networks, table_4


def renamed(network: Network, order: Sequence[int]) -> Network:
    """Return the network with other names, and nodes and lists of edges in another order."""
    names = {network.nodes[old].name: f"m{new}" for new, old in enumerate(order)}

    def edges(given: Sequence[Edge]) -> tuple[Edge, ...]:
        found = (attrs.evolve(edge, source=names.get(edge.source, edge.source)) for edge in given)
        return tuple(sorted(found, key=lambda edge: (edge.source, edge.weight or 0.5)))

    nodes = tuple(
        attrs.evolve(
            network.nodes[old],
            name=f"m{new}",
            inputs=edges(network.nodes[old].inputs),
            peers=edges(network.nodes[old].peers),
        )
        for new, old in enumerate(order)
    )
    return attrs.evolve(
        network,
        name="another",
        inputs=network.inputs[::-1],
        nodes=nodes,
        sink=attrs.evolve(network.sink, inputs=edges(network.sink.inputs)),
        origin=Origin(parent="someone"),
        score=Score((("top1", 3.0),)),
    )


@given(networks(), st.randoms(use_true_random=False))
def test_names_and_order_do_not_count(network: Network, rng: Random) -> None:
    order = list(range(len(network.nodes)))
    rng.shuffle(order)
    assert canonical_form(renamed(network, order)) == canonical_form(network)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_names_and_order_do_not_count_in_networks_of_the_search(seed: int) -> None:
    rng = Random(seed)
    network = random_network(space("paper", 5), rng)
    order = list(range(len(network.nodes)))
    rng.shuffle(order)
    assert canonical_form(renamed(network, order)) == canonical_form(network)


def changed(**values: Any) -> Network:
    return attrs.evolve(table_4(), **values)


def node_changed(name: str, **values: Any) -> Network:
    nodes = (
        attrs.evolve(node, **values) if node.name == name else node for node in table_4().nodes
    )
    return changed(nodes=tuple(nodes))


OTHERS = {
    "itself": table_4(),
    "classes": table_4(classes=12),
    "D": changed(widths=(64, 128, 256, 256)),
    "modules": changed(modules=(3, 4, 6, 2)),
    "fixed": changed(edges="fixed"),
    "concat": changed(sink=attrs.evolve(table_4().sink, combine="concat")),
    "head": changed(sink=attrs.evolve(table_4().sink, head="maxpool")),
    "input": changed(inputs=(Input("rgb", 1, "rgb"), Input("flow", 2, "flow"))),
    "kind": changed(inputs=(Input("rgb", 3, "rgb"), Input("flow", 2, "rgb"))),
    "C": node_changed("n7", channels=32),
    "r": node_changed("n7", dilation=4),
    "r of a flow stem": node_changed("s2", dilation=2),
    "stride": node_changed("n14", stride=1),
    "level": node_changed("n13", level=4),
    "edge": node_changed("n7", inputs=(Edge("n4"),)),
    "another edge": node_changed("n7", inputs=(Edge("n4"), Edge("s0"))),
    "of another stem": node_changed("n7", inputs=(Edge("n4"), Edge("s1"))),
    "twice": node_changed("n7", inputs=(Edge("n4"), Edge("n5"), Edge("n5"))),
    "stem": node_changed("s1", inputs=(Edge("flow"),)),
}


def test_every_other_property_counts() -> None:
    assert len({canonical_form(network) for network in OTHERS.values()}) == len(OTHERS)


def test_fixed_weights_count_and_learned_weights_do_not() -> None:
    weighted = (Edge("n4", 0.2), Edge("n5", 0.7))
    assert canonical_form(node_changed("n7", inputs=weighted)) == canonical_form(table_4())
    fixed = [
        attrs.evolve(node_changed("n7", inputs=edges), edges="fixed")
        for edges in [(Edge("n4"), Edge("n5")), weighted, weighted[::-1]]
    ]
    one, two, three = map(canonical_form, fixed)
    assert one != two == three


# Comparison with all orders


def graph(edges: Sequence[tuple[int, int]]) -> Network:
    """Return a network of three nodes at level 1 and three nodes at level 2 that read them."""
    lower = [Node(f"a{i}", 1, 4, 1, 1, (Edge("s"),)) for i in range(3)]
    upper = [
        Node(f"b{i}", 2, 4, 1, 2, tuple(Edge(f"a{j}") for j in range(3) if (j, i) in edges))
        for i in range(3)
    ]
    sink = Sink(tuple(Edge(node.name) for node in upper), 3)
    stem = Node("s", 0, 4, 1, 4, (Edge("rgb"),))
    return Network("g", (Input("rgb", 3),), (stem, *lower, *upper), sink)


def test_networks_are_equal_if_some_order_makes_them_equal() -> None:
    """All 512 sets of edges have as many canonical forms as there are graphs (36)."""
    pairs = [(i, j) for i in range(3) for j in range(3)]
    orders = list(itertools.product(itertools.permutations(range(3)), repeat=2))
    least: dict[str, str] = {}
    for mask in range(512):
        edges = [pair for bit, pair in enumerate(pairs) if mask >> bit & 1]
        first = min(sorted((one[a], two[b]) for a, b in edges) for one, two in orders)
        assert least.setdefault(canonical_form(graph(edges)), str(first)) == str(first)
    assert len(least) == len(set(least.values())) == 36


# Networks in which colour refinement does not distinguish all nodes


def rings(*lengths: int) -> Network:
    """Return a network whose nodes at levels 1 and 2 form rings of these lengths."""
    nodes = [Node("s", 0, 4, 1, 4, (Edge("rgb"),))]
    start = 0
    for length in lengths:
        members = range(start, start + length)
        nodes += [Node(f"a{i}", 1, 4, 1, 1, (Edge("s"),)) for i in members]
        nodes += [
            Node(f"b{i}", 2, 4, 1, 2, (Edge(f"a{i}"), Edge(f"a{start + (i - start + 1) % length}")))
            for i in members
        ]
        start += length
    sink = Sink(tuple(Edge(node.name) for node in nodes if node.level == 2), 3)
    return Network("rings", (Input("rgb", 3),), tuple(nodes), sink)


@pytest.mark.parametrize("lengths", [(6,), (3, 3), (12,), (6, 6), (4, 4, 4), (3, 3, 3, 3), (5, 7)])
def test_symmetric_networks_have_one_canonical_form(lengths: tuple[int, ...]) -> None:
    network = rings(*lengths)
    rng = Random(sum(lengths))
    for _ in range(5):
        order = list(range(len(network.nodes)))
        rng.shuffle(order)
        assert canonical(renamed(network, order)) == canonical(network)


def test_rings_of_other_lengths_have_other_canonical_forms() -> None:
    shapes = [(12,), (6, 6), (4, 4, 4), (3, 3, 3, 3), (5, 7), (3, 9), (4, 8)]
    assert len({canonical_form(rings(*shape)) for shape in shapes}) == len(shapes)


def test_many_equal_nodes_are_fast() -> None:
    """After six splits 64 nodes are alike. Only one of their 64! orders is tried."""
    network = table_4()
    for _ in range(5):
        for node in [node for node in network.nodes if node.level == 1]:
            network = split_node(DraftNetwork.of(network), network.node(node.name)).draft.network
    assert sum(node.level == 1 for node in network.nodes) == 64
    order = list(range(len(network.nodes)))
    Random(0).shuffle(order)
    assert canonical_form(renamed(network, order)) == canonical_form(network)
