"""A data set of video files with one class each, and the reader of its videos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.object_maps import map_files
from anetc.data.object_maps.map_files import ObjectFolder, open_object_maps
from anetc.data.spec import spec_text
from anetc.data.upkeep import flow_pictures, quarantine
from anetc.data.upkeep.flow_files import FOLDER, DamagedFlowError, FlowFolder, FlowKey, flow_command
from anetc.data.upkeep.flow_pictures import FlowPictures
from anetc.data.values import DataSpec, Sample, Segment, Split
from anetc.video.clips import Clip, Recipe, StoredFlow, sample_clips
from anetc.video.decode import VideoError, VideoInfo, grid_length, probe
from anetc.video.flow.fields import dequantise, whole_flow
from anetdsl.errors import CannotRun

OPTIONS = ("flow", quarantine.OPTION, *flow_pictures.OPTIONS, *map_files.OPTIONS)
"""Options of every format of video files."""

_COMPUTED = "optical flow is computed again for each clip; `%s` computes it once"

_log = logging.getLogger("anetc.data")


@attrs.frozen
class VideoReader:
    """Parameters for reading the videos below `root`.

    With `flow`, optical flow is read from `stored` if it is there, and else computed. `objects`
    reads the object maps; it is None if none are wanted.
    """

    root: Path
    recipe: Recipe
    flow: bool
    stored: FlowFolder | FlowPictures | None
    objects: ObjectFolder | None = None


def make_video_reader(
    spec: DataSpec,
    root: Path,
    recipe: Recipe,
    paths: Sequence[str],
    *,
    flow: bool,
    objects: int | None,
) -> VideoReader:
    """Return the reader of a data set's videos, which are at `paths` below `root`.

    Optical flow is read from the cache that `anetc data flow` writes. Without a cache it is
    computed for each clip, which takes fifty times as long, and a warning names the command. With
    `objects`, the number of channels of an object input, object maps are read from files. Raises
    CannotRun if there are none.
    """
    maps = open_object_maps(spec, root, objects, paths)
    return attrs.evolve(_flow_reader(spec, root, recipe, flow), objects=maps)


def _flow_reader(spec: DataSpec, root: Path, recipe: Recipe, flow: bool) -> VideoReader:
    if not flow:
        return VideoReader(root, recipe, False, None)
    pictures = flow_pictures.open_pictures(spec, root, FlowKey.of(recipe))
    if pictures is not None:
        _log.info("optical flow is read from the pictures in %s", pictures.folder)
        return VideoReader(root, recipe, True, pictures)
    folder = flow_folder(spec, root, FlowKey.of(recipe))
    if not folder.path.is_dir():
        _log.warning(_COMPUTED, flow_command(spec, [folder.key]))
        return VideoReader(root, recipe, True, None)
    _log.info("optical flow is read from %s", folder.path)
    return VideoReader(root, recipe, True, folder)


@contextmanager
def no_flow_warning() -> Iterator[None]:
    """Suppress the warning that `make_video_reader` logs, for a caller that reports it itself."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.msg is not _COMPUTED

    _log.addFilter(is_other)
    try:
        yield
    finally:
        _log.removeFilter(is_other)


def flow_folder(spec: DataSpec, root: Path, key: FlowKey) -> FlowFolder:
    """Return the flow cache of a data set: in its folder, or in that of the option `flow`.

    Raises CannotRun for data whose flow is read from pictures.
    """
    options = dict(spec.options)
    if flow_pictures.FOLDER_OPTION in options:
        raise CannotRun(
            f"--data {spec_text(spec)}: the option {flow_pictures.FOLDER_OPTION} names the optical "
            "flow, so no flow is computed; leave out the option to compute flow"
        )
    return FlowFolder(root / options.get("flow", FOLDER) / key.name, key)


@attrs.frozen(eq=False)
class VideoDataset:
    """Videos with one class each; `names` are their paths relative to the data set's folder."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    names: Sequence[str] = attrs.field(repr=False)
    targets: NDArray[np.int64] = attrs.field(repr=False)
    reader: VideoReader
    multi_label: bool = False
    groups: Sequence[str] | None = attrs.field(default=None, repr=False)
    """Group of each video, such as the person in it; None if the data have no groups."""

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.names)

    def name(self, index: int) -> str:
        """Return the path of a video, relative to the data set's folder."""
        return self.names[index]

    def target(self, index: int) -> int:
        """Return the class of a video."""
        return int(self.targets[index])

    def group(self, index: int) -> str | None:
        """Return the group of a video, or None if the data have no groups."""
        return None if self.groups is None else self.groups[index]

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clips of a video, cut by (seed, epoch, name). Raises VideoError."""
        name = self.names[index]
        clips = read_clips(self.reader, name, seed=seed, epoch=epoch, sample=name)
        return make_sample(name, clips, self.target(index))


def read_clips(
    reader: VideoReader,
    path: str,
    *,
    seed: int,
    epoch: int,
    sample: str,
    segment: Segment | None = None,
) -> list[Clip]:
    """Return the clips of a video file, or of a segment of it, cut by (seed, epoch, sample).

    If the cached flow is damaged, the same flow is computed. Raises VideoError.
    """
    info = probe(reader.root / path)
    part = _part(info, reader.recipe.fps, segment)
    try:
        stored = reader.stored.find(path, info) if reader.stored else None
        return _clips(reader, path, info, stored, seed, epoch, sample, part)
    except DamagedFlowError as error:
        _log.warning("%s; `anetc data flow` writes the file again", error)
        return _clips(reader, path, info, None, seed, epoch, sample, part)


def _part(info: VideoInfo, fps: float, segment: Segment | None) -> tuple[int, int] | None:
    """Return the part of a segment on the grid, or None for the whole video. Raises VideoError."""
    if segment is None:
        return None
    length = grid_length(info, fps)
    first, count = segment.on_grid(fps, length, info.duration)
    if count == 0:
        raise VideoError(
            info.path,
            f"the segment from {segment.start:g} to {segment.end:g} s begins after the end, "
            f"at {info.duration:.2f} s",
            len(info.timeline.shown),
            advice="correct the list",
        )
    return None if count == length else (first, count)


def _clips(
    reader: VideoReader,
    path: str,
    info: VideoInfo,
    stored: StoredFlow | None,
    seed: int,
    epoch: int,
    sample: str,
    part: tuple[int, int] | None,
) -> list[Clip]:
    objects = reader.objects
    return sample_clips(
        info,
        reader.recipe,
        seed=seed,
        epoch=epoch,
        sample=sample,
        flow=whole_flow if reader.flow else None,
        stored=stored,
        # The name of a video below the root is that of its maps.
        objects=None if objects is None else objects.find(path, info, reader.recipe.fps),
        part=part,
    )


def make_sample(name: str, clips: Sequence[Clip], target: int | NDArray[np.float32]) -> Sample:
    """Return the sample of a video's clips."""
    flows = [dequantise(clip.flow) for clip in clips if clip.flow is not None]
    maps = [clip.objects for clip in clips if clip.objects is not None]
    return Sample(
        name,
        np.stack([clip.pixels for clip in clips]),
        np.stack(flows) if flows else None,
        target,
        tuple(clip.flipped for clip in clips),
        np.stack(maps) if maps else None,
    )
