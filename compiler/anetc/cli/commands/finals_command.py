"""`anetc finals`: from a finished search to a network that one would publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.streams import show_warnings
from anetc.cli.worker_options import gpu_names
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetdsl.evolve.drive.run_reader import Run
    from anetdsl.evolve.finals.plan import Plan
    from anetdsl.evolve.trainings.training_runner import TrainingRunner

_INTERRUPTED = 130


@click.command("finals")
@click.argument("paths", nargs=-1, required=True, metavar="RUN")
@click.option(
    "--networks", type=click.IntRange(1), help="Number of networks of the search; 3 by default."
)
@click.option(
    "--seeds", type=click.IntRange(1), help="Number of trainings of each network; 3 by default."
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Training steps of the comparison; by default twice those of a candidate.",
)
@click.option(
    "--full-steps",
    type=click.IntRange(1),
    help="Training steps of the winner; by default five times those of a candidate.",
)
@click.option(
    "--prune-below",
    type=click.FloatRange(0, 1),
    metavar="B",
    help="Networks also take part without edges of lower weight; 0.4 by default; 0: none do.",
)
@click.option(
    "--learning-rates",
    metavar="R,R,...",
    help="Each network gets the best of these rates, chosen by one training with each.",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="FILE...",
    help="Other networks to compare, such as those of examples/.",
)
@click.option(
    "--beside-modules",
    type=click.Choice(["own", "search"]),
    help="Residual modules of these networks' blocks: their own (default), or the search's.",
)
@click.option(
    "--full-beside", is_flag=True, default=None, help="Train these as long as the winner, too."
)
@click.option(
    "--test-split",
    type=click.Choice(["validation", "test"]),
    help="Split of the last evaluation; test by default, for Moments in Time validation.",
)
@click.option(
    "--executor",
    metavar="threads[:N]|dask:ADDRESS",
    help="Where trainings run; by default as in the search.",
)
@click.option("--gpus", metavar="all|0,1,...", help="GPUs; each training uses one; all by default.")
@click.option("--per-gpu", type=click.IntRange(1), help="Trainings at a time on each GPU.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Time limit of a training, seconds."
)
@click.option(
    "--retries", type=click.IntRange(0), help="How often a failed training is started again."
)
@click.option(
    "--keep-all-weights",
    is_flag=True,
    default=None,
    help="Keep the weights of all trainings, not only of the winner.",
)
@click.option(
    "--accept-changed-videos",
    is_flag=True,
    help="Go on although videos were added, removed or moved to other classes.",
)
@click.option("--status", is_flag=True, help="Print the progress of the finals.")
def command(
    paths: tuple[str, ...], status: bool, accept_changed_videos: bool, **options: Any
) -> None:
    """Compare the best networks of the search in RUN, and train the best one fully.

    The best networks, each also pruned, are trained afresh with several seeds and compared on the
    validation split, with networks of other files beside them. The winner is trained fully. The
    test split is evaluated once, at the end.

    RUN/finals gets winner.anet, weights.safetensors and the results (table.md, table.json). The
    same command continues finals that were stopped or killed. Settings that are not given are those
    of [finals] in RUN/settings.toml.
    """
    beside = options.pop("beside")
    run, *more = paths
    if more and not beside:
        raise CannotRun(f"`{more[0]}`: give one search; networks to compare follow --beside")
    settings = {name: value for name, value in options.items() if value is not None}
    if beside:
        settings["beside"] = [*beside, *more]
    if status:
        if settings:
            raise CannotRun("--status only prints the progress; leave out other options")
        _show_status(run)
        return
    if "learning_rates" in settings:
        settings["learning_rates"] = _rates(settings["learning_rates"])
    if "gpus" in settings:
        settings["gpus"] = gpu_names(settings["gpus"])
    run_finals(run, accept_changed_videos=accept_changed_videos, **settings)


def run_finals(run: str, **settings: Any) -> None:
    """Run finals with a display of their progress, and print their results."""
    from anetc.api.finals import finals
    from anetc.cli.finals_screen import finals_display, next_steps
    from anetc.cli.stop_signals import signal_handlers_restored, stop_on_signals

    with signal_handlers_restored(), finals_display(str(Path(run, "finals"))) as watching:

        def ready(runner: TrainingRunner, plan: Plan, search: Run) -> None:
            if line := runner.trials.workers.description:
                click.echo(line, err=True)
            stop_on_signals(runner)
            runner.watch = watching(runner, plan, search)

        result = finals(
            run,
            ready=ready,
            warn=lambda warning: show_warnings([warning]),
            message=lambda line: click.echo(line, err=True),
            **settings,
        )
    if not result.is_finished:
        click.echo(f"stopped; resume with `anetc finals {visible(run)}`", err=True)
        raise click.exceptions.Exit(_INTERRUPTED)
    click.echo(result.table.read_text(encoding="utf-8"), nl=False)
    click.echo(next_steps(result, result.plan), err=True)


def show_finals_status(run: str) -> bool:
    """Print the progress of the finals of a search; return False if they have not begun."""
    from anetc.cli.finals_screen import finals_status
    from anetdsl import locks
    from anetdsl.evolve.drive.run_reader import read_run
    from anetdsl.evolve.finals.finals_dir import FinalsDir
    from anetdsl.evolve.finals.finals_progress import read_finals_progress

    directory = FinalsDir.of(run)
    progress = read_finals_progress(read_run(run)) if directory.plan.exists() else None
    if progress is None:
        return False
    driven = locks.is_locked(directory.trainings.lock)
    click.echo(finals_status(str(directory.path), progress, driven=driven, run=run))
    return True


def _show_status(run: str) -> None:
    from anetdsl.evolve.drive.run_reader import read_run

    read_run(run)  # raises CannotRun if it is no run directory
    if not show_finals_status(run):
        raise CannotRun(f"{run}: no finals have begun here; begin them with `anetc finals {run}`")


def _rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise CannotRun(
            f"--learning-rates: `{text}` is not a list of numbers such as 0.05,0.1,0.2"
        ) from None
