"""The study `table3`: evolved and hand-designed networks, trained alike (Table 3).

Rows are the small examples, Table 4's graph among them, and the results of searches. A row has
several replicates, numbered by seed: of an example, trainings with different seeds; of a search,
searches with different seeds, each of which chooses a network as in `figure4`. Searches are limited
to the parameters of the largest example.

Every network gets the best of the same learning rates, chosen on the validation split with a seed
of its own. Then it is trained for the short and for the long budget and evaluated on the test
split. Rows are compared with the row of the evolved network, seed by seed.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from anetc.study.figure4 import Figure4Plan, choose, measure, search_plan
from anetc.study.networks import StudyNetwork
from anetc.study.searches import run_search
from anetc.study.trainings import Case, Training, Trainings
from anetdsl.confidence import mean_interval, paired_difference
from anetdsl.evolve.contract import TrialJob, TrialResult
from anetdsl.result_tables import interval_text, markdown_table, p_text

EVOLVED = "guided+inherit"
"""The row that the others are compared with."""
SEARCHES = (EVOLVED, "random", "oneshot", "guided+inherit, 2 stems", "guided+inherit, 4 stems")
RATES = (0.05, 0.1, 0.2, 0.4)
_STEMS: dict[str, tuple[int, ...]] = {"2 stems": (2,), "4 stems": (4,)}


@attrs.frozen(kw_only=True)
class Table3Plan(Figure4Plan):
    """Networks, budgets and learning rates of the study. `final_iterations` is the short budget."""

    methods: tuple[str, ...] = SEARCHES
    examples: tuple[str, ...] = ()
    """Names of the examples."""
    rates: tuple[float, ...] = RATES
    long_iterations: int = 4000
    """Steps of a training near convergence; 0 for none."""


@attrs.frozen
class Table3Row:
    """A replicate of a row."""

    row: str
    seed: int
    network: str
    rate: float
    parameters: int
    multiply_adds: int
    short: tuple[float, float]
    """Validation and test top-1 after the short budget, in per cent."""
    long: tuple[float, float] | None
    """The same after the long budget."""


def table3_cases(
    plan: Table3Plan, examples: Sequence[StudyNetwork], results: Path
) -> Iterator[Case[Table3Row]]:
    """Yield the cases, seed by seed: the evolved network, the examples, the other searches."""
    first, *others = plan.methods or ("",)
    for seed in range(1, plan.seeds + 1):
        if first:
            yield _case(plan, first, seed, functools.partial(_searched, plan, results, first, seed))
        for network in examples:
            yield _case(plan, network.name, seed, functools.partial(_given, network))
        for row in others:
            yield _case(plan, row, seed, functools.partial(_searched, plan, results, row, seed))


def _case(plan: Table3Plan, row: str, seed: int, network_of: Any) -> Case[Table3Row]:
    return Case(f"{row}, seed {seed}", functools.partial(_row, plan, row, seed, network_of))


def _given(network: StudyNetwork, _trainings: Trainings) -> StudyNetwork:
    return network


def _searched(
    plan: Table3Plan, results: Path, row: str, seed: int, trainings: Trainings
) -> StudyNetwork:
    """Return the chosen network of a search."""
    method, _, stems = row.partition(", ")
    search = search_plan(plan, method, seed, **({"stems": _STEMS[stems]} if stems else {}))
    found = run_search(search, results, trainings)
    return choose(plan, found.best, trainings)


def _row(plan: Table3Plan, row: str, seed: int, network_of: Any, trainings: Trainings) -> Table3Row:
    network: StudyNetwork = network_of(trainings)

    def train(rate: float, iterations: int, number: int, *, test: bool = False) -> TrialResult:
        settings = {**plan.training(), "learning_rate": rate, "iterations": iterations}
        job = TrialJob(data=plan.data, settings={**settings, "seed": number})
        name = f"afresh-{iterations}-{number}"
        return trainings.run(Training(name, network.text, job, test))

    # The seed 0 is that of the choice, so that the reported trainings are independent of it.
    found = [(train(rate, plan.final_iterations, 0).fitness or 0.0, rate) for rate in plan.rates]
    rate = max(found)[1]
    short = train(rate, plan.final_iterations, seed, test=True)
    long = None
    if plan.long_iterations:
        trained = train(rate, plan.long_iterations, seed, test=True)
        long = (measure(trained, "top1"), measure(trained, "test_top1"))
    return Table3Row(
        row,
        seed,
        network.name,
        rate,
        short.parameters or 0,
        short.multiply_adds or 0,
        (measure(short, "top1"), measure(short, "test_top1")),
        long,
    )


def table3_table(plan: Table3Plan, rows: Sequence[Table3Row]) -> str:
    """Return the rows as Markdown: mean top-1 over seeds with 95 % intervals, the best row first.

    The last columns compare the evolved row with each other one on the test split, in pairs of
    equal seeds: after the long budget if there is one, else after the short one.
    """
    names = list(dict.fromkeys(row.row for row in rows))
    own = {name: [row for row in rows if row.row == name] for name in names}
    ordered = sorted(names, key=lambda name: -statistics.fmean(_final(row) for row in own[name]))
    budgets = [plan.final_iterations, *([plan.long_iterations] if plan.long_iterations else [])]
    header = [
        *("network", "seeds", "parameters", "multiply-adds", "learning rates"),
        *(f"test top-1, {steps} steps" for steps in budgets),
        *(f"`{EVOLVED}` - this", "p"),
    ]
    lines = [[f"`{name}`", *_cells(plan, own[name], own.get(EVOLVED, []))] for name in ordered]
    return markdown_table(header, lines)


def _final(row: Table3Row) -> float:
    return (row.short if row.long is None else row.long)[1]


def _cells(plan: Table3Plan, rows: Sequence[Table3Row], evolved: Sequence[Table3Row]) -> list[str]:
    long = [row.long[1] for row in rows if row.long is not None]
    rates = sorted({row.rate for row in rows})
    cells = [
        str(len(rows)),
        f"{statistics.fmean(row.parameters for row in rows):,.0f}",
        f"{statistics.fmean(row.multiply_adds for row in rows):,.0f}",
        ", ".join(f"{rate:g}" for rate in rates),
        interval_text(mean_interval([row.short[1] for row in rows])),
        *([interval_text(mean_interval(long)) if long else ""] if plan.long_iterations else []),
    ]
    by_seed = {row.seed: _final(row) for row in rows}
    pairs = [(_final(row), by_seed[row.seed]) for row in evolved if row.seed in by_seed]
    if not pairs or rows[0].row == EVOLVED:
        return [*cells, "", ""]
    compared = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    return [*cells, interval_text(compared.difference, signed=True), p_text(compared.p)]
