"""A network on all videos of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from anetc.data.loading import network_inputs, test_batches
from anetc.training.evaluation import Evaluation, Scores, average_clips
from anetdsl.diagnostics import CannotRun
from anetdsl.rendering.screen import visible

if TYPE_CHECKING:
    from anetc.data.loading import Batch
    from anetc.data.values import Dataset
    from anetc.training.settings import Precision
    from anetdsl.ir import Network

Progress = Callable[[int], None]
"""Told the videos that this process has done so far."""


def evaluate(
    model: nn.Module,
    network: Network,
    dataset: Dataset,
    *,
    batch: int = 8,
    workers: int = 0,
    device: str | torch.device = "cpu",
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> Evaluation:
    """Run a model on every video of a split: its scores, averaged over a video's clips.

    `model`, on `device`, is called as a NetworkModule is; it is in inference mode meanwhile, and
    comes back in the mode it was in. `batch` clips are computed at once. Where several processes
    run (torch.distributed), each takes its share, and all get the whole. Videos that cannot be read
    have NaN. Raises CannotRun where the network does not fit the data or no video can be read.
    """
    check_classes(network, dataset)
    if not len(dataset):
        raise CannotRun(f"the {dataset.split} split has no videos")
    rank, world = _place()
    batches = test_batches(dataset, batch=batch, workers=workers, rank=rank, world=world)
    training = model.training
    model.eval()
    try:
        scores = dict(_scores(model, network, batches, batch, device, precision, progress))
    finally:
        model.train(training)
    if world > 1:
        shares: list[dict[str, Scores]] = [{} for _ in range(world)]
        dist.all_gather_object(shares, scores)
        scores = {name: row for share in shares for name, row in share.items()}
    return _gather(dataset, scores)


def check_classes(network: Network, dataset: Dataset) -> None:
    """Raise CannotRun unless the network has as many classes as the data."""
    ours, theirs = network.sink.classes, len(dataset.classes)
    if ours != theirs:
        raise CannotRun(
            f"network {network.name} has {ours} classes, the data {theirs}: "
            f"write `classes={theirs}` in its `sink`"
        )


def _scores(
    model: nn.Module,
    network: Network,
    batches: Iterable[Batch],
    most: int,
    device: str | torch.device,
    precision: Precision,
    progress: Progress | None,
) -> Iterator[tuple[str, Scores]]:
    """Each video's name and its logits (clips, classes)."""
    done = 0
    kind = torch.device(device).type
    for batch in batches:
        inputs = network_inputs(network, batch)
        with (
            torch.inference_mode(),
            torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            logits = [model(part).double().cpu() for part in _parts(inputs, most, device)]
        rows = torch.cat(logits).numpy().reshape(len(batch.names), -1, network.sink.classes)
        yield from zip(batch.names, rows, strict=True)
        done += len(batch.names)
        if progress is not None:
            progress(done)


def _parts(
    inputs: dict[str, Tensor], most: int, device: str | torch.device
) -> Iterator[dict[str, Tensor]]:
    """Inputs (N, ...) by name, at most so many clips at a time, on the device."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, most):
        yield {name: x[start : start + most].to(device) for name, x in inputs.items()}


def _gather(dataset: Dataset, scores: dict[str, Scores]) -> Evaluation:
    """The evaluation of all videos in order, given the logits (clips, classes) of those read."""
    names = tuple(dataset.name(index) for index in range(len(dataset)))
    failed = tuple(name for name in names if name not in scores)
    if len(failed) == len(names):
        raise CannotRun(
            f"none of the {len(names)} videos of the {dataset.split} split can be read; "
            f"the first is {visible(names[0])}"
        )
    clips = len(next(iter(scores.values())))
    missing = np.full((clips, len(dataset.classes)), np.nan)
    logits = np.stack([scores.get(name, missing) for name in names])
    targets = [dataset.target(index) for index in range(len(dataset))]
    return Evaluation(
        names=names,
        logits=average_clips(logits, multi_label=dataset.multi_label),
        targets=np.array(targets, np.float64 if dataset.multi_label else np.int64),
        classes=dataset.classes,
        failed=failed,
    )


def _place() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
