"""Progress of the finals, for `--status` and the live display."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence

import attrs

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.plan import Plan, read_plan
from anetdsl.evolve.finals.stages import STAGES, Stage, done_in, training_counts
from anetdsl.evolve.finals.standings import Standing, standings_of
from anetdsl.evolve.trainings.training import TrainingRecord
from anetdsl.evolve.trainings.training_folder import read_trainings


@attrs.frozen(kw_only=True)
class FinalsProgress:
    """Progress of the finals at one moment."""

    total: int
    """Number of trainings and evaluations of all stages, if none fails."""
    done: int
    failed: int
    stage: Stage | None
    """Stage that is not finished; None if all are."""
    stage_done: int
    stage_total: int
    running: tuple[tuple[str, float], ...]
    """Names of the trainings that run, and for how many seconds each has run."""
    failures: tuple[tuple[str, str, str], ...]
    """Name, kind of failure and message of the last trainings that failed."""
    leading: Standing | None
    """Network with the highest mean fitness so far."""
    winner: str | None
    seconds_left: float | None
    """Estimated time to the end; None if no duration is known or no training runs."""

    @property
    def finished(self) -> int:
        """Number of trainings and evaluations that are done or failed."""
        return self.done + self.failed


def finals_progress(
    plan: Plan,
    records: Mapping[str, TrainingRecord],
    *,
    workers: int | None = None,
    candidate_rates: Mapping[str, float] = {},
) -> FinalsProgress:
    """Return the progress of finals.

    `workers` is the number of trainings that run at a time, if it is known. `candidate_rates` are
    seconds per training step of candidates, by name (`rates_of_search`): the estimate uses them
    until trainings of the finals are done.
    """
    found = tuple(records.values())
    counts = training_counts(plan)
    missing = {stage: count - done_in(stage, found) for stage, count in counts.items()}
    stage = next((stage for stage in STAGES if missing[stage] > 0), None)
    now = time.time()
    running = [one for one in found if one.status == "running"]
    standings = standings_of(plan, records)
    failed = [one for one in found if one.status == "failed"]
    at_a_time = workers or len(running)
    return FinalsProgress(
        total=sum(counts.values()),
        done=sum(one.status == "done" for one in found),
        failed=len(failed),
        stage=stage,
        stage_done=0 if stage is None else done_in(stage, found),
        stage_total=0 if stage is None else counts[stage],
        running=tuple((one.name, max(0.0, now - (one.started or now))) for one in running),
        failures=tuple((one.name, one.failure or "", one.message or "") for one in failed[-3:]),
        leading=next((one for one in standings.validation if one.seeds), None),
        winner=standings.winner,
        seconds_left=_seconds_left(plan, found, missing, candidate_rates, at_a_time),
    )


def read_finals_progress(run: Run) -> FinalsProgress | None:
    """Return the progress of the finals of a run; None if they have not begun. Raise CannotRun."""
    directory = FinalsDir.of(run.path)
    plan = read_plan(directory)
    if plan is None:
        return None
    records = {record.name: record for record in read_trainings(directory.trainings)}
    return finals_progress(plan, records, candidate_rates=rates_of_search(run))


def rates_of_search(run: Run) -> dict[str, float]:
    """Return the seconds per training step of a search's candidates, by name."""
    return {
        record.name: record.seconds / record.iterations
        for record in run.records
        if record.seconds and record.iterations
    }


def _seconds_left(
    plan: Plan,
    records: Sequence[TrainingRecord],
    missing: Mapping[Stage, int],
    candidate_rates: Mapping[str, float],
    workers: int,
) -> float | None:
    """Estimate the time of the missing trainings. Evaluations take no time in this estimate."""
    if not workers or not any(missing.values()):
        return None
    rates = _rates(plan, records, candidate_rates)
    if not rates:
        return None
    mean = statistics.fmean(rates.values())
    done = [one for one in records if one.status == "done" and one.iterations]
    compared: tuple[Stage, ...] = ("rate", "comparison")
    seconds = 0.0
    for stage in compared:
        own = [one for one in done if one.stage == stage]
        share = (missing[stage] + len(own)) / len(plan.contestants)
        spent = sum(rates[one.network] * plan.steps for one in own)
        seconds += max(0.0, sum(rates.values()) * plan.steps * share - spent)
    left = max(seconds / workers, mean * plan.steps if seconds else 0.0)
    # A full training is one training, whatever the number of workers.
    return left + mean * plan.full_steps * math.ceil(missing["full"] / workers)


def _rates(
    plan: Plan, records: Sequence[TrainingRecord], candidate_rates: Mapping[str, float]
) -> dict[str, float]:
    """Return the estimated seconds per training step of each network."""
    known: dict[str, float] = {}
    for one in plan.contestants:
        own = [
            record.seconds / record.iterations
            for record in records
            if record.network == one.name
            and record.status == "done"
            and record.seconds
            and record.iterations
            and record.starts == 1
        ]
        if own:
            known[one.name] = statistics.median(own)
        elif one.source in candidate_rates:
            known[one.name] = candidate_rates[one.source]
    if not known:
        return {}
    per_add = statistics.median(
        rate / plan.contestant(name).multiply_adds for name, rate in known.items()
    )
    return {one.name: known.get(one.name, per_add * one.multiply_adds) for one in plan.contestants}
