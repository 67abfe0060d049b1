"""`anetc study`: the studies of docs/study.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.study.trainings import Finished

T = TypeVar("T")

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


@command.command("edges")
@_out
@_from
@_level
@_data
@_examples
@click.option("--seeds", type=click.IntRange(1), help="Number of seeds, 3 by default.")
@click.option("--random", type=click.IntRange(0), help="Number of random networks, 4 by default.")
@click.option(
    "--network", "networks", multiple=True, metavar="NAME", help="Example to use; may be repeated."
)
@click.option(
    "--setting", "settings", multiple=True, metavar="NAME=VALUE,...", help="Setting to try."
)
@click.option("--iterations", type=click.IntRange(1), help="Steps of a training, 100 by default.")
@click.option("--batch", type=click.IntRange(1), help="Clips of a step, 16 by default.")
@click.option("--learning-rate", type=click.FloatRange(0), help="Peak rate, 0.2 by default.")
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
        read_setting,
    )
    from anetc.study.networks import random_network_of, small_examples
    from anetc.study.results_folder import ResultsFolder, read_plan, write_plan
    from anetc.study.trainings import known_cases, run_cases
    from anetdsl.evolve.workers.executors import check_workers, open_workers

    check_workers(executor)

    folder = ResultsFolder(Path(_folder(out, source)))
    if source is not None:
        plan, given = read_plan(folder, "edges", EdgesPlan)
        cases = list(edges_cases(plan, given))
        found = _collect(known_cases(cases, folder.trainings), len(cases))
    else:
        space, name = _space(data or f"motion:level={level}")
        known = small_examples(Path(examples), space)
        chosen = networks or EXAMPLES
        if missing := [network for network in chosen if network not in known]:
            raise CannotRun(f"--network {missing[0]}: {examples} has {', '.join(known)}")
        changes = {name: value for name, value in options.items() if value is not None}
        if settings:
            changes["settings"] = settings
        plan = EdgesPlan(data=name, examples=chosen, **changes)
        for setting in plan.settings:
            read_setting(setting)
        given = [
            *(known[network] for network in chosen),
            *(random_network_of(space, seed) for seed in range(plan.random)),
        ]
        write_plan(folder, "edges", plan, given)
        cases = list(edges_cases(plan, given))
        with open_workers(executor) as workers:
            finished = run_cases(cases, folder.trainings, workers)
            found = _collect(finished, len(cases), report=True)
    rows = dict(found)
    ordered = [rows[case.name] for case in cases if case.name in rows]
    click.echo(edges_table(plan, ordered))
    click.echo(by_network_table(ordered), nl=False)


def _folder(out: str | None, source: str | None) -> str:
    if (out is None) == (source is None):
        raise CannotRun("give --out to train, or --from to make tables; not both")
    return out if out is not None else str(source)


def _space(data: str) -> tuple[Any, str]:
    """Return the small space with the classes of the data, and the data with a full path."""
    from anetc.api.search_settings import Options, new_settings, with_data

    settings = new_settings("small", None, Options(data, None, {}, {}, {}, {}, {}))
    whole = with_data(settings)
    return whole.search.space, whole.trial["data"]


def _collect(
    finished: Iterable[Finished[T]], total: int, *, report: bool = False
) -> list[tuple[str, T]]:
    """Return the rows by the name of their case; report problems, and the progress if wanted."""
    rows = []
    for number, end in enumerate(finished, 1):
        if end.row is not None:
            rows.append((end.case.name, end.row))
        if end.problem:
            click.echo(f"warning: {visible(end.problem)}", err=True)
        elif report:
            click.echo(f"{number} of {total}: {visible(end.case.name)}", err=True)
    if len(rows) < total:
        click.echo(f"{len(rows)} of {total} cases have results", err=True)
    return rows
