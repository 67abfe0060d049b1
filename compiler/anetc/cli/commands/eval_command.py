"""`anetc eval`: what a network, or a file of predictions, is worth on a data set."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from anetc.cli.network_input import load_network
from anetc.cli.options import SizeType, given_options
from anetc.cli.progress import count_progress
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import check_writable
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.cli.eval_data import EvalRequest
    from anetc.data.values import Split
    from anetc.devices import Precision
    from anetc.evaluation.protocols import Protocol
    from anetc.evaluation.scores import Evaluation
    from anetdsl.ir import Network


_OF_CLIPS = ("protocol", "frames", "size", "clips", "fps", "seed")


@click.command("eval")
@click.argument("file", required=False)
@click.option("--weights", metavar="FILE", help="Trained weights (.safetensors).")
@click.option("--data", metavar="DATA", help="A folder, a file, or `motion`.")
@click.option("--format", "format_", metavar="FORMAT", help="What --data is, if that is not plain.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Test by default, of Moments validation.",
)
@click.option(
    "--protocol",
    type=click.Choice(["moments", "charades"]),
    help="How clips are cut; by default as the format says.",
)
@click.option("--frames", type=click.IntRange(1, 100_000), help="Frames of a clip.")
@click.option("--size", type=SizeType(), metavar="S|HxW", help="Pixels of a clip.")
@click.option("--clips", type=click.IntRange(1, 1000), help="Clips of a video.")
@click.option("--fps", type=click.FloatRange(0.1, 1000), help="Frames a second.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of clips at random places.")
@click.option(
    "--batch",
    type=click.IntRange(1, 100_000),
    default=8,
    show_default=True,
    help="Clips to compute at once.",
)
@click.option("--workers", type=click.IntRange(0, 1000), default=0, help="Processes that load.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda.")
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True
)
@click.option(
    "--max-failures",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Share of videos that may be unreadable.",
)
@click.option("--save", metavar="OUT", help="Write predictions: .jsonl, .csv, or .txt.")
@click.option("--predictions", metavar="FILE", help="Score this file instead of a network.")
@click.option("--confusion", metavar="OUT", help="Confusions: .svg, .csv, or - to print.")
@click.option("--per-class/--no-per-class", default=None, help="The table of classes.")
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
    device: str,
    precision: Precision,
    max_failures: float,
    save: str | None,
    predictions: str | None,
    confusion: str | None,
    per_class: bool | None,
    as_json: bool,
) -> None:
    """What the network in FILE is worth on a data set, by the paper's protocols.

    Moments in Time: one clip of 36 frames, top-1 and top-5 accuracy. Charades: five random clips of
    64 frames, averaged, and the mAP of the official script. Equal seeds give equal numbers.

    With --predictions nothing is computed: a file that --save wrote, or one in the format of
    Charades submissions, is scored, by its own labels or by those of --data.
    """
    from anetc.cli.eval_data import EvalRequest
    from anetc.cli.eval_output import (
        MANY_CLASSES,
        check_confusion,
        put_confusion,
        refuse_confusion,
        show_classes,
        show_measures,
    )
    from anetc.cli.log import show_log
    from anetc.evaluation.predictions import check_suffix, write_predictions

    show_log()
    if confusion is not None:
        check_confusion(confusion)
        if confusion != "-":
            check_writable(confusion)
    if save is not None:
        check_suffix(save)
        check_writable(save)
    asked = EvalRequest(data, format_, split, protocol, frames, size, clips, fps, seed)
    if predictions is not None:
        if file is not None or weights is not None:
            raise CannotRun("--predictions: nothing is run, so leave out FILE and --weights")
        _refuse_for_predictions(() if data is not None else ("split", *_OF_CLIPS))
        evaluation, about = _scored(predictions, asked)
        refuse_confusion(confusion, multi_label=evaluation.multi_label)
    else:
        if file is None or weights is None or data is None:
            raise CannotRun("name a network, --weights and --data; or a file of --predictions")
        computing = _Computing(batch, workers, device, precision, max_failures, confusion)
        evaluation, about = _computed(file, weights, asked, computing, quiet=as_json)
    if save is not None:
        write_predictions(save, evaluation, about)
        click.echo(f"wrote {visible(save)}", err=True)
    if as_json:
        from anetc.evaluation.summary import to_json

        click.echo(json.dumps(to_json(evaluation, about), indent=2))
    else:
        click.echo(_headline(about, evaluation))
        show_measures(evaluation)
        if per_class or (per_class is None and len(evaluation.classes) <= MANY_CLASSES):
            show_classes(evaluation)
    if confusion is not None:
        put_confusion(evaluation, confusion, f"Confusions of {about['network'] or predictions}")


def _refuse_for_predictions(more: tuple[str, ...]) -> None:
    """What says how a network is run, says nothing about predictions that are there."""
    names = (*more, "batch", "workers", "device", "precision", "max_failures")
    for option in given_options(*names):
        raise CannotRun(f"--predictions: nothing is run, so leave out {option}")


@attrs.frozen
class _Computing:
    """How it is computed, and whether confusions will be wanted."""

    batch: int
    workers: int
    device: str
    precision: Precision
    max_failures: float
    confusion: str | None


def _computed(
    file: str, weights: str, asked: EvalRequest, computing: _Computing, *, quiet: bool
) -> tuple[Evaluation, dict[str, Any]]:
    """Run a network on the data."""
    from anetc.cli.eval_output import refuse_confusion

    network: Network = load_network(file)
    if not Path(weights).exists():
        raise cannot_read(weights)
    flow = any(value.kind == "flow" for value in network.inputs)
    dataset, about = asked.videos(flow=flow)
    refuse_confusion(computing.confusion, multi_label=dataset.multi_label)
    # torch takes seconds to import.
    from anetc.devices import check_device
    from anetc.evaluation.runner import check_classes, evaluate
    from anetc.modules.network import build_network
    from anetc.weights.files import load_weights

    check_device(computing.device)
    check_classes(network, dataset)
    model = build_network(network)
    load_weights(model, weights)
    model.to(computing.device)
    with count_progress("videos", len(dataset), quiet=quiet) as progress:
        evaluation = evaluate(
            model,
            network,
            dataset,
            batch=computing.batch,
            workers=computing.workers,
            device=computing.device,
            precision=computing.precision,
            seed=asked.seed,
            max_failures=computing.max_failures,
            progress=progress,
        )
    return evaluation, {
        "network": network.name,
        **about,
        "seed": asked.seed,
        "precision": computing.precision,
    }


def _scored(path: str, asked: EvalRequest) -> tuple[Evaluation, dict[str, Any]]:
    """Score a file of predictions."""
    from anetc.evaluation.predictions import evaluation_by, own_evaluation, read_predictions

    predictions = read_predictions(path)
    told = ("network", "data", "split", "recipe", "seed", "precision")
    about = {name: predictions.about.get(name) for name in told}
    if asked.data is None:
        return own_evaluation(predictions, path), about
    dataset, found = asked.labels()
    evaluation, unknown = evaluation_by(predictions, dataset, path)
    if unknown:
        click.echo(
            f"{len(unknown)} of its videos are not in the {dataset.split} split and not scored; "
            f"the first is {visible(unknown[0])}",
            err=True,
        )
    return evaluation, {**about, "data": found["data"], "split": found["split"]}


def _headline(about: dict[str, Any], evaluation: Evaluation) -> str:
    """What was evaluated, in a line or two."""
    parts = [str(about["network"])] if about["network"] else []
    if about["data"]:
        parts.append(f"{about['data']}, {about['split']} split")
    parts.append(f"{len(evaluation.names):,} videos of {len(evaluation.classes)} classes")
    lines = [visible("; ".join(parts))]
    recipe = about["recipe"]
    if isinstance(recipe, dict):
        with contextlib.suppress(KeyError, TypeError, ValueError):  # a file may say anything
            height, width = recipe["size"]
            clip = f"{recipe['frames']} frames of {height} x {width} pixels"
            many = f"{recipe['clips']} clips of" if recipe["clips"] > 1 else "one clip of"
            places = {
                "random": f", at random places (seed {about['seed']})",
                "even": ", evenly spread",
            }
            lines.append(visible(f"{many} {clip}{places.get(recipe['when'], '')}"))
    return "\n".join([*lines, ""])
