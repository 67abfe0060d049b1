"""What a driver keeps in mind of the candidates so far. It grows by an identity a candidate."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.store import Candidate

_MOST_BEST = 3


@attrs.define
class SearchHistory:
    """The candidates so far."""

    visible: VisiblePopulation
    """Those that the next may depend on."""
    taken: set[str] = attrs.field(factory=set)
    """The identities of all."""
    next: int = 0
    """The index of the next."""
    done: int = 0
    failed: int = 0
    _best: list[tuple[float, int, str]] = attrs.field(factory=list)
    _with_weights: set[str] = attrs.field(factory=set)

    def admit(self, candidate: Candidate) -> None:
        """A candidate that was proposed, now or by an earlier driver."""
        self.taken.add(candidate.identity)
        self.next = max(self.next, candidate.index + 1)

    def finish(self, candidate: Candidate) -> None:
        """A candidate whose fate is known."""
        record = candidate.record
        member = None
        if record.status == "done" and record.fitness is not None:
            member = Member(record.index, record.name, record.text, record.fitness)
            self.done += 1
            self._with_weights.add(record.name)
            ranked = sorted([*self._best, (-record.fitness, record.index, record.name)])
            self._best = ranked[:_MOST_BEST]
        else:
            self.failed += 1
        self.visible.add(Result(record.index, member, candidate.short))

    def take_leavers(self, unfinished: Iterable[Candidate]) -> set[str]:
        """Those whose weights nobody needs any more; each is named once.

        Needed are those of who is or may become alive, of the best three, and of parents whose
        children are not finished.
        """
        needed = {member.name for member in self.visible.alive}
        needed |= {name for _, _, name in self._best}
        needed |= {result.member.name for result in self.visible.waiting if result.member}
        needed |= {candidate.record.parent or "" for candidate in unfinished}
        leavers = self._with_weights - needed
        self._with_weights &= needed
        return leavers
