"""What the operators work on: a network, and which statement of a text each of its nodes continues.

An operator gives another draft; the edits that make a child's text of its parent's are those
between the two, made once, when all operators have done their work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

import attrs

from anetdsl.evolve.operations import Operation, Pair
from anetdsl.ir import Edge, Network, Node, Sink


@attrs.frozen
class DraftNetwork:
    """A network in the course of being changed."""

    network: Network
    lines: Mapping[str, str]
    """By a node's name, that of the statement that it continues in the text that is changed.

    A node that is not here gets a statement of its own, behind that of the node before it.
    """

    @classmethod
    def of(cls, network: Network) -> DraftNetwork:
        """A network as it stands in its text."""
        return cls(network, {node.name: node.name for node in network.nodes})

    def with_nodes(self, nodes: Iterable[Node]) -> DraftNetwork:
        """The draft with other nodes, where no node comes, goes or changes its name."""
        return DraftNetwork(with_parts(self.network, nodes, self.network.sink), self.lines)


@attrs.frozen
class Change:
    """The result of an operator: the changed draft, and the operation as a value."""

    draft: DraftNetwork
    operation: Operation


Operator = Callable[[DraftNetwork, Random], Change | None]
"""A pure function of a draft and a generator; None where there is nothing that it can change."""


def edges_of(network: Network) -> Iterator[tuple[Pair, float]]:
    """E_p of equation 2 with W_e: the connections between nodes, in the order of the text.

    A sole input counts as 1, an untrained edge as 0.5; those from inputs to stems and into the sink
    are fixed, and not among them.
    """
    for node in network.nodes:
        if node.is_stem:
            continue
        for edge in node.inputs:
            yield (edge.source, node.name), node.edge_weight(edge)


def possible_edges(network: Network) -> list[Pair]:
    """E* of equation 2: all pairs of a node and one at a higher level, stems among the former."""
    lower = {
        level: [node.name for node in network.nodes if node.level < level]
        for level in {node.level for node in network.nodes}
    }
    return [(source, node.name) for node in network.nodes for source in lower[node.level]]


def rewired(draft: DraftNetwork, dropped: Iterable[Pair], added: Iterable[Pair]) -> DraftNetwork:
    """The draft without some connections and with others; new ones stand in the nodes' order."""
    gone = set(dropped)
    new: dict[str, list[str]] = {}
    for source, reader in added:
        new.setdefault(reader, []).append(source)
    ranks = {node.name: rank for rank, node in enumerate(draft.network.nodes)}
    touched = {reader for _, reader in gone} | new.keys()
    nodes: list[Node] = []
    for node in draft.network.nodes:
        if node.name in touched and not node.is_stem:
            edges = [edge for edge in node.inputs if (edge.source, node.name) not in gone]
            for source in new.get(node.name, ()):
                rank = ranks[source]
                place = next((i for i, e in enumerate(edges) if ranks[e.source] > rank), len(edges))
                edges.insert(place, Edge(source))
            node = reading(node, tuple(edges))
        nodes.append(node)
    return draft.with_nodes(nodes)


def with_parts(network: Network, nodes: Iterable[Node], sink: Sink) -> Network:
    """The network with other nodes and another sink."""
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
    )


def reading(node: Node, edges: tuple[Edge, ...]) -> Node:
    """The node with other inputs. It stands nowhere in a text."""
    return Node(node.name, node.level, node.channels, node.dilation, node.stride, edges)


def sink_fits(network: Network) -> bool:
    """Whether the sink can combine what it reads: the mean takes equal widths alone."""
    if network.sink.combine != "mean":
        return True
    read = {edge.source for edge in network.sink.inputs}
    return len({node.out_channels for node in network.nodes if node.name in read}) <= 1
