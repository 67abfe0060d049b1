"""The first things to know of a run: how far it is, what it found, what was asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import judged, ranked, top_three_curve
from anetdsl.report.markup import Markup, TableColumn, folded, joined, paragraph, table, tag, text
from anetdsl.report.words import amount
from anetdsl.terminal import duration, moment

_METHODS = {
    "guided": "connection-learning-guided evolution",
    "standard": "standard evolution",
    "random": "random search",
    "aging": "regularized (aging) evolution",
}


def method_name(run: Run) -> str:
    """A run's method in words."""
    return _METHODS.get(run.settings.method, run.settings.method)


def lead(run: Run) -> Markup:
    """What stands below a page's title."""
    asked = run.settings
    said = (
        f"{method_name(run).capitalize()} of {asked.rounds:,} rounds with a population of "
        f"{asked.population}, seed {asked.seed}."
    )
    parts = [paragraph(text(said))]
    if (state := _state(run)) is not None:
        parts.append(paragraph(text(state), class_="note"))
    return joined(parts)


def _state(run: Run) -> str | None:
    """What a reader must know about a run that is not over, or has nothing to show."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    if not run.records:
        return "This search has no candidates yet."
    if finished < run.settings.rounds:
        running = sum(record.status == "running" for record in run.records)
        return (
            f"This search is not over: {finished:,} of {run.settings.rounds:,} candidates are "
            f"finished, {running} in training. Make the report anew to see more."
        )
    if not judged(run):
        return "Every candidate of this search failed: see the failures below."
    return None


def tiles(run: Run) -> Markup:
    """The figures that matter most."""
    return tag(
        "dl",
        *(
            tag(
                "div",
                tag("dt", text(label)),
                tag("dd", text(value), *([tag("small", text(more))] if more else [])),
            )
            for label, value, more in _figures(run)
        ),
        class_="tiles",
    )


def _figures(run: Run) -> Iterator[tuple[str, str, str]]:
    best = ranked(judged(run))
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
        found = f"{first.name}, round {first.round}"
        yield "best fitness", f"{first.fitness:.2f}", ": ".join([found, ", ".join(measures)])
        yield (
            "size of the best",
            amount(first.record.parameters),
            f"parameters, {amount(first.record.multiply_adds)} multiply-adds",
        )
    if three:
        yield "mean of the top three", f"{three[-1][1]:.2f}", "as in Figure 4 of the paper"
    done = sum(record.status == "done" for record in run.records)
    failed = sum(record.status == "failed" for record in run.records)
    yield "candidates", f"{done + failed:,}", f"{done:,} done, {failed:,} failed"
    seconds = [record.seconds for record in run.records if record.seconds is not None]
    if seconds:
        mean = math.fsum(seconds) / len(seconds)
        yield "training", duration(math.fsum(seconds)), f"{duration(mean)} a candidate"
    ends = [record.finished for record in run.records if record.finished is not None]
    if run.started is not None and ends:
        yield "wall time", duration(max(ends) - run.started), f"until {moment(max(ends))}"


def settings_table(run: Run) -> Markup:
    """Everything that was asked for."""
    columns = (TableColumn("setting"), TableColumn("value"))
    search = table(
        columns,
        flat(attrs.asdict(run.settings)).items(),
        caption="The search; a setting that is not there is at its default.",
        sortable=False,
    )
    trial = table(
        columns,
        flat(run.trial).items(),
        caption="The training of each candidate.",
        sortable=False,
    )
    running = table(
        columns,
        flat(attrs.asdict(run.running)).items(),
        caption="How trials are run, as the settings say; without a timeout one may take any time.",
        sortable=False,
    )
    return folded("settings", tag("div", search, trial, running, class_="pair"))


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested settings as pairs of a dotted name and its value; None is left out.

    >>> flat({"a": 1, "b": {"c": [2, 3], "d": None, "e": True}})
    {'a': '1', 'b.c': '2, 3', 'b.e': 'true'}
    """
    pairs: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs |= flat(value, f"{before}{key}.")
        elif isinstance(value, bool):
            pairs[f"{before}{key}"] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            pairs[f"{before}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            pairs[f"{before}{key}"] = str(value)
    return pairs
