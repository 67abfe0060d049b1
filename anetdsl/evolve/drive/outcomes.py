"""What becomes of a candidate when a trial of it has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import attrs

from anetdsl.api import parse
from anetdsl.errors import AnetError
from anetdsl.evolve.contract import RETRIED, TrialResult
from anetdsl.evolve.drive.candidate_files import iterations_of
from anetdsl.evolve.drive.store import Candidate
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.workers.trial_process import Outcome


@attrs.frozen
class Decision:
    """A candidate as it is from now on, and the event that made it so."""

    candidate: Candidate
    kind: str
    """`done`, `failed`, `fault` (it is started again), `longer` (for the long training), or `full`:
    the disk is, and it is started again when there is room."""
    about: Mapping[str, Any] = {}


def decide(candidate: Candidate, outcome: Outcome, asked: RunSettings) -> Decision:
    """A pure function but for the clock."""
    if outcome.failure is None:
        outcome = _checked(candidate, outcome)
    if outcome.failure is not None:
        return _failed(candidate, outcome, asked)
    assert outcome.result is not None
    assert outcome.text is not None
    fitness = outcome.result.fitness
    assert fitness is not None
    if asked.running.halving > 1 and candidate.short is None:
        candidate = attrs.evolve(candidate, short=fitness)
        if candidate.bar is None or fitness >= candidate.bar:
            record = attrs.evolve(candidate.record, status="proposed")
            return Decision(attrs.evolve(candidate, record=record), "longer", {"fitness": fitness})
        iterations = iterations_of(asked, attrs.evolve(candidate, short=None))
    else:
        iterations = iterations_of(asked, candidate)
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


def _failed(candidate: Candidate, outcome: Outcome, asked: RunSettings) -> Decision:
    about = {"failure": outcome.failure, "message": outcome.message}
    if outcome.is_disk_full:
        record = attrs.evolve(candidate.record, status="proposed")
        return Decision(attrs.evolve(candidate, record=record), "full", about)
    record = attrs.evolve(candidate.record, failure=outcome.failure, message=outcome.message)
    if outcome.failure in RETRIED and candidate.faults < asked.running.retries:
        record = attrs.evolve(record, status="proposed")
        return Decision(
            attrs.evolve(candidate, record=record, faults=candidate.faults + 1), "fault", about
        )
    record = attrs.evolve(record, status="failed", finished=time.time())
    return Decision(attrs.evolve(candidate, record=record), "failed", about)


def _checked(candidate: Candidate, outcome: Outcome) -> Outcome:
    """The outcome, or a failure where the trained text is not that of the candidate."""
    assert outcome.text is not None
    with contextlib.suppress(AnetError):
        if canonical_form(parse(outcome.text)) == candidate.identity:
            return outcome
    return Outcome(failure="error", message="the trained text is not the candidate's network")


def _measured(result: TrialResult) -> dict[str, Any]:
    """Return the fields of a record that a result fills."""
    measures = {name: value for name, value in result.measures.items() if value is not None}
    return {
        "measures": tuple(measures.items()),
        "top1": measures.get("top1"),
        "top5": measures.get("top5"),
        "seconds": result.seconds,
        "parameters": result.parameters,
        "multiply_adds": result.multiply_adds,
        "peak_memory": result.peak_memory,
    }
