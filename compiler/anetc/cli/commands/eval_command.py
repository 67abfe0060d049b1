"""`anetc eval`: evaluate a network, or score a prediction file, on a data set."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from anetc.cli.network_input import load_network
from anetc.cli.options import (
    Engine,
    SizeType,
    device_option,
    engine_option,
    given_options,
    precision_option,
    threads_option,
)
from anetc.cli.process_options import DevicesType, WorkersType, without_devices
from anetc.cli.progress import count_progress
from anetc.cli.streams import show_warnings
from anetdsl.errors import CannotRun
from anetdsl.files import check_writable
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.data.values import Dataset, Split
    from anetc.devices import PrecisionChoice
    from anetc.evaluation.eval_request import EvalRequest
    from anetc.evaluation.protocols import Protocol
    from anetc.evaluation.runner import Progress
    from anetc.evaluation.scores import Evaluation


_RUN_OPTIONS = (
    *("protocol", "frames", "size", "clips", "fps", "seed"),
    *("batch", "workers", "devices", "engine", "device", "precision", "threads", "max_failures"),
)
"""Options that have no effect with --predictions."""


@click.command("eval")
@click.argument("file", required=False)
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@click.option("--data", metavar="DATA", help="Data to evaluate on: a folder, a file, or `motion`.")
@click.option(
    "--format", "format_", metavar="FORMAT", help="Format of --data, if its path does not show it."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Split to evaluate; by default test, for Moments in Time validation.",
)
@click.option(
    "--protocol",
    type=click.Choice(["moments", "charades"]),
    help="Protocol that selects the clips; by default that of the data.",
)
@click.option("--frames", type=click.IntRange(1, 100_000), help="Number of frames of a clip.")
@click.option(
    "--size", type=SizeType(), metavar="S|HxW", help="Height and width of a clip in pixels."
)
@click.option("--clips", type=click.IntRange(1, 1000), help="Number of clips per video.")
@click.option("--fps", type=click.FloatRange(0.1, 1000), help="Frames per second, for videos.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of clips at random places."
)
@click.option(
    "--batch",
    type=click.IntRange(1, 100_000),
    default=8,
    show_default=True,
    help="Number of clips to compute at once.",
)
@click.option(
    "--workers",
    type=WorkersType(),
    default=0,
    help="Processes that load clips, or `auto`; with 0 the evaluating process loads them.",
)
@click.option(
    "--devices",
    type=DevicesType(),
    metavar="N|all",
    help="Evaluate in N processes on this machine, each on a GPU of its own; all: on all GPUs.",
)
@engine_option
@device_option
@precision_option
@threads_option
@click.option(
    "--max-failures",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Maximum fraction of videos that may be unreadable.",
)
@click.option("--save", metavar="OUT", help="Write the predictions to a .jsonl, .csv or .txt file.")
@click.option("--predictions", metavar="FILE", help="Score this file instead of a network.")
@click.option(
    "--confusion",
    metavar="OUT",
    help="Write the confusion matrix to an .svg or .csv file, or print it with -.",
)
@click.option(
    "--per-class/--no-per-class",
    default=None,
    help="Print the table of classes; by default, for up to 40 classes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    file: str | None,
    weights: str | None,
    data: str | None,
    format_: str | None,
    split: Split | None,
    protocol: Protocol | None,
    frames: int | None,
    size: tuple[int, int] | None,
    clips: int | None,
    fps: float | None,
    seed: int,
    batch: int,
    workers: int,
    devices: int | None,
    engine: Engine,
    device: str,
    precision: PrecisionChoice,
    threads: int | None,
    max_failures: float,
    save: str | None,
    predictions: str | None,
    confusion: str | None,
    per_class: bool | None,
    as_json: bool,
) -> None:
    """Evaluate the network in FILE on a data set by the protocols of the paper.

    Moments in Time: one clip of 36 frames, top-1 and top-5 accuracy. Charades: five random clips of
    64 frames, averaged, and the mAP of the official script. Equal seeds give equal results.

    With --predictions no network is run. The command scores a file that --save wrote, or a Charades
    submission, by the labels in the file or by those of --data.

    Several processes share the videos: --devices starts them, or `torchrun` on several machines.
    """
    from anetc.cli.eval_output import (
        MAX_LISTED_CLASSES,
        check_confusion_labels,
        check_confusion_path,
        show_classes,
        show_headline,
        show_measures,
        write_confusion,
    )
    from anetc.cli.log import show_log
    from anetc.evaluation.eval_request import EvalRequest
    from anetc.evaluation.predictions.prediction_files import check_suffix, write_predictions
    from anetc.local_processes import is_first_process

    if is_first_process():
        show_log()
    if confusion is not None:
        check_confusion_path(confusion)
        if confusion != "-":
            check_writable(confusion)
    if save is not None:
        check_suffix(save)
        check_writable(save)
    request = EvalRequest(data, format_, split, protocol, frames, size, clips, fps, seed)
    if predictions is not None:
        if file is not None or weights is not None:
            raise CannotRun("--predictions: no network is run; leave out FILE and --weights")
        unused = _RUN_OPTIONS if data is not None else ("split", *_RUN_OPTIONS)
        for option in given_options(*unused):
            raise CannotRun(f"--predictions: {option} has no effect here; leave it out")
        evaluation, about = _score_predictions(predictions, request)
        check_confusion_labels(confusion, multi_label=evaluation.multi_label)
    else:
        if file is None or weights is None or data is None:
            raise CannotRun(f"{_missing(file, weights, data)}, or score a file with --predictions")
        if devices is not None and devices > 1:
            _run_processes(devices)
        computing = _Computing(
            batch, workers, engine, device, precision, threads, max_failures, save, confusion
        )
        evaluation, about = _run_network(file, weights, request, computing, quiet=as_json)
        if not is_first_process():
            return
    # Files come last: the measures are not lost where a file cannot be written.
    if as_json:
        from anetc.evaluation.summary import to_json

        click.echo(json.dumps(to_json(evaluation, about), indent=2))
    else:
        show_headline(about, evaluation)
        show_measures(evaluation)
        if per_class or (per_class is None and len(evaluation.classes) <= MAX_LISTED_CLASSES):
            show_classes(evaluation)
    if save is not None:
        write_predictions(save, evaluation, about)
        click.echo(f"wrote {visible(save)}", err=True)
    if confusion is not None:
        title = f"Confusion matrix of {about['network'] or predictions}"
        write_confusion(evaluation, confusion, title)


@attrs.frozen
class _Computing:
    """Options that say how the network is run, and the files to write afterwards."""

    batch: int
    workers: int
    engine: Engine
    device: str
    precision: PrecisionChoice
    threads: int | None
    max_failures: float
    save: str | None
    confusion: str | None


def _run_processes(count: int) -> None:
    """Run this command in several processes, and exit with their exit code."""
    if "RANK" in os.environ:
        raise CannotRun("--devices: these processes were started by torchrun; leave it out")
    from anetc.local_processes import run_processes

    raise click.exceptions.Exit(run_processes(without_devices(sys.argv[1:]), count))


def _missing(file: str | None, weights: str | None, data: str | None) -> str:
    """Return which arguments are missing, with the weights that `file` may belong to."""
    given = {"a network FILE": file, "--weights": weights, "--data": data}
    text = f"give also {' and '.join(name for name, value in given.items() if value is None)}"
    if file is None and weights is None and data is None:
        text = "give a network FILE, --weights and --data"
    if file is not None and weights is None:
        from anetc.training.run.run_folder import WEIGHTS

        beside = Path(file) / WEIGHTS if Path(file).is_dir() else Path(file).with_name(WEIGHTS)
        if beside.is_file():
            text += f" (maybe --weights {beside})"
    return text


def _run_network(
    file: str, weights: str, request: EvalRequest, computing: _Computing, *, quiet: bool
) -> tuple[Evaluation, dict[str, Any]]:
    """Run the network on the data; return the evaluation and the other values of the output."""
    from anetc.api.evaluate import evaluate
    from anetc.cli.eval_output import check_confusion_labels
    from anetc.evaluation.predictions.prediction_files import check_names
    from anetc.local_processes import is_first_process, joined_processes

    is_first, world = is_first_process(), int(os.environ.get("WORLD_SIZE", "1"))
    with joined_processes(), contextlib.ExitStack() as stack:

        def ready(dataset: Dataset, notes: tuple[str, ...]) -> Progress:
            if is_first:
                show_warnings(notes)
            check_confusion_labels(computing.confusion, multi_label=dataset.multi_label)
            if computing.save is not None:
                names = (dataset.name(index) for index in range(len(dataset)))
                check_names(computing.save, names)
            silent = quiet or not is_first
            show = stack.enter_context(count_progress("videos", len(dataset), quiet=silent))
            # The processes have equal shares, up to one video.
            return lambda done: show(min(done * world, len(dataset)))

        assert request.data is not None
        report = evaluate(
            load_network(file),
            weights,
            request.data,
            format=request.format,
            split=request.split,
            protocol=request.protocol,
            frames=request.frames,
            size=request.size,
            clips=request.clips,
            fps=request.fps,
            seed=request.seed,
            batch=computing.batch,
            workers=computing.workers,
            engine=computing.engine,
            device=computing.device,
            precision=computing.precision,
            threads=computing.threads,
            max_failures=computing.max_failures,
            ready=ready,
            message=lambda line: click.echo(line, err=True) if is_first else None,
        )
    return report.evaluation, dict(report.about)


def _score_predictions(path: str, request: EvalRequest) -> tuple[Evaluation, dict[str, Any]]:
    """Score a prediction file; return the evaluation and the other values of the output."""
    from anetc.evaluation.predictions.prediction_files import read_predictions
    from anetc.evaluation.predictions.scoring import score_by_dataset, score_by_own_labels

    predictions = read_predictions(path)
    names = ("network", "data", "split", "recipe", "seed", "precision")
    about = {name: predictions.about.get(name) for name in names}
    if isinstance(device := predictions.about.get("device"), dict):
        about["device"] = device
    if request.data is None:
        return score_by_own_labels(predictions, path), about
    dataset, found = request.open_labels()
    evaluation, unknown = score_by_dataset(predictions, dataset, path)
    if unknown:
        click.echo(
            visible(
                f"{len(unknown)} videos of {path} are not in the {dataset.split} split and are "
                f"not scored; the first is {unknown[0]}"
            ),
            err=True,
        )
    return evaluation, {**about, **found}
