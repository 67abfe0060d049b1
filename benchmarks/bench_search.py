"""Measure how fast the search makes the checked text of a child from its parent's text (one core).

The parent is Table 4 as a search leaves it: with an origin, a score and a weight on each edge.
Every measured child is a new one.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator
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
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned, set_origin
from anetdsl.text.formatting import format_source
from benchmarks.tables import replay

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "assemblenet.anet"
ROUNDS, CHILDREN_PER_ROUND = 15, 40
SEEDS = itertools.count()
OPERATORS = operators(RESOLUTIONS)


def member_text() -> str:
    """Return the text of Table 4 with an origin, random weights and a score."""
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


def drafts() -> Iterator[tuple[DraftNetwork, Origin]]:
    """Yield children as the search makes them: guided rewiring, 0 to 4 operators, a repair."""
    for seed in SEEDS:
        rng = Random(seed)
        count = rng.randint(0, SETTINGS.most_operators)
        draft, operations = mutated(
            DraftNetwork.of(PARENT.network), rng, guided_rewiring, OPERATORS, count
        )
        network = untrained(draft.network)
        origin = Origin("g0034", 99, 1, sentences(operations))
        yield attrs.evolve(draft, network=network), origin


def edited_text(draft: DraftNetwork, origin: Origin) -> SourceFile:
    """Return the parent's text after the edits that make the child."""
    tree, edits = child_edits(PARENT.tree, PARENT.network, draft, "g0099", origin)
    return SourceFile("child", apply(tree.source.text, edits))


def finished_text(draft: DraftNetwork, origin: Origin) -> SourceFile:
    """Return the child's text: edited and formatted."""
    return SourceFile("child", format_source(edited_text(draft, origin)))


def whole_child(draft: DraftNetwork, origin: Origin) -> None:
    """Make the child's text: edit, format, parse, check."""
    assert child_text(PARENT, draft, "g0099", origin) is not None


DRAFTS = drafts()
INDICES = itertools.count(20)
STEPS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "operators": (lambda: None, lambda _: next(DRAFTS)),
    "edits": (lambda: next(DRAFTS), lambda child: edited_text(*child)),
    "format": (lambda: edited_text(*next(DRAFTS)), format_source),
    "parse and check": (
        lambda: finished_text(*next(DRAFTS)),
        lambda source: check_source(source, search=True),
    ),
    "all four": (lambda: None, lambda _: whole_child(*next(DRAFTS))),
    "canonical form": (lambda: next(DRAFTS)[0].network, canonical_form),
    "propose": (lambda: next(INDICES), lambda index: propose(SETTINGS, index, MEMBERS, ())),
}
"""Each step as two functions: one prepares its argument, the other is measured with it."""


@pytest.mark.benchmark(group="a child of Table 4")
@pytest.mark.parametrize("step", STEPS)
def test_child(benchmark: BenchmarkFixture, step: str) -> None:
    """Measure seconds of processor time per child. A round is the mean of CHILDREN_PER_ROUND."""
    prepare, run = STEPS[step]
    run(prepare())
    rounds = []
    for _ in range(ROUNDS):
        arguments = [prepare() for _ in range(CHILDREN_PER_ROUND)]
        gc.collect()
        start = time.process_time()
        for argument in arguments:
            run(argument)
        rounds.append((time.process_time() - start) / CHILDREN_PER_ROUND)
    replay(benchmark, rounds)
