"""The search methods: the paper's guided evolution, its two baselines, and two others.

A method is one expression of a selection and an operator. `propose` is a pure function of its
arguments.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Container, Sequence
from random import Random

import attrs

from anetdsl.checking import check_source
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.operations import DrawnAtRandom, Operation, sentences
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.child_text import Parent, child_text, untrained
from anetdsl.evolve.propose.draft import DraftNetwork, Operator
from anetdsl.evolve.propose.initial import random_network
from anetdsl.evolve.propose.limits import beyond_limits
from anetdsl.evolve.propose.mutation import mutated, operators
from anetdsl.evolve.propose.oneshot import connected_network, pruned_proposal
from anetdsl.evolve.propose.rewiring import guided_rewiring, random_rewiring, repair
from anetdsl.evolve.propose.selection import everyone, fittest, tournament, youngest
from anetdsl.evolve.settings.search_settings import Limits, Method, SearchSettings, Space
from anetdsl.ir import Network, Origin
from anetdsl.source import SourceFile
from anetdsl.text.printing import network_text

MOST_DRAWS = 1_000
"""Number of draws of one candidate after which the search gives up."""

Survivors = Callable[[Sequence[Member], int], tuple[Member, ...]]


@attrs.frozen
class Algorithm:
    """A search method: which members form the population, and how a child is rewired."""

    survivors: Survivors
    rewiring: Callable[[SearchSettings], Operator] | None
    """None where no candidate is a changed copy of a member: random search, and one-shot."""


def _guided(settings: SearchSettings) -> Operator:
    return functools.partial(
        guided_rewiring, threshold=settings.threshold, by_peers=settings.guide_by_peers
    )


ALGORITHMS: dict[Method, Algorithm] = {
    "guided": Algorithm(survivors=fittest, rewiring=_guided),
    "standard": Algorithm(survivors=fittest, rewiring=lambda _: random_rewiring),
    "random": Algorithm(survivors=fittest, rewiring=None),
    "aging": Algorithm(survivors=youngest, rewiring=lambda _: random_rewiring),
    "oneshot": Algorithm(survivors=everyone, rewiring=None),
}


def population(settings: SearchSettings, finished: Sequence[Member]) -> tuple[Member, ...]:
    """Return the population after these members have joined in this order."""
    return ALGORITHMS[settings.method].survivors(finished, settings.population)


def propose(
    settings: SearchSettings,
    index: int,
    finished: Sequence[Member],
    taken: Container[str],
) -> Proposal:
    """Return the candidate with this index.

    `finished` are the members that it may depend on, in order. `taken` holds the canonical forms
    of all candidates before it. The first candidates, and all of random search, are drawn at
    random; the others are children of a member of the population. A candidate that the settings do
    not allow is drawn again. Raise CannotRun after MOST_DRAWS draws.
    """
    if settings.method == "oneshot" and index > 0:
        return pruned_proposal(settings, index, _name(index), finished, taken)
    rng = Random(f"anetdsl search {settings.seed} {index}")
    members = population(settings, finished)
    rewiring = ALGORITHMS[settings.method].rewiring
    refusals: Counter[str] = Counter()
    for _ in range(MOST_DRAWS):
        if index < settings.population or rewiring is None or not members:
            draft = _random_draft(settings, index, rng)
        else:
            parent = tournament(members, settings.tournament, rng)
            draft = _child_draft(settings, index, parent, rewiring(settings), rng)
        form = canonical_form(draft.network)
        refusal = _refusal(settings.space, settings.limits, draft.network, form, taken)
        if refusal is None:
            if (text := draft.write()) is not None:
                return Proposal(index, _name(index), text, draft.parent, draft.operations, form)
            refusal = "had errors that `anetc check` would report"
        refusals[refusal] += 1
    raise CannotRun(_gave_up(index, refusals))


@attrs.frozen
class _Draft:
    """A candidate that may be refused. Its text is written only if it is not."""

    network: Network
    write: Callable[[], str | None]
    """Function that returns the text, or None if the text has errors."""
    parent: str | None
    operations: tuple[Operation, ...]


def _name(index: int) -> str:
    return f"g{index:04d}"


def _random_draft(settings: SearchSettings, index: int, rng: Random) -> _Draft:
    """Draw a random network; for one-shot search, with all possible edges."""
    draw = connected_network if settings.method == "oneshot" else random_network
    network = draw(settings.space, rng)
    operations: list[Operation] = [DrawnAtRandom()]
    if (repaired := repair(DraftNetwork.of(network), rng)) is not None:
        network = repaired.draft.network
        operations.append(repaired.operation)
    origin = Origin(candidate=index, seed=settings.seed, ops=sentences(operations))
    network = attrs.evolve(network, name=_name(index), origin=origin)

    def write() -> str | None:
        text = network_text(network)
        checked = check_source(SourceFile(network.name, text), search=True)
        return None if checked.network is None else text

    return _Draft(network, write, None, tuple(operations))


def _child_draft(
    settings: SearchSettings, index: int, parent: Member, rewiring: Operator, rng: Random
) -> _Draft:
    """Draw a child of a member: rewire it, apply some operators, and repair it if necessary."""
    parsed = _parsed(parent.name, parent.text)
    draft, operations = mutated(
        DraftNetwork.of(parsed.network),
        rng,
        rewiring,
        operators(settings.space.resolutions),
        rng.randint(0, settings.most_operators),
    )
    child = attrs.evolve(
        draft, network=untrained(draft.network, keep_weights=settings.keep_weights)
    )
    origin = Origin(parent.name, index, settings.seed, sentences(operations))
    return _Draft(
        child.network,
        lambda: child_text(parsed, child, _name(index), origin),
        parent.name,
        operations,
    )


@functools.lru_cache(maxsize=256)
def _parsed(name: str, text: str) -> Parent:
    """Parse the text of a parent. Raise CannotRun if it has errors; texts of members have none."""
    source = SourceFile(name, text)
    checked = check_source(source, search=True)
    if checked.network is None:
        first = checked.errors[0]
        raise CannotRun(f"{name} cannot be a parent: {first.message} ({first.code})")
    return Parent.of(source, checked.network)


def _refusal(
    space: Space, limits: Limits, network: Network, form: str, taken: Container[str]
) -> str | None:
    """Return why a candidate is refused, or None if it is allowed."""
    if network.longest_path() < space.least_depth:
        return f"had fewer than {space.least_depth} blocks on its longest path (least_depth)"
    if form in taken:
        return "equalled an earlier candidate"
    if beyond := beyond_limits(network, limits):
        name, _, limit = beyond
        return f"had more than {limit:,} {name}"
    return None


def _gave_up(index: int, refusals: Counter[str]) -> str:
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in refusals.most_common())
    return (
        f"no candidate {_name(index)} was found: of {refusals.total():,} draws, {reasons}. "
        "Relax that rule or enlarge the space."
    )
