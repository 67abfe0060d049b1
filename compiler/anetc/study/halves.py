"""Choose half of a network's edges: those of high weight, random ones, or those of low weight.

The halves are chosen among the edges into nodes with several inputs, the only ones that learn a
weight. Edges are dropped in order, the least wanted first, until half of them (rounded up) is left.
An edge stays if it is the last input of its node or the last reader of its source. So each half is
a valid network with all nodes, and the rule is the same for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal, get_args

import attrs

from anetc.study.networks import StudyNetwork
from anetdsl.evolve.operations import Pair
from anetdsl.ir import Edge, Network
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_edges

Half = Literal["upper", "random", "lower"]
HALVES: tuple[Half, ...] = get_args(Half)

EdgeWeights = Mapping[str, Sequence[float]]
"""sigmoid(w) of the inputs of each node with several inputs, in their order."""


def learned_pairs(network: Network) -> list[Pair]:
    """Return the edges that learn a weight, in the order of the text."""
    return [
        (edge.source, node.name)
        for node in network.nodes
        if node.has_edge_weights
        for edge in node.inputs
    ]


def half_of(network: Network, half: Half, weights: EdgeWeights, seed: int) -> frozenset[Pair]:
    """Return the edges of a half, among those that learn a weight.

    `seed` is that of the random half, which does not depend on the weights.
    """
    pairs = learned_pairs(network)
    if half == "random":
        Random(f"anetdsl half {seed}").shuffle(pairs)
        wanted = pairs
    else:
        value = {
            (edge.source, node.name): weight
            for node in network.nodes
            if node.name in weights
            for edge, weight in zip(node.inputs, weights[node.name], strict=True)
        }
        wanted = sorted(pairs, key=lambda pair: value[pair], reverse=half == "upper")
    return _keep_half(network, wanted)


def _keep_half(network: Network, wanted: Sequence[Pair]) -> frozenset[Pair]:
    """Drop edges from the end of `wanted` until half of them are left, as far as possible."""
    kept = set(wanted)
    inputs = Counter(reader for _, reader in wanted)
    readers = Counter(edge.source for node in network.nodes for edge in node.inputs)
    readers.update(edge.source for edge in network.sink.inputs)
    for source, reader in reversed(wanted):
        if len(kept) <= (len(wanted) + 1) // 2:
            break
        if inputs[reader] > 1 and readers[source] > 1:
            kept.discard((source, reader))
            inputs[reader] -= 1
            readers[source] -= 1
    return frozenset(kept)


def with_half(given: StudyNetwork, half: Half, kept: frozenset[Pair]) -> StudyNetwork:
    """Return the network with these of the edges that learn a weight, all without a weight."""
    tree = parse_syntax(SourceFile(given.name, given.text))
    edits: list[Edit] = []
    for node in given.network.nodes:
        if node.has_edge_weights:
            edges = [Edge(e.source) for e in node.inputs if (e.source, node.name) in kept]
            edits.extend(set_edges(tree, find(tree, "node", node.name), edges))
    return attrs.evolve(given, name=f"{given.name}-{half}", text=apply(given.text, edits))
