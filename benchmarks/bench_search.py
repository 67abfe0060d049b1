"""How fast a parent's text becomes a child's text that has been read and checked (one core).

The parent is Table 4 as a search leaves it: with an origin, a score and a weight on each edge. Each
child is a new one, so nothing of it has been read before.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from anetdsl.api import parse
from anetdsl.checking import check_source
from anetdsl.evolve.candidates import Member
from anetdsl.evolve.operations import sentences
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.child_text import Parent, child_edits, child_text, untrained
from anetdsl.evolve.propose.draft import DraftNetwork
from anetdsl.evolve.propose.mutation import mutated, operators
from anetdsl.evolve.propose.rewiring import guided_rewiring
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.search_settings import RESOLUTIONS, SearchSettings
from anetdsl.ir import Origin, Score
from anetdsl.rereading import reread
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned, set_origin
from benchmarks.tables import replay

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "assemblenet.anet"
ROUNDS, CHILDREN_A_ROUND = 15, 40
SEEDS = itertools.count()
OPERATORS = operators(RESOLUTIONS)


def member_text() -> str:
    """Table 4 with random weights and scores."""
    text = EXAMPLE.read_text(encoding="utf-8")
    rng = Random(0)
    weights = {
        node.name: [rng.uniform(0.05, 0.95) for _ in node.inputs]
        for node in parse(text).nodes
        if not node.is_stem and len(node.inputs) > 1
    }
    origin = Origin("g0034", 57, 1, ("edges: kept 35", "r n4: 2 -> 4"))
    tree = parse_syntax(SourceFile("parent", text))
    text = apply(text, set_learned(tree, weights, Score((("fitness", 82.5),))))
    return apply(text, set_origin(parse_syntax(SourceFile("parent", text)), origin))


TEXT = member_text()
SOURCE = SourceFile("parent", TEXT)
PARENT = Parent.of(SOURCE, parse(TEXT))
MEMBERS = [Member(i, f"g{i:04d}", TEXT, float(i)) for i in range(20)]
SETTINGS = SearchSettings(space("paper", 339))


def genomes() -> Iterator[tuple[DraftNetwork, Origin]]:
    """Children as the search makes them: guided rewiring, 0 to 4 operators, a repair."""
    for seed in SEEDS:
        rng = Random(seed)
        count = rng.randint(0, SETTINGS.most_operators)
        draft, ops = mutated(
            DraftNetwork.of(PARENT.network), rng, guided_rewiring, OPERATORS, count
        )
        network = untrained(draft.network)
        yield attrs.evolve(draft, network=network), Origin("g0034", 99, 1, sentences(ops))


def edits_of(draft: DraftNetwork, origin: Origin) -> list[Edit]:
    """What makes the parent's text the child's."""
    return child_edits(PARENT.tree, PARENT.network, draft, "g0099", origin)[1]


def text_of(draft: DraftNetwork, origin: Origin) -> SourceFile:
    """The child's text."""
    return SourceFile("", apply(TEXT, edits_of(draft, origin)))


def read_again(edits: Sequence[Edit]) -> None:
    """The child's text and its network, checked, from what is known of the parent."""
    assert PARENT.reading is not None
    assert reread(PARENT.reading, edits) is not None


def whole(draft: DraftNetwork, origin: Origin) -> None:
    """From the parent's text to the child's, read and checked."""
    assert child_text(PARENT, draft, "g0099", origin) is not None


CHILDREN = genomes()
INDICES = itertools.count(20)
STEPS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "operators": (lambda: None, lambda _: next(CHILDREN)),
    "edits": (lambda: next(CHILDREN), lambda child: edits_of(*child)),
    "text, read by its edits": (lambda: edits_of(*next(CHILDREN)), read_again),
    "all three": (lambda: None, lambda _: whole(*next(CHILDREN))),
    "text, read as a whole": (
        lambda: text_of(*next(CHILDREN)),
        lambda source: check_source(source, search=True),
    ),
    "canonical form": (lambda: next(CHILDREN)[0].network, canonical_form),
    "propose": (lambda: next(INDICES), lambda index: propose(SETTINGS, index, MEMBERS, ())),
}
"""Of each step, what it takes and what it does: what it takes is made before the clock starts."""


@pytest.mark.benchmark(group="a child of Table 4")
@pytest.mark.parametrize("step", STEPS)
def test_child(benchmark: BenchmarkFixture, step: str) -> None:
    """Seconds of processor time a child; a round is the mean of some children."""
    prepare, run = STEPS[step]
    run(prepare())
    rounds = []
    for _ in range(ROUNDS):
        made = [prepare() for _ in range(CHILDREN_A_ROUND)]
        gc.collect()
        start = time.process_time()
        for value in made:
            run(value)
        rounds.append((time.process_time() - start) / CHILDREN_A_ROUND)
    replay(benchmark, rounds)
