"""Pruning: edges of low weight dropped from a trained network, before its final training.

The paper prunes what the search has found (4.1). The network stays whole: each node keeps its
strongest input, and each node that was read stays read by its strongest reader, unless such nodes
are to be dropped as well. Edges from inputs to stems and into the sink have no weights and stay.

A node left with one input loses that edge's weight, as sole inputs have none. The `score` goes: it
is that of the network as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from anetdsl.ir import Network, Node
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, remove_statement, set_edges, set_score


@attrs.frozen
class WeightedEdge:
    """An edge between two nodes, with the weight that pruning goes by."""

    source: str
    target: str
    weight: float

    def __str__(self) -> str:
        return f"{self.source}->{self.target} ({self.weight:.4g})"


@attrs.frozen
class Pruning:
    """What pruning makes of a network, and why."""

    old: Network
    new: Network
    kept: Mapping[str, tuple[int, ...]]
    """Of each node that is left, the places of the edges that stay, in its old `inputs`."""
    dropped: tuple[WeightedEdge, ...]
    spared: tuple[tuple[WeightedEdge, str], ...]
    """Edges below the threshold that stay, and why."""
    removed: tuple[str, ...]
    """Nodes, then inputs of the network, that nothing needs any more."""

    def lines(self) -> tuple[str, ...]:
        """What was done, a line for each edge and each node."""
        old, new = self.old.total_strides(), self.new.total_strides()
        sizes = [
            f"{name} is now 1/{new[name]} of the input's size, before 1/{old[name]}"
            for name in new
            if new[name] != old[name]
        ]
        return (
            *(f"dropped {edge}" for edge in self.dropped),
            *(f"kept    {edge}: {why}" for edge, why in self.spared),
            *(f"removed {name}: nothing needs it any more" for name in self.removed),
            *(f"note: {line}" for line in sizes),
        )


def prune(network: Network, below: float, *, drop_nodes: bool = False) -> Pruning:
    """Drop the edges whose weight is below a threshold in (0, 1).

    With `drop_nodes`, nodes that do not reach the sink any more go too, and inputs that nothing
    reads; otherwise a node that would lose its last reader keeps the strongest. Of equal weights
    the first in the text is the strongest.
    """
    kept = {node.name: _strong(node, below) for node in network.nodes}
    spared: dict[tuple[str, int], str] = {}
    for node in network.nodes:
        if not kept[node.name]:
            places = range(len(node.inputs))
            best = max(places, key=lambda place: _weight(node, place))
            kept[node.name] = (best,)
            spared[node.name, best] = f"the strongest input of {node.name}"
    if not drop_nodes:
        for source, target, place in _last_readers(network, kept):
            kept[target] = tuple(sorted((*kept[target], place)))
            spared[target, place] = f"nothing else reads {source}"
    left = _with_edges(network, kept)
    removed: list[str] = []
    if drop_nodes:
        left, removed = _without_idle(left)
    names = {node.name for node in left.nodes}
    alive = [node for node in network.nodes if node.name in names]
    return Pruning(
        old=network,
        new=left,
        kept={node.name: kept[node.name] for node in alive},
        dropped=tuple(
            _edge(node, place)
            for node in alive
            for place in range(len(node.inputs))
            if place not in kept[node.name]
        ),
        spared=tuple(
            (_edge(network.node(name), place), why)
            for (name, place), why in spared.items()
            if name in names
        ),
        removed=tuple(removed),
    )


def pruned_text(text: str, pruning: Pruning) -> str:
    """The text of the old network, pruned; comments stay with what stays."""
    tree = _parsed(text)
    edits: list[Edit] = []
    for node in pruning.new.nodes:
        if node.inputs != pruning.old.node(node.name).inputs:
            edits.extend(set_edges(tree, find(tree, "node", node.name), node.inputs))
    if pruning.old.score is not None and pruning.new.score is None:
        edits.extend(set_score(tree, None))
    text = apply(text, edits)
    nodes = {node.name for node in pruning.old.nodes}
    for name in pruning.removed:
        # One after another: the comments between two statements may go with either.
        tree = _parsed(text)
        statement = find(tree, "node" if name in nodes else "input", name)
        text = apply(text, remove_statement(tree, statement))
    return text


def _parsed(text: str) -> SyntaxTree:
    return parse_syntax(SourceFile("<pruned>", text))


def _weight(node: Node, place: int) -> float:
    return node.edge_weight(node.inputs[place])


def _edge(node: Node, place: int) -> WeightedEdge:
    return WeightedEdge(node.inputs[place].source, node.name, _weight(node, place))


def _strong(node: Node, below: float) -> tuple[int, ...]:
    """The places of a node's edges that are not below the threshold."""
    places = range(len(node.inputs))
    return tuple(place for place in places if node.is_stem or _weight(node, place) >= below)


def _last_readers(
    network: Network, kept: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, str, int]]:
    """Each node that only dropped edges read, with the target and place of their strongest."""
    read = {
        *(node.inputs[place].source for node in network.nodes for place in kept[node.name]),
        *(edge.source for edge in network.sink.inputs),
    }
    for source in network.nodes:
        readers = [
            (node, place)
            for node in network.nodes
            for place, edge in enumerate(node.inputs)
            if edge.source == source.name
        ]
        if source.name not in read and readers:
            node, place = max(readers, key=lambda reader: _weight(*reader))
            yield source.name, node.name, place


def _with_edges(network: Network, kept: Mapping[str, tuple[int, ...]]) -> Network:
    """The network with these edges alone. Without a change it is the same, its score too."""
    nodes = []
    for node in network.nodes:
        inputs = tuple(node.inputs[place] for place in kept[node.name])
        if len(inputs) == 1 and len(node.inputs) > 1:
            inputs = (attrs.evolve(inputs[0], weight=None),)
        nodes.append(node if inputs == node.inputs else attrs.evolve(node, inputs=inputs))
    if tuple(nodes) == network.nodes:
        return network
    return attrs.evolve(network, nodes=tuple(nodes), score=None)


def _without_idle(network: Network) -> tuple[Network, list[str]]:
    """The network without nodes that do not reach the sink, nor inputs that no node reads."""
    needed = network.needed_by_sink()
    names = [*(node.name for node in network.nodes), *(value.name for value in network.inputs)]
    removed = [name for name in names if name not in needed]
    if not removed:
        return network, removed
    nodes = tuple(node for node in network.nodes if node.name in needed)
    inputs = tuple(value for value in network.inputs if value.name in needed)
    return attrs.evolve(network, nodes=nodes, inputs=inputs, score=None), removed
