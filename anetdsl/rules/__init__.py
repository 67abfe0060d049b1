"""The rules of the language that look at a network as a whole: one file a family.

A rule is a function of a network that yields findings. One that speaks of single nodes also takes
the names that are in doubt, nodes that other findings have already spoiled: it must not draw
conclusions from what those lack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anetdsl.diagnostics import Diagnostic
from anetdsl.ir import Network
from anetdsl.rules.edges import check_directions, check_repeated_edges, check_weights
from anetdsl.rules.paper import check_channel_sums, check_levels
from anetdsl.rules.reach import check_reach, check_unused_inputs
from anetdsl.rules.sizes import check_sink_widths, check_stem_strides, check_strides

LocalRule = Callable[[Network, frozenset[str]], Iterator[Diagnostic]]
WholeRule = Callable[[Network], Iterator[Diagnostic]]

LOCAL_RULES: tuple[LocalRule, ...] = (
    check_directions,
    check_weights,
    check_repeated_edges,
    check_stem_strides,
    check_strides,
)
"""Rules that speak of one node at a time: they hold for the sound part of a broken network too."""

WHOLE_RULES: tuple[WholeRule, ...] = (
    check_sink_widths,
    check_reach,
    check_unused_inputs,
    check_channel_sums,
    check_levels,
)
"""Rules that need the whole network: they keep quiet while any of it is broken."""


def run_checks(
    network: Network, doubtful: frozenset[str] = frozenset(), *, whole: bool = True
) -> Iterator[Diagnostic]:
    """All findings of all rules. `whole` says that nothing of the network is missing."""
    for rule in LOCAL_RULES:
        for diagnostic in rule(network, doubtful):
            # An edge or a level is wrong: what the levels hold, and what is reached, will change.
            whole = whole and diagnostic.code != "A501"
            yield diagnostic
    if whole:
        for whole_rule in WHOLE_RULES:
            yield from whole_rule(network)
