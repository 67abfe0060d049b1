"""Show a training run: its progress, its losses and its validations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import check_file_of
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.html_page import CHART_WIDTH, Section
from anetdsl.report.markup import (
    Markup,
    TableColumn,
    figure,
    folded,
    joined,
    paragraph,
    table,
    text,
    tiles,
)
from anetdsl.report.training_log import MAX_STEPS, TrainingLog, read_log, thinned
from anetdsl.report.wording import flatten

_SCHEMA, _VERSION = "anetdsl-training-run", 1
_DRAWN_MEASURES = ("top1", "top5", "map")
_NOT_SHOWN = ("trained_on", "videos", "network_sha256", "schema", "schema_version")


@attrs.frozen
class TrainingRun:
    """A training run as its folder describes it."""

    path: Path
    description: Mapping[str, Any]
    """Content of run.json."""
    log: TrainingLog
    finished: bool
    """True if the run has its result."""

    @property
    def iterations(self) -> int | None:
        """Number of steps of the whole training."""
        settings = self.description.get("settings")
        value = settings.get("iterations") if isinstance(settings, dict) else None
        return value if isinstance(value, int) and 0 < value < MAX_STEPS else None


def is_training_run(path: Path) -> bool:
    """Return whether a folder is that of a training run, perhaps of a damaged one."""
    return os.path.lexists(path / "run.json")


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files of a training run that its page shows."""
    return path / "run.json", path / "metrics.jsonl", path / "result.json"


def read_training_run(path: Path) -> TrainingRun:
    """Read the folder of a training run, also while it trains. Raise CannotRun."""
    description, metrics, result = files_of(path)
    try:
        check_file_of(path, description)
        values = json.loads(description.read_bytes())
    except OSError as error:
        raise cannot_read(description, error) from None
    except (ValueError, RecursionError):
        raise CannotRun(f"{description}: this is not JSON") from None
    if not isinstance(values, dict) or values.get("schema") != _SCHEMA:
        raise CannotRun(f"{description}: this is not the description of a training run")
    if (version := values.get("schema_version")) != _VERSION:
        raise CannotRun(
            f"{description}: has format version {version}; this version of anetc reads {_VERSION}"
        )
    return TrainingRun(path, values, read_log(metrics, path), result.is_file())


def training_lead(run: TrainingRun) -> Markup:
    """Return the text below the title of the page."""
    steps, total = run.log.steps or 0, run.iterations
    of = f" of {total:,}" if total is not None else ""
    if run.finished:
        return paragraph(text(f"This training is complete after {steps:,} steps."), class_="good")
    return paragraph(text(f"Training: {steps:,}{of} steps are done."))


def training_sections(run: TrainingRun) -> Iterator[Section]:
    """Yield the sections of the page about a training run."""
    yield Section("summary", "Summary", joined([_tiles(run), _settings(run)]))
    if run.log.losses:
        yield Section("loss", "Loss", _losses(run))
    if run.log.validations:
        yield Section("validation", "Validation", _validations(run))


def _tiles(run: TrainingRun) -> Markup:
    figures = []
    if run.log.losses:
        step, loss = run.log.losses[-1]
        figures.append(("last loss", f"{loss:.3f}", f"step {step + 1:,}"))
    if run.log.validations:
        step, measures = run.log.validations[-1]
        for name in _DRAWN_MEASURES:
            if name in measures:
                best = max(values.get(name, 0.0) for _, values in run.log.validations)
                details = f"after {step:,} steps; best {best:.1f}"
                figures.append((f"validation {name}", f"{measures[name]:.1f}", details))
    return tiles(figures)


def _settings(run: TrainingRun) -> Markup:
    shown = {key: value for key, value in run.description.items() if key not in _NOT_SHOWN}
    columns = (TableColumn("setting"), TableColumn("value"))
    content = table(columns, flatten(shown).items(), caption="Settings.", sortable=False)
    return folded("settings", content)


def _losses(run: TrainingRun) -> Markup:
    losses = run.log.losses
    chart = plot(
        [Line("loss", thinned(losses))],
        title="Loss of the training steps",
        description=f"From {losses[0][1]:.3f} to {losses[-1][1]:.3f} in {run.log.steps} steps.",
        x=Axis("training step", whole=True, low=0, high=run.iterations),
        y=Axis("loss"),
        heading=False,
        styled=False,
        width=CHART_WIDTH,
        height=320,
    )
    caption = "Loss before each step, on one batch of clips. A long curve is a mean of neighbours."
    return figure("Loss", Markup(chart), caption)


def _validations(run: TrainingRun) -> Markup:
    validations = run.log.validations
    names = list(dict.fromkeys(name for _, measures in validations for name in measures))
    lines = [
        Line(name, tuple((step, values[name]) for step, values in validations if name in values))
        for name in _DRAWN_MEASURES
        if name in names
    ]
    parts = []
    if lines:
        chart = plot(
            lines,
            title="Validation",
            x=Axis("training step", whole=True, low=0, high=run.iterations),
            y=Axis("%"),
            heading=False,
            styled=False,
            width=CHART_WIDTH,
            height=280,
        )
        parts.append(figure("Validation", Markup(chart), "Measures on the validation split."))
    columns = (TableColumn("step", "number"), *(TableColumn(name, "number", 2) for name in names))
    rows = [(step, *(values.get(name) for name in names)) for step, values in validations]
    parts.append(table(columns, rows, caption="All validations."))
    return joined(parts)
