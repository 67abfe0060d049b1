"""Read the metrics that a training writes, also while it runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from anetdsl.files import check_file_of

_MAX_BYTES = 64 << 20
"""Largest part of a log that is read, from its end."""
_MAX_POINTS = 400
MAX_STEPS = 10**12
"""Steps from this number on are no steps of a training."""
_LARGEST = 1e300
"""Numbers from this on are left out: their differences and sums may be infinite."""


@attrs.frozen
class TrainingLog:
    """Losses and validations so far."""

    losses: tuple[tuple[int, float], ...] = ()
    """Training step, from 0, and its loss."""
    validations: tuple[tuple[int, Mapping[str, float]], ...] = ()
    """Number of finished steps, and the measures of the validation after them."""

    @property
    def steps(self) -> int | None:
        """Number of finished steps, or None before the first."""
        return self.losses[-1][0] + 1 if self.losses else None


def read_log(path: Path, run: Path) -> TrainingLog:
    """Read the log of a trial or the metrics of a training run, in the folder `run`.

    A file that is missing or cannot be read is an empty log. Lines that are cut or hold a value
    that is not finite are left out.
    """
    try:
        check_file_of(run, path)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MAX_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return TrainingLog()
    losses, validations = [], []
    for line in lines:
        try:
            values: Any = json.loads(line)
            step = values["iteration"]
        except (ValueError, TypeError, LookupError, RecursionError):
            continue  # a line that is cut
        if type(step) is not int or not 0 <= step < MAX_STEPS:
            continue
        if _is_finite(loss := values.get("loss")):
            losses.append((step, float(loss)))
        if isinstance(measures := values.get("validation"), dict):
            finite = {name: float(v) for name, v in measures.items() if _is_finite(v)}
            validations.append((step, finite))
    return TrainingLog(tuple(losses), tuple(validations))


def thinned(points: Sequence[tuple[int, float]]) -> tuple[tuple[float, float], ...]:
    """Return at most 400 points: the mean of each part of a curve."""
    part = math.ceil(len(points) / _MAX_POINTS)
    if part <= 1:
        return tuple(points)
    groups = [points[start : start + part] for start in range(0, len(points), part)]
    return tuple(
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    )


def _is_finite(value: object) -> bool:
    """Return whether a value is a number that a chart can show."""
    return isinstance(value, float | int) and abs(value) < _LARGEST
