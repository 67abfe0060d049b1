"""Rules about edges: direction, weights, repetition."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Fix, Label, Severity
from anetdsl.ir import Network, place
from anetdsl.source import Edit, Span


def check_directions(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A501: an edge leads from a lower level to a higher one (paper 3.1)."""
    nodes = {node.name: node for node in network.nodes}
    for node in network.nodes:
        for edge in node.inputs:
            source = nodes.get(edge.source)
            if source is None or source.level < node.level or node.is_stem:
                continue
            if source is node:
                message = f"`{node.name}` reads itself"
                labels: tuple[Label, ...] = ()
            else:
                message = (
                    f"`{node.name}` at level {node.level} cannot read `{source.name}` at level "
                    f"{source.level}"
                )
                labels = (
                    Label(place(source, "level"), f"`{source.name}` is at level {source.level}"),
                )
            yield Diagnostic(
                "A501", message, edge.span, labels=labels, help="edges lead to a higher level"
            )
        for peer in node.peers:
            source = nodes.get(peer.source)
            if source is not None and source.level >= node.level and not node.is_stem:
                yield Diagnostic(
                    "A501",
                    f"`{source.name}` at level {source.level} is no peer of `{node.name}` at level "
                    f"{node.level}",
                    peer.span,
                    labels=(Label(place(source, "level"), "its level"),),
                    help="peers are nodes of lower levels",
                )


def check_weights(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A605: a node's only input has no weight."""
    for node in network.nodes:
        if len(node.inputs) == 1 and node.name not in incomplete:
            (edge,) = node.inputs
            if edge.weight is not None:
                name_end = edge.span.start + len(edge.source)
                weight = Span(name_end, edge.span.end)
                yield Diagnostic(
                    "A605",
                    f"the weight of `{node.name}`'s only input is not used",
                    weight,
                    Severity.WARNING,
                    fix=Fix("remove the weight", (Edit(weight, ""),)),
                )


def check_repeated_edges(network: Network, incomplete: frozenset[str]) -> Iterator[Diagnostic]:
    """Check A604: an `inputs` list has each node once. A409 covers stems, which have one input."""
    readers = [(f"`{node.name}`", node.inputs) for node in network.nodes if not node.is_stem]
    for reader, edges in [*readers, ("the sink", network.sink.inputs)]:
        seen: dict[str, Span] = {}
        for edge in edges:
            if edge.source in seen:
                yield Diagnostic(
                    "A604",
                    f"{reader} lists `{edge.source}` twice",
                    edge.span,
                    Severity.WARNING,
                    labels=(Label(seen[edge.source], "first listed here"),),
                )
            seen.setdefault(edge.source, edge.span)
