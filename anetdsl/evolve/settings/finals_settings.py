"""Settings of the finals: how the best networks of a search are compared and trained fully."""

from __future__ import annotations

from typing import Literal

import attrs

from anetdsl.settings_reader import InvalidSetting, above, at_least, between

STEPS_FACTOR = 2
"""Training steps of the comparison, as a multiple of those of a candidate, by default."""
FULL_FACTOR = 5
"""Training steps of the winner, as a multiple of those of a candidate: the paper's 50,000 to 10,000
(4.1)."""


@attrs.frozen
class FinalsSettings:
    """Settings of the finals, the table [finals]."""

    networks: int = attrs.field(default=3, validator=at_least(1))
    """Number of networks of the search that take part, the best ones by fitness."""
    seeds: int = attrs.field(default=3, validator=at_least(1))
    """Number of trainings of each network, with different seeds."""
    steps: int | None = attrs.field(default=None, validator=at_least(1))
    """Training steps of each of them; None is twice those of a candidate."""
    full_steps: int | None = attrs.field(default=None, validator=at_least(1))
    """Training steps of the winner; None is five times those of a candidate."""
    prune_below: float = attrs.field(default=0.4, validator=between(0, 1))
    """Each network also takes part without its edges whose weight is below this; 0: it does not."""
    learning_rates: tuple[float, ...] = attrs.field(default=(), validator=above(0))
    """Learning rates of which each network gets its best; empty: that of the candidates."""
    beside: tuple[str, ...] = ()
    """Files of other networks to compare."""
    beside_modules: Literal["own", "search"] = "own"
    """Residual modules of the blocks of these networks: their own, or those of the search."""
    test_split: Literal["validation", "test"] | None = None
    """Split of the last evaluation; None is the one that `anetc eval` evaluates."""
    full_beside: bool = False
    """True to train these networks as long as the winner, too."""

    def __attrs_post_init__(self) -> None:
        if len(set(self.learning_rates)) != len(self.learning_rates):
            raise InvalidSetting("learning_rates", "`learning_rates` has a rate twice")
        if self.full_beside and not self.beside:
            message = "`full_beside` has no effect without networks in `beside`"
            raise InvalidSetting("full_beside", message)
