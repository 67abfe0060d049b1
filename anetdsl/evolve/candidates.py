"""Candidates of a search: as proposed, as members of the population, and as recorded."""

from __future__ import annotations

from typing import Literal

import attrs

Status = Literal["proposed", "running", "done", "failed"]


@attrs.frozen
class Member:
    """A candidate with its result: what selection and the operators see of it."""

    index: int
    name: str
    text: str
    """With its learned edge weights."""
    fitness: float


@attrs.frozen
class Proposal:
    """A candidate to be trained: a whole text, with its name and `origin`."""

    index: int
    name: str
    text: str
    parent: str | None
    ops: tuple[str, ...]
    identity: str | None = None
    """That of its network, where it is known already."""


@attrs.frozen
class Record:
    """All that a run directory says of one candidate. Times are seconds since the epoch."""

    index: int
    name: str
    status: Status
    text: str
    """As proposed; once done, with learned weights and score."""
    parent: str | None = None
    ops: tuple[str, ...] = ()
    fitness: float | None = None
    top1: float | None = None
    top5: float | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    """Bytes."""
    failure: str | None = None
    """`out_of_memory`, `nan`, `timeout`, `bad_data`, `killed` or `error`."""
    message: str | None = None
    attempts: int = 0
    """How often its training was started."""
    source: str | None = None
    """The file of the inbox that a person added it by; None for a proposal of the search."""
    measures: tuple[tuple[str, float], ...] = ()
    """All that its evaluation measured, by name."""
    iterations: int | None = None
    """Of training, behind its result."""
    proposed: float | None = None
    started: float | None = None
    finished: float | None = None
