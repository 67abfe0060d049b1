"""Choose the networks of the finals: the best of a search, pruned ones, and given files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import attrs

from anetdsl.api import parse
from anetdsl.checking import check_file
from anetdsl.cost import cost
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.candidates import Member
from anetdsl.evolve.finals.plan import Contestant, Origin
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.evolve.trainings.fresh_text import fresh_text
from anetdsl.pruning import prune, pruned_text

PRUNED = "_pruned"


@attrs.define
class _Chosen:
    """The contestants so far."""

    search: SearchSettings
    contestants: list[Contestant] = attrs.field(factory=list)
    forms: dict[str, str] = attrs.field(factory=dict)
    """Names of the contestants by canonical form."""
    notes: list[str] = attrs.field(factory=list)

    def add(
        self,
        name: str,
        origin: Origin,
        source: str,
        text: str,
        fitness: float | None = None,
        dropped: int = 0,
    ) -> None:
        """Add a network, unless an equal one takes part already."""
        network = parse(text, name)
        form = canonical_form(network)
        if (other := self.forms.get(form)) is not None:
            self.notes.append(f"{name} is the same network as {other}, and takes part once")
            return
        name = _unused(name, {one.name for one in self.contestants})
        self.forms[form] = name
        limits = self.search.limits
        counted = cost(network, frames=limits.frames, size=limits.size)
        self.contestants.append(
            Contestant(
                name=name,
                origin=origin,
                source=source,
                text=text,
                fitness=fitness,
                dropped=dropped,
                parameters=counted.parameters,
                multiply_adds=counted.multiply_adds,
            )
        )


def choose_contestants(
    members: Sequence[Member], search: SearchSettings, settings: FinalsSettings
) -> tuple[tuple[Contestant, ...], tuple[str, ...]]:
    """Return the networks of the finals, and remarks about their choice.

    `members` are the candidates of the search that have a result; their texts have learned edge
    weights. Networks are distinct by their canonical form. Raise CannotRun if there is no candidate
    or a file cannot be used.
    """
    chosen = _Chosen(search)
    for member in _best(members, settings.networks):
        chosen.add(member.name, "search", member.name, fresh_text(member.text), member.fitness)
        if settings.prune_below > 0:
            _add_pruned(chosen, member, settings.prune_below)
    for path in settings.beside:
        _add_file(chosen, path, settings)
    return tuple(chosen.contestants), tuple(chosen.notes)


def _best(members: Sequence[Member], count: int) -> Iterator[Member]:
    """Yield the best candidates that are different networks, by falling fitness."""
    if not members:
        raise CannotRun("no candidate of the search has a result yet; the finals need at least one")
    seen: set[str] = set()
    for member in sorted(members, key=lambda member: (-member.fitness, member.index)):
        form = canonical_form(parse(member.text, member.name))
        if form not in seen:
            seen.add(form)
            yield member
        if len(seen) == count:
            return


def _add_pruned(chosen: _Chosen, member: Member, below: float) -> None:
    """Add a candidate without its edges of low weight."""
    name = f"{member.name}{PRUNED}"
    pruning = prune(parse(member.text, member.name), below, drop_nodes=True)
    if not pruning.dropped:
        chosen.notes.append(f"{member.name} has no edge below {below:g} that could be dropped")
        return
    try:
        text = fresh_text(pruned_text(member.text, pruning), source=name, name=name)
    except AnetError:
        chosen.notes.append(f"{name} is left out: without these edges it is no valid network")
        return
    chosen.notes += [f"{name}: {warning}" for warning in pruning.doubts()]
    chosen.add(name, "pruned", member.name, text, member.fitness, dropped=len(pruning.dropped))


def _add_file(chosen: _Chosen, path: str, settings: FinalsSettings) -> None:
    text = read_beside(path, chosen.search.space, settings.beside_modules)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", Path(path).stem) or "network"
    chosen.add(name, "beside", path, text)


def read_beside(path: str, space: Space, modules: Literal["own", "search"]) -> str:
    """Return the untrained text of a network beside the search, with the classes of the data.

    `modules` selects the residual modules of its blocks: its own, or those of the search space.
    Raise CannotRun if the file cannot be read or the network has errors.
    """
    try:
        return fresh_text(
            check_file(path).source.text,
            source=path,
            classes=space.classes,
            modules=space.modules if modules == "search" else None,
        )
    except AnetError as error:
        first = str(error).splitlines()[0]
        raise CannotRun(f"--beside {path}: the network has errors: {first}") from None


def _unused(name: str, used: set[str]) -> str:
    """Return the name, with a number if another contestant has it."""
    number = 2
    found = name
    while found in used:
        found = f"{name}_{number}"
        number += 1
    return found
