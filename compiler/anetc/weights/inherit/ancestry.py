"""Find which filters of a parent network the filters of a child descend from.

The search's operations lead from the parent to the child (`anetdsl.evolve.operations`). A split
gives each half its half of the filters, a merge joins the filters of two nodes (semantics 12). The
other operations move no filters. If no operations are known, nodes of equal names correspond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from anetdsl.evolve.operations import Merge, Operation, Split

if TYPE_CHECKING:
    from anetdsl.ir import Network


@attrs.frozen
class Piece:
    """Filters `start` to `end` - 1 of a node of the parent, out of its C."""

    node: str
    start: int
    end: int

    @property
    def filters(self) -> int:
        """How many filters these are."""
        return self.end - self.start


Pieces = tuple[Piece, ...]


@attrs.frozen
class Ancestry:
    """Of each node of the child that descends from the parent, the filters that became its own."""

    pieces: Mapping[str, Pieces]
    filters: Mapping[str, int]
    """C of the parent's nodes."""
    misfits: tuple[Operation, ...] = ()
    """Operations on nodes that did not exist when their turn came."""

    def parents(self, node: str) -> tuple[str, ...]:
        """The nodes of the parent that a node descends from."""
        return tuple(dict.fromkeys(piece.node for piece in self.pieces.get(node, ())))

    def is_same(self, node: str) -> bool:
        """Whether a node is the parent's node of that name, whole."""
        return self.pieces.get(node) == (Piece(node, 0, self.filters.get(node, 0)),)

    def said(self, node: str) -> str:
        """What a node descends from, for people.

        >>> Ancestry({"n4b": (Piece("n4", 8, 16),)}, {"n4": 16}).said("n4b")
        'from n4, filters 8-15 of 16'
        """
        pieces = self.pieces.get(node, ())
        return "from " + " and ".join(
            f"{piece.node}, filters {piece.start}-{piece.end - 1} of {self.filters[piece.node]}"
            if piece.filters < self.filters[piece.node]
            else piece.node
            for piece in pieces
        )


def trace(parent: Network, operations: Sequence[Operation]) -> Ancestry:
    """Follow the filters of a parent's nodes through the operations, one after another.

    The filters of a node stand in the parent's order, whatever order they were merged in: a split
    that is merged again is the parent's own node.
    """
    ranks = {node.name: rank for rank, node in enumerate(parent.nodes)}
    nodes: dict[str, tuple[Piece, ...]] = {
        node.name: (Piece(node.name, 0, node.channels),) for node in parent.nodes
    }
    misfits = []
    for operation in operations:
        match operation:
            case Split(node, (first, second)) if node in nodes:
                nodes[first], nodes[second] = _halves(nodes.pop(node))
            case Merge((first, second), into) if first in nodes and second in nodes:
                joined = (*nodes.pop(first), *nodes.pop(second))
                nodes[into] = _in_order(joined, ranks)
            case Split() | Merge():
                misfits.append(operation)
    filters = {node.name: node.channels for node in parent.nodes}
    return Ancestry(nodes, filters, tuple(misfits))


def _halves(pieces: Sequence[Piece]) -> tuple[Pieces, Pieces]:
    """The first half of all filters, rounded down, and the rest."""
    left = sum(piece.filters for piece in pieces) // 2
    halves: tuple[list[Piece], list[Piece]] = ([], [])
    for piece in pieces:
        middle = piece.start + min(left, piece.filters)
        left -= middle - piece.start
        halves[0].append(attrs.evolve(piece, end=middle))
        halves[1].append(attrs.evolve(piece, start=middle))
    first, second = (tuple(piece for piece in half if piece.filters) for half in halves)
    return first, second


def _in_order(pieces: Sequence[Piece], ranks: Mapping[str, int]) -> Pieces:
    """Pieces in the parent's order; neighbours become one."""
    ordered: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (ranks[piece.node], piece.start)):
        if ordered and (ordered[-1].node, ordered[-1].end) == (piece.node, piece.start):
            ordered[-1] = attrs.evolve(ordered[-1], end=piece.end)
        else:
            ordered.append(piece)
    return tuple(ordered)
