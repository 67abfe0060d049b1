"""Show the trials of a search that run now, with their losses so far."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, TableColumn, figure, joined, paragraph, table, text
from anetdsl.terminal import moment

_MAX_BYTES = 4 << 20
"""Largest part of a log that is read, from its end."""
_MAX_POINTS = 400
_MAX_LINES = 6


@attrs.frozen
class RunningTrial:
    """A candidate in training."""

    record: Record
    losses: tuple[tuple[int, float], ...]
    """Training step and loss, as far as the trial has written them."""
    iterations: int | None
    """Number of training steps of the trial; None if the job does not tell."""

    @property
    def step(self) -> int | None:
        """Number of steps that are done, or None before the first."""
        return self.losses[-1][0] + 1 if self.losses else None


def log_of(run: Run, record: Record) -> Path:
    """Return the path of the log of a candidate's last trial."""
    return RunDir(run.path).trial_folder(record.name, max(1, record.attempts)).log


def running_trials(run: Run) -> tuple[RunningTrial, ...]:
    """Return the candidates that are in training, in the order of their indices."""
    return tuple(
        RunningTrial(record, read_losses(log_of(run, record)), _iterations(run, record))
        for record in run.records
        if record.status == "running"
    )


def running_section(trials: Sequence[RunningTrial]) -> Markup:
    """Return the table of the running trials and the chart of their losses."""
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
            trial.step,
            trial.iterations,
            trial.losses[-1][1] if trial.losses else None,
            "; ".join(trial.record.ops),
        )
        for trial in trials
    ]
    count = f"{len(trials)} trial{'s' if len(trials) != 1 else ''}"
    parts = [table(columns, rows, caption=f"{count} in training now.", sortable=False)]
    drawn = [trial for trial in trials if trial.losses][:_MAX_LINES]
    if drawn:
        chart = plot(
            [Line(trial.record.name, thinned(trial.losses)) for trial in drawn],
            title="Loss of the running trials",
            description="; ".join(_in_words(trial) for trial in drawn),
            x=Axis("training step", whole=True, low=0),
            y=Axis("loss"),
            heading=False,
            styled=False,
            width=CHART_WIDTH,
            height=280,
        )
        caption = "Loss of each training step, on one batch of clips."
        if len(trials) > len(drawn):
            caption += f" {len(drawn)} of {len(trials)} trials are drawn."
        parts.append(figure("Loss of the running trials", Markup(chart), caption))
    return joined(parts)


def read_losses(path: Path) -> tuple[tuple[int, float], ...]:
    """Return the training steps and losses of a log, also while a trial writes it."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MAX_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return ()
    losses = []
    for line in lines:
        try:
            values: Any = json.loads(line)
            step, loss = values["iteration"], values["loss"]
        except (ValueError, TypeError, LookupError):
            continue  # a validation, or a line that is cut
        if isinstance(step, int) and isinstance(loss, float | int) and math.isfinite(loss):
            losses.append((step, float(loss)))
    return tuple(losses)


def thinned(points: Sequence[tuple[int, float]]) -> tuple[tuple[float, float], ...]:
    """Return at most 400 points: the mean of each part of the curve."""
    part = math.ceil(len(points) / _MAX_POINTS)
    if part <= 1:
        return tuple(points)
    groups = [points[start : start + part] for start in range(0, len(points), part)]
    return tuple(
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    )


def _iterations(run: Run, record: Record) -> int | None:
    """Return the number of steps of a trial, from its job."""
    folder = RunDir(run.path).trial_folder(record.name, max(1, record.attempts))
    try:
        value = json.loads(folder.job.read_bytes())["settings"]["iterations"]
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return value if isinstance(value, int) else None


def _in_words(trial: RunningTrial) -> str:
    first, last = trial.losses[0][1], trial.losses[-1][1]
    return f"{trial.record.name}: from {first:.3f} to {last:.3f} in {trial.step} steps"
