"""Batches as a loader worker makes them: whatever can go wrong comes back as a value.

A reader is handed the number of a batch and nothing else, so a batch is the same in whatever
process, and in whatever order, it is made.
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

from anetc.data.batches.stream import place
from anetc.data.values import Dataset, Sample
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

_MOST_TRIES = 1000


@attrs.frozen
class Failure:
    """A video of the data set that could not be read, and why, in one line."""

    index: int
    name: str
    reason: str


@attrs.frozen(eq=False)
class Read:
    """One batch: `rgb` uint8 (N * clips, 3, T, H, W), `flow` float32 (N * clips, 2, T, H, W).

    `targets` is int64 (N,) or float32 (N, classes). `rgb` is None where no video could be read.
    `refusal` is what makes going on impossible.
    """

    number: int
    rgb: Tensor | None
    flow: Tensor | None
    targets: Tensor | None
    names: tuple[str, ...]
    failures: tuple[Failure, ...]
    refusal: str | None = None


@attrs.frozen
class StreamReader:
    """Makes a rank's share of batch i: `share` places of the stream from i * batch + first."""

    dataset: Dataset
    seed: int
    batch: int
    first: int
    share: int

    def __call__(self, number: int) -> Read:
        """Read the share. A video that fails is replaced by the one in its place a batch later."""
        samples: list[Sample] = []
        failures: dict[int, Failure] = {}
        start = number * self.batch + self.first
        for position in range(start, start + self.share):
            found = self._first_good(position, failures)
            if isinstance(found, str):
                return _refused(number, failures, found)
            samples.append(found)
        return _together(number, samples, failures)

    def _first_good(self, position: int, failures: dict[int, Failure]) -> Sample | str:
        count = len(self.dataset)
        for step in range(_MOST_TRIES):
            at = place(self.seed, count, position + step * self.batch)
            if at.index in failures:
                continue
            found = _sample(self.dataset, at.index, self.seed, at.epoch)
            if not isinstance(found, Failure):
                return found
            failures[at.index] = found
        return f"{_MOST_TRIES} videos in a row cannot be read"


@attrs.frozen
class OrderedReader:
    """Makes batch i of the videos `first` to `end` - 1, in order; those that fail are left out."""

    dataset: Dataset
    seed: int
    batch: int
    first: int
    end: int

    def __call__(self, number: int) -> Read:
        """Read the videos of one batch."""
        samples: list[Sample] = []
        failures: dict[int, Failure] = {}
        start = self.first + number * self.batch
        for index in range(start, min(start + self.batch, self.end)):
            found = _sample(self.dataset, index, self.seed, 0)
            if isinstance(found, str):
                return _refused(number, failures, found)
            if isinstance(found, Failure):
                failures[index] = found
            else:
                samples.append(found)
        return _together(number, samples, failures)

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return math.ceil((self.end - self.first) / self.batch)


def _sample(dataset: Dataset, index: int, seed: int, epoch: int) -> Sample | Failure | str:
    """A sample, why this one cannot be read, or why none can."""
    try:
        return dataset.sample(index, seed=seed, epoch=epoch)
    except VideoError as error:
        return Failure(index, dataset.name(index), str(error))
    except CannotRun as error:
        return str(error)
    except MemoryError:
        return f"{dataset.name(index)}: there is not enough memory to read it"


def _refused(number: int, failures: dict[int, Failure], why: str) -> Read:
    return Read(number, None, None, None, (), tuple(failures.values()), why)


def _together(number: int, samples: Sequence[Sample], failures: dict[int, Failure]) -> Read:
    failed = tuple(failures.values())
    if not samples:
        return Read(number, None, None, None, (), failed)
    flows = [sample.flow for sample in samples if sample.flow is not None]
    return Read(
        number,
        _stacked([sample.rgb for sample in samples]),
        _stacked(flows) if flows else None,
        _targets([sample.target for sample in samples]),
        tuple(sample.name for sample in samples),
        failed,
    )


def _stacked(clips: Sequence[NDArray[Any]]) -> Tensor:
    """(clips, T, H, W, C) each, as one tensor (N * clips, C, T, H, W) in that layout."""
    joined = np.concatenate([np.moveaxis(clip, -1, 1) for clip in clips])
    return torch.from_numpy(np.ascontiguousarray(joined))


def _targets(targets: Sequence[int | NDArray[np.float32]]) -> Tensor:
    """int64 (N,), or float32 (N, classes) where a video has several labels."""
    joined = np.array(targets)
    return torch.from_numpy(joined.astype(np.int64 if joined.ndim == 1 else np.float32))
