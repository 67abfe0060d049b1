"""Rules of the language, one file per family.

The rules listed here check a network and yield findings. Rules about single nodes also take the
names of incomplete nodes, of which other findings report missing parts; a rule must not draw
conclusions from what such a node does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anetdsl.diagnostics import Diagnostic
from anetdsl.ir import Network
from anetdsl.rules.blocks import (
    check_filters,
    check_lite_sink,
    check_stem_attributes,
    check_unused_attributes,
)
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
    check_stem_attributes,
    check_filters,
    check_stem_strides,
    check_strides,
)
"""Rules about single nodes. They are also applied to the valid part of a network with errors."""

WHOLE_RULES: tuple[WholeRule, ...] = (
    check_sink_widths,
    check_lite_sink,
    check_reach,
    check_unused_inputs,
    check_channel_sums,
    check_levels,
    check_unused_attributes,
)
"""Rules about the whole network. They are applied only if the network has no errors."""


def run_checks(
    network: Network, incomplete: frozenset[str] = frozenset(), *, whole: bool = True
) -> Iterator[Diagnostic]:
    """Yield the findings of all rules. `whole` is True if no part of the network is missing."""
    for rule in LOCAL_RULES:
        for diagnostic in rule(network, incomplete):
            # After A501 the levels will change, and with them the sums and the paths. After A505 C
            # will change.
            whole = whole and diagnostic.code not in ("A501", "A505")
            yield diagnostic
    if whole:
        for whole_rule in WHOLE_RULES:
            yield from whole_rule(network)
