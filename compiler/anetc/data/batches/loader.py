"""Load a data set in batches: an endless stream for training, each video once for testing.

With `workers` above 0, that many processes with one thread each load batches ahead. The batches do
not depend on the number of workers.

The log (`anetc.data`) names each video that cannot be read once. More such videos than the fraction
`max_failures` of the data set raise CannotRun.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing

import attrs
import torch
from torch import Tensor

from anetc.data.batches.batch_readers import OrderedReader, RawBatch, StreamReader
from anetc.data.batches.batch_workers import read_batches
from anetc.data.spec import spec_text
from anetc.data.values import Dataset
from anetc.video.flow.fields import STEPS
from anetdsl.errors import CannotRun
from anetdsl.ir import Input, Network

_CLASSES_NDIM = 4
"""Number of axes of object maps (N, T, H, W) that hold classes; other inputs have five."""

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class Batch:
    """Batch number `index`, of N videos with `clips` consecutive clips each.

    `inputs` by kind: `rgb` float32 (N * clips, 3, T, H, W) in [0, 1], and `flow` float32 (N *
    clips, 2, T, H, W) in [-1, 1] if the data set was opened with it. In a compact batch `rgb` is
    uint8 and `flow` mostly int8; `scaled` makes the same numbers of them. `object`, if the data set
    was opened with object maps, holds scores float32 (N * clips, K, T, H, W), uint8 in a compact
    batch; or classes (N * clips, T, H, W), whole numbers. `targets` is int64 (N,),
    or float32 (N, classes) for several labels; `names` has N entries.
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
    compact: bool = False,
) -> Generator[Batch, None, None]:
    """Yield batches `start`, `start` + 1, ... without end; batch i is a function of (seed, i).

    The process `rank` of `world` gets its contiguous part of the `batch` videos. A video that
    cannot be read is replaced by the video at the same place one batch later. With `compact` the
    batches are compact, for a device that scales them.

    Raises CannotRun for an empty data set, a batch that `world` does not divide, and more failures
    than the fraction `max_failures`; ValueError for numbers out of range.
    """
    _check(dataset, batch, rank, world)
    if batch % world:
        raise CannotRun(f"a batch of {batch} cannot be shared equally by {world} processes")
    if start < 0:
        raise ValueError(f"start must be 0 or more, not {start}")
    share = batch // world
    reader = StreamReader(dataset, seed, batch, rank * share, share, compact)
    with closing(read_batches(reader, _CountFrom(start), workers)) as raw:
        yield from _batches(raw, dataset, max_failures, compact=compact)


def test_batches(
    dataset: Dataset,
    *,
    batch: int,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    seed: int = 0,
    max_failures: float = 0.05,
    compact: bool = False,
) -> Iterator[Batch]:
    """Yield every video once, in order, `batch` at a time; the last batch may be smaller.

    The process `rank` of `world` gets a contiguous part of the data set. `seed` is the seed of
    clips at random places. Videos that cannot be read are left out. With `compact` the batches are
    compact, for a device that scales them.

    Raises the errors of `training_batches`.
    """
    _check(dataset, batch, rank, world)
    first, end = (len(dataset) * part // world for part in (rank, rank + 1))
    reader = OrderedReader(dataset, seed, batch, first, end, compact)
    with closing(read_batches(reader, range(reader.batches), workers)) as raw:
        yield from _batches(raw, dataset, max_failures, compact=compact)


# pytest takes every imported function with this prefix for a test.
test_batches.__test__ = False  # type: ignore[attr-defined]


def network_inputs(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return the network's inputs by name. An `rgb` input with one channel gets grey frames.

    Raises CannotRun for an input that a batch of clips cannot provide.
    """
    return named_inputs(network, batch.inputs)


def named_inputs(network: Network, clips: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the inputs of `network_inputs` from clips by kind, as float numbers (N, C, T, H, W).

    Object maps that hold classes, (N, T, H, W), become one-hot channels.
    """
    given = {}
    for value in network.inputs:
        tensor = clips.get(value.kind)
        if value.kind == "object":
            given[value.name] = object_tensor(value, tensor)
            continue
        if tensor is not None and value.kind == "rgb" and value.channels == 1:
            tensor = tensor.mean(dim=1, keepdim=True)
        if tensor is None or tensor.shape[1] != value.channels:
            raise CannotRun(
                f"input `{value.name}` of kind `{value.kind}` has {value.channels} channels; "
                "a video provides RGB (3), grey (1) and optical flow (2)"
            )
        given[value.name] = tensor
    return given


def object_tensor(value: Input, maps: Tensor | None) -> Tensor:
    """Return the tensor (N, C, T, H, W) of an object input.

    `maps` are classes (N, T, H, W), which become one-hot channels, or scores (N, C, T, H, W).
    Raises CannotRun if there are none, or their scores are not those of the input's channels.
    """
    if maps is None:
        raise CannotRun(
            f"input `{value.name}` of kind `object`: the clips have no object maps; "
            "use a network without object inputs, or data with object maps"
        )
    if maps.ndim == _CLASSES_NDIM:
        numbers = torch.arange(value.channels, dtype=maps.dtype, device=maps.device)
        return (maps[:, None] == numbers[:, None, None, None]).to(torch.float32)
    if maps.shape[1] != value.channels:
        raise CannotRun(
            f"input `{value.name}` of kind `object` has {value.channels} channels, but the object "
            f"maps have {maps.shape[1]}"
        )
    return maps


def scaled(clips: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the clips of a batch, by kind, as float32 on their device (semantics 7).

    Object maps that hold classes stay as they are.
    """
    return {
        kind: x if kind == "object" and x.ndim == _CLASSES_NDIM else _scaled(x)
        for kind, x in clips.items()
    }


def _scaled(clips: Tensor) -> Tensor:
    if clips.is_floating_point():
        return clips
    return clips.to(torch.float32) / (255 if clips.dtype == torch.uint8 else STEPS)


def needs_flow(network: Network) -> bool:
    """Return whether the network has an optical flow input."""
    return any(value.kind == "flow" for value in network.inputs)


def _check(dataset: Dataset, batch: int, rank: int, world: int) -> None:
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    if not 0 <= rank < world:
        raise ValueError(f"rank must be from 0 to {world - 1}, not {rank}")
    if len(dataset) == 0:
        raise CannotRun(f"{spec_text(dataset.spec)}: the {dataset.split} split has no videos")


@attrs.frozen
class _CountFrom:
    """The whole numbers from `start` on; each iteration begins at `start`."""

    start: int

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1


def _batches(
    raw_batches: Iterable[RawBatch],
    dataset: Dataset,
    max_failures: float,
    *,
    compact: bool = False,
) -> Iterator[Batch]:
    failed: set[int] = set()
    for raw in raw_batches:
        for failure in raw.failures:
            if failure.index in failed:
                continue
            failed.add(failure.index)
            _log.warning("left out: %s", failure.reason)
            if len(failed) > max_failures * len(dataset):
                raise CannotRun(
                    f"{spec_text(dataset.spec)}: {len(failed)} of the {len(dataset)} videos of the "
                    f"{dataset.split} split cannot be read, more than {100 * max_failures:g} %; "
                    f"the last one: {failure.reason}"
                )
        if raw.error is not None:
            raise CannotRun(raw.error)
        if raw.rgb is not None and raw.targets is not None:
            inputs = raw.inputs if compact else scaled(raw.inputs)
            clips = len(raw.rgb) // len(raw.names)
            yield Batch(inputs, raw.targets, raw.names, raw.number, clips)
