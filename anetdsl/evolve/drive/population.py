"""Results that a candidate may depend on: the population that it sees.

With `order = "index"`, candidate k sees the results of the candidates below k - window, taken in
by index. So candidate k sees the same population however fast the trials are. With
`order = "arrival"`, a candidate sees the results that exist when it is proposed, in the order of
their arrival. With the method `oneshot`, all candidates but the first depend on its result.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.settings.search_settings import SearchSettings

Select = Callable[[SearchSettings, Sequence[Member]], tuple[Member, ...]]
"""Function that returns which of the members, given in order of arrival, stay in the population."""


@attrs.frozen
class Result:
    """The result of a finished candidate, for the candidates after it."""

    index: int
    member: Member | None
    """The candidate as a member of the population; None if it failed or is a second look."""
    short_fitness: float | None = None
    """Fitness after the short training, if the search has one (`halving`)."""
    confirmed: tuple[str, float] | None = None
    """For a second look that is done: the name of the member that it confirms, and its fitness."""


@attrs.define
class VisiblePopulation:
    """The population that the next candidate sees."""

    settings: SearchSettings
    select: Select
    members: tuple[Member, ...] = ()
    """Members of the population, in the order in which they were taken in."""
    seen: int = 0
    """Number of results taken in; with `order = "index"`, those of the candidates below it."""
    _pending: dict[int, Result] = attrs.field(factory=dict)
    _short_fitnesses: deque[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._short_fitnesses = deque(maxlen=self.settings.population)

    def add(self, result: Result) -> None:
        """Take in a result, or keep it until the results of lower indices are taken in."""
        if self.settings.order == "arrival":
            self._take_in(result)
        else:
            self._pending[result.index] = result

    def advance_to(self, index: int) -> bool:
        """Take in the results that candidate `index` sees; return whether all of them exist.

        If so, `members` is the population that the candidate sees.
        """
        needed = self.settings.results_needed(index)
        while self.seen < needed and self.seen in self._pending:
            self._take_in(self._pending.pop(self.seen))
        return self.seen >= needed

    @property
    def pending(self) -> tuple[Result, ...]:
        """Results that exist and are not taken in yet."""
        return tuple(self._pending.values())

    def promotion_threshold(self, halving: int) -> float | None:
        """Return the fitness that puts a short training among the best one in `halving`.

        The short training is compared with those of the last results taken in, as many as the
        population has members, and with itself. None: every fitness suffices.
        """
        ranked = sorted(self._short_fitnesses, reverse=True)
        better = math.ceil((len(ranked) + 1) / halving) - 1
        return ranked[better] if better < len(ranked) else None

    def _take_in(self, result: Result) -> None:
        self.seen += 1
        if result.short_fitness is not None:
            self._short_fitnesses.append(result.short_fitness)
        if result.confirmed is not None:
            name, fitness = result.confirmed
            self.members = tuple(
                member.trained_again(fitness) if member.name == name else member
                for member in self.members
            )
        if result.member is not None:
            # A member that was removed never comes back, so only the members and the new one count.
            self.members = self.select(self.settings, (*self.members, result.member))
