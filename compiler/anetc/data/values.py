"""The values that describe a data set and its samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import attrs
import numpy as np
from numpy.typing import NDArray

from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.video.object_maps import ObjectMaps
    from anetdsl.ir import Network

Format = Literal["moments", "charades", "folder", "list", "utd-mhad", "arrays", "motion"]
Split = Literal["train", "validation", "test"]

_SLACK = 1.0
"""Tolerance of the length of a segment that is a file of its own, in seconds."""


@attrs.frozen
class DataSpec:
    """The name of a data set: its format, its path, and options of the format by name."""

    format: str
    """A `Format`, or the name of a format of another package (`anetc.data.plugins`)."""
    path: str | None = None
    """None for generated data (`motion`)."""
    options: tuple[tuple[str, str], ...] = ()


@attrs.frozen(eq=False)
class Sample:
    """The clips of one video: `rgb` uint8 (clips, T, H, W, 3), `flow` (clips, T, H, W, 2).

    `flow` is float32 in [-1, 1] (semantics 7), or None if the data set was opened without flow.
    `objects` are object maps, or None if it was opened without: the class of each pixel (clips, T,
    H, W), or scores (clips, T, H, W, K), see `anetc.video.object_maps`. `target` is a class number,
    or float32 (classes,) of zeros and ones if a video has several labels. `flipped` says of each
    clip whether it is mirrored; it is empty if that is not known.
    """

    name: str
    rgb: NDArray[np.uint8]
    flow: NDArray[np.float32] | None
    target: int | NDArray[np.float32]
    flipped: tuple[bool, ...] = ()
    objects: ObjectMaps | None = None


@attrs.frozen
class Segment:
    """A part of a video, in seconds.

    With `unless_cut`, a video that is not longer than the part has been cut to it already: then the
    segment is the whole video.
    """

    start: float
    end: float
    unless_cut: bool = False

    def on_grid(self, fps: float, length: int, duration: float) -> tuple[int, int]:
        """Return the first grid frame and the number of frames, of a video of `length` frames.

        The number is 0 for a segment that begins after the end. `duration` is in seconds.
        """
        if self.unless_cut and duration <= self.end - self.start + _SLACK:
            return 0, length
        first, stop = (math.ceil(time * fps - 1e-6) for time in (self.start, self.end))
        return first, max(min(max(stop, first + 1), length) - first, 0)


class Dataset(Protocol):
    """One split of a data set. A sample is a function of (seed, epoch, index)."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    multi_label: bool

    def __len__(self) -> int:
        """Return the number of videos."""
        ...

    def name(self, index: int) -> str:
        """Return the name of a video: its path relative to the data set's folder, or its id."""
        ...

    def target(self, index: int) -> int | NDArray[np.float32]:
        """Return the class of a video, or its classes as float32 (classes,)."""
        ...

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clips of a video. Raises VideoError for a video that cannot be read."""
        ...


@runtime_checkable
class GroupedDataset(Protocol):
    """A data set that may know the group of a video: the person in it, or the film it is from."""

    def group(self, index: int) -> str | None:
        """Return the group of a video, or None if the data have no groups."""
        ...


def group_of(dataset: Dataset, index: int) -> str | None:
    """Return the group of a video, or None if the data have no groups."""
    return dataset.group(index) if isinstance(dataset, GroupedDataset) else None


def groups_of(dataset: Dataset) -> tuple[str, ...] | None:
    """Return the group of each video, or None if the data have no groups."""
    found = [group_of(dataset, index) for index in range(len(dataset))]
    known = tuple(group for group in found if group is not None)
    return known if known and len(known) == len(found) else None


def object_channels(network: Network) -> int | None:
    """Return the number of channels of the network's object input; None if it has none.

    Raises CannotRun for object inputs with different channels: data have one kind of object maps.
    """
    channels = {value.channels: value.name for value in network.inputs if value.kind == "object"}
    if len(channels) > 1:
        (one, first), (other, second) = list(channels.items())[:2]
        raise CannotRun(
            f"network {network.name}: the object inputs `{first}` and `{second}` have {one} and "
            f"{other} channels, but data have one set of object maps; give them the same channels"
        )
    return next(iter(channels), None)
