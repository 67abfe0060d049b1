"""Second looks: the networks that matter are trained once more, with another seed (`confirm`).

A second look is a candidate of its own: it has an index, a seed, a text and a record, counts as one
of the `candidates`, and is retried and resumed as all others. Its result joins that of the network
that it confirms. It never becomes a member of the population. The method `oneshot` has none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from anetdsl.evolve.candidates import Member, Proposal, Record
from anetdsl.evolve.drive.store import Candidate
from anetdsl.evolve.operations import TrainedAgain
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.ir import Origin
from anetdsl.source import SourceFile
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import Edit, apply, set_network_name, set_origin, set_score

_BEST = 3
"""Number of the best members that are confirmed."""


def unconfirmed_best(
    settings: SearchSettings, index: int, members: Sequence[Member], confirmed: Collection[str]
) -> str | None:
    """Return the best of the best three members without a second look, before candidate `index`.

    Return None if there is none, during the initial population, and without `confirm`.
    """
    if not _confirms(settings) or index < settings.population:
        return None
    ranked = sorted(members, key=lambda member: (-member.fitness, member.index))
    return next((one.name for one in ranked[:_BEST] if one.name not in confirmed), None)


def unconfirmed_parent(
    settings: SearchSettings,
    proposal: Proposal,
    children: Mapping[str, int],
    confirmed: Collection[str],
) -> str | None:
    """Return the parent of a proposal if it needs a second look before it has another child.

    `children` counts the children of each candidate so far.
    """
    parent = proposal.parent
    if not _confirms(settings) or parent is None or parent in confirmed:
        return None
    return parent if children.get(parent, 0) + 1 >= settings.confirm else None


def _confirms(settings: SearchSettings) -> bool:
    """Return whether the search has second looks. One-shot search has no population."""
    return settings.confirm > 0 and settings.method != "oneshot"


def second_look(original: Candidate, index: int, seed: int, now: float) -> Candidate:
    """Return the candidate that trains the network of another one once more.

    It starts from the same text, and takes as many steps as the original.
    """
    operation = TrainedAgain(original.name)
    name = f"g{index:04d}"
    origin = Origin(candidate=index, seed=seed, ops=(operation.sentence,))
    text = with_name_and_origin(original.proposal, name, origin)
    record = Record(
        index,
        name,
        "proposed",
        text,
        operations=(operation,),
        confirms=original.name,
        iterations=original.record.iterations,
        proposed=now,
    )
    return attrs.evolve(
        original,
        record=record,
        proposal=text,
        faults=0,
        short_fitness=None,
        promotion_threshold=None,
    )


def with_name_and_origin(text: str, name: str, origin: Origin) -> str:
    """Return a text of a network with another name and origin, and without a score."""
    changes: tuple[Callable[[SyntaxTree], tuple[Edit, ...]], ...] = (
        lambda tree: set_network_name(tree, name),
        lambda tree: set_origin(tree, origin),
        lambda tree: set_score(tree, None),
    )
    for change in changes:
        text = apply(text, change(parse_syntax(SourceFile(name, text))))
    return text
