"""Other connections for a child: guided by what the parent learned (equation 2), or at random.

Connections that come with a merge or a split are those operators' own; see
`anetdsl.evolve.propose.operators`.
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

DROPPED = 1 / 3
"""Of random rewiring: the share of its connections that a child loses (paper 4.3)."""


def guided_rewiring(draft: DraftNetwork, rng: Random, threshold: float | None = None) -> Change:
    """Equation 2 of the paper (3.2): connections of high weight stay, others come in their place.

    An edge of weight W_e stays where W_e > B; B is the threshold, or drawn from unif(0, 1) for each
    edge. Each possible edge that the parent does not have joins with probability
    |dropped| / |possible - parent's|, so that as many are expected to come as went. (The paper
    prints |E - E_p| for the denominator.)
    """
    kept: list[Pair] = []
    dropped: list[Pair] = []
    for pair, weight in edges_of(draft.network):
        bar = rng.random() if threshold is None else threshold
        (kept if weight > bar else dropped).append(pair)
    others = _others(draft, [*kept, *dropped])
    chance = len(dropped) / len(others) if others else 0.0
    added = [pair for pair in others if rng.random() < chance]
    return _change(draft, kept, dropped, added)


def random_rewiring(draft: DraftNetwork, rng: Random) -> Change:
    """The mutation of the paper's standard evolution (4.3): it changes a third of the connections.

    Each goes with probability 1/3; as many come, as far as there are others, drawn uniformly.
    """
    kept: list[Pair] = []
    dropped: list[Pair] = []
    for pair, _ in edges_of(draft.network):
        (dropped if rng.random() < DROPPED else kept).append(pair)
    others = _others(draft, [*kept, *dropped])
    drawn = set(rng.sample(others, min(len(dropped), len(others))))
    added = [pair for pair in others if pair in drawn]
    return _change(draft, kept, dropped, added)


def repair(draft: DraftNetwork, rng: Random) -> Change | None:
    """Give each node without an input, and each that nothing reads, one possible edge at random."""
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


def _others(draft: DraftNetwork, present: Sequence[Pair]) -> list[Pair]:
    """E* - E_p of equation 2."""
    there = set(present)
    return [pair for pair in possible_edges(draft.network) if pair not in there]


def _change(
    draft: DraftNetwork, kept: Sequence[Pair], dropped: Sequence[Pair], added: Sequence[Pair]
) -> Change:
    operation = Rewire(len(kept), tuple(dropped), tuple(added))
    return Change(rewired(draft, dropped, added), operation)
