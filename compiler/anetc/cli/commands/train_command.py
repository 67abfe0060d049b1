"""`anetc train`: a network on a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anetc.cli.network_input import check_path, show
from anetc.cli.options import SizeType
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.training.settings import Parent

_SETTINGS = (
    *("iterations", "batch", "accumulate", "learning_rate", "edge_rate", "warmup", "momentum"),
    *(
        "weight_decay",
        "label_smoothing",
        "precision",
        "seed",
        "save_every",
        "evaluate_every",
        "workers",
    ),
    *("threads", "device", "plain", "recompute"),
)


@click.command("train")
@click.argument("file")
@click.option("--data", required=True, metavar="DATA", help="A folder, a file, or `motion`.")
@click.option("--format", "format_", metavar="FORMAT", help="What --data is, if that is not plain.")
@click.option("--out", required=True, metavar="RUN", help="The folder of the run.")
@click.option("--resume", is_flag=True, help="Go on with the run that is there.")
@click.option(
    "--iterations", type=click.IntRange(1), default=50_000, show_default=True, help="Steps."
)
@click.option(
    "--batch", type=click.IntRange(1), default=32, show_default=True, help="Clips of a step."
)
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Parts to compute a step's clips in.",
)
@click.option(
    "--learning-rate", type=click.FloatRange(0), help="The highest; 0.00625 x batch by default."
)
@click.option(
    "--edge-rate",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Learning rate of edge weights, by that of the others.",
)
@click.option(
    "--warmup",
    type=click.FloatRange(0, 1),
    default=0.24,
    show_default=True,
    help="Part of the run in which the learning rate rises.",
)
@click.option("--momentum", type=click.FloatRange(0, 1), default=0.9, show_default=True)
@click.option("--weight-decay", type=click.FloatRange(0), default=1e-4, show_default=True)
@click.option("--label-smoothing", type=click.FloatRange(0, 1), default=0.2, show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="What is computed in; weights stay in float32.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--frames", type=click.IntRange(1), help="Frames of a clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@click.option("--flip/--no-flip", default=None, help="Mirror half of the clips to train with.")
@click.option(
    "--save-every",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Steps from checkpoint to checkpoint.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    help="Steps from validation to validation; only in the end by default.",
)
@click.option(
    "--workers", type=click.IntRange(0), default=0, help="Processes that load clips; 0 is none."
)
@click.option("--threads", type=click.IntRange(1), help="Threads that compute.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="A GPU if there is one, or the CPU.",
)
@click.option("--plain", is_flag=True, help="Train the plain module, without gradients by hand.")
@click.option("--recompute", is_flag=True, help="Less memory for more time.")
@click.option("--init-from", metavar="WEIGHTS", help="Start from a parent's weights.")
@click.option(
    "--init-text", metavar="TEXT", help="The parent's text; by default that beside its weights."
)
@click.option("--tensorboard", is_flag=True, help="Also write RUN/tensorboard.")
def command(
    file: str,
    data: str,
    format_: str | None,
    out: str,
    resume: bool,
    frames: int | None,
    size: tuple[int, int] | None,
    flip: bool | None,
    init_from: str | None,
    init_text: str | None,
    tensorboard: bool,
    **options: Any,
) -> None:
    """Train the network in FILE as the paper does, and validate it.

    RUN gets checkpoints, metrics.jsonl with the loss of each step, and in the end
    weights.safetensors and model.anet: FILE with the learned edge weights and its score. A run that
    was stopped, at whatever moment, goes on with --resume and gives the same numbers.

    Several processes share a step's clips: start them by `torchrun` or `accelerate launch`.
    """
    checked = check_path(file)
    if checked.network is None:
        show(checked.source, checked.errors)
        raise click.exceptions.Exit(1)
    from anetc.data.recipes import recipes_for
    from anetc.data.spec import parse_spec
    from anetc.training.settings import settings_from_json

    settings = settings_from_json({name: options[name] for name in _SETTINGS}, "the options")
    spec = parse_spec(data, format_)
    recipes = recipes_for(spec, frames, size, flip=flip)
    parent = _parent(init_from, init_text)
    # torch takes seconds to import.
    from anetc.cli.log import show_log
    from anetc.cli.progress import training_progress
    from anetc.training.loop import shut_down_processes
    from anetc.training.run.run import train
    from anetc.training.run.run_folder import RUN

    folder = Path(out)
    # Of several processes, which torchrun and accelerate number so, one draws the bar and tells.
    is_first = os.environ.get("RANK", "0") == "0"
    if is_first:
        show_log()
        if resume and not (folder / RUN).exists():
            click.echo(f"There is no run in {visible(out)}: one is begun.", err=True)
    with (
        _said_how_to_go_on(folder, tell=is_first),
        training_progress(quiet=not is_first) as watch,
    ):
        result = train(
            checked.source,
            settings,
            spec,
            recipes,
            folder,
            resume=resume,
            init_from=parent,
            tensorboard=tensorboard,
            watch=watch,
        )
    shut_down_processes()
    if not is_first:
        return
    click.echo("  ".join(f"{name} {value:.4g}" for name, value in result.measures.items()))
    click.echo(
        f"wrote {visible(str(folder / 'model.anet'))} and weights.safetensors; "
        f"{result.seconds:.1f} s, {100 * result.waiting:.1f} % of the steps waiting for clips",
        err=True,
    )


@contextmanager
def _said_how_to_go_on(folder: Path, *, tell: bool) -> Iterator[None]:
    """What Ctrl-C has cost is said."""
    from anetc.training.run.checkpoint import checkpoints
    from anetc.training.run.run_folder import CHECKPOINTS

    try:
        yield
    except KeyboardInterrupt:
        if tell:
            kept = checkpoints(folder / CHECKPOINTS)
            done = int(kept[-1].stem) if kept else 0
            click.echo(f"stopped; --resume goes on from step {done}, the last kept", err=True)
        raise


def _parent(weights: str | None, text: str | None) -> Parent | None:
    """What the options say of a parent. Raises CannotRun for files that are not there."""
    if weights is None:
        if text is not None:
            raise CannotRun("--init-text: says whose the weights of --init-from are; give both")
        return None
    for path in (weights, text):
        if path is not None and not Path(path).is_file():
            raise cannot_read(path)
    from anetc.training.settings import Parent

    return Parent(Path(weights), None if text is None else Path(text))
