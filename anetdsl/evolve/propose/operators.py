"""Operators on single nodes: split, merge, change of temporal resolution (paper 3.2, 4.1, A.1).

The sum of C over a level does not change. Stems are neither split nor merged. The sink reads the
nodes that replace the nodes it read.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from random import Random

import attrs

from anetdsl.evolve.operations import ChangeResolution, Merge, Split
from anetdsl.evolve.propose.draft import Change, DraftNetwork, with_edges, with_parts
from anetdsl.evolve.propose.naming import merged_name, split_names
from anetdsl.evolve.settings.search_settings import RESOLUTIONS
from anetdsl.ir import Edge, Network, Node
from anetdsl.vocabulary import STATEMENTS

MOST_CHANNELS = next(a.high for a in STATEMENTS["node"].attributes if a.name == "C")
"""Largest C of a block in the language."""


def split(draft: DraftNetwork, rng: Random) -> Change | None:
    """Split a random block into two blocks of half its C, with its r, inputs and readers.

    Return None if no block can be split (`can_split`).
    """
    nodes = [node for node in draft.network.nodes if can_split(draft.network, node)]
    return split_node(draft, rng.choice(nodes)) if nodes else None


def merge(draft: DraftNetwork, rng: Random) -> Change | None:
    """Merge two random blocks of one level: C is summed, edges are united, r is one of the two.

    Return None if no two blocks can be merged (`can_merge`).
    """
    by_level = itertools.groupby(sorted(draft.network.nodes, key=_level), key=_level)
    pairs = [
        pair
        for level, nodes in by_level
        if level
        for pair in itertools.combinations(nodes, 2)
        if can_merge(draft.network, *pair)
    ]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    return merge_nodes(draft, first, second, rng.choice((first, second)).rate)


def change_resolution(
    draft: DraftNetwork, rng: Random, resolutions: Sequence[int] = RESOLUTIONS
) -> Change | None:
    """Give a random node another r. Stems without a temporal convolution keep theirs.

    Return None if no node can have another r.
    """
    choices = {
        node.name: [r for r in resolutions if r != node.dilation]
        for node in draft.network.nodes
        if draft.network.uses_rate(node)
    }
    names = [name for name, others in choices.items() if others]
    if not names:
        return None
    name = rng.choice(names)
    after = rng.choice(choices[name])
    before = draft.network.node(name).rate
    nodes = (
        attrs.evolve(node, dilation=after) if node.name == name else node
        for node in draft.network.nodes
    )
    return Change(draft.with_nodes(nodes), ChangeResolution(name, before, after))


def can_split(network: Network, node: Node) -> bool:
    """Return whether a node can be split.

    Stems and blocks of odd C cannot. Neither can a block that the sink averages with others, as
    its halves would be narrower than the others, nor the block of a lite sink, which reads one.
    """
    if node.is_stem or any(count % 2 for count in node.filters):
        return False
    if network.blocks == "lite" and any(edge.source == node.name for edge in network.sink.inputs):
        return False
    return not _is_read_by_mean(network, node) or len(network.sink.inputs) == 1


def can_merge(network: Network, first: Node, second: Node) -> bool:
    """Return whether two nodes can be merged.

    They must be blocks of the same level and stride, and the language must have the sum of their
    C. The sink must be able to average the merged block with its other inputs.
    """
    if first.is_stem or first.level != second.level or first.stride != second.stride:
        return False
    if max(_summed(first, second).filters) > MOST_CHANNELS:
        return False
    if not (_is_read_by_mean(network, first) or _is_read_by_mean(network, second)):
        return True
    read = {edge.source for edge in network.sink.inputs}
    return read <= {first.name, second.name}


def split_node(draft: DraftNetwork, node: Node) -> Change:
    """Split a node. The first half continues the node's statement."""
    used = {other.name for other in draft.network.nodes} | set(draft.statements.values())
    names = split_names(node.name, used | {value.name for value in draft.network.inputs})
    half = _with_filters(node, [count // 2 for count in node.filters])
    halves = [attrs.evolve(half, name=name) for name in names]

    def share(peers: tuple[Edge, ...]) -> tuple[Edge, ...]:
        """Give each half of the node half of its share."""
        return tuple(
            Edge(new, _share([peer], 2)) if peer.source == node.name else peer
            for peer in peers
            for new in (names if peer.source == node.name else (peer.source,))
        )

    def replace(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return tuple(
            [
                edge if edge.source != node.name else Edge(new, edge.weight)
                for edge in edges
                for new in (names if edge.source == node.name else (edge.source,))
            ]
        )

    nodes: list[Node] = []
    for other in draft.network.nodes:
        if other.name == node.name:
            nodes.extend(halves)
        elif _reads((*other.inputs, *other.peers), node.name):
            nodes.append(with_edges(other, replace(other.inputs), share(other.peers)))
        else:
            nodes.append(other)
    statements = {key: line for key, line in draft.statements.items() if key != node.name}
    if node.name in draft.statements:
        statements[names[0]] = draft.statements[node.name]
    changed = _with_nodes(draft.network, nodes, replace)
    return Change(DraftNetwork(changed, statements), Split(node.name, names))


def merge_nodes(draft: DraftNetwork, first: Node, second: Node, dilation: int) -> Change:
    """Merge two nodes. The merged node takes the place of the one that has a statement."""
    others = {node.name for node in draft.network.nodes} - {first.name, second.name}
    others |= {value.name for value in draft.network.inputs}
    name = merged_name(first.name, second.name, others, set(draft.statements.values()))
    ranks = {node.name: rank for rank, node in enumerate(draft.network.nodes)}
    united = _united((*first.inputs, *second.inputs))
    merged = attrs.evolve(
        first,
        name=name,
        channels=_summed(first, second).channels,
        dilation=dilation,
        inputs=tuple(sorted(united, key=lambda edge: ranks[edge.source])),
        peers=_mean_shares(first.peers, second.peers),
    )
    only_second = first.name not in draft.statements and second.name in draft.statements
    replaced, removed = (second, first) if only_second else (first, second)

    def replace(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        both = (first.name, second.name)
        return _united([Edge(name, e.weight) if e.source in both else e for e in edges])

    nodes: list[Node] = []
    for node in draft.network.nodes:
        if node.name == replaced.name:
            nodes.append(merged)
        elif _reads((*node.inputs, *node.peers), first.name, second.name):
            peers = _with_summed_shares(node.peers, (first.name, second.name), name)
            nodes.append(with_edges(node, replace(node.inputs), peers))
        elif node.name != removed.name:
            nodes.append(node)
    statements = {
        key: line for key, line in draft.statements.items() if key not in (first.name, second.name)
    }
    if replaced.name in draft.statements:
        statements[name] = draft.statements[replaced.name]
    changed = _with_nodes(draft.network, nodes, replace)
    return Change(DraftNetwork(changed, statements), Merge((first.name, second.name), name))


def _is_read_by_mean(network: Network, node: Node) -> bool:
    """Return whether the sink averages the node's output with its other inputs."""
    sink = network.sink
    return sink.combine == "mean" and any(edge.source == node.name for edge in sink.inputs)


def _reads(edges: Iterable[Edge], *names: str) -> bool:
    return any(edge.source in names for edge in edges)


def _united(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """Return the edges with those of equal source united into one, with their mean weight."""
    by_source: dict[str, list[Edge]] = {}
    for edge in edges:
        by_source.setdefault(edge.source, []).append(edge)
    return tuple(
        same[0] if len(same) == 1 else Edge(source, _mean_weight(same))
        for source, same in by_source.items()
    )


def _mean_shares(first: tuple[Edge, ...], second: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Return the peers of a merged node: the mean of both shares; one without a list adds none."""
    if not first or not second:
        return first or second
    by_source: dict[str, list[Edge]] = {}
    for peer in (*first, *second):
        by_source.setdefault(peer.source, []).append(peer)
    return tuple(Edge(source, _share(same, 2)) for source, same in by_source.items())


def _with_summed_shares(
    peers: tuple[Edge, ...], merged: tuple[str, str], name: str
) -> tuple[Edge, ...]:
    """Return peers in which a merged node has the sum of the shares of both nodes."""
    total = _share([peer for peer in peers if peer.source in merged], 1)
    renamed = (Edge(name, total) if peer.source in merged else peer for peer in peers)
    return tuple({peer.source: peer for peer in renamed}.values())


def _share(peers: Sequence[Edge], divisor: int) -> float:
    """Return the sum of shares divided by a number, as a share: above 0 and at most 1."""
    total = sum(peer.weight or 0.0 for peer in peers) / divisor
    return min(max(total, sys.float_info.min), 1.0)


def _mean_weight(edges: Sequence[Edge]) -> float | None:
    """Return the mean of the learned weights, or None if there is none."""
    weights = [edge.weight for edge in edges if edge.weight is not None]
    if not weights:
        return None
    return weights[0] if len(set(weights)) == 1 else sum(weights) / len(weights)


def _summed(first: Node, second: Node) -> Node:
    """Return the first node with the filters of both, which are of one kind of blocks."""
    pairs = zip(first.filters, second.filters, strict=True)
    return _with_filters(first, [one + other for one, other in pairs])


def _with_filters(node: Node, filters: Sequence[int]) -> Node:
    """Return the node with another C: one number, or three for a lite block."""
    first, *rest = filters
    return attrs.evolve(node, channels=(first, rest[0], rest[1]) if rest else first)


def _level(node: Node) -> int:
    return node.level


def _with_nodes(
    network: Network, nodes: Sequence[Node], replace: Callable[[tuple[Edge, ...]], tuple[Edge, ...]]
) -> Network:
    """Return the network with other nodes, and with `replace` applied to the sink's inputs."""
    inputs = replace(network.sink.inputs)
    sink = network.sink
    if inputs != sink.inputs:
        sink = attrs.evolve(sink, inputs=inputs)
    return with_parts(network, nodes, sink)
