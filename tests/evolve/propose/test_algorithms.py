"""The search methods: their proposals, which depend on the seed and the given members alone."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from random import Random
from typing import get_args

import attrs
import pytest

from anetdsl.api import parse
from anetdsl.checking import check_source
from anetdsl.cost import cost
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.operations import Rewire
from anetdsl.evolve.propose.algorithms import ALGORITHMS, population, propose
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.draft import possible_edges
from anetdsl.evolve.propose.initial import random_connections, random_network, random_nodes
from anetdsl.evolve.propose.selection import fittest, tournament, youngest
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.search_settings import Limits, Method, SearchSettings, Space
from anetdsl.ir import Edge, Network
from anetdsl.source import SourceFile
from anetdsl.text.formatting import format_source
from tests.evolve.propose.chances import ENOUGH, excess_of_counts, excess_of_trials
from tests.evolve.searches import search, sink_fits, trained

METHODS: tuple[Method, ...] = tuple(one for one in get_args(Method) if one != "oneshot")
"""Methods with any number of candidates."""
PAPER = space("paper", 339)
SMALL = space("small", 12)


def settings(method: Method = "guided", **values: object) -> SearchSettings:
    return SearchSettings(SMALL, method=method, seed=11, **values)  # type: ignore[arg-type]


# The initial population (paper 4.1)

DRAWS = 2000


@pytest.fixture(scope="module")
def drawn() -> list[Network]:
    rng = Random(5)
    return [random_network(PAPER, rng) for _ in range(DRAWS)]


def test_two_or_four_stems_half_of_them_flow(drawn: list[Network]) -> None:
    counts: Counter[int] = Counter()
    for network in drawn:
        stems = [node for node in network.nodes if node.is_stem]
        counts[len(stems)] += 1
        assert [stem.inputs for stem in stems] == [
            (Edge(name),) for name in ("rgb", "flow") for _ in range(len(stems) // 2)
        ]
        assert {stem.channels for stem in stems} == {128 // len(stems)}
    assert excess_of_counts(counts, {2: 0.5, 4: 0.5}) < ENOUGH


def test_one_to_five_splits_of_the_initial_nodes(drawn: list[Network]) -> None:
    """Two nodes at levels 1 to 3, one at level 4, and the channel sums that they start with."""
    counts: Counter[int] = Counter()
    for network in drawn:
        blocks = [node for node in network.nodes if not node.is_stem]
        counts[len(blocks) - 7] += 1
        for level, total in enumerate((128, 256, 512, 512), start=1):
            assert sum(node.channels for node in blocks if node.level == level) == total
        assert sink_fits(network)
    assert excess_of_counts(counts, dict.fromkeys(range(1, 6), 0.2)) < ENOUGH


def test_resolutions_are_uniform(drawn: list[Network]) -> None:
    """The exception are flow stems, which have no temporal convolution."""
    counts: Counter[int] = Counter()
    for network in drawn:
        for node in network.nodes:
            if node.inputs == (Edge("flow"),):
                assert node.dilation == 1
            else:
                counts[node.dilation] += 1
    assert excess_of_counts(counts, dict.fromkeys((1, 2, 4, 8), 0.25)) < ENOUGH


def test_each_possible_edge_is_drawn_with_probability_a_half() -> None:
    rng = Random(6)
    nodes = random_nodes(PAPER, rng)
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(DRAWS):
        network = random_connections(nodes, PAPER, rng)
        counts.update((e.source, n.name) for n in network.nodes if not n.is_stem for e in n.inputs)
    pairs = possible_edges(nodes)
    assert counts.keys() == set(pairs)
    assert excess_of_trials((counts[pair], DRAWS, 0.5) for pair in pairs) < ENOUGH


@pytest.mark.parametrize("where", [PAPER, SMALL])
def test_initial_candidates_are_valid(where: Space) -> None:
    """They are formatted, pass the checks of the search, and have four blocks on a path."""
    for index in range(20):
        proposal = propose(SearchSettings(where, seed=3), index, (), set())
        source = SourceFile(proposal.name, proposal.text)
        checked = check_source(source, search=True)
        assert not checked.diagnostics
        assert checked.network is not None
        assert format_source(source) == proposal.text
        assert checked.network.longest_path() == cost(checked.network).blocks >= 4
        assert proposal.parent is None
        assert proposal.ops[0] == "drawn at random"
        assert checked.network.origin is not None
        assert checked.network.origin.ops == proposal.ops
        assert [n.name for n in checked.network.nodes][-1] == f"n{len(checked.network.nodes) - 1}"


# Selection


def members(*fitness: float) -> list[Member]:
    return [Member(i, f"g{i:04d}", "", value) for i, value in enumerate(fitness)]


def test_the_best_of_five_of_twenty_becomes_a_parent() -> None:
    """P(rank k wins) = C(20 - k, 4) / C(20, 5), as members are drawn without replacement."""
    candidates = members(*range(20))
    rng = Random(8)
    counts = Counter(tournament(candidates, 5, rng).index for _ in range(20_000))
    chances = {i: math.comb(i, 4) / math.comb(20, 5) for i in range(4, 20)}
    assert excess_of_counts(counts, chances) < ENOUGH


def test_a_tournament_may_have_fewer_members_and_prefers_the_youngest_of_equals() -> None:
    assert tournament(members(3, 9, 5), 5, Random(0)).index == 1
    assert tournament(members(9, 9, 5), 5, Random(0)).index == 1


@pytest.mark.parametrize(
    ("fitness", "population"),
    [
        ((), ()),
        ((5, 4), (0, 1)),
        ((5, 4, 6, 3), (0, 1, 2)),
        ((5, 4, 6, 7), (0, 2, 3)),
        ((5, 5, 5, 5), (1, 2, 3)),
        ((9, 1, 1, 2, 3), (0, 3, 4)),
    ],
)
def test_the_worst_member_leaves(fitness: tuple[float, ...], population: tuple[int, ...]) -> None:
    assert tuple(member.index for member in fittest(members(*fitness), 3)) == population


def test_the_oldest_member_leaves() -> None:
    assert [member.index for member in youngest(members(9, 1, 2, 3, 4), 3)] == [2, 3, 4]
    assert [member.index for member in youngest(members(9, 1), 3)] == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_the_population_can_be_updated_one_member_at_a_time(method: Method) -> None:
    """As the driver does: a member that has left does not return."""
    rng = Random(3)
    finished = members(*(rng.randint(0, 30) for _ in range(100)))
    kept: tuple[Member, ...] = ()
    for count, member in enumerate(finished, start=1):
        kept = population(settings(method), (*kept, member))
        assert kept == population(settings(method), finished[:count])


# Proposals

TEXTS: dict[Method, str] = {
    "guided": "215d62812d43094f",
    "standard": "6280d389e2d9b204",
    "random": "860ac35f5ce99214",
    "aging": "afaa857da8e1b9ec",
}
NETWORKS: dict[Method, str] = {
    "guided": "42d061cda13d1a4f",
    "standard": "4646f06bdf098fa1",
    "random": "26361cbaf82e86a3",
    "aging": "48c750c368387c82",
}
"""Hashes of names and canonical forms, which do not depend on the layout of texts."""


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_fixes_a_hundred_candidates(method: Method) -> None:
    found = search(settings(method), 100)
    forms = [canonical_form(parse(proposal.text)) for proposal in found]
    assert [proposal.canonical_form for proposal in found] == forms
    assert [proposal.name for proposal in found] == [f"g{i:04d}" for i in range(100)]
    assert len(set(forms)) == 100
    names = "\n".join(f"{proposal.name} {form}" for proposal, form in zip(found, forms))
    assert short_hash(names) == NETWORKS[method]
    assert short_hash("".join(proposal.text for proposal in found)) == TEXTS[method]


def test_a_candidate_depends_on_the_arguments_alone() -> None:
    found = search(settings(), 40)
    finished = tuple(map(trained, found[:30]))
    taken = {proposal.canonical_form for proposal in found[:35]}
    once = propose(settings(), 35, finished, taken)
    for other in (36, 37):
        propose(settings(), other, finished, taken)
    assert propose(settings(), 35, finished, taken) == once
    assert propose(settings(), 36, finished, taken) != once
    assert propose(attrs.evolve(settings(), seed=12), 35, finished, taken).text != once.text


@pytest.fixture(scope="module")
def parents() -> tuple[Member, ...]:
    return tuple(trained(propose(settings(), index, (), ())) for index in range(20))


@pytest.fixture(scope="module")
def children(parents: tuple[Member, ...]) -> list[Proposal]:
    return [propose(settings(), index, parents, ()) for index in range(20, 620)]


def test_parents_are_the_best_of_five(
    parents: tuple[Member, ...], children: list[Proposal]
) -> None:
    ranked = sorted(parents, key=lambda member: member.fitness)
    chances = {ranked[i].name: math.comb(i, 4) / math.comb(20, 5) for i in range(4, 20)}
    counts = Counter(str(proposal.parent) for proposal in children)
    assert excess_of_counts(counts, chances) < ENOUGH


def test_zero_to_four_operators_follow_the_rewiring(children: list[Proposal]) -> None:
    numbers: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for proposal in children:
        made = [operation.kind for operation in proposal.operations]
        assert made[0] == "rewire"
        assert "rewire" not in made[1:]
        assert "repair" not in made[1:-1]
        drawn = [kind for kind in made if kind in ("split", "merge", "resolution")]
        numbers[len(drawn)] += 1
        kinds.update(drawn)
    assert excess_of_counts(numbers, dict.fromkeys(range(5), 0.2)) < ENOUGH
    assert excess_of_counts(kinds, dict.fromkeys(("split", "merge", "resolution"), 1 / 3)) < ENOUGH


def test_children_are_valid(parents: tuple[Member, ...], children: list[Proposal]) -> None:
    by_name = {member.name: parse(member.text) for member in parents}
    for proposal in children[:150]:
        checked = check_source(SourceFile(proposal.name, proposal.text), search=True)
        assert not checked.diagnostics
        network = checked.network
        assert network is not None
        assert proposal.parent is not None
        parent = by_name[proposal.parent]
        assert network.name == proposal.name
        assert network.score is None
        assert network.longest_path() >= 4
        origin = network.origin
        assert origin is not None
        assert (origin.parent, origin.candidate, origin.seed, origin.ops) == (
            proposal.parent,
            proposal.index,
            11,
            proposal.ops,
        )
        assert all(edge.weight is None for node in network.nodes for edge in node.inputs)
        for level in range(5):
            sums = [
                sum(node.channels for node in value.nodes if node.level == level)
                for value in (network, parent)
            ]
            assert sums[0] == sums[1]


def test_children_can_keep_weights(parents: tuple[Member, ...]) -> None:
    proposal = propose(settings(keep_weights=True), 30, parents, ())
    parent = parse(next(member.text for member in parents if member.name == proposal.parent))
    old = {(e.source, n.name): e.weight for n in parent.nodes for e in n.inputs}
    new = {(e.source, n.name): e.weight for n in parse(proposal.text).nodes for e in n.inputs}
    same = [pair for pair, weight in new.items() if weight is not None and pair in old]
    assert same
    assert all(new[pair] == old[pair] for pair in same)


def test_every_method_but_random_search_has_parents() -> None:
    for method in METHODS:
        found = search(settings(method, population=5), 12)
        assert [p.parent is None for p in found[:5]] == [True] * 5
        assert {p.parent is None for p in found[5:]} == {method == "random"}
    assert ALGORITHMS.keys() == set(get_args(Method))


def test_standard_evolution_replaces_a_third_of_the_edges() -> None:
    moved = kept = 0
    for proposal in search(settings("standard", population=5), 60)[5:]:
        rewire = proposal.operations[0]
        assert isinstance(rewire, Rewire)
        kept += rewire.kept
        moved += len(rewire.dropped)
    assert moved / (moved + kept) == pytest.approx(1 / 3, abs=0.03)


def test_candidates_are_drawn_at_random_if_all_have_failed() -> None:
    assert propose(settings(), 50, (), set()).parent is None


# Candidates that are refused


def test_candidates_beyond_a_limit_are_drawn_again() -> None:
    free = [cost(parse(p.text), frames=16, size=32) for p in search(settings(), 40)]
    limits = Limits(
        parameters=sorted(c.parameters for c in free)[20],
        multiply_adds=sorted(c.multiply_adds for c in free)[20],
        depth=34,
        frames=16,
        size=(32, 32),
    )
    for proposal in search(settings(limits=limits), 40):
        total = cost(parse(proposal.text), frames=16, size=32)
        assert limits.parameters is not None
        assert limits.multiply_adds is not None
        assert total.parameters <= limits.parameters
        assert total.multiply_adds <= limits.multiply_adds
        assert total.depth <= 34


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(parameters=10), "1,000 had more than 10 parameters"),
        (Limits(multiply_adds=10), "1,000 had more than 10 multiply-adds"),
        (Limits(depth=8), "1,000 had more than 8 convolutions on the longest path"),
    ],
)
def test_the_message_names_a_limit_that_no_candidate_meets(limits: Limits, message: str) -> None:
    tiny = Space(
        2, stem_channels=4, channels=(2, 2, 2, 2), widths=(2, 2, 2, 2), modules=(2, 2, 2, 2)
    )
    one = SearchSettings(tiny, limits=limits)
    with pytest.raises(CannotRun, match=rf"no candidate g0003 .*{message}"):
        propose(one, 3, (), set())


def test_equal_networks_are_drawn_again_until_the_space_is_exhausted() -> None:
    """The space has one graph: one node a level, all edges, one r."""
    one = Space(
        2,
        stem_channels=4,
        channels=(2, 2, 2, 2),
        nodes=(1, 1, 1, 1),
        stems=(2,),
        resolutions=(1,),
        most_splits=0,
        edge_probability=1.0,
    )
    first = propose(SearchSettings(one), 0, (), set())
    taken = {first.canonical_form}
    with pytest.raises(CannotRun, match="equalled an earlier candidate"):
        propose(SearchSettings(one), 1, (), taken)


def test_the_message_names_a_space_of_shallow_networks() -> None:
    flat = attrs.evolve(SMALL, edge_probability=0.0, least_depth=6)
    with pytest.raises(CannotRun, match=r"fewer than 6 blocks .*least_depth"):
        propose(SearchSettings(flat), 0, (), set())
