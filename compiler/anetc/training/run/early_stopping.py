"""Early stopping: end a run after several validations without a gain, and remember the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.weights.metadata import read_info
from anetdsl.errors import CannotRun

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

    def to_json(self) -> dict[str, Any]:
        """Return the value for the metadata of the weights."""
        return {"iteration": self.iteration, "measures": dict(self.measures)}


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
    patience: int, weights: Path, done: int, without_gain: int
) -> tuple[EarlyStopping, str | None]:
    """Return the state after `done` steps, and a warning where the best validation is unknown.

    `weights` is best.safetensors, which names the validation that it was kept after. It counts if
    it was before `done`: later ones are repeated. `without_gain` is the number of validations since
    then, as in the checkpoint. Validations of which no weights could be kept do not count.
    """
    if not weights.exists():
        return EarlyStopping(patience), None
    try:
        best = _best_from_json(read_info(weights).validation)
    except (CannotRun, LookupError, ValueError, TypeError, AttributeError):
        return EarlyStopping(patience), (
            f"{weights}: does not say which validation it is of, so the next one will replace it"
        )
    if best.iteration >= done:
        return EarlyStopping(patience), None
    return EarlyStopping(patience, best, without_gain), None


def _best_from_json(value: Any) -> BestValidation:
    """Return the value of `BestValidation.to_json`. Raise an error for another value."""
    measures = {str(k): None if v is None else float(v) for k, v in value["measures"].items()}
    return BestValidation(int(value["iteration"]), measures)


def _value(measures: Mapping[str, float | None]) -> float:
    value = measures.get(MEASURE)
    return value if value is not None and math.isfinite(value) else -math.inf
