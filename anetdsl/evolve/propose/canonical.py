"""Compute the canonical form of a network: equal for networks that differ in names and order only.

The algorithm is the standard one for graphs: colour refinement (the 1-dimensional
Weisfeiler-Leman algorithm), and McKay's search tree for nodes that keep equal colours
("Practical graph isomorphism", Congressus Numerantium 30, 1981; the program nauty).

1. Each node gets a colour: its own properties (level, C, r, stride, ...).
2. Colour refinement: a node's new colour is its colour with the colours of the nodes that it reads
   and of the nodes that read it. This is repeated until the number of colours stays the same.
3. If two nodes still have one colour, each node of the lowest such colour is given a colour of its
   own in turn (individualisation), and step 2 is repeated. These choices form the search tree. In
   each leaf all colours differ and order the nodes, so that the network has a description in which
   nodes are numbers. The canonical form is the least description of all leaves.

Two networks have the same canonical form if and only if they differ in names and order only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from anetdsl.ir import Network

Colours = tuple[int, ...]
"""Colour of each node. Nodes of one colour are not yet distinguished."""
Description = tuple[Any, ...]
"""The properties of a network in a form that can be compared."""
Link = tuple[int, float]
"""The number of a neighbour, and the weight of the edge if it is fixed (else 0)."""


def canonical_form(network: Network) -> str:
    """Return 32 hex digits that are equal for networks that differ in names and order only.

    The network's name, `origin`, `score`, learned weights and names of nodes do not count. Fixed
    weights count, and so do names of inputs, as data are given by them. The network has passed its
    checks.
    """
    return hashlib.sha256(repr(canonical(network)).encode()).hexdigest()[:32]


def canonical(network: Network) -> Description:
    """Return the description of a network that `canonical_form` hashes."""
    graph = _Graph.of(network)
    head = (
        tuple(sorted((value.name, value.channels, value.kind) for value in network.inputs)),
        # Lite blocks have no D. Networks of the paper keep their form of earlier versions.
        network.widths if network.blocks == "full" else network.blocks,
        network.modules,
        network.edges if network.attention == "none" else (network.edges, network.attention),
        (network.sink.classes, network.sink.combine, network.sink.head),
    )
    colours = _refined(graph, _ranks(graph.kinds))
    least, _ = _least(graph, colours)
    return (*head, least)


@attrs.frozen
class _Graph:
    """The nodes by number. Twins (nodes alike with the same neighbours) are one node."""

    kinds: tuple[tuple[Any, ...], ...]
    """Properties of each node, and the number of twins that it stands for."""
    sources: tuple[tuple[Link, ...], ...]
    """The nodes that each node reads."""
    readers: tuple[tuple[Link, ...], ...]
    """The nodes that read each node."""

    @classmethod
    def of(cls, network: Network) -> _Graph:
        """Return the graph of a network."""
        numbers = {node.name: number for number, node in enumerate(network.nodes)}
        sources: list[list[Link]] = [[] for _ in numbers]
        readers: list[list[Link]] = [[] for _ in numbers]
        for number, node in enumerate(network.nodes):
            if node.is_stem:
                continue
            has_fixed_weights = network.edges == "fixed" and node.has_edge_weights
            for edge in node.inputs:
                weight = edge.gate if has_fixed_weights else 0.0
                sources[number].append((numbers[edge.source], weight))
                readers[numbers[edge.source]].append((number, weight))
        read_by_sink = Counter(edge.source for edge in network.sink.inputs)
        twins: dict[Any, list[int]] = {}
        for number, node in enumerate(network.nodes):
            kind = (
                node.level,
                node.filters if network.blocks == "lite" else node.channels or 0,
                node.dilation or 0,
                node.stride,
                node.inputs[0].source if node.is_stem else "",
                read_by_sink[node.name],
            )
            key = (kind, tuple(sorted(sources[number])), tuple(sorted(readers[number])))
            twins.setdefault(key, []).append(number)
        new_numbers = {same[0]: number for number, same in enumerate(twins.values())}
        return cls(
            tuple((*kind, len(same)) for (kind, _, _), same in twins.items()),
            tuple(_renumbered(links, new_numbers) for _, links, _ in twins),
            tuple(_renumbered(links, new_numbers) for _, _, links in twins),
        )


def _renumbered(links: Iterable[Link], numbers: Mapping[int, int]) -> tuple[Link, ...]:
    """Return links with new numbers, without links to twins that are left out."""
    return tuple((numbers[i], weight) for i, weight in links if i in numbers)


def _ranks(keys: Sequence[Any]) -> Colours:
    """Return the rank of each key among the different keys."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return tuple(ranks[key] for key in keys)


def _refined(graph: _Graph, colours: Colours) -> Colours:
    """Return the colours after colour refinement (step 2)."""
    count = len(set(colours))
    while count < len(colours):
        colours = _ranks(
            [
                (
                    colour,
                    _coloured(sources, colours),
                    _coloured(readers, colours),
                )
                for colour, sources, readers in zip(colours, graph.sources, graph.readers)
            ]
        )
        if len(set(colours)) == count:
            break
        count = len(set(colours))
    return colours


def _least(graph: _Graph, colours: Colours) -> tuple[Description, Description]:
    """Return the least description below a node of the search tree, and that of its first leaf.

    If the first leaves of two branches have the same description, an automorphism of the network
    maps one branch to the other, and the second branch is skipped. This keeps symmetric networks
    as fast as others.
    """
    same = _nodes_of_one_colour(colours)
    if not same:
        description = _described(graph, colours)
        return description, description
    branches: list[tuple[Description, Description]] = []
    seen: set[Description] = set()
    for node in same:
        branch = _refined(graph, _individualised(colours, node))
        if branches and _first_leaf(graph, branch) in seen:
            continue
        branches.append(_least(graph, branch))
        seen.add(branches[-1][1])
    return min(least for least, _ in branches), branches[0][1]


def _first_leaf(graph: _Graph, colours: Colours) -> Description:
    """Return the description of the first leaf below a node of the search tree."""
    while same := _nodes_of_one_colour(colours):
        colours = _refined(graph, _individualised(colours, same[0]))
    return _described(graph, colours)


def _nodes_of_one_colour(colours: Colours) -> list[int]:
    """Return the nodes of the lowest colour that several nodes have; none in a leaf."""
    if len(set(colours)) == len(colours):
        return []
    by_colour: dict[int, list[int]] = {}
    for number, colour in enumerate(colours):
        by_colour.setdefault(colour, []).append(number)
    return by_colour[min(colour for colour, nodes in by_colour.items() if len(nodes) > 1)]


def _individualised(colours: Colours, node: int) -> Colours:
    """Return the colours with a node before the other nodes of its colour (step 3)."""
    return _ranks([(colour, number != node) for number, colour in enumerate(colours)])


def _described(graph: _Graph, colours: Colours) -> Description:
    """Return the description of the network in the order of its colours, which all differ."""
    order = sorted(range(len(colours)), key=colours.__getitem__)
    return tuple(
        (
            graph.kinds[number],
            _coloured(graph.sources[number], colours),
        )
        for number in order
    )


def _coloured(links: Sequence[Link], colours: Colours) -> tuple[Link, ...]:
    return tuple(sorted([(colours[i], weight) for i, weight in links]))
