"""Show the trials of a search that run now, with their losses so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import attrs

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.files import check_file_of
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, TableColumn, figure, joined, paragraph, table, text
from anetdsl.report.training_log import MAX_STEPS, TrainingLog, read_log, thinned
from anetdsl.report.wording import shortened
from anetdsl.terminal import moment

_MAX_LINES = 6


@attrs.frozen
class RunningTrial:
    """A candidate in training."""

    record: Record
    log: TrainingLog
    iterations: int | None
    """Number of training steps of the trial; None if the job does not tell."""


def log_of(run: Run, record: Record) -> Path:
    """Return the path of the log of a candidate's last trial."""
    return RunDir(run.path).trial_folder(record.name, max(1, record.attempts)).log


def running_trials(run: Run) -> tuple[RunningTrial, ...]:
    """Return the candidates that are in training, in the order of their indices."""
    return tuple(
        RunningTrial(record, read_log(log_of(run, record), run.path), _iterations(run, record))
        for record in run.records
        if record.status == "running"
    )


def running_section(trials: Sequence[RunningTrial], *, driven: bool = True) -> Markup:
    """Return the table of the running trials and the chart of their losses.

    Without a driver, these are the trials that its end has interrupted.
    """
    if not trials:
        return paragraph(text("No trial runs now."))
    columns = (
        TableColumn("name"),
        TableColumn("parent"),
        TableColumn("started"),
        TableColumn("attempt", "number"),
        TableColumn("step", "number"),
        TableColumn("of", "number"),
        TableColumn("loss", "number", 3),
        TableColumn("operations", "prose"),
    )
    rows = [
        (
            trial.record.name,
            trial.record.parent or "",
            moment(trial.record.started) if trial.record.started is not None else "",
            trial.record.attempts,
            trial.log.steps,
            trial.iterations,
            trial.log.losses[-1][1] if trial.log.losses else None,
            "; ".join(map(shortened, trial.record.ops)),
        )
        for trial in trials
    ]
    many = len(trials) != 1
    count = f"{len(trials)} trial{'s' if many else ''}"
    caption = (
        f"{count} in training now."
        if driven
        else f"No trial runs now. The driver ended during {count}, which will be started again."
    )
    parts = [table(columns, rows, caption=caption, sortable=False)]
    drawn = [trial for trial in trials if trial.log.losses][:_MAX_LINES]
    if drawn:
        chart = plot(
            [Line(trial.record.name, thinned(trial.log.losses)) for trial in drawn],
            title="Loss of the running trials",
            description="; ".join(_in_words(trial) for trial in drawn),
            x=Axis("training step", whole=True, low=0, high=_longest(drawn)),
            y=Axis("loss"),
            heading=False,
            styled=False,
            width=CHART_WIDTH,
            height=280,
        )
        caption = "Loss of each training step, on one batch of clips"
        caption += f": {drawn[0].record.name}." if len(drawn) == 1 else "."
        if len(drawn) == _MAX_LINES < len(trials):
            caption += f" {len(drawn)} of {len(trials)} trials are drawn."
        parts.append(figure("Loss of the running trials", Markup(chart), caption))
    return joined(parts)


def _longest(trials: Sequence[RunningTrial]) -> int | None:
    """Return the largest number of steps of the trials; None if one is not known."""
    steps = [trial.iterations for trial in trials]
    return None if None in steps else max(filter(None, steps), default=None)


def _iterations(run: Run, record: Record) -> int | None:
    """Return the number of steps of a trial, from its job."""
    folder = RunDir(run.path).trial_folder(record.name, max(1, record.attempts))
    try:
        check_file_of(run.path, folder.job)
        value = json.loads(folder.job.read_bytes())["settings"]["iterations"]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return value if isinstance(value, int) and 0 < value < MAX_STEPS else None


def _in_words(trial: RunningTrial) -> str:
    first, last = trial.log.losses[0][1], trial.log.losses[-1][1]
    return f"{trial.record.name}: from {first:.3f} to {last:.3f} in {trial.log.steps} steps"
