"""The study `table3`: evolved and hand-designed networks, trained alike (Table 3).

Rows are the small examples, Table 4's graph among them, and the results of searches. A row has
several replicates, numbered by seed: of an example, trainings with different seeds; of a search,
searches with different seeds, each of which chooses a network as in `figure4`, or with `one_search`
trainings of the network of the first one. Searches are limited to the parameters of the largest
example.

Every network gets the best of the same learning rates, chosen on the validation split by the mean
of several trainings with seeds of their own. Then it is trained for the short budget, and for the
long one, and evaluated on the test split. Rows are compared with the row of the evolved network at
equal budget, seed by seed.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from anetc.study.comparison import (
    Comparison,
    ComparisonPlan,
    Values,
    accuracies,
    accuracy_cells,
    choice,
    choose,
    compare_rows,
    comparison_cells,
    fitness_of,
    reported,
    search_plan,
)
from anetc.study.networks import StudyNetwork
from anetc.study.searches import run_search
from anetc.study.trainings import Case, TrainingFailed, Trainings
from anetdsl.confidence import mean_interval
from anetdsl.report.charts import Axis, Dot, Dots, plot
from anetdsl.result_tables import interval_text, markdown_table

EVOLVED = "guided+inherit"
"""The row that the others are compared with."""
SEARCHES = (EVOLVED, "random", "oneshot", "guided+inherit, 2 stems", "guided+inherit, 4 stems")
RATES = (0.05, 0.1, 0.2, 0.4)
_STEMS: dict[str, tuple[int, ...]] = {"2 stems": (2,), "4 stems": (4,)}


@attrs.frozen(kw_only=True)
class Table3Plan(ComparisonPlan):
    """Networks, budgets and learning rates of the study. `final_iterations` is the short budget."""

    methods: tuple[str, ...] = SEARCHES
    examples: tuple[str, ...] = ()
    """Names of the examples."""
    rates: tuple[float, ...] = RATES
    rate_seeds: int = 3
    """Number of trainings with each rate, by whose mean fitness a rate is chosen."""
    long_iterations: int = 4000
    """Steps of a training near convergence; 0 for none."""
    long_seeds: int | None = None
    """Number of seeds, from the first, with such a training; None for all."""
    one_search: bool = False
    """True for one search of each method, whose network is trained with all seeds."""


@attrs.frozen
class Table3Row:
    """A replicate of a row."""

    row: str
    seed: int
    rate: float
    parameters: int
    multiply_adds: int
    short: float
    """Test top-1 after the short budget, in per cent."""
    long: float | None
    """The same after the long budget; None if there is none, or not yet."""


def table3_cases(
    plan: Table3Plan, examples: Sequence[StudyNetwork], results: Path
) -> Iterator[Case[Table3Row]]:
    """Yield the cases, seed by seed: the first search, the examples, the other searches.

    The short budget of all seeds comes first. The cases of the long budget give the same rows
    again, with their long training: pass all of them to `whole_rows`.
    """
    first, *others = plan.methods or (None,)
    long_seeds = (plan.long_seeds or plan.seeds) if plan.long_iterations else 0
    for long, seeds in ((False, plan.search_seeds), (True, plan.search_seeds[:long_seeds])):
        for seed in seeds:
            if first:
                yield _case(plan, first, seed, long, results)
            for network in examples:
                yield _case(plan, network.name, seed, long, network)
            for row in others:
                yield _case(plan, row, seed, long, results)


def _case(
    plan: Table3Plan, row: str, seed: int, long: bool, source: Path | StudyNetwork
) -> Case[Table3Row]:
    """Return the case of a network, or of a search with its results in a folder."""
    name = f"{row}, seed {seed}" + (f", {plan.long_iterations} steps" if long else "")
    if isinstance(source, StudyNetwork):
        return Case(name, functools.partial(_row, plan, row, seed, long, source))
    return Case(name, functools.partial(_searched_row, plan, row, seed, long, source))


def whole_rows(rows: Sequence[Table3Row]) -> list[Table3Row]:
    """Return each replicate once, with its long training if there is one."""
    whole = {(row.row, row.seed): row for row in rows if row.long is not None}
    return [whole.get(key, row) for key, row in {(row.row, row.seed): row for row in rows}.items()]


def _searched_row(
    plan: Table3Plan, row: str, seed: int, long: bool, results: Path, trainings: Trainings
) -> Table3Row:
    method, _, stems = row.partition(", ")
    changes = {"stems": _STEMS[stems]} if stems else {}
    search = search_plan(plan, method, plan.first_seed if plan.one_search else seed, **changes)
    found = run_search(search, results, trainings)
    return _row(plan, row, seed, long, choose(plan, found.best, trainings), trainings)


def _row(
    plan: Table3Plan, row: str, seed: int, long: bool, network: StudyNetwork, trainings: Trainings
) -> Table3Row:
    def fitness(rate: float) -> float:
        tried = (choice(plan, network, n, learning_rate=rate) for n in range(plan.rate_seeds))
        return statistics.fmean(fitness_of(training, trainings) for training in tried)

    def test(iterations: int) -> float:
        training = reported(plan, network, seed, iterations, learning_rate=rate)
        return accuracies(training, trainings)[1]

    best, rate = max((fitness(rate), rate) for rate in plan.rates)
    if best == -math.inf:
        raise TrainingFailed(f"{row}: trainings with each of the learning rates diverged")
    known = trainings.run(choice(plan, network, learning_rate=rate))
    return Table3Row(
        row,
        seed,
        rate,
        known.parameters or 0,
        known.multiply_adds or 0,
        test(plan.final_iterations),
        test(plan.long_iterations) if long else None,
    )


def table3_table(plan: Table3Plan, rows: Sequence[Table3Row]) -> str:
    """Return the rows as Markdown: mean top-1 over seeds with 95 % intervals, the best row first.

    At each budget the evolved row is compared with each other one on the test split, in pairs of
    equal seeds. Holm's correction is for the number of comparisons at that budget. With
    `one_search` a note below the table says what the intervals are about.
    """
    own = _by_row(rows)
    short = {name: {row.seed: row.short for row in own[name]} for name in own}
    long = {name: {row.seed: row.long for row in own[name] if row.long is not None} for name in own}
    short_differences, long_differences = _to_evolved(short), _to_evolved(long)
    header = ["network", "parameters", "multiply-adds", "learning rates"]
    for steps in _budgets(plan):
        header += ["seeds", f"test top-1, {steps} steps", f"`{EVOLVED}` - this", "p", "p (Holm)"]
    lines = []
    for name in own:
        line = [
            f"`{name}`",
            f"{statistics.fmean(row.parameters for row in own[name]):,.0f}",
            f"{statistics.fmean(row.multiply_adds for row in own[name]):,.0f}",
            ", ".join(f"{rate:g}" for rate in sorted({row.rate for row in own[name]})),
            str(len(own[name])),
            interval_text(mean_interval(list(short[name].values()))),
            *comparison_cells(short_differences.get(name)),
        ]
        if plan.long_iterations:
            values = list(long[name].values())
            line += [
                str(len(values)),
                interval_text(mean_interval(values)) if values else "",
                *comparison_cells(long_differences.get(name)),
            ]
        lines.append(line)
    return markdown_table(header, lines) + _note(plan)


def _note(plan: Table3Plan) -> str:
    """Return the note below a table with `one_search`."""
    if not (plan.one_search and plan.methods):
        return ""
    return (
        "\nThe row of a search method is one search, whose network is trained with each seed. So\n"
        "intervals and p-values are about this network, and not about other searches.\n"
    )


def table3_by_seed(plan: Table3Plan, rows: Sequence[Table3Row]) -> str:
    """Return each replicate as Markdown, the best row first and its seeds in turn.

    A difference is that of the evolved network with the same seed.
    """
    own = _by_row(rows)
    evolved = {row.seed: row for row in own.get(EVOLVED, ())}
    header = ["network", "seed", "parameters", "multiply-adds", "learning rate"]
    for steps in _budgets(plan):
        header += [f"test top-1, {steps} steps", f"`{EVOLVED}` - this"]
    lines = []
    for row in (row for name in own for row in own[name]):
        other = evolved.get(row.seed) if row.row != EVOLVED else None
        line = [
            f"`{row.row}`",
            str(row.seed),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
            f"{row.rate:g}",
            *accuracy_cells(row.short, other.short if other else None),
        ]
        if plan.long_iterations:
            line += accuracy_cells(row.long, other.long if other else None)
        lines.append(line)
    return markdown_table(header, lines) + _note(plan)


def _budgets(plan: Table3Plan) -> list[int]:
    return [steps for steps in (plan.final_iterations, plan.long_iterations) if steps]


def _by_row(rows: Sequence[Table3Row]) -> dict[str, list[Table3Row]]:
    """Return the replicates by row, the row with the highest mean of the short budget first."""
    names = dict.fromkeys(row.row for row in rows)
    own = {name: [row for row in rows if row.row == name] for name in names}
    return dict(sorted(own.items(), key=lambda one: -statistics.fmean(r.short for r in one[1])))


def _to_evolved(values: Mapping[str, Values]) -> dict[str, Comparison]:
    """Return the differences of the evolved row to each other one."""
    evolved = values.get(EVOLVED, {})
    return compare_rows({name: (evolved, own) for name, own in values.items() if name != EVOLVED})


def table3_chart(plan: Table3Plan, rows: Sequence[Table3Row]) -> str:
    """Return test top-1 after the short budget over multiply-adds as SVG.

    A dot is the mean of a row over its seeds; whiskers are 95 % intervals.
    """
    series: dict[str, list[Dot]] = {"searched": [], "examples": []}
    for name, own in _by_row(rows).items():
        mean = mean_interval([row.short for row in own])
        dot = Dot(
            statistics.fmean(row.multiply_adds for row in own) / 1e6,
            mean.mean,
            name.removeprefix("small_"),
            labelled=True,
            error=None if mean.high is None else mean.high - mean.mean,
        )
        series["examples" if name in plan.examples else "searched"].append(dot)
    return plot(
        [Dots(name, dots) for name, dots in series.items() if dots],
        title=f"Test accuracy after {plan.final_iterations} steps over multiply-adds",
        x=Axis("multiply-adds of a clip, millions"),
        y=Axis("test top-1, %", low=0, high=100),
        height=440,
    )
