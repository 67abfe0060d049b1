"""Draw one network, as in the paper's Figure 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from anetdsl.drawing import legend
from anetdsl.drawing.dot import (
    FAINT_INK,
    Arrow,
    Attributes,
    Box,
    Column,
    Direction,
    Picture,
    escaped,
    identifier,
    small,
    write,
)
from anetdsl.drawing.streams import StreamKind, stream_kinds
from anetdsl.ir import Edge, Input, Kind, Network, Node, Sink

SINK_ID = "(sink)"
"""Identifier of the sink's box. It differs from those of all names."""
MOST_NUMBERS = 40
"""Number of trained edges up to which weights are drawn as numbers by default."""


class Paint(NamedTuple):
    """Fill colour and outline colour of a box, and their meaning in the legend."""

    fill: str
    line: str
    meaning: str


PAINTS: dict[StreamKind, Paint] = {
    "rgb": Paint("#F5C06F", "#8F5600", "RGB"),
    "flow": Paint("#74B4E2", "#0B4F80", "flow"),
    "object": Paint("#C9B3E6", "#55308D", "objects"),
    "mixed": Paint("#DFF0DC", "#3B7A4A", "both"),
    "unused": Paint("#F4F4F4", "#9A9A9A", "unused"),
}
"""Orange, blue, violet, pale green: distinct for colour-blind readers and, with the outlines, in
grey print."""

_PLAIN_LINE = "#5A5A5A"
_PLAIN_WIDTH = 1.1
PLAIN: Attributes = {"color": _PLAIN_LINE, "penwidth": _PLAIN_WIDTH}
_UNTRAINED: Attributes = {**PLAIN, "style": "dashed"}
_PEER: Attributes = {
    "color": PAINTS["object"].line,
    "style": "dotted",
    "penwidth": 0.8,
    "arrowsize": 0.4,
    "constraint": "false",
}
_UNUSED: Attributes = {"color": "#C4C4C4", "penwidth": 0.9}


def dot_source(
    network: Network,
    *,
    weights: bool = False,
    numbers: bool | None = None,
    peers: bool = False,
    title: str | None = None,
    direction: Direction = "LR",
) -> str:
    """Return DOT text of a drawing with a column (LR) or a row (TB) per level.

    With `weights`, an edge with a higher weight is darker and wider (paper, Figure 1). An untrained
    edge is dashed. A sole input and the edges into the sink have no weight and are plain. With
    `numbers`, weights are also written on the edges; by default this is done for up to
    `MOST_NUMBERS` trained edges. With `peers`, a thin dotted arrow leads from each peer of a node,
    the darker the higher its share; without learned shares from all peers. `title` replaces the
    network's name in the legend. The network may contain errors. Equal networks give the same text.
    """
    kinds = stream_kinds(network)
    if numbers is None:
        trained = sum(edge.weight is not None for edge in _weighted_edges(network))
        numbers = trained <= MOST_NUMBERS
    entries = list(_kind_entries(kinds, {value.kind for value in network.inputs}))
    if weights:
        entries.extend(_weight_entries(network))
    dotted = list(_peer_arrows(network)) if peers else []
    if dotted:
        entries.append(legend.stroke(str(_PEER["color"]), 0.8, "peer", dotted=True))
    picture = Picture(
        name=network.name,
        caption=legend.caption(
            escaped(network.name if title is None else title, longest=60), entries
        ),
        columns=(
            Column("inputs", tuple(_input_box(value, kinds) for value in network.inputs)),
            *(
                Column(heading, tuple(_node_box(node, kinds, network, direction) for node in nodes))
                for heading, nodes in by_level(network.nodes)
            ),
            Column("output", (Box(SINK_ID, sink_label(network.sink), {}),)),
        ),
        arrows=(
            *_arrows(network, kinds, weights=weights, numbers=weights and numbers),
            *dotted,
        ),
        direction=direction,
    )
    return write(picture)


def weight_pen(weight: float) -> dict[str, str | float]:
    """Return the line attributes of a trained edge: darker and wider for a weight closer to 1."""
    weight = min(1.0, max(0.0, weight))
    grey = round(0xCC - 0xC0 * weight)
    return {
        "color": f"#{grey:02X}{grey:02X}{grey:02X}",
        "penwidth": 0.7 + 2.8 * weight,
        "arrowsize": 0.45 + 0.2 * weight,
    }


def by_level(nodes: tuple[Node, ...]) -> Iterator[tuple[str, list[Node]]]:
    """Return heading and nodes of each level that has nodes, from the lowest level up."""
    for level in sorted({node.level for node in nodes}):
        yield f"level {level}", [node for node in nodes if node.level == level]


def extent(node: Node, direction: Direction) -> dict[str, str | float]:
    """Return a block's size across the streams in inches, which grows with the square root of C."""
    widest = max((0, *node.filters))
    inches = min(0.36 + 0.05 * math.sqrt(widest), 1.6)
    if direction == "LR":
        return {"height": max(inches, 0.5)}
    return {"width": max(1.3 * inches, 0.85)}


def filters_text(node: Node) -> str:
    """Return the C of a node for a label."""
    return "-".join(map(str, node.filters))


def sink_label(sink: Sink) -> str:
    """Return the label of the sink's box."""
    words = [f"{sink.classes} classes"]
    words.extend(word for word in (sink.combine, sink.head) if word != "mean")
    return "<br/>".join(("<b>sink</b>", *map(small, words)))


def _input_box(value: Input, kinds: dict[str, StreamKind]) -> Box:
    label = f"<b>{escaped(value.name)}</b><br/>{small(f'{value.channels} channels')}"
    return Box(identifier(value.name), label, {**_painted(kinds[value.name]), "style": "filled"})


def _node_box(
    node: Node, kinds: dict[str, StreamKind], network: Network, direction: Direction
) -> Box:
    attributes = f"C={filters_text(node)}" if node.filters else "pool"
    if network.uses_rate(node):
        attributes += f"  r={node.dilation}"
    return Box(
        identifier(node.name),
        f"<b>{escaped(node.name)}</b><br/>{small(attributes)}",
        {**_painted(kinds[node.name]), **extent(node, direction)},
    )


def _painted(kind: StreamKind) -> dict[str, str | float]:
    paint: dict[str, str | float] = {"fillcolor": PAINTS[kind].fill, "color": PAINTS[kind].line}
    if kind == "unused":
        paint |= {"style": "rounded,filled,dashed", "fontcolor": FAINT_INK}
    return paint


def _arrows(
    network: Network, kinds: dict[str, StreamKind], *, weights: bool, numbers: bool
) -> Iterator[Arrow]:
    for node in network.nodes:
        for edge in node.inputs:
            tail, head = identifier(edge.source), identifier(node.name)
            if kinds[node.name] == "unused":
                yield Arrow(tail, head, _UNUSED)
            elif not weights or not node.has_edge_weights:
                yield Arrow(tail, head, PLAIN)
            elif edge.weight is None:
                yield Arrow(tail, head, _UNTRAINED)
            else:
                number = f"{edge.weight:.2f}" if numbers else ""
                yield Arrow(tail, head, weight_pen(edge.weight), number)
    for edge in network.sink.inputs:
        yield Arrow(identifier(edge.source), SINK_ID, PLAIN)


def _peer_arrows(network: Network) -> Iterator[Arrow]:
    """Yield an arrow from each peer of a node, or from those with a learned share."""
    if network.attention != "peer":
        return
    by_level = network.peers_by_level()
    for node in network.nodes:
        shares = {peer.source: peer.weight or 0.0 for peer in node.peers}
        largest = max(shares.values(), default=1.0)
        for peer in by_level.get(node.level, ()):
            if peer.name in shares or not shares:
                opacity = round(0x30 + 0xCF * shares.get(peer.name, largest) / largest)
                pen = {**_PEER, "color": f"{_PEER['color']}{opacity:02X}"}
                yield Arrow(identifier(peer.name), identifier(node.name), pen)


def _weighted_edges(network: Network) -> list[Edge]:
    """Return the edges into nodes with several inputs, trained or not."""
    return [edge for node in network.nodes if node.has_edge_weights for edge in node.inputs]


def _kind_entries(kinds: dict[str, StreamKind], inputs: set[Kind]) -> Iterator[str]:
    present = set(kinds.values())
    for kind, paint in PAINTS.items():
        if kind in present:
            meaning = "several" if kind == "mixed" and len(inputs) > 2 else paint.meaning
            yield legend.swatch(paint.fill, paint.line, meaning)


def _weight_entries(network: Network) -> Iterator[str]:
    edges = _weighted_edges(network)
    if any(edge.weight is not None for edge in edges):
        yield legend.words("weight")
        for weight in (0.1, 0.5, 0.9):
            pen = weight_pen(weight)
            yield legend.stroke(str(pen["color"]), float(pen["penwidth"]), f"{weight}")
    if any(edge.weight is None for edge in edges):
        yield legend.stroke(_PLAIN_LINE, _PLAIN_WIDTH, "untrained", dashed=True)
    yield legend.stroke(_PLAIN_LINE, _PLAIN_WIDTH, "sole input, no weight")
