"""Mutation: other connections, operators one after another, and a repair; also for people."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from random import Random

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.operations import Operation, sentences
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.child_text import Parent, child_text, untrained
from anetdsl.evolve.propose.draft import DraftNetwork, Operator
from anetdsl.evolve.propose.operators import change_resolution, merge, split
from anetdsl.evolve.propose.rewiring import guided_rewiring, random_rewiring, repair
from anetdsl.evolve.settings.search_settings import RESOLUTIONS
from anetdsl.ir import Network, Origin
from anetdsl.source import SourceFile

MOST_OPERATORS = 4
LEAST_DEPTH = 4
_MOST_DRAWS = 200


def operators(resolutions: Sequence[int]) -> tuple[Operator, ...]:
    """What is drawn from after the connections."""
    return (split, merge, functools.partial(change_resolution, resolutions=resolutions))


def mutated(
    draft: DraftNetwork,
    rng: Random,
    rewiring: Operator | None,
    choices: Sequence[Operator],
    count: int,
) -> tuple[DraftNetwork, tuple[Operation, ...]]:
    """The draft after other connections and `count` operators, and what was done.

    An operator that can change nothing gives way to another.
    """
    operations: list[Operation] = []
    if rewiring is not None and (change := rewiring(draft, rng)) is not None:
        draft = change.draft
        operations.append(change.operation)
    for _ in range(count):
        steps = (operator(draft, rng) for operator in rng.sample(choices, len(choices)))
        change = next((step for step in steps if step is not None), None)
        if change is None:
            break
        draft = change.draft
        operations.append(change.operation)
    if (change := repair(draft, rng)) is not None:
        draft = change.draft
        operations.append(change.operation)
    return draft, tuple(operations)


@attrs.frozen
class Child:
    """A mutated network."""

    name: str
    text: str
    operations: tuple[Operation, ...]


@attrs.frozen
class MutationRequest:
    """What a child is to be made by."""

    names: tuple[str, ...] = ()
    """Of OPERATORS, in order. None: as the search does, equation 2 and 0 to 4 operators."""
    threshold: float | None = None
    """B of equation 2, or None to draw it for each edge."""
    keep_weights: bool = False
    """Whether edges that stay keep their weights."""


OPERATORS: dict[str, Callable[[MutationRequest], Operator]] = {
    "guided": lambda wish: functools.partial(guided_rewiring, threshold=wish.threshold),
    "random": lambda _: random_rewiring,
    "split": lambda _: split,
    "merge": lambda _: merge,
    "resolution": lambda _: change_resolution,
}
"""What people may ask for, by name."""

_IMPOSSIBLE = {
    "split": "no block can be split: each C is odd, or the sink averages what it reads",
    "merge": "no two blocks of one level can be merged",
    "resolution": "no node can have another r: flow stems have no temporal convolution",
}


def children(
    source: SourceFile, parent: Network, wish: MutationRequest, seed: int, count: int
) -> list[Child]:
    """So many children of a network that was checked for the search, none like another or it.

    Child i depends on the seed and on those before it. One with fewer than four blocks on its
    longest path is drawn again, unless the parent has fewer itself. Raises CannotRun where an
    operator can change nothing, and where too few different children come.
    """
    known = Parent.of(source, parent)
    taken = {canonical_form(parent)}
    least = min(LEAST_DEPTH, parent.longest_path())
    found: list[Child] = []
    for number in range(1, count + 1):
        rng = Random(f"anetdsl mutate {seed} {number}")
        name = f"{parent.name}_{seed}_{number}"
        for _ in range(_MOST_DRAWS):
            draft, operations = _wished(DraftNetwork.of(parent), rng, wish)
            network = untrained(draft.network, keep_weights=wish.keep_weights)
            if network.longest_path() < least or canonical_form(network) in taken:
                continue
            origin = Origin(parent=parent.name, seed=seed, ops=sentences(operations))
            text = child_text(known, attrs.evolve(draft, network=network), name, origin)
            if text is not None:
                taken.add(canonical_form(network))
                found.append(Child(name, text, operations))
                break
        else:
            raise CannotRun(
                f"{source.name}: after {len(found)} children, {_MOST_DRAWS} in turn were too "
                "shallow, or like the parent or another child; ask for fewer, or for more operators"
            )
    return found


def _wished(
    draft: DraftNetwork, rng: Random, wish: MutationRequest
) -> tuple[DraftNetwork, tuple[Operation, ...]]:
    if not wish.names:
        count = rng.randint(0, MOST_OPERATORS)
        guided = OPERATORS["guided"](wish)
        return mutated(draft, rng, guided, operators(RESOLUTIONS), count)
    operations: list[Operation] = []
    for name in wish.names:
        change = OPERATORS[name](wish)(draft, rng)
        if change is None:
            raise CannotRun(f"{draft.network.name}: {_IMPOSSIBLE[name]}")
        draft = change.draft
        operations.append(change.operation)
    if (change := repair(draft, rng)) is not None:
        draft = change.draft
        operations.append(change.operation)
    return draft, tuple(operations)
