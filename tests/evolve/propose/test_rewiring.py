"""Equation 2 of the paper as a distribution, the baseline's random rewiring, and repair."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from random import Random

import attrs
import pytest

from anetdsl.evolve.operations import Pair, Rewire
from anetdsl.evolve.propose.draft import DraftNetwork, edges_of, possible_edges
from anetdsl.evolve.propose.rewiring import guided_rewiring, random_rewiring, repair
from anetdsl.ir import Edge, Network
from tests.evolve.propose.chances import ENOUGH, excess_of_mean, excess_of_trials
from tests.networks import table_4

DRAWS = 20_000


def with_weights(seed: int = 3) -> Network:
    """Return Table 4 with a weight on each edge that is not a sole input."""
    rng = Random(seed)
    network = table_4()
    nodes = [
        node
        if node.is_stem or len(node.inputs) == 1
        else attrs.evolve(
            node, inputs=tuple(Edge(edge.source, rng.uniform(0.05, 0.95)) for edge in node.inputs)
        )
        for node in network.nodes
    ]
    return attrs.evolve(network, nodes=tuple(nodes))


PARENT = with_weights()
EDGES = dict(edges_of(PARENT))
OTHERS = [pair for pair in possible_edges(PARENT) if pair not in EDGES]


def edges_in(network: Network) -> set[Pair]:
    return {pair for pair, _ in edges_of(network)}


def children(threshold: float | None, seed: int) -> list[set[Pair]]:
    rng = Random(seed)
    draft = DraftNetwork.of(PARENT)
    return [edges_in(guided_rewiring(draft, rng, threshold).draft.network) for _ in range(DRAWS)]


@pytest.fixture(scope="module")
def drawn() -> list[set[Pair]]:
    """Return children for which B is drawn from unif(0, 1) for each edge."""
    return children(None, seed=1)


@pytest.fixture(scope="module")
def constant() -> list[set[Pair]]:
    """Return children for which B is 0.5."""
    return children(0.5, seed=2)


def test_possible_edges_are_all_pairs_of_a_lower_and_a_higher_level() -> None:
    levels = {node.name: node.level for node in PARENT.nodes}
    assert len(levels) == 15
    expected = {(a, b) for a, b in itertools.permutations(levels, 2) if levels[a] < levels[b]}
    assert set(possible_edges(PARENT)) == expected
    assert len(possible_edges(PARENT)) == len(expected) == 2 * 4 + 4 * 6 + 4 * 10 + 14


def test_an_edge_stays_with_the_probability_of_its_weight(drawn: list[set[Pair]]) -> None:
    """With B ~ unif(0, 1), P(W_e > B) = W_e. A sole input always stays."""
    kept = Counter(pair for child in drawn for pair in child & EDGES.keys())
    assert kept["s0", "n5"] == DRAWS
    assert EDGES["s0", "n5"] == 1.0
    trials = [(kept[pair], DRAWS, weight) for pair, weight in EDGES.items() if weight < 1]
    assert excess_of_trials(trials) < ENOUGH


def test_edges_stay_independently_of_each_other(drawn: list[set[Pair]]) -> None:
    """B is drawn for each edge."""
    pairs = list(itertools.pairwise(pair for pair, weight in EDGES.items() if weight < 1))
    both = [sum(a in child and b in child for child in drawn) for a, b in pairs]
    trials = [(n, DRAWS, EDGES[a] * EDGES[b]) for n, (a, b) in zip(both, pairs)]
    assert excess_of_trials(trials) < ENOUGH


def test_the_edges_above_a_constant_b_stay(constant: list[set[Pair]]) -> None:
    above = {pair for pair, weight in EDGES.items() if weight > 0.5}
    assert 0 < len(above) < len(EDGES)
    assert all(child & EDGES.keys() == above for child in constant)


@pytest.mark.parametrize("which", ["drawn", "constant"])
def test_an_edge_is_added_with_the_probability_of_the_corrected_denominator(
    which: str, request: pytest.FixtureRequest
) -> None:
    """The probability is |E_p - E1| / |E* - E_p| for each edge, given the dropped edges."""
    found: list[set[Pair]] = request.getfixturevalue(which)
    times: Counter[int] = Counter()
    added: Counter[tuple[int, Pair]] = Counter()
    for child in found:
        dropped = len(EDGES.keys() - child)
        times[dropped] += 1
        added.update((dropped, pair) for pair in child - EDGES.keys())
    trials = [
        (added[dropped, pair], draws, dropped / len(OTHERS))
        for dropped, draws in times.items()
        if draws > 200
        for pair in OTHERS
    ]
    assert len(trials) >= len(OTHERS)
    assert excess_of_trials(trials) < ENOUGH


@pytest.mark.parametrize("which", ["drawn", "constant"])
def test_the_expected_number_of_edges_equals_the_parents(
    which: str, request: pytest.FixtureRequest
) -> None:
    found: list[set[Pair]] = request.getfixturevalue(which)
    assert len(OTHERS) >= len(EDGES)
    assert excess_of_mean((len(child) for child in found), len(EDGES)) < ENOUGH


def test_an_untrained_edge_counts_as_a_half() -> None:
    untrained = table_4()
    weights = dict(edges_of(untrained))
    assert weights.pop(("s0", "n5")) == 1.0
    assert set(weights.values()) == {0.5}


def test_no_edge_is_added_to_a_fully_connected_network() -> None:
    network = table_4()
    full = [
        node
        if node.is_stem
        else attrs.evolve(
            node,
            inputs=tuple(
                Edge(other.name, 0.4) for other in network.nodes if other.level < node.level
            ),
        )
        for node in network.nodes
    ]
    draft = DraftNetwork.of(attrs.evolve(network, nodes=tuple(full)))
    change = guided_rewiring(draft, Random(0), threshold=0.5)
    assert edges_in(change.draft.network) == set()
    assert change.operation.sentence.startswith("edges: kept 0, dropped s0->n4 s1->n4 ")
    assert "added" not in change.operation.sentence
    assert isinstance(change.operation, Rewire)
    assert not change.operation.added


@pytest.mark.parametrize("seed", range(20))
def test_the_operation_and_its_sentence_state_the_change(seed: int) -> None:
    change = guided_rewiring(DraftNetwork.of(PARENT), Random(seed))
    child = edges_in(change.draft.network)
    match = re.fullmatch(r"edges: kept (\d+), dropped (.*), added (.*)", change.operation.sentence)
    assert match is not None
    assert int(match[1]) == len(child & EDGES.keys())
    operation = change.operation
    assert isinstance(operation, Rewire)
    assert operation.kept == len(child & EDGES.keys())
    assert set(operation.dropped) == EDGES.keys() - child
    assert set(operation.added) == child - EDGES.keys()

    def pairs(text: str) -> set[tuple[str, ...]]:
        return {tuple(arrow.split("->")) for arrow in text.split(" ")}

    assert pairs(match[2]) == EDGES.keys() - child
    assert pairs(match[3]) == child - EDGES.keys()


def test_kept_and_new_edges_are_in_the_order_of_nodes() -> None:
    ranks = {node.name: rank for rank, node in enumerate(PARENT.nodes)}
    for seed in range(50):
        child = guided_rewiring(DraftNetwork.of(PARENT), Random(seed)).draft.network
        for node in child.nodes:
            order = [ranks.get(edge.source, -1) for edge in node.inputs]
            assert order == sorted(order)


# Random rewiring


def test_random_rewiring_drops_a_third_and_adds_as_many() -> None:
    rng = Random(4)
    draft = DraftNetwork.of(PARENT)
    dropped: Counter[Pair] = Counter()
    added: Counter[Pair] = Counter()
    for _ in range(DRAWS):
        child = edges_in(random_rewiring(draft, rng).draft.network)
        assert len(child) == len(EDGES)
        dropped.update(EDGES.keys() - child)
        added.update(child - EDGES.keys())
    assert excess_of_trials((dropped[pair], DRAWS, 1 / 3) for pair in EDGES) < ENOUGH
    # Their sum is fixed, as they are drawn without replacement: nearly independent.
    share = dropped.total() / DRAWS / len(OTHERS)
    assert excess_of_trials((added[pair], DRAWS, share) for pair in OTHERS) < ENOUGH


# Repair


def lacking(*names: str) -> Network:
    """Return Table 4 without the inputs of these nodes."""
    network = table_4()
    return attrs.evolve(
        network,
        nodes=tuple(
            attrs.evolve(node, inputs=()) if node.name in names else node for node in network.nodes
        ),
    )


def test_a_valid_network_is_not_repaired() -> None:
    assert repair(DraftNetwork.of(table_4()), Random(0)) is None


def test_a_node_without_an_input_gets_one_possible_edge() -> None:
    found: Counter[str] = Counter()
    for seed in range(600):
        change = repair(DraftNetwork.of(lacking("n11")), Random(seed))
        assert change is not None
        match = re.fullmatch(
            r"repair: added (\w+)->n11(?: n7->n1[0-4])?", change.operation.sentence
        )
        assert match is not None
        found[match[1]] += 1
    assert found.keys() == {node.name for node in table_4().nodes if node.level < 3}
    assert min(found.values()) > 30  # of 60


def test_a_node_without_a_reader_gets_one_possible_reader() -> None:
    """Only n11 reads n7."""
    network = lacking("n11")
    found: Counter[str] = Counter()
    for seed in range(600):
        change = repair(DraftNetwork.of(network), Random(seed))
        assert change is not None
        added = edges_in(change.draft.network) - edges_in(network)
        found.update(reader for source, reader in added if source == "n7")
    assert found.keys() == {"n10", "n11", "n12", "n13", "n14"}
