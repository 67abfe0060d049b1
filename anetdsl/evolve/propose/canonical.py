"""What a network is, whatever its nodes are called and in which order they stand.

Nodes are told apart by what they are and by their surroundings, round by round. Those that still
look alike are set in every order that may matter, and the least description of all is the
network's: two networks have the same one if and only if names and order are all that differs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from anetdsl.ir import Network

Colours = tuple[int, ...]
"""Of each node a number: equal ones are not told apart yet, and others are in this order."""
Description = tuple[Any, ...]
Link = tuple[int, float]
"""A neighbour's number, and the weight of the edge where it counts."""


def canonical_form(network: Network) -> str:
    """The same for networks that are equal but for names of nodes, and order.

    Neither does the network's name count, nor `origin` and `score`, nor weights that are learned;
    those that are fixed do. The names of inputs do: data are given by them. The network has passed
    its checks.
    """
    what = canonical(network)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def canonical(network: Network) -> Description:
    """The network in words that know neither names of nodes nor order."""
    graph = _Graph.of(network)
    head = (
        tuple(sorted((value.name, value.channels, value.kind) for value in network.inputs)),
        network.widths,
        network.modules,
        network.edges,
        (network.sink.classes, network.sink.combine, network.sink.head),
    )
    colours = _refined(graph, _ranks(graph.kinds))
    return (*head, _least(graph, colours)[0])


@attrs.frozen
class _Graph:
    """Nodes by number. Twins, which are alike and have the same neighbours, are one node."""

    kinds: tuple[tuple[Any, ...], ...]
    """What each node is by itself, and how many twins it stands for: comparable."""
    sources: tuple[tuple[Link, ...], ...]
    """Of each node, the nodes that it reads."""
    readers: tuple[tuple[Link, ...], ...]

    @classmethod
    def of(cls, network: Network) -> _Graph:
        """The graph of a network."""
        numbers = {node.name: number for number, node in enumerate(network.nodes)}
        sources: list[list[Link]] = [[] for _ in numbers]
        readers: list[list[Link]] = [[] for _ in numbers]
        for number, node in enumerate(network.nodes):
            if node.is_stem:
                continue
            counts = network.edges == "fixed" and node.has_edge_weights
            for edge in node.inputs:
                weight = edge.gate if counts else 0.0
                sources[number].append((numbers[edge.source], weight))
                readers[numbers[edge.source]].append((number, weight))
        read = Counter(edge.source for edge in network.sink.inputs)
        twins: dict[Any, list[int]] = {}
        for number, node in enumerate(network.nodes):
            kind = (
                node.level,
                node.channels,
                node.dilation,
                node.stride,
                node.inputs[0].source if node.is_stem else "",
                read[node.name],
            )
            key = (kind, tuple(sorted(sources[number])), tuple(sorted(readers[number])))
            twins.setdefault(key, []).append(number)
        places = {same[0]: place for place, same in enumerate(twins.values())}
        return cls(
            tuple((*kind, len(same)) for (kind, _, _), same in twins.items()),
            tuple(_renumbered(links, places) for _, links, _ in twins),
            tuple(_renumbered(links, places) for _, _, links in twins),
        )


def _renumbered(links: Iterable[Link], places: Mapping[int, int]) -> tuple[Link, ...]:
    """Links to those that are left: a neighbour of one twin is one of all."""
    return tuple((places[i], weight) for i, weight in links if i in places)


def _ranks(keys: Sequence[Any]) -> Colours:
    """Of each key its place among the different ones."""
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return tuple(places[key] for key in keys)


def _refined(graph: _Graph, colours: Colours) -> Colours:
    """Colours that tell apart what reads, or is read by, nodes of other colours."""
    count = len(set(colours))
    while count < len(colours):
        colours = _ranks(
            [
                (
                    colour,
                    _recoloured(sources, colours),
                    _recoloured(readers, colours),
                )
                for colour, sources, readers in zip(colours, graph.sources, graph.readers)
            ]
        )
        if len(set(colours)) == count:
            break
        count = len(set(colours))
    return colours


def _least(graph: _Graph, colours: Colours) -> tuple[Description, Description]:
    """The least description that any order of what looks alike gives, and that of the first order.

    Of nodes that look alike, each in turn is taken as the first. Where two such choices, each
    followed by the first order that comes, lead to one description, names are all that differs
    between them, and one is enough: so symmetric networks take no longer than others.
    """
    alike = _first_alike(colours)
    if not alike:
        description = _described(graph, colours)
        return description, description
    found: list[tuple[Description, Description]] = []
    seen: set[Description] = set()
    for node in alike:
        chosen = _refined(graph, _set_apart(colours, node))
        if found and _first_described(graph, chosen) in seen:
            continue
        found.append(_least(graph, chosen))
        seen.add(found[-1][1])
    return min(least for least, _ in found), found[0][1]


def _first_described(graph: _Graph, colours: Colours) -> Description:
    while alike := _first_alike(colours):
        colours = _refined(graph, _set_apart(colours, alike[0]))
    return _described(graph, colours)


def _first_alike(colours: Colours) -> list[int]:
    """The nodes of the lowest colour that several have."""
    if len(set(colours)) == len(colours):
        return []
    by_colour: dict[int, list[int]] = {}
    for number, colour in enumerate(colours):
        by_colour.setdefault(colour, []).append(number)
    return by_colour[min(colour for colour, nodes in by_colour.items() if len(nodes) > 1)]


def _set_apart(colours: Colours, node: int) -> Colours:
    """The colours with one node before those that look like it."""
    return _ranks([(colour, number != node) for number, colour in enumerate(colours)])


def _described(graph: _Graph, colours: Colours) -> Description:
    """The network in the order of colours that are all different."""
    order = sorted(range(len(colours)), key=colours.__getitem__)
    return tuple(
        (
            graph.kinds[number],
            _recoloured(graph.sources[number], colours),
        )
        for number in order
    )


def _recoloured(links: Sequence[Link], colours: Colours) -> tuple[Link, ...]:
    return tuple(sorted([(colours[i], weight) for i, weight in links]))
