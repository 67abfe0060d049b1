"""The differences between two networks as values and as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anetdsl
from anetdsl.cost import cost
from anetdsl.diff import AttributeChange, EdgeRef, Note, WeightChange, diff
from anetdsl.ir import Edge, Network, Node, Origin, Score
from tests.networks import ORIGINS, SCORES, WEIGHTS, networks, table_4

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def with_node(network: Network, name: str, **changes: Any) -> Network:
    """Return the network with one node changed."""
    nodes = tuple(
        attrs.evolve(node, **changes) if node.name == name else node for node in network.nodes
    )
    return attrs.evolve(network, nodes=nodes)


def without(network: Network, name: str) -> Network:
    """Return the network without a node and the edges from it."""
    return attrs.evolve(
        network,
        nodes=tuple(
            attrs.evolve(node, inputs=tuple(e for e in node.inputs if e.source != name))
            for node in network.nodes
            if node.name != name
        ),
    )


def with_edges(network: Network, name: str, *edges: Edge) -> Network:
    return with_node(network, name, inputs=edges)


BASE = with_edges(table_4(), "n14", Edge("n10", 0.99), Edge("n11", 0.41), Edge("n12"), Edge("n13"))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Network, Network]:
    """Draw a network and one with up to two small differences."""
    old = draw(networks())
    new = attrs.evolve(old)
    for way in draw(
        st.lists(
            st.sampled_from(["nodes", "inputs", "edges", "notes", "r", "C", "peers", "attention"]),
            max_size=2,
        )
    ):
        node = draw(st.sampled_from(new.nodes))
        match way:
            case "nodes":
                new = attrs.evolve(new, nodes=tuple(draw(st.permutations(new.nodes))))
            case "inputs":
                new = attrs.evolve(new, inputs=tuple(draw(st.permutations(new.inputs))))
            case "edges":
                edges = draw(st.permutations(node.inputs))[: draw(st.integers(1, 4))]
                edges = [attrs.evolve(edge, weight=draw(WEIGHTS)) for edge in edges]
                new = with_node(new, node.name, inputs=tuple(edges))
            case "notes":
                scores = draw(st.none() | SCORES)
                new = attrs.evolve(new, origin=draw(st.none() | ORIGINS), score=scores)
            case "r":
                new = with_node(new, node.name, dilation=draw(st.integers(1, 3)))
            case "C" if node.channels is not None:
                more = tuple(number + draw(st.integers(0, 2)) for number in node.filters)
                channels = more if len(more) > 1 else more[0]
                new = with_node(new, node.name, channels=channels)
            case "attention":
                new = attrs.evolve(new, attention=draw(st.sampled_from(["none", "self", "peer"])))
            case "peers":
                peers = draw(st.permutations(node.peers))[: draw(st.integers(1, 3))]
                new = with_node(new, node.name, peers=tuple(peers))
    return old, new


@given(pairs())
def test_small_differences_are_found(pair: tuple[Network, Network]) -> None:
    """The costs are equal if the networks compute the same."""
    old, new = pair
    found = diff(old, new)
    assert bool(found) == (old != new)
    assert bool(found.lines()) == (old != new)
    assert found.changes_network or found.cost(frames=2, size=16).lines() == ()


@given(networks(), networks())
@settings(max_examples=40)
def test_a_difference_is_falsy_exactly_if_networks_are_equal(old: Network, new: Network) -> None:
    """A network has no difference from itself."""
    assert bool(diff(old, new)) == (old != new)
    assert not diff(old, old)
    assert diff(old, old).lines() == ()


@given(networks(), networks())
@settings(max_examples=40)
def test_added_parts_are_removed_in_the_reverse_difference(old: Network, new: Network) -> None:
    there, back = diff(old, new), diff(new, old)
    assert set(there.nodes_added) == set(back.nodes_removed)
    assert sorted(there.edges_added, key=str) == sorted(back.edges_removed, key=str)
    assert there.changes_network == back.changes_network
    assert len(there.attributes) == len(back.attributes)
    assert len(there.notes) == len(back.notes)


def test_attributes() -> None:
    """Attributes have the names of the language. All changes of a node are in one line."""
    found = diff(BASE, with_node(BASE, "n7", dilation=2, channels=32))
    assert found.attributes == (
        AttributeChange("node", "n7", "C", 64, 32),
        AttributeChange("node", "n7", "r", 8, 2),
    )
    assert found.lines() == ("~ node n7: C 64 -> 32, r 8 -> 2",)


def test_edges() -> None:
    """Edges are added, removed, and get other weights."""
    new = with_edges(BASE, "n14", Edge("n10", 0.5), Edge("n12", 0.25), Edge("n13"), Edge("s0", 0.1))
    found = diff(BASE, new)
    assert found.edges_removed == (EdgeRef("n11", "n14", 0.41),)
    assert found.edges_added == (EdgeRef("s0", "n14", 0.1),)
    assert found.edges_reweighted == (
        WeightChange("n10", "n14", 0.99, 0.5),
        WeightChange("n12", "n14", None, 0.25),
    )
    assert str(found).splitlines() == [
        "- edge n11@0.41 -> n14",
        "+ edge s0@0.1 -> n14",
        "~ edge n10 -> n14: 0.99 -> 0.5",
        "~ edge n12 -> n14: untrained -> 0.25",
    ]


def test_nodes() -> None:
    """The line of a removed or added node has its own edges. Other edges have their own lines."""
    new = without(BASE, "n4")
    new = attrs.evolve(new, nodes=(*new.nodes, Node("n9b", 2, 32, 1, 2, (Edge("s0"),))))
    found = diff(BASE, new)
    assert [node.name for node in found.nodes_removed] == ["n4"]
    assert EdgeRef("s2", "n4") in found.edges_removed
    assert found.edges_added == (EdgeRef("s0", "n9b"),)
    assert found.lines() == (
        "- node n4 level=1 C=64 r=4 stride=1 inputs=[s2, s3]",
        "+ node n9b level=2 C=32 r=1 stride=2 inputs=[s0]",
        "- edge n4 -> n6",
        "- edge n4 -> n7",
        "- edge n4 -> n8",
        "- edge n4 -> n9",
        "- edge n4 -> n13",
    )


def test_network_inputs_and_sink() -> None:
    """Changes of the network, the inputs and the sink have a line each."""
    rgb, flow = BASE.inputs
    new = attrs.evolve(
        BASE,
        widths=(8, 16, 32, 64),
        edges="fixed",
        inputs=(attrs.evolve(rgb, channels=1), attrs.evolve(flow, name="motion")),
        sink=attrs.evolve(BASE.sink, classes=157, head="maxpool"),
    )
    assert diff(BASE, new).lines() == (
        "- input flow channels=2 kind=flow",
        "+ input motion channels=2 kind=flow",
        "~ network: D [64, 128, 256, 512] -> [8, 16, 32, 64], edges learned -> fixed",
        "~ input rgb: channels 3 -> 1",
        "~ sink: classes 339 -> 157, head mean -> maxpool",
    )


@pytest.mark.parametrize(
    ("new", "note", "line"),
    [
        (
            attrs.evolve(BASE, name="other"),
            Note("name", "table_4", "other"),
            "# name: table_4 -> other",
        ),
        (
            attrs.evolve(BASE, origin=Origin(parent="g1\x1b[2J", ops=("r n7: 8 -> 2",))),
            Note("origin parent", None, "g1\x1b[2J"),
            "# origin parent: none -> 'g1\\x1b[2J'",
        ),
        (
            attrs.evolve(BASE, score=Score((("top1", 31.5),))),
            Note("score top1", None, 31.5),
            "# score top1: none -> 31.5",
        ),
        (
            attrs.evolve(BASE, origin=Origin()),
            Note("origin", None, {}),
            "# origin: none -> present",
        ),
        (
            with_node(BASE, "n4", inputs=(Edge("s3"), Edge("s2"))),
            Note("order of inputs of n4", ("s2", "s3"), ("s3", "s2")),
            "# order of inputs of n4: [s2, s3] -> [s3, s2]",
        ),
    ],
    ids=["name", "origin", "score", "empty origin", "order"],
)
def test_notes_do_not_change_the_network(new: Network, note: Note, line: str) -> None:
    """Names, order, origin and score do not change what is computed."""
    found = diff(BASE, new)
    assert found
    assert not found.changes_network
    assert found.notes[0] == note
    assert found.lines()[0] == line
    assert found.lines(notes=False) == ()


def test_order_of_nodes_is_a_note() -> None:
    """The order of nodes does not change what is computed."""
    found = diff(BASE, attrs.evolve(BASE, nodes=BASE.nodes[::-1]))
    assert [note.subject for note in found.notes] == ["order of nodes"]
    assert not found.changes_network


def test_a_node_listed_twice() -> None:
    """Repeated sources are distinguished by their number in the list."""
    old = with_edges(BASE, "n14", Edge("n10", 0.25), Edge("n10", 0.5))
    new = with_edges(BASE, "n14", Edge("n10", 0.25), Edge("n10", 0.75), Edge("n10"))
    assert diff(old, new).lines() == (
        "+ edge n10 -> n14",
        "~ edge n10 -> n14: 0.5 -> 0.75",
    )


def test_the_costs_of_both_networks_are_compared() -> None:
    """There is a line for each total that differs."""
    new = with_node(BASE, "n14", dilation=8)
    change = diff(BASE, new).cost(frames=8, size=(64, 48))
    assert change.old == cost(BASE, frames=8, size=(64, 48))
    assert change.new == cost(new, frames=8, size=(64, 48))
    assert change.lines() == ("temporal receptive field: 109 -> 117 (+7.3%)",)


def test_peers_attention_and_triples_have_lines() -> None:
    """A list of peers is compared as a set; its order is a note."""
    old = anetdsl.load(EXAMPLES / "small_assemblenet_plus_lite.anet")
    peers = (Edge("s1", 0.25), Edge("s0", 0.75))
    new = with_node(old, "n2", channels=(4, 4, 2), peers=peers)
    new = attrs.evolve(new, attention="self")
    assert diff(old, new).lines() == (
        "~ network: attention peer -> self",
        "~ node n2: C [3, 3, 1] -> [4, 4, 2], peers [] -> [s0@0.75, s1@0.25]",
    )
    turned = with_node(new, "n2", peers=peers[::-1])
    assert diff(new, turned).lines() == ("# order of peers of n2: [s1, s0] -> [s0, s1]",)
    assert not diff(new, turned).changes_network
