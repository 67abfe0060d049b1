"""Operators on single blocks: split, merge, another temporal resolution (paper 3.2, 4.1, A.1).

The sum of C over a level stays as it is. Stems are neither split nor merged. The sink goes on
reading what came of the nodes that it read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from random import Random

import attrs

from anetdsl.evolve.operations import ChangeResolution, Merge, Split
from anetdsl.evolve.propose.draft import Change, DraftNetwork, reading, with_parts
from anetdsl.evolve.propose.naming import merged_name, split_names
from anetdsl.evolve.settings.search_settings import RESOLUTIONS
from anetdsl.ir import Edge, Network, Node
from anetdsl.vocabulary import STATEMENTS

MOST_CHANNELS = next(a.high for a in STATEMENTS["node"].attributes if a.name == "C")
"""That a block may have in the language."""


def split(draft: DraftNetwork, rng: Random) -> Change | None:
    """A block becomes two of half its C, with its r, and its connections both ways.

    A block of odd C cannot be split, nor one whose halves the sink could not average with others.
    """
    nodes = [node for node in draft.network.nodes if can_split(draft.network, node)]
    return split_node(draft, rng.choice(nodes)) if nodes else None


def merge(draft: DraftNetwork, rng: Random) -> Change | None:
    """Two blocks of a level become one: C summed, connections united, r that of one of them.

    They have the same stride, and the sink can average what comes of them with what else it reads.
    The sum is one that a text may hold.
    """
    nodes = draft.network.nodes
    by_level = itertools.groupby(sorted(nodes, key=_level), key=_level)
    pairs = [
        pair
        for level, same in by_level
        if level
        for pair in itertools.combinations(same, 2)
        if can_merge(draft.network, *pair)
    ]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    return merge_nodes(draft, first, second, rng.choice((first, second)).dilation)


def change_resolution(
    draft: DraftNetwork, rng: Random, resolutions: Sequence[int] = RESOLUTIONS
) -> Change | None:
    """A block gets another r. A flow stem has no temporal convolution, and keeps its own."""
    flow = {value.name for value in draft.network.inputs if value.kind == "flow"}
    choices = {
        node.name: [r for r in resolutions if r != node.dilation]
        for node in draft.network.nodes
        if not (node.is_stem and node.inputs[0].source in flow)
    }
    names = [name for name, others in choices.items() if others]
    if not names:
        return None
    name = rng.choice(names)
    new = rng.choice(choices[name])
    old = draft.network.node(name).dilation
    nodes = (
        attrs.evolve(node, dilation=new) if node.name == name else node
        for node in draft.network.nodes
    )
    return Change(draft.with_nodes(nodes), ChangeResolution(name, old, new))


def can_split(network: Network, node: Node) -> bool:
    """Whether a node may be split."""
    if node.is_stem or node.channels % 2:
        return False
    return not _is_read_by_mean(network, node) or len(network.sink.inputs) == 1


def can_merge(network: Network, first: Node, second: Node) -> bool:
    """Whether two nodes may be merged."""
    if first.is_stem or first.level != second.level or first.stride != second.stride:
        return False
    if first.channels + second.channels > MOST_CHANNELS:
        return False
    if not (_is_read_by_mean(network, first) or _is_read_by_mean(network, second)):
        return True
    read = {edge.source for edge in network.sink.inputs}
    return read <= {first.name, second.name}


def split_node(draft: DraftNetwork, node: Node) -> Change:
    """The draft with that node split: the first half continues the node's statement."""
    taken = {other.name for other in draft.network.nodes} | set(draft.lines.values())
    names = split_names(node.name, taken | {value.name for value in draft.network.inputs})
    halves = [attrs.evolve(node, name=name, channels=node.channels // 2) for name in names]

    def inputs(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
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
        elif _reads(other.inputs, node.name):
            nodes.append(reading(other, inputs(other.inputs)))
        else:
            nodes.append(other)
    lines = {name: line for name, line in draft.lines.items() if name != node.name}
    if node.name in draft.lines:
        lines[names[0]] = draft.lines[node.name]
    changed = _with(draft.network, nodes, inputs)
    return Change(DraftNetwork(changed, lines), Split(node.name, names))


def merge_nodes(draft: DraftNetwork, first: Node, second: Node, dilation: int) -> Change:
    """The draft with those nodes as one, in the place of that which has a statement."""
    others = {node.name for node in draft.network.nodes} - {first.name, second.name}
    others |= {value.name for value in draft.network.inputs}
    name = merged_name(first.name, second.name, others, set(draft.lines.values()))
    ranks = {node.name: rank for rank, node in enumerate(draft.network.nodes)}
    united = _united((*first.inputs, *second.inputs))
    merged = attrs.evolve(
        first,
        name=name,
        channels=first.channels + second.channels,
        dilation=dilation,
        inputs=tuple(sorted(united, key=lambda edge: ranks[edge.source])),
    )
    stays = second if first.name not in draft.lines and second.name in draft.lines else first
    gone = first if stays is second else second

    def inputs(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
        both = (first.name, second.name)
        return _united([Edge(name, e.weight) if e.source in both else e for e in edges])

    nodes: list[Node] = []
    for node in draft.network.nodes:
        if node.name == stays.name:
            nodes.append(merged)
        elif _reads(node.inputs, first.name, second.name):
            nodes.append(reading(node, inputs(node.inputs)))
        elif node.name != gone.name:
            nodes.append(node)
    lines = {key: line for key, line in draft.lines.items() if key not in (first.name, second.name)}
    if stays.name in draft.lines:
        lines[name] = draft.lines[stays.name]
    changed = _with(draft.network, nodes, inputs)
    return Change(DraftNetwork(changed, lines), Merge((first.name, second.name), name))


def _is_read_by_mean(network: Network, node: Node) -> bool:
    """Whether the sink averages the node's output with those of others."""
    sink = network.sink
    return sink.combine == "mean" and any(edge.source == node.name for edge in sink.inputs)


def _reads(edges: Iterable[Edge], *names: str) -> bool:
    return any(edge.source in names for edge in edges)


def _united(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """Edges of which those from one source are one, of their mean weight."""
    by_source: dict[str, list[Edge]] = {}
    for edge in edges:
        by_source.setdefault(edge.source, []).append(edge)
    return tuple(
        same[0] if len(same) == 1 else Edge(source, _mean_weight(same))
        for source, same in by_source.items()
    )


def _mean_weight(edges: Sequence[Edge]) -> float | None:
    weights = [edge.gate for edge in edges]
    if all(edge.weight is None for edge in edges):
        return None
    return weights[0] if len(set(weights)) == 1 else sum(weights) / len(weights)


def _level(node: Node) -> int:
    return node.level


def _with(
    network: Network, nodes: Sequence[Node], inputs: Callable[[tuple[Edge, ...]], tuple[Edge, ...]]
) -> Network:
    """The network with other nodes, where the sink reads what `inputs` makes of what it read."""
    read = inputs(network.sink.inputs)
    sink = network.sink if read == network.sink.inputs else attrs.evolve(network.sink, inputs=read)
    return with_parts(network, nodes, sink)
