"""One-shot search for connectivity: a connected network, and networks pruned from it.

Candidate 0 is drawn at random as an initial network is, but has all possible edges. It is trained
for `oneshot_steps` times the steps of the others. Each later candidate keeps the edges of the
highest learned weights, fewer from candidate to candidate.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from random import Random

from anetdsl.checking import check_source, network_of
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.operations import Rewire, sentences
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.child_text import Parent, child_text, untrained
from anetdsl.evolve.propose.connecting import connected
from anetdsl.evolve.propose.draft import DraftNetwork, edges_of, possible_edges, rewired
from anetdsl.evolve.propose.initial import random_nodes
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.ir import Network, Origin
from anetdsl.pruning import prune
from anetdsl.source import SourceFile


def connected_network(space: Space, rng: Random) -> Network:
    """Draw the nodes of an initial network, and connect them completely."""
    return connected(random_nodes(space, rng))


def edges_kept(settings: SearchSettings, index: int, possible: int) -> int:
    """Return how many of the `possible` edges candidate `index`, 1 or above, keeps.

    Candidate 1 keeps `oneshot_edges`, by default the expected number of an initial network; the
    others keep fewer in equal steps.
    """
    most = settings.oneshot_edges
    if most is None:
        most = round(settings.space.edge_probability * possible)
    others = max(settings.candidates - 1, 1)
    return max(round(min(most, possible) * (others - index + 1) / others), 1)


def pruned_proposal(
    settings: SearchSettings,
    index: int,
    name: str,
    members: Sequence[Member],
    taken: Container[str],
) -> Proposal:
    """Return candidate `index`, 1 or above: the connected network with its strongest edges.

    If an earlier candidate has the same network, as the network must stay connected, more edges are
    dropped. Raise CannotRun if candidate 0 failed, or if no other network is left.
    """
    parent = next((member for member in members if member.index == 0), None)
    if parent is None:
        raise CannotRun("the connected network g0000 failed, so there is nothing to prune")
    source = SourceFile(parent.name, parent.text)
    network = network_of(check_source(source, search=True))
    for count in range(edges_kept(settings, index, len(possible_edges(network))), 0, -1):
        pruning = prune(network, edges=count)
        dropped = tuple((edge.source, edge.target) for edge in pruning.dropped)
        draft = rewired(DraftNetwork.of(network), dropped, ())
        made = untrained(draft.network, keep_weights=settings.keep_weights)
        form = canonical_form(made)
        if form in taken:
            continue
        operation = Rewire(sum(1 for _ in edges_of(made)), dropped, ())
        origin = Origin(parent.name, index, settings.seed, sentences([operation]))
        text = child_text(
            Parent.of(source, network), DraftNetwork(made, draft.statements), name, origin
        )
        if text is not None:
            return Proposal(index, name, text, parent.name, (operation,), form)
    raise CannotRun(
        f"no candidate {name} was found: with fewer edges the network equals an earlier candidate; "
        "use fewer candidates"
    )
