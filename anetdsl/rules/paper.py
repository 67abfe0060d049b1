"""Warnings about networks that differ from a rule of the paper's networks."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.diagnostics import Diagnostic, Severity
from anetdsl.ir import Network, place
from anetdsl.vocabulary import TOP_LEVEL

_LEVELS = range(1, TOP_LEVEL + 1)


def paper_channel_sums(network: Network) -> dict[int, int]:
    """Return the constant sum of C at levels 1 to 4 (paper 3.1, 4.1).

    Before any split, the paper's networks have two nodes of D_v channels at levels 1 to 3 and one
    at level 4. The sums are therefore 2, 2, 2 and 1 times D_v. They are proportional to `D`, so
    that the rule also holds for smaller networks. Lite blocks have no such rule.
    """
    if network.blocks == "lite":
        return {}
    factors = (2, 2, 2, 1)
    return {level: factors[level - 1] * network.widths[level - 1] for level in _LEVELS}


def check_channel_sums(network: Network) -> Iterator[Diagnostic]:
    """Check A602: the sum of C over a level's nodes is that of the paper."""
    for level, expected in paper_channel_sums(network).items():
        nodes = [node for node in network.nodes if node.level == level]
        total = sum(sum(node.filters) for node in nodes)
        if nodes and total != expected:
            yield Diagnostic(
                "A602",
                f"the channels of level {level} add up to {total}, in the paper to {expected}",
                place(nodes[0], "C"),
                Severity.WARNING,
                note="the first node of the level",
            )


def check_levels(network: Network) -> Iterator[Diagnostic]:
    """Check A603: there is a block at each of the levels 1 to 4."""
    present = {node.level for node in network.nodes}
    absent = [str(level) for level in _LEVELS if level not in present]
    if absent:
        levels = "level" if len(absent) == 1 else "levels"
        message = f"there is no node at {levels} {', '.join(absent)}"
        yield Diagnostic("A603", message, place(network, "name"), Severity.WARNING)
