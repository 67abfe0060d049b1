"""Early stopping: end a run after several validations without a gain, and remember the best one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

MEASURE = "fitness"
"""The measure that is compared: the sum of top-1 and top-5, or the mAP; larger is better."""


@attrs.frozen
class BestValidation:
    """The best validation of a run."""

    iteration: int
    """Number of steps before it."""
    measures: Mapping[str, float | None]
    """Measures as in metrics.jsonl."""

    @property
    def value(self) -> float:
        """The measure that is compared."""
        return _value(self.measures)


@attrs.define
class EarlyStopping:
    """The validations of a run so far. `patience` validations without a gain end the run."""

    patience: int
    best: BestValidation | None = None
    without_gain: int = 0
    """Number of validations since the best one."""

    @property
    def is_over(self) -> bool:
        """True if the run must end."""
        return self.without_gain >= self.patience

    def add(self, iteration: int, measures: Mapping[str, float | None]) -> bool:
        """Add a validation and return whether it is the best so far. Equal ones are no gain."""
        value = _value(measures)
        if self.best is None or value > self.best.value:
            self.best = BestValidation(iteration, dict(measures))
            self.without_gain = 0
            return True
        self.without_gain += 1
        return False


def restore_early_stopping(
    patience: int, metrics: Path, size: int, *, has_best: bool
) -> EarlyStopping:
    """Return the state after the validations in the first `size` bytes of metrics.jsonl.

    Without `has_best`, the weights of the best validation were not kept, so that none counts.
    """
    state = EarlyStopping(patience)
    for iteration, measures in _validations(metrics, size) if has_best else ():
        state.add(iteration, measures)
    return state


def _validations(metrics: Path, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with metrics.open("rb") as file:
            lines = file.read(size).splitlines()
    except OSError:
        return  # the journal, which is opened next, reports it
    for line in lines:
        values = json.loads(line)
        if "validation" in values:
            yield int(values["iteration"]), dict(values["validation"])


def _value(measures: Mapping[str, float | None]) -> float:
    value = measures.get(MEASURE)
    return value if value is not None and math.isfinite(value) else -math.inf
