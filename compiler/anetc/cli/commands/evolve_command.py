"""`anetc evolve`: search for a network for a data set."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.options import SizeType
from anetc.cli.streams import show_warnings
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.cli.evolve_screen import Display
    from anetdsl.evolve.drive.driver import Driver, Rules
    from anetdsl.evolve.drive.run_dir import RunDir
    from anetdsl.evolve.settings.run_settings import RunSettings

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DISPLAY_SECONDS = 0.25
_SEARCH = ("method", "seed", "rounds", "population", "order", "window")
_RUNNING = ("executor", "gpus", "timeout", "retries", "inherit", "halving", "keep_all_weights")
_MAY_CHANGE = (
    *("executor", "gpus", "timeout", "retries", "keep_all_weights"),
    "accept_changed_videos",
)
"""Options that `--resume` accepts: they change how trials run, not the search."""


@click.command("evolve")
@click.option("--data", metavar="DATA", help="A folder, a file, or `motion`.")
@click.option("--format", "format_", metavar="FORMAT", help="Format of --data, if not guessed.")
@click.option("--out", metavar="RUN", help="Start a search in this new folder.")
@click.option("--resume", metavar="RUN", help="Resume a search that was stopped or killed.")
@click.option("--status", metavar="RUN", help="Print the progress of a search.")
@click.option("--rebuild", metavar="RUN", help="Restore RUN/search.db from the other files.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "small"]),
    help="Default settings: the paper's search (default), or one for a laptop.",
)
@click.option("--config", metavar="TOML", help="Settings file; its settings replace the preset's.")
@click.option(
    "--method",
    type=click.Choice(["guided", "standard", "random", "aging"]),
    help="Search method (guided: by learned edge weights).",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the search.")
@click.option("--rounds", type=click.IntRange(1), help="Number of candidates.")
@click.option("--population", type=click.IntRange(1), help="Number of members of the population.")
@click.option(
    "--order",
    type=click.Choice(["index", "arrival"]),
    help="Use results by index, which is reproducible, or as they arrive, so that no worker waits.",
)
@click.option(
    "--window",
    type=click.IntRange(0),
    help="With --order index: candidate k waits for the results below k - WINDOW.",
)
@click.option("--max-params", type=click.IntRange(1), help="Most parameters of a candidate.")
@click.option("--max-macs", type=click.IntRange(1), help="Most multiply-adds of a clip.")
@click.option("--max-depth", type=click.IntRange(1), help="Most convolutions on a path.")
@click.option("--iterations", type=click.IntRange(1), help="Training steps of a candidate.")
@click.option("--batch", type=click.IntRange(1), help="Clips of a training step.")
@click.option("--frames", type=click.IntRange(1), help="Frames of a clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@click.option(
    "--executor", metavar="threads:N|dask:ADDRESS", help="Where trials run, and how many at a time."
)
@click.option("--gpus", metavar="0,1,...", help="GPUs for threads:N; each trial uses one.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Time limit of a trial in seconds."
)
@click.option(
    "--retries", type=click.IntRange(0), help="How often a trial that was killed is restarted."
)
@click.option(
    "--inherit", is_flag=True, default=None, help="Children start from their parents' weights."
)
@click.option(
    "--halving",
    type=click.IntRange(1),
    metavar="N",
    help="Train for 1/N of the steps first, and only the best 1/N for all steps.",
)
@click.option(
    "--keep-all-weights",
    is_flag=True,
    default=None,
    help="Keep the weights of all candidates, not only of the best.",
)
@click.option(
    "--accept-changed-videos",
    is_flag=True,
    default=None,
    help="With --resume: go on although videos were added, removed or moved to other classes.",
)
def command(
    resume: str | None, status: str | None, rebuild: str | None, out: str | None, **options: Any
) -> None:
    """Search for a network for DATA by evolution that learned edge weights guide.

    RUN holds the text of every candidate with its score and learned weights (archs/), the trials,
    and search.db, the database of all events. --resume continues a search that was stopped or
    killed at any moment. An .anet file that you put into RUN/inbox joins the search.
    """
    actions = {
        name: value
        for name, value in (
            ("--out", out),
            ("--resume", resume),
            ("--status", status),
            ("--rebuild", rebuild),
        )
        if value is not None
    }
    if len(actions) != 1:
        listed = " and ".join(actions) or "none of them"
        raise CannotRun(f"give one of --out, --resume, --status and --rebuild; not {listed}")
    (action, path), *_ = actions.items()
    if action != "--out":
        _refuse(action, options, allowed=_MAY_CHANGE if action == "--resume" else ())
    from anetdsl.evolve.drive.run_dir import RunDir

    directory = RunDir(path)
    match action:
        case "--status":
            _status(directory)
        case "--rebuild":
            _rebuild(directory)
        case "--resume":
            _drive(directory, options, resume=True)
        case _:
            _make(directory, options)
            _drive(directory, {})


def _refuse(action: str, options: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for name, value in options.items():
        if value is not None and name not in allowed:
            option = "--" + name.strip("_").replace("_", "-")
            raise CannotRun(
                f"{option} cannot be combined with {action}; change RUN/settings.toml instead"
            )


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
    from anetc.cli.evolve_options import Options, new_settings, with_data
    from anetc.trial.search_data import write_search_data
    from anetdsl.evolve.drive.search import make_run

    if options["accept_changed_videos"]:
        raise CannotRun("--accept-changed-videos: has an effect with --resume only; leave it out")
    settings = new_settings(
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
    make_run(
        directory,
        with_data(settings),
        write_data=lambda folder: write_search_data(folder, settings.trial),
    )


def _running(options: dict[str, Any]) -> dict[str, Any]:
    running = {name: options.get(name) for name in _RUNNING}
    if running["gpus"] is not None:
        gpus = [part.strip() for part in running["gpus"].split(",")]
        running["gpus"] = [gpu for gpu in gpus if gpu] or None
    return running


def _drive(directory: RunDir, options: dict[str, Any], *, resume: bool = False) -> None:
    from anetc.cli.evolve_options import check_changed_settings, with_options
    from anetc.cli.evolve_screen import progress_display
    from anetdsl.evolve.drive.search import drive_run

    def check_data(settings: RunSettings) -> None:
        from anetc.trial.search_data import check_search_data

        warning = check_search_data(
            directory.path,
            settings.trial,
            accept_changed_videos=bool(options["accept_changed_videos"]),
        )
        show_warnings([warning] if warning else [])

    name = str(directory.path)
    with _signal_handlers_restored(), progress_display(name) as display:
        finished = drive_run(
            directory,
            _rules(),
            change=lambda running: with_options(running, _running(options)),
            check=lambda settings: check_changed_settings(str(directory.settings), settings),
            # A new search has just recorded them.
            check_data=check_data if resume else lambda _: None,
            ready=lambda driver: _ready(driver, display),
        )
    if not finished:
        click.echo(f"stopped; resume with `anetc evolve --resume {visible(name)}`", err=True)
        raise click.exceptions.Exit(_INTERRUPTED)
    _status(directory)


@contextlib.contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Restore the signal handlers when the block ends."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ready(driver: Driver, display: Display) -> Callable[[], None]:
    """Install signal handlers, and return the function that displays the progress.

    The first signal stops the driver; the second one ends it at once.
    """
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
        if time.monotonic() - last > _DISPLAY_SECONDS or driver.history.finished >= rounds:
            last = time.monotonic()
            workers = driver.trials.workers.capacity()
            display(progress_of(driver.store, rounds, workers=workers))

    return watch


def _rules() -> Rules:
    from anetdsl.evolve.drive.driver import Rules
    from anetdsl.evolve.propose.algorithms import population, propose

    return Rules(propose, population)
