"""`anetc evolve`: search for a network that does well on a data set."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.options import SizeType
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.cli.evolve_screen import Show
    from anetdsl.evolve.drive.driver import Driver, Rules
    from anetdsl.evolve.drive.run_dir import RunDir

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_SECONDS = 0.25
_SEARCH = ("method", "seed", "rounds", "population", "order", "window")
_RUNNING = ("executor", "gpus", "timeout", "retries", "inherit", "halving", "keep_all_weights")
_MAY_CHANGE = ("executor", "gpus", "timeout", "retries", "keep_all_weights")
"""What `--resume` may be given: how trials run, not what is searched for."""


@click.command("evolve")
@click.option("--data", metavar="DATA", help="A folder, a file, or `motion`.")
@click.option("--format", "format_", metavar="FORMAT", help="What --data is, if that is not plain.")
@click.option("--out", metavar="RUN", help="The folder to make for the search.")
@click.option("--resume", metavar="RUN", help="Go on with a search that was stopped or killed.")
@click.option("--status", metavar="RUN", help="Say how far a search is.")
@click.option("--rebuild", metavar="RUN", help="Make RUN/search.db anew from the other files.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "small"]),
    help="Where to start from: the paper's search (default), or one for a laptop.",
)
@click.option("--config", metavar="TOML", help="Settings in place of the preset's.")
@click.option(
    "--method",
    type=click.Choice(["guided", "standard", "random", "aging"]),
    help="How children are made (guided: by learned connections).",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of all that is drawn.")
@click.option("--rounds", type=click.IntRange(1), help="Candidates in all.")
@click.option("--population", type=click.IntRange(1), help="Candidates that are alive.")
@click.option(
    "--order",
    type=click.Choice(["index", "arrival"]),
    help="Take results in by number: reproducible; or as they come: no worker ever waits.",
)
@click.option(
    "--window",
    type=click.IntRange(0),
    help="With --order index: a candidate waits for those that are more than so many before it.",
)
@click.option("--max-params", type=click.IntRange(1), help="Parameters of a candidate at most.")
@click.option("--max-macs", type=click.IntRange(1), help="Multiply-adds of a clip at most.")
@click.option("--max-depth", type=click.IntRange(1), help="Convolutions on a path at most.")
@click.option("--iterations", type=click.IntRange(1), help="Steps that a candidate is trained for.")
@click.option("--batch", type=click.IntRange(1), help="Clips of a step.")
@click.option("--frames", type=click.IntRange(1), help="Frames of a clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@click.option(
    "--executor", metavar="threads:N|dask:ADDRESS", help="Where trials run, how many at a time."
)
@click.option("--gpus", metavar="0,1,...", help="GPUs of threads:N; each trial gets one.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a trial may take."
)
@click.option(
    "--retries", type=click.IntRange(0), help="How often a trial that was killed is started again."
)
@click.option(
    "--inherit", is_flag=True, default=None, help="Children start from their parent's weights."
)
@click.option(
    "--halving",
    type=click.IntRange(1),
    metavar="N",
    help="Train for 1/N of the steps first, and the best 1/N of all for the whole.",
)
@click.option(
    "--keep-all-weights",
    is_flag=True,
    default=None,
    help="Keep the weights of all candidates, not of the best alone.",
)
def command(
    resume: str | None, status: str | None, rebuild: str | None, out: str | None, **options: Any
) -> None:
    """Search for a network that does well on DATA, by evolution guided by learned connections.

    RUN gets every candidate as a text, with its score and learned weights (archs/), its trials,
    and search.db with all that happened. A search that was stopped, at whatever moment, goes on
    with --resume. An .anet file that is put into RUN/inbox joins the search.
    """
    given = {
        name: value
        for name, value in (
            ("--out", out),
            ("--resume", resume),
            ("--status", status),
            ("--rebuild", rebuild),
        )
        if value is not None
    }
    if len(given) != 1:
        listed = " and ".join(given) or "none of them"
        raise CannotRun(f"give one of --out, --resume, --status and --rebuild; not {listed}")
    (what, path), *_ = given.items()
    if what != "--out":
        _refuse(what, options, allowed=_MAY_CHANGE if what == "--resume" else ())
    from anetdsl.evolve.drive.run_dir import RunDir

    directory = RunDir(path)
    match what:
        case "--status":
            _status(directory)
        case "--rebuild":
            _rebuild(directory)
        case "--resume":
            _drive(directory, options)
        case _:
            _make(directory, options)
            _drive(directory, {})


def _refuse(what: str, options: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for name, value in options.items():
        if value is not None and name not in allowed:
            option = "--" + name.strip("_").replace("_", "-")
            raise CannotRun(f"{option} does not go with {what}; settings are in RUN/settings.toml")


def _status(directory: RunDir) -> None:
    from anetc.cli.evolve_screen import status_text
    from anetdsl.evolve.drive.lock import is_driven
    from anetdsl.evolve.drive.search_progress import progress_of
    from anetdsl.evolve.drive.store import open_for_reading

    with open_for_reading(directory) as store:
        progress = progress_of(store, store.settings().search.rounds)
    click.echo(status_text(str(directory.path), progress, driven=is_driven(directory)))


def _rebuild(directory: RunDir) -> None:
    from anetdsl.evolve.drive.rebuild import rebuild

    count, problems = rebuild(directory)
    for problem in problems:
        click.echo(f"warning: {visible(problem)}", err=True)
    click.echo(f"{visible(str(directory.database))}: {count} candidates")


def _make(directory: RunDir, options: dict[str, Any]) -> None:
    from anetc.cli.evolve_options import Options, about_data, ask
    from anetdsl.evolve.drive.search import make_run

    asked = ask(
        options["preset"] or "paper",
        options["config"],
        Options(
            data=options["data"],
            data_format=options["format_"],
            search={name: options[name] for name in _SEARCH},
            limits={
                "parameters": options["max_params"],
                "multiply_adds": options["max_macs"],
                "depth": options["max_depth"],
            },
            settings={name: options[name] for name in ("iterations", "batch")},
            recipe={
                "frames": options["frames"],
                "size": list(options["size"]) if options["size"] else None,
            },
            running=_running(options),
        ),
    )
    make_run(directory, about_data(asked))


def _running(options: dict[str, Any]) -> dict[str, Any]:
    found = {name: options.get(name) for name in _RUNNING}
    if found["gpus"] is not None:
        found["gpus"] = tuple(part.strip() for part in found["gpus"].split(",") if part.strip())
    return found


def _drive(directory: RunDir, options: dict[str, Any]) -> None:
    from anetc.cli.evolve_options import check_resumed, running_of
    from anetc.cli.evolve_screen import showing
    from anetdsl.evolve.drive.search import drive_run

    name = str(directory.path)
    with _signals_kept(), showing(name) as show:
        finished = drive_run(
            directory,
            _rules(),
            change=lambda running: running_of(running, _running(options)),
            check=check_resumed,
            ready=lambda driver: _ready(driver, show),
        )
    if not finished:
        click.echo(f"stopped; `anetc evolve --resume {visible(name)}` goes on", err=True)
        raise click.exceptions.Exit(_INTERRUPTED)
    _status(directory)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """What signals do in the block is undone behind it."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ready(driver: Driver, show: Show) -> Callable[[], None]:
    """Have a signal stop the driver, a second one at once; the function that shows progress."""
    from anetdsl.evolve.drive.search_progress import progress_of

    def stop(_number: int, _frame: object) -> None:
        if driver.stopping.is_set():
            raise KeyboardInterrupt
        driver.stopping.set()
        driver.wake()

    for number in _SIGNALS:
        signal.signal(number, stop)
    last = 0.0

    def watch() -> None:
        nonlocal last
        rounds = driver.settings.search.rounds
        if time.monotonic() - last > _SHOW_SECONDS or driver.history.finished >= rounds:
            last = time.monotonic()
            workers = driver.trials.workers.capacity()
            show(progress_of(driver.store, rounds, workers=workers))

    return watch


def _rules() -> Rules:
    from anetdsl.evolve.drive.driver import Rules
    from anetdsl.evolve.propose.algorithms import population, propose

    return Rules(propose, population)
