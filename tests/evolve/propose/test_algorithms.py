"""The algorithms: what they propose, and that it is a function of the seed and what they see."""

from __future__ import annotations

import hashlib
import math
import re
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
from anetdsl.evolve.propose.algorithms import ALGORITHMS, population, propose
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.draft import possible_edges, sink_fits
from anetdsl.evolve.propose.initial import random_connections, random_network, random_nodes
from anetdsl.evolve.propose.selection import fittest, tournament, youngest
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.search_settings import Limits, Method, SearchSettings, Space
from anetdsl.ir import Edge, Network
from anetdsl.source import SourceFile
from anetdsl.text.formatting import format_source
from tests.evolve.propose.chances import ENOUGH, excess_of_counts, excess_of_trials
from tests.evolve.searches import search, trained

METHODS: tuple[Method, ...] = get_args(Method)
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
    """But for flow stems, which have no temporal convolution."""
    counts: Counter[int] = Counter()
    for network in drawn:
        for node in network.nodes:
            if node.inputs == (Edge("flow"),):
                assert node.dilation == 1
            else:
                counts[node.dilation] += 1
    assert excess_of_counts(counts, dict.fromkeys((1, 2, 4, 8), 0.25)) < ENOUGH


def test_each_possible_edge_is_there_half_the_time() -> None:
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
def test_initial_candidates_are_sound(where: Space) -> None:
    """Canonical texts that check clean for the search, of depth 4 at least."""
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
    """P(rank k wins) = C(20 - k, 4) / C(20, 5): drawn without replacement."""
    alive = members(*range(20))
    rng = Random(8)
    counts = Counter(tournament(alive, 5, rng).index for _ in range(20_000))
    chances = {i: math.comb(i, 4) / math.comb(20, 5) for i in range(4, 20)}
    assert excess_of_counts(counts, chances) < ENOUGH


def test_a_tournament_of_few_is_of_all_and_of_equals_the_youngest_wins() -> None:
    assert tournament(members(3, 9, 5), 5, Random(0)).index == 1
    assert tournament(members(9, 9, 5), 5, Random(0)).index == 1


@pytest.mark.parametrize(
    ("fitness", "alive"),
    [
        ((), ()),
        ((5, 4), (0, 1)),
        ((5, 4, 6, 3), (0, 1, 2)),
        ((5, 4, 6, 7), (0, 2, 3)),
        ((5, 5, 5, 5), (1, 2, 3)),
        ((9, 1, 1, 2, 3), (0, 3, 4)),
    ],
)
def test_the_worst_leaves(fitness: tuple[float, ...], alive: tuple[int, ...]) -> None:
    assert tuple(member.index for member in fittest(members(*fitness), 3)) == alive


def test_the_oldest_leaves() -> None:
    assert [member.index for member in youngest(members(9, 1, 2, 3, 4), 3)] == [2, 3, 4]
    assert [member.index for member in youngest(members(9, 1), 3)] == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_the_population_may_be_kept_one_by_one(method: Method) -> None:
    """As the engine does: whoever has left does not come back."""
    rng = Random(3)
    finished = members(*(rng.randint(0, 30) for _ in range(100)))
    alive: tuple[Member, ...] = ()
    for count, member in enumerate(finished, start=1):
        alive = population(settings(method), (*alive, member))
        assert alive == population(settings(method), finished[:count])


# Proposals

HASHES: dict[Method, str] = {
    "guided": "76ee79921eb6162a",
    "standard": "6339a9e07605ab90",
    "random": "58666cff7dffa72a",
    "aging": "1d969c62f2c7525d",
}


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_fixes_a_hundred_candidates(method: Method) -> None:
    found = search(settings(method), 100)
    text = "".join(proposal.text for proposal in found)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == HASHES[method]
    assert [proposal.name for proposal in found] == [f"g{i:04d}" for i in range(100)]
    assert len({canonical_form(parse(proposal.text)) for proposal in found}) == 100


def test_a_candidate_depends_on_nothing_but_what_is_given() -> None:
    found = search(settings(), 40)
    alive = tuple(map(trained, found[:30]))
    taken = {canonical_form(parse(proposal.text)) for proposal in found[:35]}
    once = propose(settings(), 35, alive, taken)
    for other in (36, 37):
        propose(settings(), other, alive, taken)
    assert propose(settings(), 35, alive, taken) == once
    assert propose(settings(), 36, alive, taken) != once
    assert propose(attrs.evolve(settings(), seed=12), 35, alive, taken).text != once.text


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


def test_zero_to_four_operators_follow_the_connections(children: list[Proposal]) -> None:
    numbers: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for proposal in children:
        words = [sentence.split(" ")[0] for sentence in proposal.ops]
        assert words[0] == "edges:"
        assert "edges:" not in words[1:]
        assert "repair:" not in words[1:-1]
        named = [word for word in words if word in ("split", "merge", "r")]
        numbers[len(named)] += 1
        kinds.update(named)
    assert excess_of_counts(numbers, dict.fromkeys(range(5), 0.2)) < ENOUGH
    assert excess_of_counts(kinds, dict.fromkeys(("split", "merge", "r"), 1 / 3)) < ENOUGH


def test_children_are_sound(parents: tuple[Member, ...], children: list[Proposal]) -> None:
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
        assert (origin.parent, origin.round, origin.seed, origin.ops) == (
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


def test_weights_may_be_kept(parents: tuple[Member, ...]) -> None:
    proposal = propose(settings(keep_weights=True), 30, parents, ())
    parent = parse(next(member.text for member in parents if member.name == proposal.parent))
    old = {(e.source, n.name): e.weight for n in parent.nodes for e in n.inputs}
    new = {(e.source, n.name): e.weight for n in parse(proposal.text).nodes for e in n.inputs}
    same = [pair for pair, weight in new.items() if weight is not None and pair in old]
    assert same
    assert all(new[pair] == old[pair] for pair in same)


def test_random_search_has_no_parents_and_each_other_method_has() -> None:
    for method in METHODS:
        found = search(settings(method, population=5), 12)
        assert [p.parent is None for p in found[:5]] == [True] * 5
        assert {p.parent is None for p in found[5:]} == {method == "random"}
    assert ALGORITHMS.keys() == set(METHODS)


def test_standard_evolution_moves_a_third_of_the_connections() -> None:
    moved = kept = 0
    for proposal in search(settings("standard", population=5), 60)[5:]:
        match = re.match(r"edges: kept (\d+)(?:, dropped ([^,]*))?", proposal.ops[0])
        assert match is not None
        kept += int(match[1])
        moved += len(match[2].split()) if match[2] else 0
    assert moved / (moved + kept) == pytest.approx(1 / 3, abs=0.03)


def test_where_all_have_failed_candidates_are_drawn_at_random() -> None:
    assert propose(settings(), 50, (), set()).parent is None


# What is not allowed


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
def test_a_limit_that_nothing_keeps_is_named(limits: Limits, message: str) -> None:
    tiny = Space(
        2, stem_channels=4, channels=(2, 2, 2, 2), widths=(2, 2, 2, 2), modules=(2, 2, 2, 2)
    )
    one = SearchSettings(tiny, limits=limits)
    with pytest.raises(CannotRun, match=rf"no candidate g0003 .*{message}"):
        propose(one, 3, (), set())


def test_a_network_that_was_there_is_drawn_again_and_a_space_may_be_used_up() -> None:
    """One graph in all: one node a level, all edges, one r. The second finds none."""
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
    taken = {canonical_form(parse(first.text))}
    with pytest.raises(CannotRun, match="had been there before"):
        propose(SearchSettings(one), 1, (), taken)


def test_a_space_whose_networks_are_too_shallow_is_named() -> None:
    flat = attrs.evolve(SMALL, edge_probability=0.0, least_depth=6)
    with pytest.raises(CannotRun, match=r"fewer than 6 blocks .*least_depth"):
        propose(SearchSettings(flat), 0, (), set())
