"""Fitness of a network with its standard error, by one training or by several."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

import attrs

from anetdsl.evolve.candidates import Record


@attrs.frozen
class Fitness:
    """Results of trainings of one network that differ in their seeds; at least one."""

    values: tuple[float, ...]
    """Fitness of each training."""
    errors: tuple[float | None, ...]
    """Standard error of each value that the number of validation clips gives, if it is known."""

    @property
    def mean(self) -> float:
        """Mean over the trainings."""
        return math.fsum(self.values) / len(self.values)

    @property
    def trainings(self) -> int:
        """Number of trainings."""
        return len(self.values)

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None if nothing is known about it.

        It is the root of E^2 + s^2 / n, with the mean E of the known errors of the clips, and the
        standard deviation s of n trainings. The trainings are evaluated on the same clips, so that
        more trainings do not reduce E. A single training says nothing about s.
        """
        known = [error for error in self.errors if error is not None]
        clips = statistics.fmean(known) if known else None
        if self.trainings == 1:
            return clips
        seeds = statistics.stdev(self.values) / math.sqrt(self.trainings)
        return math.hypot(clips or 0.0, seeds)

    def and_another(self, other: Fitness) -> Fitness:
        """Return the results of both."""
        return Fitness(self.values + other.values, self.errors + other.errors)

    def __str__(self) -> str:
        """Return the mean and its error, such as `174.70 ± 3.10`."""
        return with_error(self.mean, self.standard_error)


def with_error(value: float, error: float | None, decimals: int = 2) -> str:
    """Return a value and its standard error as text.

    >>> with_error(174.7, 3.1), with_error(174.7, None)
    ('174.70 ± 3.10', '174.70')
    """
    text = f"{value:.{decimals}f}"
    return text if error is None else f"{text} ± {error:.{decimals}f}"


def of_record(record: Record) -> Fitness | None:
    """Return the fitness of a candidate by its own training; None if it has no finite fitness."""
    if record.status != "done" or record.fitness is None or not math.isfinite(record.fitness):
        return None
    return Fitness((record.fitness,), (record.standard_error,))


def of_records(records: Iterable[Record]) -> dict[str, Fitness]:
    """Return the fitness of each network by name, with its second trainings; records by index."""
    found: dict[str, Fitness] = {}
    for record in records:
        fitness = of_record(record)
        if fitness is None:
            continue
        name = record.confirms or record.name
        before = found.get(name)
        found[name] = fitness if before is None else before.and_another(fitness)
    return found
