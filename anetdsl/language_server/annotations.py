"""Texts that an editor shows within a network: hints after nodes, and a line above it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from anetdsl.language_server.analysis import Analysis
from anetdsl.language_server.hover_text import shape_text, share
from anetdsl.source import Span
from anetdsl.terminal import short_bytes, short_count


@attrs.frozen
class InlineHint:
    """A short text after a place, and a longer one."""

    offset: int
    label: str
    tooltip: str


def inline_hints(analysis: Analysis, span: Span) -> Iterator[InlineHint]:
    """Yield the output shape of each node in a part of the text, and its share of parameters."""
    costs, total = analysis.node_costs, analysis.cost
    clip = f"for one clip of {analysis.settings.clip}"
    for name, statement in analysis.definitions.items():
        node = costs.get(name)
        within = span.start <= statement.span.end and statement.span.start <= span.end
        if node is None or not within or statement.keyword.text != "node":
            continue
        label = shape_text(node.shape)
        tooltip = f"output C x T x H x W {clip}"
        if total is not None:
            label += f", {share(node.parameters, total.parameters)}"
            tooltip += "; share of the network's parameters"
        yield InlineHint(statement.span.end, label, tooltip)


@attrs.frozen
class HeadLine:
    """A line above a place."""

    span: Span
    text: str


def head_line(analysis: Analysis) -> HeadLine | None:
    """Return the cost of the network, for the line above its statement; None with errors."""
    cost, network = analysis.cost, analysis.checked.network
    if cost is None or network is None:
        return None
    text = (
        f"{short_count(cost.parameters)} parameters, "
        f"{short_count(cost.multiply_adds)} multiply-adds, "
        f"{short_bytes(cost.activation_bytes)} of activations, depth {cost.depth} "
        f"({analysis.settings.clip})"
    )
    return HeadLine(network.span, text)
