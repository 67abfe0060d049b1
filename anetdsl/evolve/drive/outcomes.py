"""Decide what happens to a candidate after one of its trials has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from anetdsl.api import parse
from anetdsl.errors import AnetError
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.contract import RETRIED, TrialResult
from anetdsl.evolve.drive.candidate_files import iterations_of
from anetdsl.evolve.drive.store import Candidate
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.workers.trial_process import Outcome

Event = Literal["done", "failed", "retry", "promoted", "disk_full"]


@attrs.frozen
class Decision:
    """A candidate after a trial has ended, and the event to store."""

    candidate: Candidate
    event: Event
    """`done` and `failed`: the candidate is finished. Otherwise it is started again: `retry` after
    a failure, `promoted` for the long training, `disk_full` when there is room again."""
    details: Mapping[str, Any] = {}
    """Details of the event, JSON values."""


def decide(candidate: Candidate, outcome: Outcome, settings: RunSettings) -> Decision:
    """Return what happens to a candidate whose trial has this outcome.

    A pure function except for the time at which the candidate finishes.
    """
    if outcome.failure is None and not _is_text_of(candidate, outcome):
        message = "the trained text is not the candidate's network"
        outcome = Outcome(failure="error", message=message)
    if outcome.failure is not None:
        return _decide_failure(candidate, outcome, settings)
    assert outcome.result is not None
    assert outcome.text is not None
    fitness = outcome.result.fitness
    assert fitness is not None
    iterations = iterations_of(settings, candidate)
    is_short = settings.running.halving > 1 and candidate.short_fitness is None
    if is_short and candidate.record.confirms is None:
        candidate = attrs.evolve(candidate, short_fitness=fitness)
        if candidate.promotion_threshold is None or fitness >= candidate.promotion_threshold:
            return Decision(to_restart(candidate), "promoted", {"fitness": fitness})
    record = attrs.evolve(
        candidate.record,
        status="done",
        text=outcome.text,
        fitness=fitness,
        iterations=iterations,
        finished=time.time(),
        failure=None,
        message=None,
        **_measured(outcome.result),
    )
    return Decision(attrs.evolve(candidate, record=record), "done", {"fitness": fitness})


def to_restart(candidate: Candidate, record: Record | None = None) -> Candidate:
    """Return the candidate with the status `proposed`, and with another record if one is given."""
    return attrs.evolve(
        candidate, record=attrs.evolve(record or candidate.record, status="proposed")
    )


def _decide_failure(candidate: Candidate, outcome: Outcome, settings: RunSettings) -> Decision:
    details = {"failure": outcome.failure, "message": outcome.message}
    if outcome.is_disk_full:
        return Decision(to_restart(candidate), "disk_full", details)
    record = attrs.evolve(candidate.record, failure=outcome.failure, message=outcome.message)
    if outcome.failure in RETRIED and candidate.faults < settings.running.retries:
        candidate = attrs.evolve(candidate, faults=candidate.faults + 1)
        return Decision(to_restart(candidate, record), "retry", details)
    record = attrs.evolve(record, status="failed", finished=time.time())
    return Decision(attrs.evolve(candidate, record=record), "failed", details)


def _is_text_of(candidate: Candidate, outcome: Outcome) -> bool:
    """Return whether the trained text is the candidate's network."""
    assert outcome.text is not None
    with contextlib.suppress(AnetError):
        return canonical_form(parse(outcome.text)) == candidate.canonical_form
    return False


def _measured(result: TrialResult) -> dict[str, Any]:
    """Return the fields of a record that a result fills."""
    measures = {name: value for name, value in result.measures.items() if value is not None}
    return {
        "measures": tuple(measures.items()),
        "standard_error": result.standard_error,
        "top1": measures.get("top1"),
        "top5": measures.get("top5"),
        "seconds": result.seconds,
        "parameters": result.parameters,
        "multiply_adds": result.multiply_adds,
        "peak_memory": result.peak_memory,
    }
