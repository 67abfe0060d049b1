"""The steps of `anetc study`: its folder, its plan, its rows and its tables.

The progress is on standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.study.networks import StudyNetwork
    from anetc.study.results_folder import ResultsFolder
    from anetc.study.trainings import Case, Finished

T = TypeVar("T")

_WITH_FROM = ("source", "picture", "by_seed")
"""Options that can be given with --from."""


def open_folder(out: str | None, source: str | None) -> ResultsFolder:
    """Return the folder of --out or --from.

    Raise CannotRun unless one of them is given, and for --from with an option of a plan.
    """
    from anetc.study.results_folder import ResultsFolder

    if (out is None) == (source is None):
        raise CannotRun("give --out to train, or --from to make tables; not both")
    if source is None:
        return ResultsFolder(Path(str(out)))
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(str(option.name))
        if given is click.core.ParameterSource.COMMANDLINE and option.name not in _WITH_FROM:
            raise CannotRun(
                f"{option.opts[0]}: --from makes the tables of the stored plan; leave it out"
            )
    return ResultsFolder(Path(source))


def begin_study(
    folder: ResultsFolder,
    study: str,
    plan: Any,
    networks: Sequence[StudyNetwork],
    data: str,
    recipe: Mapping[str, Any],
) -> list[StudyNetwork]:
    """Write the plan of a study, with a record of the data; return the networks to use.

    Warn of missing flow, of rows of the study so far that the plan lacks, and of networks that have
    changed since the study began.
    """
    from anetc.study.results_folder import left_out, write_plan
    from anetc.study.study_data import videos_of_study

    _warn_of_missing_flow(data, recipe)
    gone = left_out(folder, study, plan)
    used = write_plan(folder, study, plan, networks, videos_of_study(data, recipe))
    if gone:
        names = visible("; ".join(gone))
        click.echo(
            f"warning: the tables leave out {names}; their results stay in the folder, and a "
            "command that names them again shows them",
            err=True,
        )
    for old, new in zip(used, networks, strict=True):
        if old.text != new.text:
            kept = folder.networks / f"{old.name}.anet"
            click.echo(f"warning: {old.name} has changed; the study uses {kept}", err=True)
    return used


def _warn_of_missing_flow(data: str, recipe: Mapping[str, Any]) -> None:
    """Warn if the trainings of a study would compute optical flow again for each clip."""
    from anetc.trial.search_data import missing_flow_line

    line = missing_flow_line({"data": data, "recipe": recipe})
    if line is not None:
        click.echo(f"warning: {visible(line)}", err=True)


def study_rows(
    cases: Sequence[Case[T]], folder: ResultsFolder, executor: str | None, data: str | None
) -> list[T]:
    """Compute the cases, or, without an executor, look them up; return their rows in order."""
    from anetc.study.study_data import whole_path
    from anetc.study.trainings import known_cases, run_cases
    from anetdsl.evolve.workers.executors import open_workers

    if executor is None:
        rows = _collect(known_cases(cases, folder.trainings), len(cases), report=False)
    else:
        searches = "threads:1" if executor.startswith("threads:") else executor
        with open_workers(executor) as workers:
            finished = run_cases(cases, folder.trainings, workers, searches, whole_path(data))
            rows = _collect(finished, len(cases), report=True)
    return [rows[case.name] for case in cases if case.name in rows]


def _collect(finished: Iterable[Finished[T]], total: int, *, report: bool) -> dict[str, T]:
    """Return the rows by the name of their case; report problems, and the progress if wanted."""
    rows = {}
    for number, end in enumerate(finished, 1):
        if end.row is not None:
            rows[end.case.name] = end.row
        if end.problem:
            click.echo(f"warning: {visible(end.problem)}", err=True)
        elif report:
            click.echo(f"{number} of {total}: {visible(end.case.name)}", err=True)
    if len(rows) < total:
        click.echo(f"{len(rows)} of {total} cases have results", err=True)
    return rows


def show_rows(
    plan: Any,
    rows: Sequence[Any],
    table: Callable[[Any, Sequence[Any]], str],
    picture: str | None,
    chart: Callable[[Any, Sequence[Any]], str],
) -> None:
    """Print the table of a study, and draw its picture if it is wanted; nothing without rows."""
    if rows:
        click.echo(table(plan, rows), nl=False)
        if picture is not None:
            write_atomically(picture, chart(plan, rows))
