"""The study `figure4`: search methods compared, with and without inherited weights (Figure 4).

For each method and seed: a search; then the best networks of the search are trained afresh and
compared on the validation split, and the best of them is trained afresh with other seeds and
evaluated on the test split. Methods are compared in pairs of searches with the same seed, whose
initial networks are the same.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from anetc.study.comparison import (
    ComparisonPlan,
    accuracies,
    choice,
    choose,
    compare_rows,
    comparison_cells,
    reported,
    search_plan,
)
from anetc.study.searches import METHODS, SearchRecord, run_search
from anetc.study.trainings import Case, Trainings
from anetdsl.confidence import mean_interval
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.result_tables import interval_text, markdown_table

FIGURE4_METHODS = tuple(method for method in METHODS if not method.startswith("oneshot"))
"""The most informative methods first. Candidates of random search have no parents."""
BASELINE = "random"
_INHERIT = "+inherit"
_TOP = 3


@attrs.frozen(kw_only=True)
class Figure4Plan(ComparisonPlan):
    """Searches and trainings of the study, and their budgets."""

    methods: tuple[str, ...] = FIGURE4_METHODS
    final_seeds: int = 2
    """Trainings afresh of the chosen network."""


@attrs.frozen
class Figure4Row:
    """A search and its chosen network."""

    method: str
    seed: int
    search: SearchRecord
    chosen: str
    """Name of the chosen candidate."""
    parameters: int
    multiply_adds: int
    validation: tuple[float, ...]
    """Top-1 accuracy on the validation split of the trainings afresh, in per cent; empty if they
    were on all groups of the folds."""
    test: tuple[float, ...]
    """Top-1 accuracy on the test split of the same trainings."""


def figure4_cases(plan: Figure4Plan, results: Path) -> Iterator[Case[Figure4Row]]:
    """Yield the cases, seed by seed, and for each seed method by method."""
    for seed in plan.search_seeds:
        for method in plan.methods:
            compute = functools.partial(_row, plan, results, method, seed)
            yield Case(f"{method}, seed {seed}", compute)


def _row(
    plan: Figure4Plan, results: Path, method: str, seed: int, trainings: Trainings
) -> Figure4Row:
    search = run_search(search_plan(plan, method, seed), results, trainings)
    chosen = choose(plan, search.best, trainings)
    measured = [
        accuracies(reported(plan, chosen, number, plan.final_iterations), trainings)
        for number in range(1, plan.final_seeds + 1)
    ]
    known = trainings.run(choice(plan, chosen))
    return Figure4Row(
        method,
        seed,
        search,
        chosen.name,
        known.parameters or 0,
        known.multiply_adds or 0,
        tuple(found[0] for found in measured if found[0] is not None),
        tuple(found[1] for found in measured),
    )


def top_three(fitness: Sequence[float | None]) -> list[tuple[int, float]]:
    """Return the mean of the three best candidates so far, by their number, from the third on."""
    best: list[float] = []
    points = []
    for number, value in enumerate(fitness, 1):
        best = sorted([*best, *([] if value is None else [value])], reverse=True)[:_TOP]
        if len(best) == _TOP:
            points.append((number, statistics.fmean(best)))
    return points


HEADER = (
    *("method", "searches", "mean of the top three"),
    *(f"top three - {BASELINE}", "p", "p (Holm)"),
    *("validation top-1 afresh", "test top-1 afresh"),
    *(f"test - {BASELINE}", "p", "p (Holm)", "parameters"),
)


def figure4_tables(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> str:
    """Return the comparisons with the baseline, and of inherited weights, as Markdown."""
    parts = (methods_table(plan, rows), inheritance_table(plan, rows))
    return "\n".join(part for part in parts if part)


def methods_table(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> str:
    """Return the methods as Markdown: means over searches, with 95 % intervals.

    A search counts once, with the mean of the trainings of its network. Differences are those of
    searches with the same seed. With inherited weights the fitness is that of other trainings, so
    it is not compared.
    """
    ends = {
        method: {
            row.seed: points[-1][1]
            for row in rows
            if row.method == method and (points := top_three(row.search.fitness))
        }
        for method in plan.methods
    }
    fresh = [one for one in plan.methods if one != BASELINE and not one.endswith(_INHERIT)]
    top_differences = compare_rows({one: (ends[one], ends.get(BASELINE, {})) for one in fresh})
    tests = _tests(plan, rows)
    baseline = tests.get(BASELINE, {})
    differences = compare_rows(
        {method: (own, baseline) for method, own in tests.items() if method != BASELINE}
    )
    lines = []
    for method in plan.methods:
        own_rows = [row for row in rows if row.method == method]
        if not own_rows:
            continue
        validation = [statistics.fmean(row.validation) for row in own_rows if row.validation]
        lines.append(
            [
                f"`{method}`",
                str(len(own_rows)),
                interval_text(mean_interval(list(ends[method].values()))) if ends[method] else "",
                *comparison_cells(top_differences.get(method)),
                interval_text(mean_interval(validation)) if validation else "",
                interval_text(mean_interval(list(tests[method].values()))),
                *comparison_cells(differences.get(method)),
                f"{statistics.fmean(row.parameters for row in own_rows):,.0f}",
            ]
        )
    return markdown_table(HEADER, lines)


def inheritance_table(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> str:
    """Return test accuracy with inherited weights minus that without as Markdown, in paired tests.

    Pairs are searches of a method with the same seed. It is empty without such pairs.
    """
    tests = _tests(plan, rows)
    pairs = {
        method: (tests[method + _INHERIT], own)
        for method, own in tests.items()
        if method + _INHERIT in tests
    }
    lines = [
        [f"`{method}`", str(comparison.test.difference.count), *comparison_cells(comparison)]
        for method, comparison in compare_rows(pairs).items()
    ]
    header = ("method", "pairs", "test with inherited weights - without", "p", "p (Holm)")
    return markdown_table(header, lines) if lines else ""


def figure4_by_seed(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> str:
    """Return each search as Markdown, method by method.

    A difference is that of the search of the baseline with the same seed.
    """
    header = (
        *("method", "seed", "best candidate", "mean of the top three"),
        *("validation top-1 afresh", "test top-1 afresh", f"test - {BASELINE}"),
        *("parameters", "multiply-adds"),
    )
    baseline = _tests(plan, rows).get(BASELINE, {})
    lines = []
    for row in (row for method in plan.methods for row in rows if row.method == method):
        points = top_three(row.search.fitness)
        known = [value for value in row.search.fitness if value is not None]
        test = statistics.fmean(row.test)
        other = baseline.get(row.seed) if row.method != BASELINE else None
        lines.append(
            [
                f"`{row.method}`",
                str(row.seed),
                f"{max(known):.1f}" if known else "",
                f"{points[-1][1]:.1f}" if points else "",
                f"{statistics.fmean(row.validation):.1f}" if row.validation else "",
                f"{test:.1f}",
                "" if other is None else f"{test - other:+.1f}",
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
            ]
        )
    return markdown_table(header, lines)


def _tests(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> dict[str, dict[int, float]]:
    """Return the mean test accuracy of the trainings afresh by method and seed."""
    return {
        method: {row.seed: statistics.fmean(row.test) for row in rows if row.method == method}
        for method in plan.methods
    }


def figure4_chart(plan: Figure4Plan, rows: Sequence[Figure4Row]) -> str:
    """Return the curves of the mean of the top three as SVG: means and ranges over the seeds.

    A method has the same colour with inherited weights (solid line) and without (dashed line).
    """
    colors = list(dict.fromkeys(method.removesuffix(_INHERIT) for method in plan.methods))
    lines = []
    for method in plan.methods:
        curves = [top_three(row.search.fitness) for row in rows if row.method == method]
        if not curves or not all(curves):
            continue
        numbers = sorted(set.intersection(*({x for x, _ in curve} for curve in curves)))
        values = {x: [dict(curve)[x] for curve in curves] for x in numbers}
        lines.append(
            Line(
                method,
                [(x, statistics.fmean(values[x])) for x in numbers],
                band=[(x, min(values[x]), max(values[x])) for x in numbers],
                color=colors.index(method.removesuffix(_INHERIT)),
                dashed=not method.endswith(_INHERIT),
            )
        )
    return plot(
        lines,
        title="Mean fitness of the top three over the candidates, by method",
        x=Axis("candidates so far", whole=True),
        y=Axis("fitness: top-1 + top-5, %"),
    )
