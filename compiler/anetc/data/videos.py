"""A split that is a list of video files, and a sample of one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Clip, Recipe, StoredFlow, sample_clips
from anetc.video.decode import VideoInfo, probe
from anetc.video.fields import in_units

Stored = Callable[[str, VideoInfo], StoredFlow | None]
"""The flow of a video, by its name and what was probed, where it was computed before."""


@attrs.frozen
class Reading:
    """How the videos of a split are read. `stored` is asked for flow before it is computed."""

    recipe: Recipe
    flow: bool
    stored: Stored | None = None


@attrs.frozen(eq=False)
class VideoSet:
    """Videos with one class each: `names` are their paths below `root`, with slashes."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    root: Path
    names: Sequence[str] = attrs.field(repr=False)
    targets: NDArray[np.int64] = attrs.field(repr=False)
    reading: Reading
    multi_label: bool = False

    def __len__(self) -> int:
        """How many videos the split has."""
        return len(self.names)

    def name(self, index: int) -> str:
        """The video's path below the data set's folder."""
        return self.names[index]

    def target(self, index: int) -> int:
        """The video's class."""
        return int(self.targets[index])

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """The video's clips, cut by (seed, epoch, name). Raises VideoError."""
        name = self.names[index]
        clips = read_clips(self.root / name, name, self.reading, seed=seed, epoch=epoch)
        return sample_of(name, clips, self.target(index))


def read_clips(path: Path, name: str, reading: Reading, *, seed: int, epoch: int) -> list[Clip]:
    """The clips of a video file, drawn by (seed, epoch, name). Raises VideoError."""
    info = probe(path)
    stored = reading.stored(name, info) if reading.flow and reading.stored else None
    return sample_clips(
        info,
        reading.recipe,
        seed=seed,
        epoch=epoch,
        sample=name,
        flow=reading.flow,
        stored=stored,
    )


def sample_of(name: str, clips: Sequence[Clip], target: int | NDArray[np.float32]) -> Sample:
    """A sample of these clips."""
    flows = [in_units(clip.flow) for clip in clips if clip.flow is not None]
    rgb = np.stack([clip.pixels for clip in clips])
    return Sample(name, rgb, np.stack(flows) if flows else None, target)
