"""Texts about what the pointer is on, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from anetdsl.cost import NodeCost
from anetdsl.ir import Edge, default_kind
from anetdsl.language_server.analysis import Analysis, int_value, sources_of
from anetdsl.language_server.text_places import TextPlace, defined_name, place_at
from anetdsl.source import Span
from anetdsl.syntax.nodes import StatementNode
from anetdsl.terminal import short_bytes, short_count
from anetdsl.vocabulary import STATEMENTS, Attribute

_MOST_NAMES = 20


@attrs.frozen
class HoverText:
    """A text as Markdown, and the place that it is about."""

    span: Span
    markdown: str


def hover_at(analysis: Analysis, offset: int) -> HoverText | None:
    """Return the text about the word at an offset, or None."""
    place = place_at(analysis, offset)
    if place is None:
        return None
    lines = _lines(analysis, place)
    return HoverText(place.span, "\n".join(lines)) if lines else None


def _lines(analysis: Analysis, place: TextPlace) -> list[str]:
    name = defined_name(place)
    if name is not None:
        statement = analysis.definitions.get(name)
        if statement is None:
            return []
        is_input = statement.keyword.text == "input"
        return (_input_lines if is_input else _node_lines)(analysis, name, statement)
    match place.kind:
        case "keyword" if place.text == "sink":
            return [*_keyword_lines(place.text), "", *_sink_lines(analysis)]
        case "keyword":
            return _keyword_lines(place.text)
        case "name":
            return network_lines(analysis)
        case "weight":
            is_share = place.attribute is not None and place.attribute.name.text == "peers"
            return (_share_lines if is_share else _weight_lines)(place.text)
        case _ if place.attribute is not None:
            keyword, name = place.statement.keyword.text, place.attribute.name.text
            attribute = STATEMENTS[keyword].attribute(name)
            return attribute_lines(attribute, keyword) if attribute is not None else []
    return []


def _keyword_lines(keyword: str) -> list[str]:
    statement = STATEMENTS[keyword]
    lines = [f"**`{keyword}`**: {statement.meaning}"]
    if statement.attributes:
        names = (
            f"`{a.name}`" + ("" if a.required else " (optional)") for a in statement.attributes
        )
        lines += ["", f"Attributes: {', '.join(names)}"]
    return lines


def attribute_lines(attribute: Attribute, keyword: str) -> list[str]:
    """Return the meaning of an attribute, its values, its default and its source."""
    lines = [f"**`{attribute.name}`** of `{keyword}`: {attribute.meaning}", ""]
    lines.append(f"- value: {attribute.expected()}")
    if attribute.required:
        lines.append("- required")
    elif attribute.default:
        lines.append(f"- default: `{attribute.default}`")
    elif attribute.name == "modules":
        lines.append("- default: `[3, 4, 6, 3]`, or `[3, 5, 11, 7]` with `blocks=lite`")
    elif attribute.name == "kind":
        lines.append("- default: `flow` with two channels, otherwise `rgb`")
    else:
        lines.append("- optional")
    lines.append(
        f"- source: paper {attribute.paper}" if attribute.paper else "- source: docs/spec.md"
    )
    return lines


def _weight_lines(source: str) -> list[str]:
    return [
        f"**weight of the edge from `{source}`**: the factor of its output in the sum, sigmoid(w) "
        "of the learned number w, above 0 and below 1",
        "",
        "- source: paper 3.1",
    ]


def _share_lines(peer: str) -> list[str]:
    return [
        f"**share of the peer `{peer}`**: its part in the attention of this node, softmax(h) of "
        "the learned numbers h, averaged over the node's connections",
        "",
        "- source: docs/semantics.md, 3",
    ]


# Costs


def share(part: int, total: int) -> str:
    """Return a part of a total in percent."""
    return f"{100 * part / total:.1f} %" if total else "0.0 %"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as text."""
    return " x ".join(map(str, shape))


def _cost_lines(analysis: Analysis, node: NodeCost, is_sink: bool = False) -> list[str]:
    total = analysis.cost
    parameters = operations = ""
    if total is not None:
        parameters = f" ({share(node.parameters, total.parameters)} of the network)"
        operations = f" ({share(node.multiply_adds, total.multiply_adds)} of the network)"
    lines = [] if is_sink else [f"- output: {shape_text(node.shape)} (C x T x H x W)"]
    return [
        *lines,
        f"- parameters: {node.parameters:,}{parameters}",
        f"- multiply-adds: {short_count(node.multiply_adds)}{operations}",
        f"- receptive field: {node.temporal_field} frames, {node.spatial_field} pixels per side",
        f"- depth: {node.depth} convolutions in {node.blocks} blocks",
    ]


def _clip_line(analysis: Analysis) -> str:
    return f"For one clip of {analysis.settings.clip}."


def _node_lines(analysis: Analysis, name: str, statement: StatementNode) -> list[str]:
    level = int_value(statement, "level")
    kind = "stem" if level == 0 else "node"
    at_level = "" if level is None else f" at level {level}"
    lines = [f"**{kind} `{name}`**{at_level}", ""]
    node = analysis.node_costs.get(name)
    if node is not None:
        lines += _cost_lines(analysis, node)
    sources = [_edge_text(edge) for edge in _edges(statement)]
    lines.append(f"- reads: {_names(sources)}")
    lines.append(f"- read by: {_readers(analysis, name)}")
    if node is not None:
        lines += ["", _clip_line(analysis)]
    else:
        lines += ["", "Its cost is known when it and the nodes that it reads have no errors."]
    return lines


def _edges(statement: StatementNode) -> list[Edge]:
    edges = []
    for item in sources_of(statement):
        weight = item.weight
        edges.append(Edge(item.value.text, None if weight is None else float(weight.text)))
    return edges


def _edge_text(edge: Edge) -> str:
    return f"`{edge.source}`" if edge.weight is None else f"`{edge.source}` ({edge.weight:g})"


def _readers(analysis: Analysis, name: str) -> str:
    found = []
    for reader in analysis.readers.get(name, ()):
        if reader.keyword.text == "sink":
            found.append("the sink")
        elif reader.name is not None:
            found.append(f"`{reader.name.text}`")
    return _names(found)


def _names(names: list[str]) -> str:
    if not names:
        return "nothing"
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _input_lines(analysis: Analysis, name: str, statement: StatementNode) -> list[str]:
    channels = int_value(statement, "channels")
    lines = [f"**input `{name}`**", ""]
    if channels is not None:
        frames, (height, width) = analysis.settings.frames, analysis.settings.size
        shape = shape_text((channels, frames, height, width))
        lines.append(f"- tensor: {shape} (C x T x H x W)")
        value = next((v for v in analysis.network.inputs if v.name == name), None)
        lines.append(f"- kind: `{default_kind(channels) if value is None else value.kind}`")
    lines.append(f"- read by: {_readers(analysis, name)}")
    return lines


def _sink_lines(analysis: Analysis) -> list[str]:
    if analysis.cost is None:
        return ["Its cost is known when the text has no errors."]
    return [*_cost_lines(analysis, analysis.cost.sink, is_sink=True), "", _clip_line(analysis)]


def network_lines(analysis: Analysis) -> list[str]:
    """Return the cost of the whole network."""
    total = analysis.cost
    if total is None:
        return ["**network**", "", "Its cost is known when the text has no errors."]
    return [
        f"**network `{total.network}`**",
        "",
        f"- nodes: {len(total.nodes)}",
        f"- parameters: {total.parameters:,} ({short_bytes(total.weight_bytes)})",
        f"- multiply-adds: {short_count(total.multiply_adds)}",
        f"- activations: {short_bytes(total.activation_bytes)}",
        f"- receptive field: {total.temporal_field} frames, {total.spatial_field} pixels per side",
        f"- depth: {total.depth} convolutions in {total.blocks} blocks",
        "",
        _clip_line(analysis),
    ]
