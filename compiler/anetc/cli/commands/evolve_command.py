"""`anetc evolve`: search for a network for a data set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import click

from anetc.cli.commands.finals_command import run_finals, show_finals_status
from anetc.cli.options import SizeType
from anetc.cli.process_options import TrialWorkersType
from anetc.cli.streams import show_warnings
from anetc.cli.worker_options import gpu_names
from anetc.devices import PrecisionChoice
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.cli.evolve_screen import Display
    from anetdsl.evolve.drive.driver import Driver
    from anetdsl.evolve.drive.run_dir import RunDir

_INTERRUPTED = 130
_DISPLAY_SECONDS = 0.25
_ARGUMENTS = ("data", "format_", "preset", "config", "accept_changed_videos")
"""Options that are not settings of the search by name."""
_MAY_CHANGE = (
    *("executor", "gpus", "per_gpu", "timeout", "retries", "keep_all_weights"),
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
    type=click.Choice(["guided", "standard", "random", "aging", "oneshot"]),
    help="Search method (guided: by learned edge weights).",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the search.")
@click.option("--candidates", type=click.IntRange(1), help="Number of candidates of the search.")
@click.option("--rounds", type=int, hidden=True)
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
@click.option(
    "--accumulate", type=click.IntRange(1), help="Parts in which a step's clips are computed."
)
@click.option(
    "--workers",
    type=TrialWorkersType(),
    help="Processes that load a trial's clips; auto: all trials use all processors.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Device of the trials; auto, the default, is a GPU if there is one that PyTorch can use.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(PrecisionChoice)),
    help="Precision of the trials; auto: bfloat16 on a GPU with tensor cores for it, else float32.",
)
@click.option("--frames", type=click.IntRange(1), help="Frames of a clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@click.option(
    "--executor",
    metavar="threads[:N]|dask:ADDRESS",
    help="Where trials run, and how many at a time; threads: one, or --per-gpu on each GPU.",
)
@click.option(
    "--gpus",
    metavar="all|0,1,...",
    help="GPUs for the trials, each on one of them: all, positions, or names GPU-...",
)
@click.option("--per-gpu", type=click.IntRange(1), help="Trials at a time on each GPU.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Time limit of a trial in seconds."
)
@click.option(
    "--retries", type=click.IntRange(0), help="How often a failed trial is started again."
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
    "--finals",
    is_flag=True,
    default=None,
    help="End with the finals (anetc finals), by [finals] of the settings or by default.",
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
            _search(directory, options, resume=True)
        case _:
            _search(directory, options, resume=False)


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
        progress = progress_of(store, store.settings().search.candidates)
    click.echo(status_text(str(directory.path), progress, driven=is_driven(directory)))
    show_finals_status(str(directory.path))


def _rebuild(directory: RunDir) -> None:
    from anetdsl.evolve.drive.rebuild import rebuild

    count, problems = rebuild(directory)
    for problem in problems:
        click.echo(f"warning: {visible(problem)}", err=True)
    click.echo(f"{visible(str(directory.database))}: {count} candidates")


def _search(directory: RunDir, options: dict[str, Any], *, resume: bool) -> None:
    from anetc.api.search import search
    from anetc.cli.evolve_screen import progress_display
    from anetc.cli.stop_signals import signal_handlers_restored

    settings = {name: value for name, value in options.items() if name not in _ARGUMENTS}
    if settings["gpus"] is not None:
        settings["gpus"] = gpu_names(settings["gpus"])
    name = str(directory.path)
    with signal_handlers_restored(), progress_display(name) as display:
        result = search(
            options["data"],
            directory.path,
            format=options["format_"],
            resume=resume,
            preset=options["preset"] or "paper",
            config=options["config"],
            accept_changed_videos=bool(options["accept_changed_videos"]),
            ready=lambda driver: _ready(driver, display),
            warn=lambda warning: show_warnings([warning]),
            message=lambda line: click.echo(line, err=True),
            **settings,
        )
    if not result.is_finished:
        click.echo(f"stopped; resume with `anetc evolve --resume {visible(name)}`", err=True)
        raise click.exceptions.Exit(_INTERRUPTED)
    _status(directory)
    if not result.done:
        return
    if result.has_finals:
        # The time limit of a trial is not that of a longer training.
        running = {key: settings[key] for key in _MAY_CHANGE if settings.get(key) is not None}
        running.pop("timeout", None)
        run_finals(name, accept_changed_videos=bool(options["accept_changed_videos"]), **running)
    else:
        click.echo(f"next: anetc finals {visible(name)}", err=True)


def _ready(driver: Driver, display: Display) -> Callable[[], None]:
    """Install signal handlers, and return the function that displays the progress."""
    from anetc.cli.stop_signals import stop_on_signals
    from anetc.devices import has_nvidia_driver
    from anetc.native.library import preparation
    from anetdsl.evolve.drive.search_progress import progress_of

    if line := driver.trials.workers.description:
        click.echo(line, err=True)
    local = driver.settings.running.executor.startswith("threads")
    if local and not has_nvidia_driver() and (kernels := preparation()) is not None:
        click.echo(kernels, err=True)

    stop_on_signals(driver)
    last = 0.0

    def watch() -> None:
        nonlocal last
        candidates = driver.settings.search.candidates
        if time.monotonic() - last > _DISPLAY_SECONDS or driver.history.finished >= candidates:
            last = time.monotonic()
            workers = driver.trials.workers.capacity()
            display(progress_of(driver.store, candidates, workers=workers))

    return watch
