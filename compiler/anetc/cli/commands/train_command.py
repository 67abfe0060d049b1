"""`anetc train`: train a network on a data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.clip_options import augmentation_options, read_class_pairs
from anetc.cli.network_input import check_path, require_network
from anetc.cli.options import (
    SizeType,
    classes_option,
    deterministic_option,
    device_option,
    engine_option,
    precision_option,
    threads_option,
)
from anetc.cli.process_options import DevicesType, WorkersType, without_devices
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.training.run.stop_request import StopRequest


@click.command("train")
@click.argument("file")
@click.option("--data", required=True, metavar="DATA", help="A folder, a file, or `motion`.")
@click.option(
    "--format", "format_", metavar="FORMAT", help="Format of --data, if it cannot be guessed."
)
@classes_option
@click.option("--out", required=True, metavar="RUN", help="The folder of the run.")
@click.option("--resume", is_flag=True, help="Resume the run in RUN.")
@click.option(
    "--iterations",
    type=click.IntRange(1),
    help="Number of steps; 50,000 by default, with --resume as before.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=32, show_default=True, help="Clips per step."
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Parts in which a step's clips are computed.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0),
    help="Peak learning rate; 0.00625 x batch by default.",
)
@click.option(
    "--edge-rate",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Learning rate of edge weights, as a multiple of the others'.",
)
@click.option(
    "--edge-optimiser",
    type=click.Choice(["sgd", "normalised", "adam"]),
    default="sgd",
    show_default=True,
    help="How edge weights learn: as the others, with normalised gradients, or by Adam.",
)
@click.option(
    "--warmup",
    type=click.FloatRange(0, 1),
    default=0.24,
    show_default=True,
    help="Fraction of the run in which the learning rate rises.",
)
@click.option("--momentum", type=click.FloatRange(0, 1), default=0.9, show_default=True)
@click.option("--weight-decay", type=click.FloatRange(0), default=1e-4, show_default=True)
@click.option("--label-smoothing", type=click.FloatRange(0, 1), default=0.2, show_default=True)
@precision_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--frames", type=click.IntRange(1), help="Frames per clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@augmentation_options
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Steps between two checkpoints.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    help="Steps between two validations; by default one at the end.",
)
@click.option(
    "--patience",
    type=click.IntRange(1),
    metavar="N",
    help="Stop after N validations without a gain; also keep the weights of the best one.",
)
@click.option(
    "--workers",
    type=WorkersType(),
    default=0,
    help="Processes that load clips, or `auto`; with 0 the training process loads them.",
)
@click.option(
    "--devices",
    type=DevicesType(),
    metavar="N|all",
    help="Train in N processes on this machine, each on a GPU of its own; all: on all GPUs.",
)
@threads_option
@device_option
@engine_option
@deterministic_option
@click.option("--recompute", is_flag=True, help="Use less memory and more time.")
@click.option("--init-from", metavar="WEIGHTS", help="Start from a parent's weights.")
@click.option(
    "--init-text",
    metavar="TEXT",
    help="Text of the parent; by default the text beside its weights.",
)
@click.option(
    "--new-head",
    is_flag=True,
    help="With --init-from: the parent may have other classes; only equal names inherit.",
)
@click.option(
    "--accept-changed-videos",
    is_flag=True,
    help="With --resume: go on although videos were added, removed or moved to other classes.",
)
@click.option(
    "--make-flow",
    is_flag=True,
    help="First compute the optical flow that is missing in the cache, for all clips at once.",
)
@click.option("--tensorboard", is_flag=True, help="Also write RUN/tensorboard.")
@click.option(
    "--log",
    type=click.Choice(["mlflow", "wandb"]),
    multiple=True,
    help="Also log to MLflow or Weights & Biases. Repeatable.",
)
def command(
    file: str,
    data: str,
    format_: str | None,
    classes: int | None,
    out: str,
    resume: bool,
    mirror_classes: str | None,
    init_from: str | None,
    init_text: str | None,
    new_head: bool,
    accept_changed_videos: bool,
    make_flow: bool,
    tensorboard: bool,
    log: tuple[str, ...],
    devices: int | None,
    **options: Any,
) -> None:
    """Train the network in FILE as the paper does, and validate it.

    RUN gets checkpoints, metrics.jsonl with the loss of each step, and at the end
    weights.safetensors and model.anet: FILE with the learned edge weights and its score.

    Ctrl-C and SIGTERM stop the run after the current step, with a checkpoint (exit codes 130 and
    143). --resume continues a run that was stopped or killed at any moment, with the same numbers.

    Several processes share a step's clips: --devices starts them, or `torchrun` and `accelerate
    launch` on several machines.
    """
    checked = check_path(file)
    require_network(checked)
    if devices is not None and devices > 1:
        if "RANK" in os.environ:
            raise CannotRun("--devices: these processes were started by torchrun; leave it out")
        from anetc.local_processes import run_processes

        raise click.exceptions.Exit(run_processes(without_devices(sys.argv[1:]), devices))
    from anetc.api.train import read_settings, train

    options["mirror_classes"] = read_class_pairs(mirror_classes)
    settings, _ = read_settings(out, options, resume=resume)
    # torch takes seconds to import.
    from anetc.cli.log import show_log
    from anetc.cli.progress import training_progress
    from anetc.training.loop import shut_down_processes
    from anetc.training.run.run_folder import RUN
    from anetc.training.run.stop_request import StopRequest

    folder = Path(out)
    # torchrun and accelerate number the processes. The first one writes to the terminal.
    is_first = os.environ.get("RANK", "0") == "0"
    if is_first:
        show_log()
        if resume and not (folder / RUN).exists():
            click.echo(f"There is no run in {visible(out)}; starting one.", err=True)
    stop = StopRequest(_announce_stop if is_first else None)
    with (
        _stoppable(stop, folder, settings.iterations, quiet=not is_first),
        training_progress(quiet=not is_first) as watch,
    ):
        result = train(
            checked.source,
            data,
            folder,
            format=format_,
            classes=classes,
            resume=resume,
            init_from=init_from,
            init_text=init_text,
            new_head=new_head,
            accept_changed_videos=accept_changed_videos,
            make_flow=make_flow,
            log=(*(["tensorboard"] if tensorboard else []), *log),
            watch=watch,
            stop=stop,
            **options,
        )
    shut_down_processes()
    if not is_first:
        return
    click.echo("  ".join(f"{name} {value:.4g}" for name, value in result.measures.items()))
    best = ""
    if result.best is not None:
        best = f", of step {result.best.iteration}, the best, best.anet and best.safetensors"
    click.echo(
        f"wrote {visible(str(folder / 'model.anet'))} and weights.safetensors{best}; "
        f"{result.seconds:.1f} s, {100 * result.waiting:.1f} % of the step time waiting for clips",
        err=True,
    )


def _announce_stop() -> None:
    # Called in a signal handler, where sys.stderr may be in use.
    os.write(2, b"\nstopping after this step; a second signal stops without a checkpoint\n")


@contextmanager
def _stoppable(stop: StopRequest, folder: Path, iterations: int, *, quiet: bool) -> Iterator[None]:
    """Handle SIGINT and SIGTERM; print how many steps are saved, and exit with 130 or 143."""
    from anetc.training.run.checkpoint import saved_steps
    from anetc.training.run.run_folder import CHECKPOINTS, RUN

    try:
        with stop.installed():
            yield
    except KeyboardInterrupt:
        if not quiet:
            name, saved = visible(str(folder)), saved_steps(folder / CHECKPOINTS)
            state = (
                f"{saved} of {iterations} steps are saved in {name}; the same command with "
                "--resume continues the run"
                if (folder / RUN).exists()
                else f"no step was finished, and no run is left in {name}"
            )
            click.echo(f"anetc: interrupted; {state}", err=True)
        raise click.exceptions.Exit(stop.exit_code) from None
