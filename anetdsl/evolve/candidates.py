"""Candidates of a search: as proposed, as members of the population, and as recorded."""

from __future__ import annotations

from typing import Literal

import attrs

from anetdsl.evolve.contract import FailureKind
from anetdsl.evolve.operations import Operation, sentences

Status = Literal["proposed", "running", "done", "failed"]


@attrs.frozen
class Member:
    """A finished candidate with its result, as selection and the operators use it."""

    index: int
    name: str
    text: str
    """Text with learned edge weights."""
    fitness: float
    """Mean over the trainings of the network."""
    trainings: int = 1
    """Number of trainings of the network."""

    def trained_again(self, fitness: float) -> Member:
        """Return the member with the fitness of one more training in its mean."""
        total = self.fitness * self.trainings + fitness
        trainings = self.trainings + 1
        return attrs.evolve(self, fitness=total / trainings, trainings=trainings)


@attrs.frozen
class Proposal:
    """A candidate before its training."""

    index: int
    name: str
    text: str
    """Text with the candidate's name and `origin`."""
    parent: str | None
    operations: tuple[Operation, ...]
    canonical_form: str
    """Canonical form of the network, equal for networks that differ in names and order only."""

    @property
    def ops(self) -> tuple[str, ...]:
        """Sentences of the operations, as in `origin`."""
        return sentences(self.operations)


@attrs.frozen
class Record:
    """Everything that a run directory holds about a candidate. Times are seconds since the epoch.

    Values that are not known yet are None.
    """

    index: int
    name: str
    status: Status
    text: str
    """Text as proposed; once the candidate is done, text with learned weights and score."""
    parent: str | None = None
    operations: tuple[Operation, ...] = ()
    confirms: str | None = None
    """Name of the candidate whose network this one trains once more, with another seed (`confirm`);
    None for a network of its own."""
    fitness: float | None = None
    standard_error: float | None = None
    """Standard error of the fitness that the number of validation clips gives."""
    top1: float | None = None
    top5: float | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    """Peak memory of the trial in bytes."""
    failure: FailureKind | None = None
    message: str | None = None
    attempts: int = 0
    """Number of times that training was started."""
    source: str | None = None
    """Name of the inbox file that a person added; None for a proposal of the search."""
    measures: tuple[tuple[str, float], ...] = ()
    """All measures of the evaluation, by name."""
    iterations: int | None = None
    """Number of training steps that produced the result."""
    inherited_steps: int | None = None
    """Number of training steps of the ancestors whose weights the training started from; 0 if it
    started afresh, None in runs of earlier versions."""
    proposed: float | None = None
    started: float | None = None
    finished: float | None = None

    @property
    def ops(self) -> tuple[str, ...]:
        """Sentences of the operations, as in `origin`."""
        return sentences(self.operations)
