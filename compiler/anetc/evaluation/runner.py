"""A network on all videos of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from anetc.data.batches.loader import Batch, network_inputs, test_batches
from anetc.evaluation.metrics import Scores
from anetc.evaluation.scores import Evaluation, average_clips
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetc.devices import Precision
    from anetdsl.ir import Network

Progress = Callable[[int], None]
"""Told how many videos this process has done so far."""

Row = tuple[str, Scores]
"""A video's name, and its logits (clips, classes)."""


def evaluate(
    model: nn.Module,
    network: Network,
    dataset: Dataset,
    *,
    batch: int = 8,
    workers: int = 0,
    device: str | torch.device = "cpu",
    precision: Precision = "float32",
    seed: int = 0,
    max_failures: float = 0.05,
    progress: Progress | None = None,
) -> Evaluation:
    """Run a model on every video of a split: its scores, averaged over a video's clips.

    `model`, which is on `device`, is called as a NetworkModule is; it is in inference mode
    meanwhile, and comes back in the mode it was in. At most `batch` clips are computed at once, and
    not more videos held than make so many. `seed` is that of clips drawn at random. Where several
    processes run (torch.distributed), each takes a share of the videos, and all get the whole
    result. Videos that cannot be read have NaN.

    Raises CannotRun where the network does not fit the data, and where more than a share
    `max_failures` of the videos cannot be read.
    """
    check_classes(network, dataset)
    rank, world = _place()
    training = model.training
    model.eval()
    rows: list[Row] = []
    failure: CannotRun | None = None
    try:
        videos = test_batches(
            dataset,
            batch=1,  # a video may have many clips, which only its sample tells
            workers=workers,
            rank=rank,
            world=world,
            seed=seed,
            max_failures=max_failures,
        )
        for part in _grouped(videos, batch):
            logits = _logits(model, network, part, batch, device, precision)
            rows.extend(zip(part.names, logits, strict=True))
            if progress is not None:
                progress(len(rows))
    except CannotRun as error:
        failure = error
    finally:
        model.train(training)
    if world > 1:
        rows, failure = _exchange(rows, failure, world)
    if failure is not None:
        raise failure
    return _whole(dataset, rows)


def check_classes(network: Network, dataset: Dataset) -> None:
    """Raise CannotRun unless the network has as many classes as the data."""
    ours, theirs = network.sink.classes, len(dataset.classes)
    if ours != theirs:
        raise CannotRun(
            f"network {network.name} has {ours} classes, the data {theirs}: "
            f"write `classes={theirs}` in its `sink`"
        )


def _grouped(videos: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Batches of several videos, with at most so many clips, or of one that has more."""
    held: list[Batch] = []
    for video in videos:
        if held and (len(held) + 1) * video.clips > most:
            yield _together(held)
            held = []
        held.append(video)
    if held:
        yield _together(held)


def _together(parts: Sequence[Batch]) -> Batch:
    """Batches of equally many clips a video as one."""
    return Batch(
        {kind: torch.cat([part.inputs[kind] for part in parts]) for kind in parts[0].inputs},
        torch.cat([part.targets for part in parts]),
        tuple(name for part in parts for name in part.names),
        parts[0].index,
        parts[0].clips,
    )


def _logits(
    model: nn.Module,
    network: Network,
    batch: Batch,
    most: int,
    device: str | torch.device,
    precision: Precision,
) -> Scores:
    """The logits (N, clips, classes) of a batch, of which `most` clips are computed at once."""
    low = precision == "bfloat16"
    with (
        torch.inference_mode(),
        torch.autocast(torch.device(device).type, torch.bfloat16, enabled=low),
    ):
        parts = _parts(network_inputs(network, batch), most)
        found = [
            model({name: x.to(device) for name, x in part.items()}).double().cpu() for part in parts
        ]
    logits: Scores = torch.cat(found).numpy()
    return logits.reshape(len(batch.names), batch.clips, -1)


def _parts(inputs: dict[str, Tensor], most: int) -> Iterator[dict[str, Tensor]]:
    """Inputs (N, ...) by name, at most so many clips at a time."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, most):
        yield {name: x[start : start + most] for name, x in inputs.items()}


def _exchange(
    rows: list[Row], failure: CannotRun | None, world: int
) -> tuple[list[Row], CannotRun | None]:
    """The rows of all processes in order, and the first one's failure, so that none waits on."""
    shares: list[tuple[list[Row], str | None]] = [([], None)] * world
    dist.all_gather_object(shares, (rows, None if failure is None else str(failure)))
    messages = [message for _, message in shares if message is not None]
    return (
        [row for share, _ in shares for row in share],
        CannotRun(messages[0]) if messages else None,
    )


def _whole(dataset: Dataset, rows: list[Row]) -> Evaluation:
    """The evaluation of all videos, given the rows of those that were read in the same order."""
    names = tuple(dataset.name(index) for index in range(len(dataset)))
    if not rows:
        raise CannotRun(
            f"none of the {len(names)} videos of the {dataset.split} split can be read; "
            f"the first is {visible(names[0])}"
        )
    logits = np.full((len(names), *rows[0][1].shape), np.nan)
    read = iter(rows)
    waiting = next(read, None)
    failed = []
    for index, name in enumerate(names):
        if waiting is not None and waiting[0] == name:
            logits[index] = waiting[1]
            waiting = next(read, None)
        else:
            failed.append(name)
    targets = np.array([dataset.target(index) for index in range(len(dataset))])
    return Evaluation(
        names=names,
        logits=average_clips(logits, multi_label=dataset.multi_label),
        targets=targets.astype(np.float64) if dataset.multi_label else targets.astype(np.int64),
        classes=dataset.classes,
        failed=tuple(failed),
    )


def _place() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
