"""Check the cost of a candidate against the limits of the search, before it is trained."""

from __future__ import annotations

from anetdsl.cost import cost
from anetdsl.evolve.settings.search_settings import Limits
from anetdsl.ir import Network


def beyond_limits(network: Network, limits: Limits) -> tuple[str, int, int] | None:
    """Return the first limit that a network exceeds: its name, the network's value, the limit.

    Return None if the network exceeds no limit.
    """
    if limits.parameters is limits.multiply_adds is limits.depth is None:
        return None
    total = cost(network, frames=limits.frames, size=limits.size)
    for name, value, limit in (
        ("parameters", total.parameters, limits.parameters),
        ("multiply-adds", total.multiply_adds, limits.multiply_adds),
        ("convolutions on the longest path", total.depth, limits.depth),
    ):
        if limit is not None and value > limit:
            return name, value, limit
    return None
