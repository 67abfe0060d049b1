"""History of a search that a driver keeps in memory: a canonical form and little more each."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable

import attrs

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.store import Candidate
from anetdsl.evolve.fitness_values import Fitness, of_record

_KEPT_BEST = 3


@attrs.define
class SearchHistory:
    """The candidates of a search so far."""

    population: VisiblePopulation
    """Population that the next candidate sees."""
    keeps_parents: bool = False
    """True if a second look may start from the weights of its network's parent."""
    canonical_forms: set[str] = attrs.field(factory=set)
    """Canonical forms of all candidates' networks."""
    next_index: int = 0
    """Index of the next candidate."""
    done: int = 0
    """Number of candidates with a result."""
    failed: int = 0
    """Number of candidates that failed."""
    children: Counter[str] = attrs.field(factory=Counter)
    """Number of children of each candidate."""
    confirmed: set[str] = attrs.field(factory=set)
    """Names of the candidates whose networks have a second look, finished or not."""
    _parents: dict[str, str] = attrs.field(factory=dict)
    _fitness: dict[str, Fitness] = attrs.field(factory=dict)
    _ranking: list[tuple[float, int, str]] = attrs.field(factory=list)
    """Networks by falling fitness: the negative mean, the index and the name of each."""
    _with_weights: set[str] = attrs.field(factory=set)

    @property
    def finished(self) -> int:
        """Number of candidates that are done or failed."""
        return self.done + self.failed

    def add_proposed(self, candidate: Candidate) -> None:
        """Add a candidate that this driver or an earlier one proposed."""
        self.canonical_forms.add(candidate.canonical_form)
        self.next_index = max(self.next_index, candidate.index + 1)
        record = candidate.record
        if record.confirms is not None:
            self.confirmed.add(record.confirms)
        if record.parent is not None:
            self.children[record.parent] += 1
            self._parents[record.name] = record.parent

    def add_finished(self, candidate: Candidate) -> None:
        """Add the result of a candidate that is done or failed."""
        record = candidate.record
        fitness = of_record(record)
        if fitness is None or record.fitness is None:
            self.failed += 1
            self.population.add(Result(record.index, None, candidate.short_fitness))
            return
        self.done += 1
        self._with_weights.add(record.name)
        if record.confirms is not None:
            self._rank(record.confirms, fitness)
            confirmed = (record.confirms, record.fitness)
            self.population.add(Result(record.index, None, confirmed=confirmed))
            return
        self._rank(record.name, fitness, record.index)
        member = Member(record.index, record.name, record.text, record.fitness)
        self.population.add(Result(record.index, member, candidate.short_fitness))

    def _rank(self, name: str, fitness: Fitness, index: int | None = None) -> None:
        """Add a training of a network, which is ranked once its own training is finished.

        `index` is that of the network, or None for a second look.
        """
        before = self._fitness.get(name)
        self._fitness[name] = after = fitness if before is None else before.and_another(fitness)
        ranked = None if before is None else self._places().get(name)
        if ranked is not None:
            _, index, _ = self._ranking.pop(ranked)
        if index is not None:
            bisect.insort(self._ranking, (-after.mean, index, name))

    def _places(self) -> dict[str, int]:
        return {name: place for place, (_, _, name) in enumerate(self._ranking)}

    def pop_deletable_weights(self, unfinished: Iterable[Candidate]) -> set[str]:
        """Return, once each, the names of the candidates whose weights can be deleted.

        Weights are kept for the members of the population and those that may become members, for
        the best three candidates, and for the parents of the `unfinished` candidates; with
        `keeps_parents` also for the parents of all these.
        """
        needed = {member.name for member in self.population.members}
        needed |= {name for _, _, name in self._ranking[:_KEPT_BEST]}
        needed |= {result.member.name for result in self.population.pending if result.member}
        unfinished = list(unfinished)
        needed |= {candidate.record.parent or "" for candidate in unfinished}
        if self.keeps_parents:
            names = {candidate.name for candidate in unfinished}
            names |= {candidate.record.confirms or "" for candidate in unfinished}
            needed |= {self._parents.get(name, "") for name in needed | names}
        deletable = self._with_weights - needed
        self._with_weights &= needed
        return deletable
