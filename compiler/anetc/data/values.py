"""The values between a data set and a network."""

from __future__ import annotations

from typing import Literal, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

Format = Literal["moments", "charades", "folder", "utd-mhad", "arrays", "motion"]
Split = Literal["train", "validation", "test"]


@attrs.frozen
class DataSpec:
    """Which data: a format, where it lies, and options of the format by name."""

    format: Format
    path: str | None = None
    """None where the data is generated (`motion`)."""
    options: tuple[tuple[str, str], ...] = ()


@attrs.frozen(eq=False)
class Sample:
    """The clips of one video: `rgb` uint8 (clips, T, H, W, 3), `flow` (clips, T, H, W, 2).

    `flow` is float32 in [-1, 1] (semantics 7), None where it was not asked for. `target` is a class
    number, or float32 (classes,) of zeros and ones where a video has several labels.
    """

    name: str
    rgb: NDArray[np.uint8]
    flow: NDArray[np.float32] | None
    target: int | NDArray[np.float32]


class Dataset(Protocol):
    """One split of a data set. A sample depends on (seed, epoch, index) alone."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    multi_label: bool

    def __len__(self) -> int:
        """How many videos the split has."""
        ...

    def name(self, index: int) -> str:
        """What the video is called: its path within the data set, or its id."""
        ...

    def target(self, index: int) -> int | NDArray[np.float32]:
        """The video's class, or its classes as float32 (classes,)."""
        ...

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """The video's clips. Raises VideoError for a video that cannot be read."""
        ...
