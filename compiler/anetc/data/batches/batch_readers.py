"""Read the videos of a batch, in a loader worker. Failures are returned as values.

A batch is a function of its number alone: it is the same in every process and every order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anetc.data.batches.sample_order import video_at
from anetc.data.values import Dataset, Sample
from anetc.video.flow.fields import STEPS, dequantise
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

_MOST_TRIES = 1000


@attrs.frozen
class FailedVideo:
    """A video of the data set that cannot be read, and the reason in one line."""

    index: int
    name: str
    reason: str


@attrs.frozen(eq=False)
class RawBatch:
    """One batch: `rgb` uint8 (N * clips, 3, T, H, W), `flow` float32 (N * clips, 2, T, H, W).

    A compact batch has its flow as int8, in steps of 1/127, if that loses nothing. `objects` are
    the object maps of the samples: classes (N * clips, T, H, W), or scores (N * clips, K, T, H, W).
    Flow and objects are None if the data set was opened without. `targets` is
    int64 (N,) or float32 (N, classes). `rgb` is None if no video can be read. `error` is the reason
    why no further batch can be read.
    """

    number: int
    rgb: Tensor | None
    flow: Tensor | None
    targets: Tensor | None
    names: tuple[str, ...]
    failures: tuple[FailedVideo, ...]
    error: str | None = None
    objects: Tensor | None = None

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The clips by kind of input, as they were read."""
        kinds = {"rgb": self.rgb, "flow": self.flow, "object": self.objects}
        return {kind: tensor for kind, tensor in kinds.items() if tensor is not None}


@attrs.frozen
class StreamReader:
    """Reader of a process's share of batch i: `share` positions from i * batch + first."""

    dataset: Dataset
    seed: int
    batch: int
    first: int
    share: int
    compact: bool = False
    """True to read compact batches."""

    def __call__(self, number: int) -> RawBatch:
        """Read the share. A video that fails is replaced by the one in its place a batch later."""
        samples: list[Sample] = []
        failures: dict[int, FailedVideo] = {}
        start = number * self.batch + self.first
        for position in range(start, start + self.share):
            sample = self._first_readable(position, failures)
            if isinstance(sample, str):
                return _failed_batch(number, failures, sample)
            samples.append(sample)
        return _collate(number, samples, failures, compact=self.compact)

    def _first_readable(self, position: int, failures: dict[int, FailedVideo]) -> Sample | str:
        count = len(self.dataset)
        for step in range(_MOST_TRIES):
            video = video_at(self.seed, count, position + step * self.batch)
            if video.index in failures:
                continue
            sample = _read_sample(self.dataset, video.index, self.seed, video.epoch)
            if not isinstance(sample, FailedVideo):
                return sample
            failures[video.index] = sample
        return f"{_MOST_TRIES} videos in a row cannot be read"


@attrs.frozen
class OrderedReader:
    """Reader of batch i of the videos `first` to `end` - 1, in order, without failed videos."""

    dataset: Dataset
    seed: int
    batch: int
    first: int
    end: int
    compact: bool = False
    """True to read compact batches."""

    def __call__(self, number: int) -> RawBatch:
        """Read the videos of one batch."""
        samples: list[Sample] = []
        failures: dict[int, FailedVideo] = {}
        start = self.first + number * self.batch
        for index in range(start, min(start + self.batch, self.end)):
            sample = _read_sample(self.dataset, index, self.seed, 0)
            if isinstance(sample, str):
                return _failed_batch(number, failures, sample)
            if isinstance(sample, FailedVideo):
                failures[index] = sample
            else:
                samples.append(sample)
        return _collate(number, samples, failures, compact=self.compact)

    @property
    def batches(self) -> int:
        """Number of batches."""
        return math.ceil((self.end - self.first) / self.batch)


def _read_sample(dataset: Dataset, index: int, seed: int, epoch: int) -> Sample | FailedVideo | str:
    """Return a sample, or the failure of this video, or the reason why no video can be read."""
    try:
        return dataset.sample(index, seed=seed, epoch=epoch)
    except VideoError as error:
        return FailedVideo(index, dataset.name(index), str(error))
    except CannotRun as error:
        return str(error)
    except OSError as error:  # such as too many open files
        name = dataset.name(index)
        return FailedVideo(index, name, f"{name}: {error.strerror or error}")
    except MemoryError:
        return f"{dataset.name(index)}: there is not enough memory to read it"


def _failed_batch(number: int, failures: dict[int, FailedVideo], error: str) -> RawBatch:
    return RawBatch(number, None, None, None, (), tuple(failures.values()), error)


def _collate(
    number: int,
    samples: Sequence[Sample],
    failures: dict[int, FailedVideo],
    *,
    compact: bool = False,
) -> RawBatch:
    failed = tuple(failures.values())
    if not samples:
        return RawBatch(number, None, None, None, (), failed)
    flows: list[NDArray[Any]] = [sample.flow for sample in samples if sample.flow is not None]
    if compact and flows:
        flows = quantised_flows(flows)
    maps: list[NDArray[Any]] = [s.objects for s in samples if s.objects is not None]
    return RawBatch(
        number,
        _stack([sample.rgb for sample in samples]),
        _stack(flows) if flows else None,
        _stack_targets([sample.target for sample in samples]),
        tuple(sample.name for sample in samples),
        failed,
        objects=_stack(maps) if maps else None,
    )


def quantised_flows(flows: Sequence[NDArray[np.float32]]) -> list[NDArray[Any]]:
    """Return the steps (int8) of flows that were read from steps; else the flows themselves."""
    found: list[NDArray[Any]] = []
    for flow in flows:
        rounded = np.rint(flow * np.float32(STEPS))
        if not (np.abs(rounded) <= STEPS).all():
            return list(flows)
        steps = rounded.astype(np.int8)
        if not np.array_equal(dequantise(steps), flow):
            return list(flows)
        found.append(steps)
    return found


def _stack(clips: Sequence[NDArray[Any]]) -> Tensor:
    """Stack arrays (clips, T, H, W, C) to one contiguous tensor (N * clips, C, T, H, W).

    Arrays (clips, T, H, W) keep their axes.
    """
    joined = np.concatenate([np.moveaxis(c, -1, 1) if c.ndim == 5 else c for c in clips])
    return torch.from_numpy(np.ascontiguousarray(joined))


def _stack_targets(targets: Sequence[int | NDArray[np.float32]]) -> Tensor:
    """Stack targets to int64 (N,), or float32 (N, classes) for several labels a video."""
    joined = np.array(targets)
    return torch.from_numpy(joined.astype(np.int64 if joined.ndim == 1 else np.float32))
