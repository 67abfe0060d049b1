"""Rules about reachability: every node reaches the sink, and every input is read."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Severity
from anetdsl.ir import Network, place


def check_reach(network: Network) -> Iterator[Diagnostic]:
    """Check A601: the sink depends on every node, through edges or as a peer of attention."""
    needed = network.needed_by_sink()
    read = {edge.source for node in network.nodes for edge in node.inputs}
    for node in network.nodes:
        if node.name not in needed:
            is_unread = node.name not in read
            yield Diagnostic(
                "A601",
                f"`{node.name}` does not reach the sink",
                place(node, "name"),
                Severity.WARNING,
                help="no node reads it"
                if is_unread
                else "only nodes that do not reach the sink read it",
            )


def check_unused_inputs(network: Network) -> Iterator[Diagnostic]:
    """Check A606: every input is read by a stem."""
    read = {edge.source for node in network.nodes if node.is_stem for edge in node.inputs}
    for value in network.inputs:
        if value.name not in read:
            yield Diagnostic(
                "A606", f"no stem reads `{value.name}`", place(value, "name"), Severity.WARNING
            )
