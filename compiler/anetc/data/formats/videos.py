"""A split that is a list of video files, and a sample of one of them."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.spec import spec_text
from anetc.data.upkeep import quarantine
from anetc.data.upkeep.flow_files import FOLDER, DamagedFlowError, FlowFolder, FlowKey
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Clip, Recipe, StoredFlow, sample_clips
from anetc.video.decode import VideoInfo, probe
from anetc.video.flow.fields import in_units, whole_flow
from anetdsl.terminal import visible

OPTIONS = ("flow", quarantine.OPTION)
"""Options of every format that is a list of videos."""

_log = logging.getLogger("anetc.data")


@attrs.frozen
class VideoReading:
    """How the videos below `root` are read. Flow that is in `stored` is not computed again."""

    root: Path
    recipe: Recipe
    flow: bool
    stored: FlowFolder | None


def reading_of(spec: DataSpec, root: Path, recipe: Recipe, flow: bool) -> VideoReading:
    """How to read videos: flow comes from where `anetc data flow` puts it, if anything is there.

    Otherwise it is computed for each clip, fifty times slower, and the log says how to avoid that.
    """
    if not flow:
        return VideoReading(root, recipe, False, None)
    folder = flow_folder(spec, root, FlowKey.of(recipe))
    if not folder.place.is_dir():
        size, data = folder.key.size, visible(shlex.quote(spec_text(spec)))
        option = f"--short-side {size}" if isinstance(size, int) else "--size {}x{}".format(*size)
        command = f"anetc data flow {data} {option} --fps {folder.key.fps:g}"
        _log.warning("flow is computed for each clip anew; `%s` computes it once", command)
        return VideoReading(root, recipe, True, None)
    _log.info("flow is read from %s", visible(str(folder.place)))
    return VideoReading(root, recipe, True, folder)


def flow_folder(spec: DataSpec, root: Path, key: FlowKey) -> FlowFolder:
    """Where the flow of a data set is kept: beside it, or where the option `flow` says."""
    return FlowFolder(root / dict(spec.options).get("flow", FOLDER) / key.name, key)


@attrs.frozen(eq=False)
class VideoSet:
    """Videos with one class each: `names` are their paths below the data set's folder."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    names: Sequence[str] = attrs.field(repr=False)
    targets: NDArray[np.int64] = attrs.field(repr=False)
    reading: VideoReading
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
        clips = read_clips(self.reading, name, seed=seed, epoch=epoch, sample=name)
        return sample_of(name, clips, self.target(index))


def read_clips(
    reading: VideoReading, path: str, *, seed: int, epoch: int, sample: str
) -> list[Clip]:
    """The clips of a video file below the root, drawn by (seed, epoch, sample).

    Flow from a damaged file is computed instead, to the same numbers. Raises VideoError.
    """
    info = probe(reading.root / path)
    try:
        stored = reading.stored(path, info) if reading.stored else None
        return _clips(reading, info, stored, seed, epoch, sample)
    except DamagedFlowError as error:
        _log.warning("%s: `anetc data flow` mends it", visible(str(error)))
        return _clips(reading, info, None, seed, epoch, sample)


def _clips(
    reading: VideoReading,
    info: VideoInfo,
    stored: StoredFlow | None,
    seed: int,
    epoch: int,
    sample: str,
) -> list[Clip]:
    return sample_clips(
        info,
        reading.recipe,
        seed=seed,
        epoch=epoch,
        sample=sample,
        flow=whole_flow if reading.flow else None,
        stored=stored,
    )


def sample_of(name: str, clips: Sequence[Clip], target: int | NDArray[np.float32]) -> Sample:
    """A sample of these clips."""
    flows = [in_units(clip.flow) for clip in clips if clip.flow is not None]
    rgb = np.stack([clip.pixels for clip in clips])
    return Sample(name, rgb, np.stack(flows) if flows else None, target)
