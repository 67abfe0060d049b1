"""Draw the random networks that a search starts from (paper 3.2, 4.1)."""

from __future__ import annotations

from random import Random

import attrs

from anetdsl.evolve.propose.draft import DraftNetwork, possible_edges, rewired
from anetdsl.evolve.propose.operators import split
from anetdsl.evolve.settings.search_settings import Space
from anetdsl.ir import Edge, Input, Network, Node, Sink
from anetdsl.vocabulary import STEM_STRIDE

RGB = Input("rgb", 3, "rgb")
FLOW = Input("flow", 2, "flow")
STRIDES = (1, 2, 2, 2)
"""Strides of blocks at levels 1 to 4 (Table 4)."""


def random_network(space: Space, rng: Random) -> Network:
    """Draw an initial network: nodes, splits, temporal resolutions and edges.

    The network is not repaired: a node may lack an input or a reader.
    """
    return random_connections(random_nodes(space, rng), space, rng)


def random_nodes(space: Space, rng: Random) -> Network:
    """Draw stems and blocks without edges: half of the stems RGB, 1 to `most_splits` splits.

    With an object input, its stem is one more.
    """
    count = rng.choice(space.stems)
    stems = [
        Node(f"s{i}", 0, space.stem_channels // count, 1, STEM_STRIDE, (Edge(given.name),))
        for i, given in enumerate([RGB] * (count - count // 2) + [FLOW] * (count // 2))
    ]
    inputs = (RGB, FLOW) if count > 1 else (RGB,)
    if space.objects:
        inputs = (*inputs, Input("object", space.objects, "object"))
        stems.append(Node(f"s{count}", 0, None, None, STEM_STRIDE, (Edge("object"),)))
    blocks = [
        Node(f"b{level}_{i}", level, channels, 1, stride, ())
        for level, channels, stride, many in zip(
            range(1, 5), space.channels, STRIDES, space.nodes, strict=True
        )
        for i in range(many)
    ]
    sink = Sink(tuple(Edge(node.name) for node in blocks if node.level == 4), space.classes)
    network = Network(
        "drawn",
        inputs,
        (*stems, *blocks),
        sink,
        widths=space.widths,
        modules=space.modules,
        attention=space.attention,
    )
    draft = DraftNetwork.of(network)
    for _ in range(rng.randint(min(1, space.most_splits), space.most_splits)):
        change = split(draft, rng)
        draft = change.draft if change is not None else draft
    return _numbered(draft.network, space, rng)


def random_connections(network: Network, space: Space, rng: Random) -> Network:
    """Add each possible edge with the space's probability."""
    drawn = [pair for pair in possible_edges(network) if rng.random() < space.edge_probability]
    return rewired(DraftNetwork.of(network), (), drawn).network


def _numbered(network: Network, space: Space, rng: Random) -> Network:
    """Draw temporal resolutions, and name the nodes as Table 4 does: s0, s1, n2, n3, ...

    A flow stem has no temporal convolution; its r is 1. An object stem has no r.
    """
    nodes = [
        attrs.evolve(
            node,
            name=f"{'s' if node.is_stem else 'n'}{number}",
            dilation=_drawn_dilation(node, space, rng),
        )
        for number, node in enumerate(network.nodes)
    ]
    top = tuple(Edge(node.name) for node in nodes if node.level == 4)
    return attrs.evolve(network, nodes=tuple(nodes), sink=attrs.evolve(network.sink, inputs=top))


def _drawn_dilation(node: Node, space: Space, rng: Random) -> int | None:
    if node.channels is None:
        return None
    reads_flow = node.is_stem and node.inputs[0].source == FLOW.name
    return 1 if reads_flow else rng.choice(space.resolutions)
