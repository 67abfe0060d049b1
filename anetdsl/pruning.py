"""Prune a network: drop the edges of low weight from a trained network before its final training.

The paper prunes the network that the search has found (4.1). The pruned network stays connected:
each node keeps its strongest input, and each node that was read keeps its strongest reader, unless
such nodes are dropped as well. Edges from inputs to stems and into the sink have no weights and
stay.

If a node keeps one input only, that edge loses its weight, because sole inputs have none. The
`score` is removed, because it belongs to the network before pruning.
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
    """An edge between two nodes, with its weight (`Node.edge_weight`)."""

    source: str
    target: str
    weight: float

    def __str__(self) -> str:
        return f"{self.source}->{self.target} ({self.weight:.4g})"


@attrs.frozen
class Pruning:
    """The result of pruning a network."""

    old: Network
    new: Network
    kept: Mapping[str, tuple[int, ...]]
    """Positions of the kept edges in the old `inputs`, by name of each node that is left."""
    dropped: tuple[WeightedEdge, ...]
    spared: tuple[tuple[WeightedEdge, str], ...]
    """Edges below the threshold that are kept, with the reason."""
    removed: tuple[str, ...]
    """Removed nodes, then removed inputs of the network: the sink does not depend on them."""

    def lines(self) -> tuple[str, ...]:
        """Return a line for each dropped or spared edge and for each removed or resized node."""
        old, new = self.old.total_strides(), self.new.total_strides()
        sizes = [
            f"the output of {name} is now 1/{new[name]} of the input's size, before 1/{old[name]}"
            for name in new
            if new[name] != old[name]
        ]
        return (
            *(f"dropped {edge}" for edge in self.dropped),
            *(f"kept    {edge}: {reason}" for edge, reason in self.spared),
            *(f"removed {name}: the sink does not depend on it" for name in self.removed),
            *(f"note: {line}" for line in sizes),
        )


def prune(network: Network, below: float, *, drop_nodes: bool = False) -> Pruning:
    """Drop the edges whose weight is below a threshold in (0, 1).

    With `drop_nodes`, also remove the nodes and inputs that the sink does not depend on. Without
    it, a node that would lose its last reader keeps the strongest one. If weights are equal, the
    first in the text counts as the strongest.
    """
    kept = {node.name: _strong(node, below) for node in network.nodes}
    spared: dict[tuple[str, int], str] = {}
    for node in network.nodes:
        if not kept[node.name]:
            positions = range(len(node.inputs))
            best = max(positions, key=lambda position: _weight(node, position))
            kept[node.name] = (best,)
            spared[node.name, best] = f"it is the strongest input of {node.name}"
    if not drop_nodes:
        for source, target, position in _last_readers(network, kept):
            kept[target] = tuple(sorted((*kept[target], position)))
            spared[target, position] = f"no other edge reads {source}"
    left = _with_edges(network, kept)
    removed: list[str] = []
    if drop_nodes:
        left, removed = _without_unneeded(left)
    names = {node.name for node in left.nodes}
    left_nodes = [node for node in network.nodes if node.name in names]
    return Pruning(
        old=network,
        new=left,
        kept={node.name: kept[node.name] for node in left_nodes},
        dropped=tuple(
            _edge(node, position)
            for node in left_nodes
            for position in range(len(node.inputs))
            if position not in kept[node.name]
        ),
        spared=tuple(
            (_edge(network.node(name), position), reason)
            for (name, position), reason in spared.items()
            if name in names
        ),
        removed=tuple(removed),
    )


def pruned_text(text: str, pruning: Pruning) -> str:
    """Return the old network's text after pruning, with the comments of the parts that are left."""
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
        # One at a time: comments between two removed statements belong to either of them.
        tree = _parsed(text)
        statement = find(tree, "node" if name in nodes else "input", name)
        text = apply(text, remove_statement(tree, statement))
    return text


def _parsed(text: str) -> SyntaxTree:
    return parse_syntax(SourceFile("<pruned>", text))


def _weight(node: Node, position: int) -> float:
    return node.edge_weight(node.inputs[position])


def _edge(node: Node, position: int) -> WeightedEdge:
    return WeightedEdge(node.inputs[position].source, node.name, _weight(node, position))


def _strong(node: Node, below: float) -> tuple[int, ...]:
    """Return the positions of the node's edges that are not below the threshold."""
    positions = range(len(node.inputs))
    return tuple(
        position for position in positions if node.is_stem or _weight(node, position) >= below
    )


def _last_readers(
    network: Network, kept: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, str, int]]:
    """Yield each node that only dropped edges read, and target and position of the strongest."""
    read = {
        *(node.inputs[position].source for node in network.nodes for position in kept[node.name]),
        *(edge.source for edge in network.sink.inputs),
    }
    for source in network.nodes:
        readers = [
            (node, position)
            for node in network.nodes
            for position, edge in enumerate(node.inputs)
            if edge.source == source.name
        ]
        if source.name not in read and readers:
            node, position = max(readers, key=lambda reader: _weight(*reader))
            yield source.name, node.name, position


def _with_edges(network: Network, kept: Mapping[str, tuple[int, ...]]) -> Network:
    """Return the network with these edges only; if nothing changes, the same, with its score."""
    nodes = []
    for node in network.nodes:
        inputs = tuple(node.inputs[position] for position in kept[node.name])
        if len(inputs) == 1 and len(node.inputs) > 1:
            inputs = (attrs.evolve(inputs[0], weight=None),)
        nodes.append(node if inputs == node.inputs else attrs.evolve(node, inputs=inputs))
    if tuple(nodes) == network.nodes:
        return network
    return attrs.evolve(network, nodes=tuple(nodes), score=None)


def _without_unneeded(network: Network) -> tuple[Network, list[str]]:
    """Return the network without the parts that the sink does not need, and the names of these."""
    needed = network.needed_by_sink()
    names = [*(node.name for node in network.nodes), *(value.name for value in network.inputs)]
    removed = [name for name in names if name not in needed]
    if not removed:
        return network, removed
    nodes = tuple(node for node in network.nodes if node.name in needed)
    inputs = tuple(value for value in network.inputs if value.name in needed)
    return attrs.evolve(network, nodes=nodes, inputs=inputs, score=None), removed
