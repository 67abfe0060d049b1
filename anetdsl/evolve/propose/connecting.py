"""Connect a network completely: all possible edges, to learn which of them matter.

With all edges E* of equation 2 a network learns a weight for each in one training, and `prune` then
keeps the strongest ones. This is the one-shot search for connectivity.
"""

from __future__ import annotations

from collections import Counter

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.operations import Pair
from anetdsl.evolve.propose.draft import DraftNetwork, possible_edges, rewired
from anetdsl.ir import Edge, Network
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_edges, set_score
from anetdsl.text.formatting import format_source


@attrs.frozen
class ConnectLimits:
    """Limits of the edges that are added. None is no limit."""

    max_inputs: int | None = None
    """Largest number of inputs of a node. Inputs that exist count and stay."""
    levels: int | None = None
    """Largest difference of the levels of the two nodes of an edge."""


def missing_edges(network: Network, limits: ConnectLimits = ConnectLimits()) -> list[Pair]:
    """Return the possible edges that a network does not have, in the order of the nodes.

    Where `max_inputs` leaves a choice, the nodes of the nearest level come first, then those that
    come first in the text.
    """
    levels = {node.name: node.level for node in network.nodes}
    present = {(edge.source, node.name) for node in network.nodes for edge in node.inputs}
    counts = Counter(reader for _, reader in present)
    wanted = [pair for pair in possible_edges(network) if pair not in present]
    nearest = sorted(wanted, key=lambda pair: levels[pair[1]] - levels[pair[0]])
    added: set[Pair] = set()
    for source, reader in nearest:
        if limits.levels is not None and levels[reader] - levels[source] > limits.levels:
            continue
        if limits.max_inputs is not None and counts[reader] >= limits.max_inputs:
            continue
        counts[reader] += 1
        added.add((source, reader))
    return [pair for pair in wanted if pair in added]


def connected(
    network: Network, limits: ConnectLimits = ConnectLimits(), weight: float | None = None
) -> Network:
    """Return a network with the missing edges; `weight` is that of the new ones, if any.

    Edges that exist keep their weights; the score is removed if an edge is added.
    """
    added = missing_edges(network, limits)
    if not added:
        return network
    made = rewired(DraftNetwork.of(network), (), added).network
    if weight is not None:
        new = set(added)
        nodes = [
            attrs.evolve(
                node,
                inputs=tuple(
                    Edge(edge.source, weight) if (edge.source, node.name) in new else edge
                    for edge in node.inputs
                ),
            )
            for node in made.nodes
        ]
        made = attrs.evolve(made, nodes=tuple(nodes))
    return attrs.evolve(made, origin=network.origin, score=None)


def connected_text(source: SourceFile, network: Network, made: Network) -> str:
    """Return the text of a network with the edges of `made`, formatted as by `anetc fmt`.

    Comments stay. Raise AnetError for a text with errors.
    """
    tree = parse_syntax(source)
    edits: list[Edit] = []
    for old, new in zip(network.nodes, made.nodes, strict=True):
        if old.inputs != new.inputs:
            edits.extend(set_edges(tree, find(tree, "node", old.name), new.inputs))
    if network.score is not None and made.score is None:
        edits.extend(set_score(tree, None))
    return format_source(SourceFile(source.name, apply(source.text, edits)))


def check_connectable(network: Network) -> None:
    """Raise CannotRun for a network with no possible edge."""
    if not possible_edges(network):
        raise CannotRun(f"{network.name}: all nodes have the same level, so no edge is possible")
