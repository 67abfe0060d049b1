"""Mutate networks: rewire, apply operators one after another, repair. Also for `anetc mutate`."""

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
    """Return the operators that are drawn from after the rewiring."""
    return (split, merge, functools.partial(change_resolution, resolutions=resolutions))


def mutated(
    draft: DraftNetwork,
    rng: Random,
    rewiring: Operator,
    choices: Sequence[Operator],
    count: int,
) -> tuple[DraftNetwork, tuple[Operation, ...]]:
    """Rewire a draft, apply `count` random operators and repair it.

    Return the draft and the operations. An operator that can change nothing is replaced by
    another one.
    """
    operations: list[Operation] = []
    if (change := rewiring(draft, rng)) is not None:
        draft = change.draft
        operations.append(change.operation)
    for _ in range(count):
        changes = (operator(draft, rng) for operator in rng.sample(choices, len(choices)))
        change = next((change for change in changes if change is not None), None)
        if change is None:
            break
        draft = change.draft
        operations.append(change.operation)
    return _repaired(draft, rng, operations)


def _repaired(
    draft: DraftNetwork, rng: Random, operations: list[Operation]
) -> tuple[DraftNetwork, tuple[Operation, ...]]:
    change = repair(draft, rng)
    if change is None:
        return draft, tuple(operations)
    return change.draft, (*operations, change.operation)


@attrs.frozen
class Child:
    """A child that `children` made."""

    name: str
    text: str
    operations: tuple[Operation, ...]


@attrs.frozen
class MutationRequest:
    """A request for children: the operators and their settings."""

    names: tuple[str, ...] = ()
    """Names of OPERATORS, in order. Empty: as the search, guided and then 0 to 4 operators."""
    threshold: float | None = None
    """B of equation 2; None to draw it for each edge."""
    keep_weights: bool = False
    """True if edges that stay keep their weights."""


OPERATORS: dict[str, Callable[[MutationRequest], Operator]] = {
    "guided": lambda request: functools.partial(guided_rewiring, threshold=request.threshold),
    "random": lambda _: random_rewiring,
    "split": lambda _: split,
    "merge": lambda _: merge,
    "resolution": lambda _: change_resolution,
}
"""Operators that a MutationRequest can name."""

_IMPOSSIBLE = {
    "split": "no block can be split: each C is odd, or the sink averages its inputs",
    "merge": "no two blocks of one level can be merged",
    "resolution": "no node can have another r: flow stems have no temporal convolution",
}


def children(
    source: SourceFile, parent: Network, request: MutationRequest, seed: int, count: int
) -> list[Child]:
    """Return `count` children of a network, all different from each other and from the parent.

    The parent has passed the checks of the search. Child i depends on the seed and on the children
    before it. A child with fewer than four blocks on its longest path is drawn again, unless the
    parent has fewer itself. Raise CannotRun if an operator can change nothing, or if too many
    draws in turn are refused.
    """
    parsed = Parent.of(source, parent)
    forms = {canonical_form(parent)}
    least_depth = min(LEAST_DEPTH, parent.longest_path())
    found: list[Child] = []
    for number in range(1, count + 1):
        rng = Random(f"anetdsl mutate {seed} {number}")
        name = f"{parent.name}_{seed}_{number}"
        for _ in range(_MOST_DRAWS):
            draft, operations = _requested(DraftNetwork.of(parent), rng, request)
            network = untrained(draft.network, keep_weights=request.keep_weights)
            form = canonical_form(network)
            if network.longest_path() < least_depth or form in forms:
                continue
            origin = Origin(parent=parent.name, seed=seed, ops=sentences(operations))
            text = child_text(parsed, attrs.evolve(draft, network=network), name, origin)
            if text is not None:
                forms.add(form)
                found.append(Child(name, text, operations))
                break
        else:
            raise CannotRun(
                f"{source.name}: after {len(found)} children, {_MOST_DRAWS} draws in turn were too "
                "shallow or equal to the parent or another child; request fewer children or more "
                "operators"
            )
    return found


def _requested(
    draft: DraftNetwork, rng: Random, request: MutationRequest
) -> tuple[DraftNetwork, tuple[Operation, ...]]:
    """Apply the operators of a request. Raise CannotRun if one can change nothing."""
    if not request.names:
        count = rng.randint(0, MOST_OPERATORS)
        guided = OPERATORS["guided"](request)
        return mutated(draft, rng, guided, operators(RESOLUTIONS), count)
    operations: list[Operation] = []
    for name in request.names:
        change = OPERATORS[name](request)(draft, rng)
        if change is None:
            raise CannotRun(f"{draft.network.name}: {_IMPOSSIBLE[name]}")
        draft = change.draft
        operations.append(change.operation)
    return _repaired(draft, rng, operations)
