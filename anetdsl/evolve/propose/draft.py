"""Values that the operators work on: a network, and the statement that each node continues.

An operator returns a changed draft. The child's text is made once, after all operators, from the
differences between the parent's network and the last draft (`child_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

import attrs

from anetdsl.evolve.operations import Operation, Pair
from anetdsl.ir import Edge, Network, Node, Sink


@attrs.frozen
class DraftNetwork:
    """A network that operators change."""

    network: Network
    statements: Mapping[str, str]
    """By node, the name of the node in the parent's text whose statement it continues.

    A node that is missing here gets a new statement after that of the node before it.
    """

    @classmethod
    def of(cls, network: Network) -> DraftNetwork:
        """Return the draft of an unchanged network: each node continues its own statement."""
        return cls(network, {node.name: node.name for node in network.nodes})

    def with_nodes(self, nodes: Iterable[Node]) -> DraftNetwork:
        """Return the draft with other nodes of the same names."""
        return DraftNetwork(with_parts(self.network, nodes, self.network.sink), self.statements)


@attrs.frozen
class Change:
    """The result of an operator: the changed draft, and the operation as a value."""

    draft: DraftNetwork
    operation: Operation


Operator = Callable[[DraftNetwork, Random], Change | None]
"""A pure function of a draft and a random generator; None if it can change nothing."""


def edges_of(network: Network) -> Iterator[tuple[Pair, float]]:
    """Yield E_p of equation 2 with W_e: the edges between nodes, in the order of the text.

    Edges from inputs to stems and edges into the sink are left out, as the search does not change
    them.
    """
    for node in network.nodes:
        if not node.is_stem:
            for edge in node.inputs:
                yield (edge.source, node.name), node.edge_weight(edge)


def possible_edges(network: Network) -> list[Pair]:
    """Return E* of equation 2: all pairs of a node and a node at a higher level."""
    lower = {
        level: [node.name for node in network.nodes if node.level < level]
        for level in {node.level for node in network.nodes}
    }
    return [(source, node.name) for node in network.nodes for source in lower[node.level]]


def rewired(draft: DraftNetwork, dropped: Iterable[Pair], added: Iterable[Pair]) -> DraftNetwork:
    """Return the draft without some edges and with new ones, in the order of the nodes."""
    dropped_pairs = set(dropped)
    new_sources: dict[str, list[str]] = {}
    for source, reader in added:
        new_sources.setdefault(reader, []).append(source)
    ranks = {node.name: rank for rank, node in enumerate(draft.network.nodes)}
    changed = {reader for _, reader in dropped_pairs} | new_sources.keys()
    nodes: list[Node] = []
    for node in draft.network.nodes:
        if node.name in changed and not node.is_stem:
            edges = [edge for edge in node.inputs if (edge.source, node.name) not in dropped_pairs]
            for source in new_sources.get(node.name, ()):
                rank = ranks[source]
                place = next((i for i, e in enumerate(edges) if ranks[e.source] > rank), len(edges))
                edges.insert(place, Edge(source))
            node = with_edges(node, tuple(edges))
        nodes.append(node)
    return draft.with_nodes(nodes)


def with_parts(network: Network, nodes: Iterable[Node], sink: Sink) -> Network:
    """Return the network with other nodes and another sink, without places in a text."""
    return Network(
        network.name,
        network.inputs,
        tuple(nodes),
        sink,
        network.widths,
        network.modules,
        network.edges,
        network.origin,
        network.score,
        blocks=network.blocks,
        attention=network.attention,
    )


def with_edges(node: Node, edges: tuple[Edge, ...], peers: tuple[Edge, ...] | None = None) -> Node:
    """Return the node with other inputs and perhaps other peers, without places in a text."""
    return Node(
        node.name,
        node.level,
        node.channels,
        node.dilation,
        node.stride,
        edges,
        node.peers if peers is None else peers,
    )
