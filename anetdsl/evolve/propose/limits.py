"""What a candidate may cost at most, told before it is trained."""

from __future__ import annotations

from anetdsl.cost import cost
from anetdsl.evolve.settings.search_settings import Limits
from anetdsl.ir import Network


def beyond_limits(network: Network, limits: Limits) -> tuple[str, int, int] | None:
    """The first limit that a network is beyond: of what, how much it has, how much it may have."""
    if limits.parameters is limits.multiply_adds is limits.depth is None:
        return None
    total = cost(network, frames=limits.frames, size=limits.size)
    for what, value, limit in (
        ("parameters", total.parameters, limits.parameters),
        ("multiply-adds", total.multiply_adds, limits.multiply_adds),
        ("convolutions on the longest path", total.depth, limits.depth),
    ):
        if limit is not None and value > limit:
            return what, value, limit
    return None
