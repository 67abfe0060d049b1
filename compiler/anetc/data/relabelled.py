"""A split whose videos are labelled by the classes of a network, which may have others as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.values import Dataset, DataSpec, Sample, Split, group_of


@attrs.frozen(eq=False)
class RelabelledDataset:
    """The videos of another data set, with other numbers of their classes."""

    videos: Dataset
    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    """Number in `classes` for each class of `videos`."""
    spec: DataSpec
    split: Split
    multi_label: bool

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.videos)

    def name(self, index: int) -> str:
        """Return the name of a video."""
        return self.videos.name(index)

    def target(self, index: int) -> int | NDArray[np.float32]:
        """Return the class of a video, or its classes as float32 (classes,)."""
        return self._renumbered(self.videos.target(index))

    def group(self, index: int) -> str | None:
        """Return the group of a video, or None if the data have no groups."""
        return group_of(self.videos, index)

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clips of a video. Raises VideoError for a video that cannot be read."""
        sample = self.videos.sample(index, seed=seed, epoch=epoch)
        return attrs.evolve(sample, target=self._renumbered(sample.target))

    def _renumbered(self, target: int | NDArray[np.float32]) -> int | NDArray[np.float32]:
        if isinstance(target, int):
            return self.numbers[target]
        found = np.zeros(len(self.classes), np.float32)
        found[list(self.numbers)] = target
        return found


def relabelled(dataset: Dataset, classes: Sequence[str], numbers: Sequence[int]) -> Dataset:
    """Return a split with the classes `classes`; `numbers` are the new numbers of its classes."""
    made = RelabelledDataset(
        videos=dataset,
        classes=tuple(classes),
        numbers=tuple(numbers),
        spec=dataset.spec,
        split=dataset.split,
        multi_label=dataset.multi_label,
    )
    return cast(
        Dataset, made
    )  # the fields of a frozen value cannot be set, those of a protocol can
