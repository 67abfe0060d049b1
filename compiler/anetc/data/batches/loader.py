"""From a data set to batches: endless ones to train with, and each video once to test with.

With `workers` above 0 batches are made ahead by that many processes, each with one thread: one that
decodes, or computes flow, needs no more. Whatever their number, the batches are the same.

A video that cannot be read is named once in the log (`anetc.data`) and counted. More such videos
than a share `max_failures` of the data set stop the run.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, cast

import attrs
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from anetc.data.batches.worker import OrderedReader, Read, StreamReader
from anetc.data.spec import shown
from anetc.data.values import Dataset
from anetdsl.errors import CannotRun
from anetdsl.ir import Network
from anetdsl.terminal import visible

PREFETCH = 2
"""Batches that each worker makes ahead."""

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class Batch:
    """Batch number `index`, of N videos.

    `inputs` by kind: `rgb` float32 (N * clips, 3, T, H, W) in [0, 1], and `flow` float32 (N *
    clips, 2, T, H, W) in [-1, 1] where the data set was opened with it. `targets` is int64 (N,), or
    float32 (N, classes) for several labels; `names` has N entries. The `clips` clips of a video
    stand one after another.
    """

    inputs: dict[str, Tensor]
    targets: Tensor
    names: tuple[str, ...]
    index: int
    clips: int = 1


def training_batches(
    dataset: Dataset,
    *,
    batch: int,
    seed: int,
    start: int = 0,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    max_failures: float = 0.05,
) -> Generator[Batch, None, None]:
    """Batches `start`, `start` + 1, ... without end; batch i is a function of (seed, i) alone.

    `batch` videos are shared out among `world` processes: `rank` gets its contiguous part. A video
    that fails is replaced by that which stands in its place one batch later.

    Raises CannotRun for an empty data set, a batch that `world` does not divide, and above the
    share of failures; ValueError for numbers out of range.
    """
    _check(dataset, batch, rank, world)
    if batch % world:
        raise CannotRun(f"a batch of {batch} cannot be shared evenly among {world} processes")
    if start < 0:
        raise ValueError(f"start must be 0 or more, not {start}")
    share = batch // world
    reader = StreamReader(dataset, seed, batch, rank * share, share)
    with closing(_made(reader, _From(start), workers)) as reads:
        yield from _batches(reads, dataset, max_failures)


def test_batches(
    dataset: Dataset,
    *,
    batch: int,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    seed: int = 0,
    max_failures: float = 0.05,
) -> Iterator[Batch]:
    """Every video once, in order, `batch` at a time; the last batch may be smaller.

    `rank` gets a contiguous part of the data set, so those of all ranks in turn are the whole.
    `seed` is that of clips drawn at random. Videos that fail are left out.

    Raises as `training_batches`.
    """
    _check(dataset, batch, rank, world)
    first, end = (len(dataset) * part // world for part in (rank, rank + 1))
    reader = OrderedReader(dataset, seed, batch, first, end)
    with closing(_made(reader, range(reader.batches), workers)) as reads:
        yield from _batches(reads, dataset, max_failures)


# Not a test, whatever pytest takes a function of this name for when it is imported there.
test_batches.__test__ = False  # type: ignore[attr-defined]


def network_inputs(network: Network, batch: Batch) -> dict[str, Tensor]:
    """The network's inputs by name, each of its kind; one channel of `rgb` is the grey picture.

    Raises CannotRun for an input that a batch of clips cannot give.
    """
    given = {}
    for value in network.inputs:
        tensor = batch.inputs.get(value.kind)
        if tensor is not None and value.kind == "rgb" and value.channels == 1:
            tensor = tensor.mean(dim=1, keepdim=True)
        if tensor is None or tensor.shape[1] != value.channels:
            raise CannotRun(
                f"input `{value.name}` of kind `{value.kind}` has {value.channels} channels; "
                "a video gives RGB (3), grey (1) and optical flow (2)"
            )
        given[value.name] = tensor
    return given


def needs_flow(network: Network) -> bool:
    """Whether the network has an input that is optical flow."""
    return any(value.kind == "flow" for value in network.inputs)


def _check(dataset: Dataset, batch: int, rank: int, world: int) -> None:
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    if not 0 <= rank < world:
        raise ValueError(f"rank must be from 0 to {world - 1}, not {rank}")
    if len(dataset) == 0:
        raise CannotRun(f"{shown(dataset.spec)}: the {dataset.split} split has no videos")


@attrs.frozen
class _From:
    """The whole numbers from `start` on, as often as they are asked for."""

    start: int

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1


@attrs.frozen(eq=False)
class _Lookup(TorchDataset[Read]):
    """What DataLoader reads from: item i is batch i."""

    reader: Callable[[int], Read]

    def __getitem__(self, number: int) -> Read:
        return self.reader(number)


def _made(
    reader: Callable[[int], Read], numbers: Iterable[int], workers: int
) -> Generator[Read, None, None]:
    """The batches of these numbers, in their order."""
    if workers == 0:
        yield from map(reader, numbers)
        return
    # A forked process would inherit the locks of threads that it does not have.
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    # Loaded once, in the process that workers are forked from; on Windows this has no effect.
    context.set_forkserver_preload(["anetc.data.batches.worker"])
    with warnings.catch_warnings():
        # Who asks for more workers than processors may have them.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader = DataLoader(
            _Lookup(reader),
            batch_size=None,
            sampler=cast(Any, numbers),
            num_workers=workers,
            prefetch_factor=PREFETCH,
            collate_fn=_as_it_is,
            multiprocessing_context=context,
        )
        reads = iter(loader)
    try:
        yield from reads
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise CannotRun(
            "a process that reads videos was killed, which happens when memory (or shared memory, "
            "/dev/shm) runs out; try fewer --workers or a smaller batch"
        ) from error


def _as_it_is(read: Any) -> Any:
    return read


def _batches(reads: Iterable[Read], dataset: Dataset, max_failures: float) -> Iterator[Batch]:
    failed: set[int] = set()
    for read in reads:
        for failure in read.failures:
            if failure.index in failed:
                continue
            failed.add(failure.index)
            _log.warning("left out: %s", visible(failure.reason))
            if len(failed) > max_failures * len(dataset):
                raise CannotRun(
                    f"{shown(dataset.spec)}: {len(failed)} of the {len(dataset)} videos of the "
                    f"{dataset.split} split cannot be read, more than {100 * max_failures:g} %; "
                    f"the last one: {visible(failure.reason)}"
                )
        if read.refusal is not None:
            raise CannotRun(visible(read.refusal))
        if read.rgb is not None and read.targets is not None:
            yield _batch(read, read.rgb, read.targets)


def _batch(read: Read, rgb: Tensor, targets: Tensor) -> Batch:
    inputs = {"rgb": rgb.to(torch.float32) / 255}
    if read.flow is not None:
        inputs["flow"] = read.flow
    return Batch(inputs, targets, read.names, read.number, len(rgb) // len(read.names))
