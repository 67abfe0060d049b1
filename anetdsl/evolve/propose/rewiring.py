"""Change the edges of a child: guided by learned weights (equation 2), at random, or to repair.

Edges that a split or a merge makes belong to those operators (`anetdsl.evolve.propose.operators`).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from anetdsl.evolve.operations import Pair, Repair, Rewire
from anetdsl.evolve.propose.draft import (
    Change,
    DraftNetwork,
    edges_of,
    possible_edges,
    rewired,
)
from anetdsl.ir import Network

DROPPED = 1 / 3
"""Probability that random rewiring drops an edge (paper 4.3)."""


def guided_rewiring(
    draft: DraftNetwork,
    rng: Random,
    threshold: float | None = None,
    *,
    by_peers: bool = False,
) -> Change:
    """Keep edges of high weight and replace the others (equation 2, paper 3.2).

    An edge of weight W_e is kept if W_e > B. B is `threshold`, or is drawn from unif(0, 1) for
    each edge. Each possible edge that the parent does not have is added with probability
    |dropped| / |E* - E_p|, so that the expected number of added edges is the number of dropped
    ones. (The paper prints |E - E_p| as the denominator.)

    With `by_peers`, this probability is multiplied by the learned share of the source among the
    peers of the reader, relative to the mean share. Readers without learned shares, and sources
    that their lists do not have, count as 1. The paper has no such option.
    """
    kept: list[Pair] = []
    dropped: list[Pair] = []
    for pair, weight in edges_of(draft.network):
        bar = rng.random() if threshold is None else threshold
        (kept if weight > bar else dropped).append(pair)
    others = _other_edges(draft, [*kept, *dropped])
    probability = len(dropped) / len(others) if others else 0.0
    factors = _relative_shares(draft.network) if by_peers else {}
    added = [pair for pair in others if rng.random() < probability * factors.get(pair, 1.0)]
    return _change(draft, kept, dropped, added)


def _relative_shares(network: Network) -> dict[Pair, float]:
    """Return the share of each listed peer of a node, divided by the mean of the node's shares."""
    found: dict[Pair, float] = {}
    for node in network.nodes:
        mean = sum(peer.weight or 0.0 for peer in node.peers) / max(len(node.peers), 1)
        found |= {(peer.source, node.name): (peer.weight or 0.0) / mean for peer in node.peers}
    return found


def random_rewiring(draft: DraftNetwork, rng: Random) -> Change:
    """Replace each edge with probability 1/3 (the paper's standard evolution, 4.3).

    As many edges are added as dropped, drawn uniformly from those that the parent does not have,
    or all of these if there are fewer.
    """
    kept: list[Pair] = []
    dropped: list[Pair] = []
    for pair, _ in edges_of(draft.network):
        (dropped if rng.random() < DROPPED else kept).append(pair)
    others = _other_edges(draft, [*kept, *dropped])
    drawn = set(rng.sample(others, min(len(dropped), len(others))))
    added = [pair for pair in others if pair in drawn]
    return _change(draft, kept, dropped, added)


def repair(draft: DraftNetwork, rng: Random) -> Change | None:
    """Add one random possible edge for each node without an input and each node without a reader.

    Return None if nothing was added.
    """
    network = draft.network
    levels = {node.name: node.level for node in network.nodes}
    read = {edge.source for edge in network.sink.inputs}
    read.update(edge.source for node in network.nodes if not node.is_stem for edge in node.inputs)
    added: list[Pair] = []
    for node in network.nodes:
        if not node.is_stem and not node.inputs:
            lower = [name for name, level in levels.items() if level < node.level]
            if lower:
                source = rng.choice(lower)
                read.add(source)
                added.append((source, node.name))
    for node in network.nodes:
        if node.name not in read:
            higher = [name for name, level in levels.items() if level > node.level]
            if higher:
                added.append((node.name, rng.choice(higher)))
    if not added:
        return None
    return Change(rewired(draft, (), added), Repair(tuple(added)))


def _other_edges(draft: DraftNetwork, present: Sequence[Pair]) -> list[Pair]:
    """Return E* - E_p of equation 2."""
    excluded = set(present)
    return [pair for pair in possible_edges(draft.network) if pair not in excluded]


def _change(
    draft: DraftNetwork, kept: Sequence[Pair], dropped: Sequence[Pair], added: Sequence[Pair]
) -> Change:
    operation = Rewire(len(kept), tuple(dropped), tuple(added))
    return Change(rewired(draft, dropped, added), operation)
