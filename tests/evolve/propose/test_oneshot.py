"""The method `oneshot`: a connected network, then networks with its strongest edges."""

from __future__ import annotations

import attrs
import pytest

import anetdsl
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.operations import Rewire
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.propose.draft import possible_edges
from anetdsl.evolve.propose.oneshot import edges_kept
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.ir import Network
from anetdsl.pruning import edge_count
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned

SETTINGS = SearchSettings(space("small", 12), method="oneshot", candidates=4, seed=3)


def weight(source: str, target: str) -> float:
    return (sum(map(ord, source + target)) * 31 % 97 + 1) / 99


def trained(proposal: Proposal) -> Member:
    """Return the candidate with learned weights."""
    network = anetdsl.parse(proposal.text)
    learned = {
        node.name: tuple(weight(edge.source, node.name) for edge in node.inputs)
        for node in network.nodes
        if node.has_edge_weights
    }
    tree = parse_syntax(SourceFile(proposal.name, proposal.text))
    text = apply(proposal.text, set_learned(tree, learned, None))
    return Member(proposal.index, proposal.name, text, 100.0)


def search(settings: SearchSettings) -> list[Network]:
    first = propose(settings, 0, (), set())
    members = (trained(first),)
    forms = {first.canonical_form}
    found = [anetdsl.parse(first.text)]
    for index in range(1, settings.candidates):
        proposal = propose(settings, index, members, forms)
        assert (proposal.name, proposal.parent) == (f"g000{index}", "g0000")
        (operation,) = proposal.operations
        assert isinstance(operation, Rewire)
        forms.add(proposal.canonical_form)
        found.append(anetdsl.parse(proposal.text))
    return found


def test_the_first_candidate_has_all_possible_edges() -> None:
    first, *_ = search(SETTINGS)
    assert edge_count(first) == len(possible_edges(first))
    assert all(edge.weight is None for node in first.nodes for edge in node.inputs)
    assert search(SETTINGS)[0] == first
    assert search(attrs.evolve(SETTINGS, seed=4))[0] != first


def test_the_others_keep_the_strongest_edges() -> None:
    """Half of the edges, then two thirds and one third of these; or as many as are needed."""
    first, *others = search(SETTINGS)
    possible = edge_count(first)
    counts = [edge_count(network) for network in others]
    assert counts[:2] == [round(possible / 2), round(possible / 2 * 2 / 3)]
    assert counts == sorted(counts, reverse=True)
    dropped = {
        (edge.source, node.name)
        for node in first.nodes
        for edge in node.inputs
        if edge not in others[0].node(node.name).inputs
    }
    kept = [weight(e.source, n.name) for n in others[0].nodes for e in n.inputs if not n.is_stem]
    lost = [weight(*pair) for pair in dropped]
    assert sum(kept) / len(kept) > sum(lost) / len(lost)


def test_the_number_of_edges_can_be_set() -> None:
    settings = attrs.evolve(SETTINGS, oneshot_edges=25, candidates=2)
    assert [edges_kept(settings, 1, 60), edges_kept(settings, 1, 20)] == [25, 20]
    assert edge_count(search(settings)[1]) == 25


def test_edge_weights_are_kept_on_request() -> None:
    kept = search(attrs.evolve(SETTINGS, keep_weights=True))[1]
    weights = [edge.weight for node in kept.nodes if node.has_edge_weights for edge in node.inputs]
    assert None not in weights


def test_candidates_wait_for_the_first_one_alone() -> None:
    settings = attrs.evolve(SETTINGS, window=8)
    assert [settings.results_needed(index) for index in range(3)] == [0, 1, 1]
    assert attrs.evolve(settings, method="guided").results_needed(10) == 2
    assert attrs.evolve(settings, method="guided", order="arrival").results_needed(10) == 0


def test_a_failed_first_candidate_ends_the_search() -> None:
    with pytest.raises(CannotRun, match="g0000 failed"):
        propose(SETTINGS, 1, (), set())
