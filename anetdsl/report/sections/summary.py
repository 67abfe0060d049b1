"""Summarise a search: its progress, its main results and its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import ranked, scored_candidates, top_three_curve
from anetdsl.report.markup import (
    Markup,
    TableColumn,
    folded,
    joined,
    paragraph,
    table,
    tag,
    text,
    tiles,
)
from anetdsl.report.wording import amount, flatten
from anetdsl.terminal import duration, moment

_METHODS = {
    "guided": "connection-learning-guided evolution",
    "standard": "standard evolution",
    "random": "random search",
    "aging": "regularized (aging) evolution",
    "oneshot": "one-shot connectivity",
}


def lead(run: Run, *, driven: bool | None = None) -> Markup:
    """Return the text below the title of the page.

    A page that follows the search by itself states whether it is `driven` now.
    """
    settings = run.settings
    method = _METHODS.get(settings.method, settings.method)
    sentence = (
        f"{method.capitalize()} of {settings.candidates:,} candidates with a population of "
        f"{settings.population}, seed {settings.seed}."
    )
    parts = [paragraph(text(sentence))]
    if (note := _state(run, driven)) is not None:
        parts.append(paragraph(text(note), class_="note"))
    return joined(parts)


def _state(run: Run, driven: bool | None) -> str | None:
    """Return a note about a search that is not finished or has no results."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    if not run.records:
        return "This search has no candidates yet."
    if finished < run.settings.candidates:
        running = sum(record.status == "running" for record in run.records)
        state = "interrupted" if driven is False else "in training"
        return (
            f"This search is not finished: {finished:,} of {run.settings.candidates:,} candidates "
            f"are finished, {running} {state}."
            + (" Create the report again to see more." if driven is None else "")
        )
    if not scored_candidates(run):
        return "Every candidate of this search failed: see the failures below."
    return None


def summary_tiles(run: Run) -> Markup:
    """Return the main figures of the search."""
    return tiles(_figures(run))


def _figures(run: Run) -> Iterator[tuple[str, str, str]]:
    """Yield the label, value and details of each figure."""
    best = ranked(scored_candidates(run))
    three = top_three_curve(run)
    if best:
        first = best[0]
        measures = [
            f"{name} {value:.1f}"
            for name, value in (
                ("top\N{NON-BREAKING HYPHEN}1", first.record.top1),
                ("top\N{NON-BREAKING HYPHEN}5", first.record.top5),
            )
            if value is not None
        ]
        details = ": ".join([first.name, *([", ".join(measures)] if measures else [])])
        if first.estimate.trainings > 1:
            details = f"{first.name}: mean of {first.estimate.trainings} trainings"
        if (error := first.estimate.standard_error) is not None:
            details = f"± {error:.2f}, {details}"
        yield "best fitness", f"{first.fitness:.2f}", details
        yield (
            "size of the best",
            amount(first.record.parameters),
            f"parameters, {amount(first.record.multiply_adds)} multiply-adds",
        )
    if three:
        yield "mean of top three", f"{three[-1][1]:.2f}", "as in Figure 4 of the paper"
    done = sum(record.status == "done" for record in run.records)
    failed = sum(record.status == "failed" for record in run.records)
    again = sum(record.confirms is not None for record in run.records)
    looks = f", {again:,} of them second trainings" if again else ""
    yield "candidates", f"{done + failed:,}", f"{done:,} done, {failed:,} failed{looks}"
    seconds = [record.seconds for record in run.records if record.seconds is not None]
    if seconds:
        mean = math.fsum(seconds) / len(seconds)
        yield "training", duration(math.fsum(seconds)), f"{duration(mean)} per candidate"
    ends = [record.finished for record in run.records if record.finished is not None]
    if run.started is not None and ends:
        yield "wall time", duration(max(ends) - run.started), f"until {moment(max(ends))}"


def _classes(run: Run) -> dict[str, str]:
    """Return the row about the classes of the data, if they are known."""
    return {f"{len(run.classes)} classes": ", ".join(run.classes)} if run.classes else {}


def settings_tables(run: Run) -> Markup:
    """Return the tables of all settings."""
    columns = (TableColumn("setting"), TableColumn("value"))
    search = table(
        columns,
        flatten(attrs.asdict(run.settings)).items(),
        caption="Search. A setting that is not listed has its default.",
        sortable=False,
    )
    trial = table(
        columns,
        {**flatten(run.trial), **_classes(run)}.items(),
        caption="Training of each candidate.",
        sortable=False,
    )
    running = table(
        columns,
        flatten(attrs.asdict(run.running)).items(),
        caption="Execution of trials. Without a timeout, a trial may take any time.",
        sortable=False,
    )
    return folded("settings", tag("div", search, trial, running, class_="pair"))
