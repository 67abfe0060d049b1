"""Tabulate the results of several searches, by method and by run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from anetdsl.report.facts import (
    best_curve,
    first_reaching,
    ranked,
    scored_candidates,
    top_three_curve,
    value_at,
)
from anetdsl.report.markup import Markup, TableColumn, table
from anetdsl.report.run_groups import RunGroup, comparison_of
from anetdsl.terminal import duration


def method_results(groups: Sequence[RunGroup]) -> Markup:
    """Return the table of the methods at the number of candidates that all compared runs have."""
    compared = comparison_of(groups)
    results = [_results(group, compared.last) for group in compared.groups]
    means = [statistics.fmean(three) for three, _ in results if three]
    level = min(means, default=None)
    rows = []
    for group, (three, best) in zip(compared.groups, results):
        rows.append(
            (
                group.name,
                len(group.runs),
                statistics.fmean(three) if three else None,
                statistics.stdev(three) if len(three) > 1 else None,
                statistics.fmean(best) if best else None,
                statistics.stdev(best) if len(best) > 1 else None,
                max(best, default=None),
                *_reaching(group, level),
            )
        )
    columns = (
        TableColumn("method"),
        TableColumn("runs", "number"),
        TableColumn("top three, mean", "number", 2),
        TableColumn("sd", "number", 2),
        TableColumn("best, mean", "number", 2),
        TableColumn("sd", "number", 2),
        TableColumn("best of all", "number", 2),
        TableColumn("reached" if level is None else f"reached {level:.2f}", "number"),
        TableColumn("after candidates, mean", "number", 1),
    )
    caption = (
        f"After {compared.last} candidates, {compared.runs_text}. sd: standard deviation over "
        "runs (n - 1). The last two columns: how many runs reached the level where the lowest "
        "method ends (mean of the top three), and after how many candidates on average."
    )
    return table(columns, rows, caption=caption)


def _results(group: RunGroup, last: int) -> tuple[list[float], list[float]]:
    """Return the means of the top three and the best fitness of runs after `last` candidates."""
    three = [value_at(top_three_curve(run), last) for run in group.runs]
    best = [value_at(best_curve(run), last) for run in group.runs]
    return [v for v in three if v is not None], [v for v in best if v is not None]


def _reaching(group: RunGroup, level: float | None) -> tuple[int | None, float | None]:
    """Return how many runs reached a level, and after how many candidates on average."""
    if level is None:
        return None, None
    first = [first_reaching(top_three_curve(run), level) for run in group.runs]
    numbers = [number for number in first if number is not None]
    return len(numbers), statistics.fmean(numbers) if numbers else None


def run_results(groups: Sequence[RunGroup]) -> Markup:
    """Return the table of the runs, each at its own end."""
    rows = []
    for group in groups:
        for run in group.runs:
            candidates = scored_candidates(run)
            three = top_three_curve(run)
            best = ranked(candidates)
            seconds = sum(record.seconds or 0.0 for record in run.records)
            rows.append(
                (
                    run.name,
                    group.name,
                    run.settings.seed,
                    len(candidates),
                    sum(record.status == "failed" for record in run.records),
                    three[-1][1] if three else None,
                    best[0].fitness if best else None,
                    best[0].name if best else "",
                    duration(seconds) if seconds else "",
                )
            )
    columns = (
        TableColumn("run"),
        TableColumn("method"),
        TableColumn("seed", "number"),
        TableColumn("done", "number"),
        TableColumn("failed", "number"),
        TableColumn("top three", "number", 2),
        TableColumn("best", "number", 2),
        TableColumn("best network"),
        TableColumn("training"),
    )
    return table(columns, rows, caption="Each run, at its end.")
