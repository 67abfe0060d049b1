"""History of a search that a driver keeps in memory: a canonical form and little more each."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.store import Candidate

_KEPT_BEST = 3


@attrs.define
class SearchHistory:
    """The candidates of a search so far."""

    population: VisiblePopulation
    """Population that the next candidate sees."""
    canonical_forms: set[str] = attrs.field(factory=set)
    """Canonical forms of all candidates' networks."""
    next_index: int = 0
    """Index of the next candidate."""
    done: int = 0
    """Number of candidates with a result."""
    failed: int = 0
    """Number of candidates that failed."""
    _best: list[tuple[float, int, str]] = attrs.field(factory=list)
    _with_weights: set[str] = attrs.field(factory=set)

    @property
    def finished(self) -> int:
        """Number of candidates that are done or failed."""
        return self.done + self.failed

    def add_proposed(self, candidate: Candidate) -> None:
        """Add a candidate that this driver or an earlier one proposed."""
        self.canonical_forms.add(candidate.canonical_form)
        self.next_index = max(self.next_index, candidate.index + 1)

    def add_finished(self, candidate: Candidate) -> None:
        """Add the result of a candidate that is done or failed."""
        record = candidate.record
        member = None
        if record.status == "done" and record.fitness is not None:
            member = Member(record.index, record.name, record.text, record.fitness)
            self.done += 1
            self._with_weights.add(record.name)
            ranked = sorted([*self._best, (-record.fitness, record.index, record.name)])
            self._best = ranked[:_KEPT_BEST]
        else:
            self.failed += 1
        self.population.add(Result(record.index, member, candidate.short_fitness))

    def pop_deletable_weights(self, unfinished: Iterable[Candidate]) -> set[str]:
        """Return, once each, the names of the candidates whose weights can be deleted.

        Weights are kept for the members of the population and those that may become members, for
        the best three candidates, and for the parents of the `unfinished` candidates.
        """
        needed = {member.name for member in self.population.members}
        needed |= {name for _, _, name in self._best}
        needed |= {result.member.name for result in self.population.pending if result.member}
        needed |= {candidate.record.parent or "" for candidate in unfinished}
        deletable = self._with_weights - needed
        self._with_weights &= needed
        return deletable
