"""Find which filters of a parent network the filters of a child descend from.

The search's operations lead from the parent to the child (`anetdsl.evolve.operations`). A split
gives each half its half of the filters. A merge joins the filters of two nodes (semantics 12). The
other operations move no filters. If no operations are known, nodes of equal names correspond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from anetdsl.evolve.operations import Merge, Operation, Split

if TYPE_CHECKING:
    from anetdsl.ir import Network, Node


@attrs.frozen
class FilterRange:
    """Filters `start` to `end` - 1 of the C filters of a node of the parent."""

    node: str
    start: int
    end: int

    @property
    def count(self) -> int:
        """Number of filters."""
        return self.end - self.start


FilterRanges = tuple[FilterRange, ...]


@attrs.frozen
class Ancestry:
    """The filters of the parent that the nodes of the child descend from."""

    ranges: Mapping[str, FilterRanges]
    """For each node of the child that descends from the parent, its filters in order."""
    filters: Mapping[str, int]
    """Number of filters, C, of each node of the parent."""
    skipped: tuple[Operation, ...] = ()
    """Operations on nodes that did not exist at that point."""
    is_lite: bool = False
    """True if the parent has lite blocks, of which only whole ones are inherited."""

    def whole_origin(self, node: str) -> str | None:
        """Return the node of the parent whose filters are all of those of a node, or None."""
        ranges = self.ranges.get(node, ())
        if len(ranges) != 1 or ranges[0].count != self.filters[ranges[0].node]:
            return None
        return ranges[0].node

    def parents(self, node: str) -> tuple[str, ...]:
        """Return the nodes of the parent that a node descends from."""
        return tuple(dict.fromkeys(part.node for part in self.ranges.get(node, ())))

    def is_unchanged(self, node: str) -> bool:
        """Return whether a node has exactly the filters of the parent's node of that name."""
        return self.ranges.get(node) == (FilterRange(node, 0, self.filters.get(node, 0)),)

    def description(self, node: str) -> str:
        """Return the origin of a node in words.

        >>> Ancestry({"n4b": (FilterRange("n4", 8, 16),)}, {"n4": 16}).description("n4b")
        'from n4, filters 8-15 of 16'
        """
        return "from " + " and ".join(
            f"{part.node}, filters {part.start}-{part.end - 1} of {self.filters[part.node]}"
            if part.count < self.filters[part.node]
            else part.node
            for part in self.ranges.get(node, ())
        )


def trace_filters(parent: Network, operations: Sequence[Operation]) -> Ancestry:
    """Follow the filters of a parent's nodes through the operations.

    The filters of a node are in the parent's order, independent of the order of a merge. So a node
    that is split and merged again equals the parent's node.
    """
    ranks = {node.name: rank for rank, node in enumerate(parent.nodes)}
    ranges: dict[str, FilterRanges] = {
        node.name: (FilterRange(node.name, 0, _count(node)),) for node in parent.nodes
    }
    skipped = []
    for operation in operations:
        match operation:
            case Split(node, (first, second)) if node in ranges:
                ranges[first], ranges[second] = _halves(ranges.pop(node))
            case Merge((first, second), into) if first in ranges and second in ranges:
                merged = (*ranges.pop(first), *ranges.pop(second))
                ranges[into] = _in_order(merged, ranks)
            case Split() | Merge():
                skipped.append(operation)
    filters = {node.name: _count(node) for node in parent.nodes}
    return Ancestry(ranges, filters, tuple(skipped), parent.blocks == "lite")


def _count(node: Node) -> int:
    """Return the first number of C, in which ranges are counted; 0 for an object stem."""
    return node.filters[0] if node.filters else 0


def _halves(ranges: FilterRanges) -> tuple[FilterRanges, FilterRanges]:
    """Return the first half of all filters, rounded down, and the second half."""
    left = sum(part.count for part in ranges) // 2
    halves: tuple[list[FilterRange], list[FilterRange]] = ([], [])
    for part in ranges:
        middle = part.start + min(left, part.count)
        left -= middle - part.start
        halves[0].append(attrs.evolve(part, end=middle))
        halves[1].append(attrs.evolve(part, start=middle))
    first, second = (tuple(part for part in half if part.count) for half in halves)
    return first, second


def _in_order(ranges: FilterRanges, ranks: Mapping[str, int]) -> FilterRanges:
    """Return the ranges in the parent's order, with adjacent ranges joined."""
    ordered: list[FilterRange] = []
    for part in sorted(ranges, key=lambda part: (ranks[part.node], part.start)):
        if ordered and (ordered[-1].node, ordered[-1].end) == (part.node, part.start):
            ordered[-1] = attrs.evolve(ordered[-1], end=part.end)
        else:
            ordered.append(part)
    return tuple(ordered)
