"""Run the finals: train, compare, choose the winner, train it fully, and look at the test split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from anetdsl.errors import CannotRun
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.finals_table import finals_page
from anetdsl.evolve.finals.plan import Plan
from anetdsl.evolve.finals.stages import (
    comparison_trainings,
    full_trainings,
    rate_trainings,
    test_looks,
    winner_of,
)
from anetdsl.evolve.finals.standings import Standings, standings_of, standings_to_json
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training import TrainingRecord
from anetdsl.evolve.trainings.training_folder import delete_trained_weights, read_trainings
from anetdsl.evolve.trainings.training_runner import Stopped, TrainingRunner, open_trainings
from anetdsl.evolve.workers.trial_process import COMMAND
from anetdsl.files import replacing, write_atomically


def drive_finals(
    directory: FinalsDir,
    plan: Plan,
    running: Running,
    name: str,
    *,
    command: tuple[str, ...] = COMMAND,
    ready: Callable[[TrainingRunner], None] = lambda _: None,
) -> Standings | None:
    """Run the finals of a plan to their end; return None if they were stopped.

    Trainings that are done are not run again.

    Args:
        directory: Folder of the finals, with the plan.
        plan: What to train.
        running: Where trainings run.
        name: Name of the search, for the page.
        command: Command of a trial, without its folder.
        ready: Is called with the runner before the first training, to stop it later or to watch it.

    Raises:
        CannotRun: All networks of the search failed, or the finals cannot continue. They can be
            resumed.
    """
    with open_trainings(directory.trainings, running, command=command) as runner:
        ready(runner)
        try:
            standings = _run_stages(directory, plan, runner)
        except Stopped:
            return None
        _write_winner(directory, standings, runner)
        write_atomically(directory.table, finals_page(standings, name))
        document = json.dumps(standings_to_json(standings), indent=1) + "\n"
        write_atomically(directory.results, document, durable=True)
        if not running.keep_all_weights:
            for record in runner.records.values():
                delete_trained_weights(directory.trainings, record)
    return standings


def _run_stages(directory: FinalsDir, plan: Plan, runner: TrainingRunner) -> Standings:
    records = runner.records
    runner.run(rate_trainings(plan))
    compared = runner.run(
        [one for own in plan.contestants for one in comparison_trainings(plan, own, records)]
    )
    winner = winner_of(plan, records)
    if winner is None:
        raise _failed(directory, "each network of the search has a failed training", compared)
    full = runner.run(full_trainings(plan, winner, records))
    if full[0].status != "done":
        raise _failed(directory, f"the full training of {winner.name} failed", full[:1])
    looks = runner.run(test_looks(plan, winner, records, directory.trainings))
    if any(look.status != "done" for look in looks):
        raise _failed(directory, f"the {plan.test_split} split could not be evaluated", looks)
    return standings_of(plan, records)


def _failed(directory: FinalsDir, problem: str, records: Sequence[TrainingRecord]) -> CannotRun:
    """Return the exception for failed trainings, with the reason of the last one."""
    last = next(one for one in reversed(records) if one.status == "failed")
    return CannotRun(
        f"{directory.path}: {problem}; {last.name}: {last.failure}: {last.message}\n"
        "Remove the cause and run the command again; trainings that are done stay."
    )


def _write_winner(directory: FinalsDir, standings: Standings, runner: TrainingRunner) -> None:
    """Copy the fully trained winner, its weights first."""
    (full, *_) = (
        record
        for record in runner.records.values()
        if record.stage == "full" and record.network == standings.winner
    )
    trial = directory.trainings.trial_folder(full)
    if not trial.weights.exists() and directory.results.exists():
        return  # finished finals whose weights were moved already
    _copy(trial.weights, directory.weights)
    _copy(trial.trained, directory.winner)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as part:
        shutil.copyfile(source, part)


def read_standings(directory: FinalsDir, plan: Plan) -> Standings:
    """Return the results of finals so far, also while they run."""
    records = {record.name: record for record in read_trainings(directory.trainings)}
    return standings_of(plan, records)
