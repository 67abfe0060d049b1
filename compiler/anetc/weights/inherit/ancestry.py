"""Which filters of a parent network those of a child descend from, by the sentences of `origin`.

A split gives each half its half of the filters, a merge joins those of two nodes (semantics 12).
Sentences follow one another, so that what one has made the next may take apart. Sentences about
anything else (edges, r) move no filter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from anetdsl.ir import Network

_SPLIT = re.compile(r"split (\w+) -> (\w+) (\w+)", re.ASCII)
_MERGE = re.compile(r"merge (\w+) (\w+) -> (\w+)", re.ASCII)


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
    misfits: tuple[str, ...] = ()
    """Sentences that speak of nodes which there were not, when it was their turn."""

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


def trace(parent: Network, ops: Sequence[str]) -> Ancestry:
    """Follow the filters of a parent's nodes through the sentences, one after another.

    The filters of a node stand in the parent's order, whatever order they were merged in: a split
    that is merged again is the parent's own node.
    """
    ranks = {node.name: rank for rank, node in enumerate(parent.nodes)}
    nodes: dict[str, tuple[Piece, ...]] = {
        node.name: (Piece(node.name, 0, node.channels),) for node in parent.nodes
    }
    misfits = []
    for sentence in ops:
        split, merge = _SPLIT.fullmatch(sentence), _MERGE.fullmatch(sentence)
        old = [split[1]] if split else [merge[1], merge[2]] if merge else []
        if not nodes.keys() >= set(old):
            misfits.append(sentence)
            continue
        joined = [piece for name in old for piece in nodes.pop(name)]
        if split:
            nodes[split[2]], nodes[split[3]] = _halves(joined)
        elif merge:
            nodes[merge[3]] = _in_order(joined, ranks)
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
