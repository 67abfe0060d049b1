"""Evaluate a network on all videos of a split."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from anetc.data.batches.device_feed import fed, takes_bytes
from anetc.data.batches.loader import Batch, named_inputs, scaled, test_batches
from anetc.data.values import groups_of
from anetc.evaluation.metrics import Scores
from anetc.evaluation.scores import Evaluation, average_clips
from anetc.memory import is_out_of_memory
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetc.devices import Precision
    from anetdsl.ir import Network

Progress = Callable[[int], None]
"""Called with the number of videos that this process has finished."""

Row = tuple[str, Scores]
"""Name of a video, and its logits (clips, classes)."""

_log = logging.getLogger("anetc.evaluation")


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
    """Run a model on every video of a split and average its scores over the clips of each video.

    With several processes (torch.distributed), each process evaluates a share of the videos and
    all processes return the complete result. The scores of videos that cannot be read are NaN. A
    GPU gets the bytes of a batch while it computes the one before.

    Args:
        model: Module on `device` that takes inputs by name and returns logits (N, classes). It is
            in inference mode during the evaluation; its mode is restored afterwards.
        network: Network that `model` computes.
        dataset: Videos of the split.
        batch: Maximum number of clips to compute at once. Videos are held only up to this number.
            While memory does not suffice, the number is halved.
        workers: Number of processes that load clips; 0 loads them in this process.
        device: Device of the model.
        precision: Precision of the forward pass.
        seed: Seed of random clips.
        max_failures: Maximum fraction of videos that may be unreadable.
        progress: Called with the number of videos done.

    Raises:
        CannotRun: The network and the data differ in their number of classes, or too many videos
            cannot be read.
    """
    check_classes(network, dataset)
    rank, world = _rank_and_world()
    training = model.training
    model.eval()
    rows: list[Row] = []
    failure: CannotRun | None = None
    try:
        videos = test_batches(
            dataset,
            batch=1,  # the number of clips of a video is known only from its sample
            workers=workers,
            rank=rank,
            world=world,
            seed=seed,
            max_failures=max_failures,
            compact=takes_bytes(device),
        )
        most = batch
        for part in fed(_grouped(videos, batch), torch.device(device)):
            logits, most = _fitting_logits(model, network, part, most, device, precision)
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
    return _evaluation(dataset, rows)


def check_classes(network: Network, dataset: Dataset) -> None:
    """Raise CannotRun if the network and the data differ in their number of classes."""
    ours, theirs = network.sink.classes, len(dataset.classes)
    if ours != theirs:
        raise CannotRun(
            f"network {network.name} has {ours} classes, but the data have {theirs}: "
            f"write `classes={theirs}` in its `sink`, or train it with --classes {theirs}"
        )


def _grouped(videos: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Combine videos into batches of at most `most` clips; a video with more is a batch alone."""
    held: list[Batch] = []
    for video in videos:
        if held and (len(held) + 1) * video.clips > most:
            yield _concatenated(held)
            held = []
        held.append(video)
    if held:
        yield _concatenated(held)


def _concatenated(parts: Sequence[Batch]) -> Batch:
    """Concatenate batches that have the same number of clips per video."""
    given = [part.inputs for part in parts]
    if any(len({inputs[kind].dtype for inputs in given}) > 1 for kind in given[0]):
        given = [scaled(inputs) for inputs in given]  # not all flow was read from bytes
    return Batch(
        {kind: torch.cat([inputs[kind] for inputs in given]) for kind in given[0]},
        torch.cat([part.targets for part in parts]),
        tuple(name for part in parts for name in part.names),
        parts[0].index,
        parts[0].clips,
    )


def _fitting_logits(
    model: nn.Module,
    network: Network,
    batch: Batch,
    most: int,
    device: str | torch.device,
    precision: Precision,
) -> tuple[Scores, int]:
    """Return `_logits` of a batch, and the number of clips at once for which memory suffices.

    The number is `most`, or a half, a quarter and so on of it. Raise the error of PyTorch where
    memory does not suffice for one clip.
    """
    while True:
        try:
            return _logits(model, network, batch, most, device, precision), most
        except (RuntimeError, MemoryError) as error:
            if most == 1 or not is_out_of_memory(error):
                raise
        # Here the error, which holds tensors of its frames, is gone.
        too_many, most = most, most // 2
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
        _log.warning(
            "there is not enough memory to evaluate %d clips at once; going on with %d",
            too_many,
            most,
        )


def _logits(
    model: nn.Module,
    network: Network,
    batch: Batch,
    most: int,
    device: str | torch.device,
    precision: Precision,
) -> Scores:
    """Compute the logits (N, clips, classes) of a batch, at most `most` clips at once."""
    with (
        torch.inference_mode(),
        torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16"),
    ):
        # Object maps become channels only in a part: those of a batch take much memory.
        found = [
            model(named_inputs(network, scaled({kind: x.to(device) for kind, x in part.items()})))
            .cpu()
            .double()
            for part in _split(batch.inputs, most)
        ]
    logits: Scores = torch.cat(found).numpy()
    return logits.reshape(len(batch.names), batch.clips, -1)


def _split(inputs: dict[str, Tensor], most: int) -> Iterator[dict[str, Tensor]]:
    """Split inputs (N, ...) by kind into parts of at most `most` clips."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, most):
        yield {name: x[start : start + most] for name, x in inputs.items()}


def _exchange(
    rows: list[Row], failure: CannotRun | None, world: int
) -> tuple[list[Row], CannotRun | None]:
    """Return the rows of all processes, and the first failure, so that all processes stop."""
    shares: list[tuple[list[Row], str | None]] = [([], None)] * world
    dist.all_gather_object(shares, (rows, None if failure is None else str(failure)))
    messages = [message for _, message in shares if message is not None]
    return (
        [row for share, _ in shares for row in share],
        CannotRun(messages[0]) if messages else None,
    )


def _evaluation(dataset: Dataset, rows: list[Row]) -> Evaluation:
    """Build the evaluation of all videos from the rows of the readable ones, in the same order."""
    names = tuple(dataset.name(index) for index in range(len(dataset)))
    if not rows:
        raise CannotRun(
            f"none of the {len(names)} videos of the {dataset.split} split can be read; "
            f"the first is {names[0]}"
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
        groups=groups_of(dataset),
    )


def _rank_and_world() -> tuple[int, int]:
    """Return the rank of this process and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
