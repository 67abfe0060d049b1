"""`anetc study`: the studies of docs/study.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.options import SizeType
from anetc.cli.study_steps import begin_study, open_folder, show_rows, study_rows
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.study.networks import StudyNetwork

_out = click.option("--out", metavar="RESULTS", help="Folder of results; finished ones are kept.")
_from = click.option(
    "--from",
    "source",
    metavar="RESULTS",
    help="Make the tables from the results of a folder, without training.",
)
_executor = click.option(
    "--executor",
    metavar="threads:N|dask:ADDRESS",
    default="threads:1",
    show_default=True,
    help="Where trainings run, and how many at a time.",
)
_by_seed = click.option(
    "--by-seed", is_flag=True, help="Print each seed on a line of its own, in place of means."
)
_level = click.option(
    "--level",
    type=click.IntRange(1, 3),
    default=2,
    show_default=True,
    help="Level of the data set `motion`.",
)
_data = click.option("--data", metavar="DATA", help="Data in place of `motion`.")
_examples = click.option(
    "--examples",
    metavar="DIR",
    default="examples",
    show_default=True,
    help="Folder of the example networks of this project.",
)


@click.group("study")
def command() -> None:
    """Measure the method: trainings whose small results are kept, and tables made from them.

    A study that was stopped continues with the same command: a training whose result is in RESULTS
    is not repeated. The most informative trainings come first.
    """


_NO_SEARCH = "none"
"""`--method none`: rows of examples only."""
_MOST_SEEDS = 100
"""Last seed; trainings that choose a network or a rate have others (anetc.study.comparison)."""

_seeds = click.option(
    "--seeds",
    type=click.IntRange(1, _MOST_SEEDS),
    help="Number of seeds: 3 by default, for the studies of searches 5.",
)
_budget = [
    click.option("--iterations", type=click.IntRange(1), help="Steps of a trial, 100 by default."),
    click.option("--batch", type=click.IntRange(1), help="Clips of a step, 16 by default."),
    click.option("--learning-rate", type=click.FloatRange(0), help="Peak rate, 0.2 by default."),
]
_search = [
    click.option(
        "--method",
        "methods",
        multiple=True,
        metavar="NAME",
        help="Search method of a row, such as guided+inherit, or `none`; may be repeated.",
    ),
    click.option(
        "--first-seed",
        type=click.IntRange(1, _MOST_SEEDS),
        help="First of the seeds of searches, 1 by default.",
    ),
    click.option("--candidates", type=click.IntRange(1), help="Candidates, 36 by default."),
    click.option("--population", type=click.IntRange(1), help="Members, 8 by default."),
    click.option("--edge-rate", type=click.FloatRange(0), help="As for train; 4 by default."),
    click.option("--edge-optimiser", type=click.Choice(["sgd", "normalised", "adam"])),
    click.option(
        "--final-iterations",
        type=click.IntRange(1),
        help="Training steps of a network that is trained afresh, 600 by default.",
    ),
    click.option(
        "--search-data",
        metavar="DATA",
        help="The same data with other splits, for the searches; those of --data by default.",
    ),
    click.option(
        "--folds",
        type=click.Choice(["one", "all"]),
        help="Folds of --data on which networks and rates are chosen; one by default.",
    ),
    click.option("--frames", type=click.IntRange(1), help="Frames of a clip."),
    click.option(
        "--size", type=SizeType(), metavar="S|HxW", help="Height and width of a clip, in pixels."
    ),
    click.option("--picture", metavar="SVG", help="Draw a picture of the results into this file."),
]


def _options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Return a decorator that adds options to a command, in their order."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@command.command("edges")
@_out
@_from
@_level
@_data
@_examples
@_seeds
@click.option("--random", type=click.IntRange(0), help="Number of random networks, 4 by default.")
@click.option(
    "--network", "networks", multiple=True, metavar="NAME", help="Example to use; may be repeated."
)
@click.option(
    "--setting", "settings", multiple=True, metavar="NAME=VALUE,...", help="Setting to try."
)
@_options(_budget)
@_executor
def edges(
    out: str | None,
    source: str | None,
    level: int,
    data: str | None,
    examples: str,
    networks: tuple[str, ...],
    settings: tuple[str, ...],
    executor: str,
    **options: Any,
) -> None:
    """Measure whether learned edge weights mark the edges that matter.

    For each --setting of the training of edge weights: networks learn edge weights; the half of
    the edges with the highest weights, a random half and the half with the lowest weights are
    kept; the three networks are trained afresh.
    """
    from anetc.study.edges import (
        EXAMPLES,
        EdgesPlan,
        by_network_table,
        edges_cases,
        edges_table,
        learned_cases,
        read_setting,
    )
    from anetc.study.networks import random_network_of, small_examples
    from anetc.study.results_folder import read_plan
    from anetc.study.study_data import space_of
    from anetc.study.trainings import known_cases

    folder = open_folder(out, source)
    if source is not None:
        plan, given = read_plan(folder, "edges", EdgesPlan)
    else:
        given_data = data or f"motion:level={level}"
        space, name = space_of(given_data, {})
        known = small_examples(Path(examples), space)
        chosen = _chosen(networks or EXAMPLES, known, examples)
        changes = _given(options, settings=settings)
        plan = EdgesPlan(data=name, examples=chosen, **changes)
        for setting in plan.settings:
            read_setting(setting)
        given = [
            *(known[network] for network in chosen),
            *(random_network_of(space, seed) for seed in range(plan.random)),
        ]
        given = begin_study(folder, "edges", plan, given, given_data, {})
    rows = study_rows(list(edges_cases(plan, given)), folder, None if source else executor, data)
    if rows:
        learned = [
            end.row
            for end in known_cases(list(learned_cases(plan, given)), folder.trainings)
            if end.row is not None
        ]
        click.echo(edges_table(plan, rows, learned))
        click.echo(by_network_table(rows), nl=False)


@command.command("figure4")
@_out
@_from
@_by_seed
@_level
@_data
@_examples
@_seeds
@_options(_search)
@click.option(
    "--final-seeds", type=click.IntRange(1, _MOST_SEEDS), help="Trainings afresh, 2 by default."
)
@_options(_budget)
@_executor
def figure4(
    out: str | None,
    source: str | None,
    by_seed: bool,
    level: int,
    data: str | None,
    examples: str,
    methods: tuple[str, ...],
    picture: str | None,
    executor: str,
    **options: Any,
) -> None:
    """Compare search methods: guided, standard, random, aging; with and without inheritance.

    A --method is a method of `anetc evolve`, with +inherit if children start from their parents'
    weights. Each search's best network is trained afresh and tested. No candidate has more
    parameters than the largest example.
    """
    from anetc.study.comparison import recipe_of
    from anetc.study.figure4 import (
        FIGURE4_METHODS,
        Figure4Plan,
        figure4_by_seed,
        figure4_cases,
        figure4_chart,
        figure4_tables,
    )
    from anetc.study.networks import largest, small_examples
    from anetc.study.results_folder import read_plan
    from anetc.study.study_data import check_comparison, space_of, with_search_data

    folder = open_folder(out, source)
    _check_methods(methods, FIGURE4_METHODS)
    if source is not None:
        plan, _ = read_plan(folder, "figure4", Figure4Plan)
    else:
        given_data = data or f"motion:level={level}"
        space, name = space_of(given_data, recipe_of(options["frames"], options["size"]))
        most = largest(small_examples(Path(examples), space).values())
        changes = _given(with_search_data(options, data), methods=methods)
        plan = Figure4Plan(data=name, max_params=most, **changes)
        check_comparison(plan, given_data)
        begin_study(folder, "figure4", plan, (), given_data, plan.recipe)
    rows = study_rows(
        list(figure4_cases(plan, folder.path)), folder, None if source else executor, data
    )
    table = figure4_by_seed if by_seed else figure4_tables
    show_rows(plan, rows, table, picture, figure4_chart)


@command.command("table3")
@_out
@_from
@_by_seed
@_level
@_data
@_examples
@_seeds
@click.option(
    "--network", "networks", multiple=True, metavar="NAME", help="Example to use; may be repeated."
)
@click.option("--rate", "rates", multiple=True, type=click.FloatRange(0), help="Rate to try.")
@click.option(
    "--rate-seeds",
    type=click.IntRange(1),
    help="Trainings with each rate, 3 by default.",
)
@click.option("--long-iterations", type=click.IntRange(0), help="Long budget, 4000 by default.")
@click.option(
    "--long-seeds", type=click.IntRange(1), help="Seeds with the long budget, all by default."
)
@click.option(
    "--one-search",
    is_flag=True,
    help="One search of each method, whose network is trained with all seeds.",
)
@_options(_search)
@_options(_budget)
@_executor
def table3(
    out: str | None,
    source: str | None,
    by_seed: bool,
    level: int,
    data: str | None,
    examples: str,
    networks: tuple[str, ...],
    methods: tuple[str, ...],
    rates: tuple[float, ...],
    picture: str | None,
    executor: str,
    **options: Any,
) -> None:
    """Compare evolved networks with hand-designed ones, each with the best of the same rates."""
    from anetc.study.comparison import recipe_of
    from anetc.study.networks import largest, small_examples
    from anetc.study.results_folder import read_plan
    from anetc.study.searches import METHODS
    from anetc.study.study_data import check_comparison, space_of, with_search_data
    from anetc.study.table3 import (
        SEARCHES,
        Table3Plan,
        table3_by_seed,
        table3_cases,
        table3_chart,
        table3_table,
        whole_rows,
    )

    folder = open_folder(out, source)
    known_rows = (*METHODS, *(row for row in SEARCHES if row not in METHODS))
    if set(methods) != {_NO_SEARCH}:
        _check_methods(methods, known_rows, f"; or {_NO_SEARCH} alone")
    if source is not None:
        plan, given = read_plan(folder, "table3", Table3Plan)
    else:
        given_data = data or f"motion:level={level}"
        space, name = space_of(given_data, recipe_of(options["frames"], options["size"]))
        known = small_examples(Path(examples), space)
        chosen = _chosen(networks or tuple(known), known, examples)
        given = [known[network] for network in chosen]
        changes = _given(with_search_data(options, data), methods=methods, rates=rates)
        if set(methods) == {_NO_SEARCH}:
            changes["methods"] = ()
        plan = Table3Plan(data=name, examples=chosen, max_params=largest(known.values()), **changes)
        check_comparison(plan, given_data)
        given = begin_study(folder, "table3", plan, given, given_data, plan.recipe)
    cases = list(table3_cases(plan, given, folder.path))
    rows = whole_rows(study_rows(cases, folder, None if source else executor, data))
    table = table3_by_seed if by_seed else table3_table
    show_rows(plan, rows, table, picture, table3_chart)


@command.command("cost")
@click.argument("file")
@click.option(
    "--tflops",
    type=click.FloatRange(0, min_open=True),
    default=100.0,
    show_default=True,
    help="Speed that training sustains on a GPU, in 10^12 operations a second.",
)
def cost(file: str, tflops: float) -> None:
    """Print what the paper's search and trainings cost with the network in FILE."""
    from anetc.cli.network_input import check_path, require_network
    from anetc.study.costs import cost_table

    if not math.isfinite(tflops):
        raise click.BadParameter("must be a finite number.", param_hint="'--tflops'")
    network = require_network(check_path(file))
    click.echo(cost_table(network, tflops), nl=False)


def _given(options: dict[str, Any], **lists: tuple[Any, ...]) -> dict[str, Any]:
    """Return the options that were given, for a plan."""
    values = {name: value for name, value in options.items() if value is not None}
    return {
        **values,
        **{name: tuple(dict.fromkeys(value)) for name, value in lists.items() if value},
    }


def _chosen(
    wanted: tuple[str, ...], known: Mapping[str, StudyNetwork], examples: str
) -> tuple[str, ...]:
    """Return the names of the wanted examples. Raise CannotRun if one is not among the known."""
    for name in wanted:
        if name not in known:
            raise CannotRun(f"--network {name}: {examples} has {', '.join(known)}")
    return tuple(dict.fromkeys(wanted))


def _check_methods(methods: Sequence[str], known: Sequence[str], other: str = "") -> None:
    for method in methods:
        if method not in known:
            raise CannotRun(f"--method {method}: use one of {'; '.join(known)}{other}")
