"""Prune a network: drop the edges of low weight from a trained network before its final training.

The paper prunes the network that the search has found (4.1). Either all edges below a threshold are
dropped, or the weakest ones until a number of edges is left. The pruned network stays connected:
each node keeps its strongest input, and each node that was read keeps its strongest reader, unless
such nodes are dropped as well. Edges from inputs to stems and into the sink have no weights and
stay.

If a node keeps one input only, that edge loses its weight, because sole inputs have none. The
`score` is removed, because it belongs to the network before pruning.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping

import attrs

from anetdsl.ir import UNTRAINED_WEIGHT, Network, Node
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, remove_node, remove_statement, set_edges, set_score

_NEAR = 0.05
"""Distance from the weight before training within which a weight does not rank an edge."""


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
    """Edges that are kept although they are below the threshold, or weaker than dropped ones, with
    the reason."""
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

    def doubts(self) -> tuple[str, ...]:
        """Return warnings that the weights may not rank the edges: they are near 0.5."""
        weights = weights_of(self.old)
        low, high = UNTRAINED_WEIGHT - _NEAR, UNTRAINED_WEIGHT + _NEAR
        remedy = "train the network longer or with a higher --edge-rate before pruning it"
        if weights and statistics.pstdev(weights) < _NEAR:
            return (
                f"the weights hardly differ: they are from {min(weights):.3g} to "
                f"{max(weights):.3g}, and {UNTRAINED_WEIGHT:g} before training, so the edges that "
                f"are dropped may be as good as the others; {remedy}",
            )
        near = sum(low <= edge.weight <= high for edge in self.dropped)
        if near:
            return (
                f"{near} of {len(self.dropped)} dropped edges have a weight from {low:g} to "
                f"{high:g}, near the {UNTRAINED_WEIGHT:g} before training, which says little "
                f"about them; {remedy}, or drop fewer edges",
            )
        return ()


def weights_of(network: Network) -> list[float]:
    """Return the weights of the edges that have one, those into nodes with several inputs."""
    return [
        node.edge_weight(edge)
        for node in network.nodes
        if node.has_edge_weights
        for edge in node.inputs
    ]


def edge_count(network: Network) -> int:
    """Return the number of edges between nodes: without those from inputs and into the sink."""
    return sum(len(node.inputs) for node in network.nodes if not node.is_stem)


def prune(
    network: Network,
    below: float | None = None,
    *,
    edges: int | None = None,
    drop_nodes: bool = False,
) -> Pruning:
    """Drop the edges whose weight is below a threshold in (0, 1), or all but the strongest ones.

    `edges` is the number of edges between nodes (`edge_count`) that shall be left; more are left if
    the network needs them to stay connected. Give one of `below` and `edges`.

    With `drop_nodes`, also remove the nodes and inputs that the sink does not depend on, with their
    edges. Without it, a node that would lose its last reader keeps the strongest one. If weights
    are equal, the first in the text counts as the strongest.
    """
    if (below is None) == (edges is None):
        raise ValueError("give one of below and edges")
    spared: dict[tuple[str, int], str] = {}
    if below is not None:
        kept = _above(network, below, spared, drop_nodes=drop_nodes)
    else:
        kept = _strongest(network, edges or 0, spared, drop_nodes=drop_nodes)
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


def _above(
    network: Network, below: float, spared: dict[tuple[str, int], str], *, drop_nodes: bool
) -> dict[str, tuple[int, ...]]:
    """Return the positions of the kept edges by node: those that are not below the threshold.

    Add the others that are kept to `spared`.
    """
    kept = {node.name: _strong(node, below) for node in network.nodes}
    for node in network.nodes:
        if not kept[node.name]:
            positions = range(len(node.inputs))
            best = max(positions, key=lambda position: _weight(node, position))
            kept[node.name] = (best,)
            spared[node.name, best] = _strongest_input(node.name)
    if not drop_nodes:
        for source, target, position in _last_readers(network, kept):
            kept[target] = tuple(sorted((*kept[target], position)))
            spared[target, position] = _sole_reader(source)
    return kept


def _strongest(
    network: Network, count: int, spared: dict[tuple[str, int], str], *, drop_nodes: bool
) -> dict[str, tuple[int, ...]]:
    """Return the positions of the kept edges by node: drop the weakest until `count` are left.

    An edge stays if it is the last input of its node, or, without `drop_nodes`, the last reader of
    its source. Add such edges that are weaker than a dropped one to `spared`.
    """
    kept = {node.name: list(range(len(node.inputs))) for node in network.nodes}
    readers = Counter(edge.source for node in network.nodes for edge in node.inputs)
    readers.update(edge.source for edge in network.sink.inputs)
    weakest_first = sorted(
        (
            (node, position)
            for node in reversed(network.nodes)
            if not node.is_stem
            for position in reversed(range(len(node.inputs)))
        ),
        key=lambda place: _weight(*place),
    )
    left = len(weakest_first)
    refused: dict[tuple[str, int], str] = {}
    for node, position in weakest_first:
        if left <= count:
            break
        source = node.inputs[position].source
        if len(kept[node.name]) == 1:
            refused[node.name, position] = _strongest_input(node.name)
        elif readers[source] == 1 and not drop_nodes:
            refused[node.name, position] = _sole_reader(source)
        else:
            kept[node.name].remove(position)
            readers[source] -= 1
            left -= 1
            spared |= refused
            refused = {}
    return {name: tuple(positions) for name, positions in kept.items()}


def _strongest_input(node: str) -> str:
    return f"it is the strongest input of {node}"


def _sole_reader(source: str) -> str:
    return f"no other edge reads {source}"


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
        if name in nodes:
            text = apply(text, remove_node(tree, find(tree, "node", name)))
        else:
            text = apply(text, remove_statement(tree, find(tree, "input", name)))
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
    nodes = tuple(
        attrs.evolve(node, peers=tuple(peer for peer in node.peers if peer.source in needed))
        for node in network.nodes
        if node.name in needed
    )
    inputs = tuple(value for value in network.inputs if value.name in needed)
    return attrs.evolve(network, nodes=nodes, inputs=inputs, score=None), removed
