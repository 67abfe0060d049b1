"""Write the results of a training into a text: learned edge weights, peers and a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from anetdsl.ir import Edge, Score
from anetdsl.source import Edit
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.text.edits.edge_edits import edges_of, set_edges, set_peers
from anetdsl.text.edits.statement_edits import find, set_score

DECIMALS = 6
"""Decimals of a weight. For weights from 0.05 to 0.95, rounding changes w = logit(weight) by 1.1e-5
at most."""
_LEAST = 10.0**-DECIMALS


def set_learned(
    tree: SyntaxTree,
    weights: Mapping[str, Sequence[float]],
    score: Score | None,
    peers: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Edit, ...]:
    """Return edits that write edge weights and peers, given by node, and a score.

    The weights of a node are sigmoid(w) in the order of its `inputs`. They are rounded, and kept in
    the open interval (0, 1). The peers of a node are shares by name, softmax(h) averaged over the
    connections; they are rounded and kept above 0. If `score` is None, the text's score stays.
    Raises KeyError for an unknown node, and ValueError if the numbers of weights and inputs differ.
    """
    edits: list[Edit] = []
    for name, shares in (peers or {}).items():
        found = [Edge(peer, written_share(share)) for peer, share in shares.items()]
        edits.extend(set_peers(tree, find(tree, "node", name), found))
    for name, values in weights.items():
        statement = find(tree, "node", name)
        edges = [
            attrs.evolve(edge, weight=written_weight(value))
            for edge, value in zip(edges_of(statement), values, strict=True)
        ]
        edits.extend(set_edges(tree, statement, edges))
    if score is not None:
        edits.extend(set_score(tree, score))
    return tuple(edits)


def written_share(value: float) -> float:
    """Return the share of a peer rounded for the text, above 0 and at most 1.

    >>> written_share(0.33333333), written_share(1.0), written_share(0.0)
    (0.333333, 1.0, 1e-06)
    """
    return max(round(value, DECIMALS), _LEAST)


def written_weight(value: float) -> float:
    """Return a weight rounded for the text, within (0, 1).

    >>> written_weight(0.50248771), written_weight(1.0), written_weight(0.0)
    (0.502488, 0.999999, 1e-06)
    """
    return min(max(round(value, DECIMALS), _LEAST), 1 - _LEAST)
