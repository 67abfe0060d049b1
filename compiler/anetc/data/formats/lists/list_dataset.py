"""A data set of videos, or segments of videos, with one or several labels."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.video_dataset import VideoReader, make_sample, read_clips
from anetc.data.values import DataSpec, Sample, Segment, Split


@attrs.frozen
class ListedClip:
    """A video or segment: its name, its path relative to the data set's folder, its classes."""

    name: str
    path: str
    labels: tuple[int, ...]
    segment: Segment | None


@attrs.frozen(eq=False)
class ListDataset:
    """One split of a list. A clip is cut by (seed, epoch, name), inside of its segment."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    clips: Sequence[ListedClip] = attrs.field(repr=False)
    reader: VideoReader
    multi_label: bool

    def __len__(self) -> int:
        """Return the number of videos and segments."""
        return len(self.clips)

    def name(self, index: int) -> str:
        """Return the path of a video, with `#t=START,END` for a segment."""
        return self.clips[index].name

    def target(self, index: int) -> int | NDArray[np.float32]:
        """Return the class of a video, or float32 (classes,) if videos have several."""
        labels = self.clips[index].labels
        if not self.multi_label:
            return labels[0]
        target = np.zeros(len(self.classes), np.float32)
        target[list(labels)] = 1
        return target

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clips of a video. Raises VideoError, also for a segment beyond its end."""
        clip = self.clips[index]
        clips = read_clips(
            self.reader,
            clip.path,
            seed=seed,
            epoch=epoch,
            sample=clip.name,
            segment=clip.segment,
        )
        return make_sample(clip.name, clips, self.target(index))
