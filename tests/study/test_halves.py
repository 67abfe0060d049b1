"""Halves of a network's edges: their number, their weights, and that they are valid networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from anetc.study.halves import HALVES, Half, half_of, learned_pairs, with_half
from anetc.study.networks import StudyNetwork, random_network_of, small_examples
from anetdsl.checking import check_source
from anetdsl.evolve.settings.presets import space
from anetdsl.source import SourceFile
from tests.study.synthetic_workers import true_weights, value_of

EXAMPLES = Path(__file__).parents[2] / "examples"
SPACE = space("small", 18)
NETWORKS = [
    *small_examples(EXAMPLES, SPACE).values(),
    *(random_network_of(SPACE, seed) for seed in range(4)),
]
DENSE = [given for given in NETWORKS if len(learned_pairs(given.network)) >= 20]
"""The networks of which many edges can be dropped; in others most are the last ones of a node."""

TEXT = """\
anet 1
network four  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]
input rgb   channels=3
input flow  channels=2
node a  level=0  C=2  r=1  stride=4  inputs=[rgb]
node b  level=0  C=2  r=1  stride=4  inputs=[flow]
node c  level=1  C=2  r=1  stride=1  inputs=[a, b]  # a comment
node d  level=1  C=2  r=1  stride=1  inputs=[a]
node e  level=2  C=2  r=1  stride=2  inputs=[a, b, c, d]
sink  inputs=[e]  classes=3
"""


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("given", NETWORKS, ids=lambda given: given.name)
def test_a_half_is_a_valid_network(given: StudyNetwork, half: Half) -> None:
    """Each node keeps an input and a reader, and the network has half of the learned edges."""
    before = given.network
    kept = half_of(before, half, true_weights(before), 0)
    made = with_half(given, half, kept)
    assert check_source(SourceFile(made.name, made.text), search=True).network is not None
    after = made.network
    assert {node.name for node in after.nodes} == {node.name for node in before.nodes}
    assert after.needed_by_sink() >= before.needed_by_sink()
    pairs = learned_pairs(before)
    sole = sum(len(node.inputs) == 1 or node.is_stem for node in before.nodes)
    assert sum(len(node.inputs) for node in after.nodes) == len(kept) + sole
    assert len(kept) >= (len(pairs) + 1) // 2
    forced = sum(node.has_edge_weights for node in before.nodes) + len(before.nodes)
    assert len(kept) == (len(pairs) + 1) // 2 or len(kept) <= forced


@pytest.mark.parametrize("given", DENSE, ids=lambda given: given.name)
def test_halves_are_ordered_by_weight(given: StudyNetwork) -> None:
    network = given.network
    weights = true_weights(network)
    means = {}
    for half in HALVES:
        kept = half_of(network, half, weights, 3)
        means[half] = sum(value_of(*pair) for pair in kept) / len(kept)
    assert means["upper"] > means["random"] > means["lower"]


def test_halves_by_hand() -> None:
    """Six edges learn. `c` and `d` have one reader, `e`.

    Upper: a->c (0.1) is dropped first. b->c is then the last input of c, and c->e and d->e are the
    last readers, so b->e (0.8) and a->e (0.9) are dropped. Lower: a->e and b->e are dropped first,
    then b->c, c->e and d->e are the last ones of b, c and d, so a->c is dropped.
    """
    given = StudyNetwork("four", TEXT)
    weights = {"c": (0.1, 0.2), "e": (0.9, 0.8, 0.3, 0.4)}
    for half in ("upper", "lower"):
        kept = half_of(given.network, half, weights, 0)
        assert kept == {("b", "c"), ("c", "e"), ("d", "e")}
    assert "inputs=[b]  # a comment" in with_half(given, "upper", kept).text
    weights = {"c": (0.1, 0.6), "e": (0.2, 0.3, 0.8, 0.9)}
    assert half_of(given.network, "upper", weights, 0) == {("b", "c"), ("c", "e"), ("d", "e")}
    text = TEXT.replace("sink  inputs=[e]", "sink  inputs=[c, d, e]")
    network = StudyNetwork("four", text).network
    assert half_of(network, "lower", weights, 0) == {("b", "c"), ("a", "e"), ("b", "e")} ^ {
        ("b", "c"),
        ("a", "c"),
    }


def test_random_halves_differ_by_seed() -> None:
    network = random_network_of(SPACE, 0).network
    halves = {half_of(network, "random", {}, seed) for seed in range(5)}
    assert len(halves) == 5
