"""What a candidate may depend on: the population that is visible to it.

In index order candidate k sees the results of the candidates below k - window, taken in in the
order of their indices: however fast they came, it sees the same. In arrival order it sees what is
there when it is proposed, taken in as it came.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.settings.search_settings import SearchSettings

Select = Callable[[SearchSettings, Sequence[Member]], tuple[Member, ...]]
"""Who of the members, in the order in which they came, is alive."""


@attrs.frozen
class Result:
    """What a finished candidate leaves to those that come."""

    index: int
    member: Member | None
    """None for one that failed."""
    short: float | None = None
    """Its fitness after the short training, where there is one."""


@attrs.define
class VisiblePopulation:
    """The visible population. It grows by one result at a time; its size stays."""

    settings: SearchSettings
    select: Select
    alive: tuple[Member, ...] = ()
    seen: int = 0
    """Results taken in; in index order these are the candidates below this number."""
    _waiting: dict[int, Result] = attrs.field(factory=dict)
    _shorts: deque[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shorts = deque(maxlen=self.settings.population)

    def add(self, result: Result) -> None:
        """Take a result in, or keep it until it is its turn."""
        if self.settings.order == "arrival":
            self._take(result)
        else:
            self._waiting[result.index] = result

    def is_ready(self, index: int) -> bool:
        """Whether all that this candidate must see is there; then it is what is seen."""
        if self.settings.order == "arrival":
            return True
        horizon = index - self.settings.window
        while self.seen < horizon and self.seen in self._waiting:
            self._take(self._waiting.pop(self.seen))
        return self.seen >= horizon

    @property
    def waiting(self) -> tuple[Result, ...]:
        """Results that are there and not yet taken in."""
        return tuple(self._waiting.values())

    def bar(self, share: int) -> float | None:
        """What a fitness must reach to be among the best one in `share`, of those seen and itself.

        Compared with the last of those seen, as many as the population has members. None where
        there is nothing to reach.
        """
        ranked = sorted(self._shorts, reverse=True)
        better = math.ceil((len(ranked) + 1) / share) - 1
        return ranked[better] if better < len(ranked) else None

    def _take(self, result: Result) -> None:
        self.seen += 1
        if result.short is not None:
            self._shorts.append(result.short)
        if result.member is not None:
            # Who has left does not come back: those alive and the new one are all that matters.
            self.alive = self.select(self.settings, (*self.alive, result.member))
