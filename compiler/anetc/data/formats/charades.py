"""The format `charades`: Charades v1 (Sigurdsson et al. 2016) in its published layout.

    DIR/Charades_v1_classes.txt                          `cNNN name` per line
    DIR/Charades_v1_train.csv, DIR/Charades_v1_test.csv  or in DIR/Charades, as they are unpacked
    DIR/Charades_v1_480/ID.mp4                           or Charades_v1, or the option videos=FOLDER

In testing, a video has the classes of all its actions, as in the official script of
`Charades_v1_classify`. In training, a clip has the classes of the actions that overlap it in time;
with `labels=video` it has all classes of the video. There is no official validation split:
`validation=10` takes 10 percent of the subjects of the training list.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.charades_lists import Actions, CharadesRow, read_classes, read_rows
from anetc.data.formats.directory_scan import on_disk
from anetc.data.formats.text_files import line_error
from anetc.data.formats.video_dataset import (
    OPTIONS,
    VideoReader,
    make_sample,
    make_video_reader,
    read_clips,
)
from anetc.data.spec import checked_options, existing_path, parse_whole_number, spec_text
from anetc.data.splits import split_by_hash
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Clip, Recipe
from anetdsl.errors import CannotRun

CLASSES = "Charades_v1_classes.txt"
LISTS = {"train": "Charades_v1_train.csv", "test": "Charades_v1_test.csv"}
VIDEO_FOLDERS = ("Charades_v1_480", "Charades_v1")

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class CharadesDataset:
    """One split: the videos `rows` in `folder`. The name of a video is its id."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    folder: str
    rows: tuple[CharadesRow, ...] = attrs.field(repr=False)
    reader: VideoReader
    clip_labels: bool
    multi_label: bool = True

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return the id of a video."""
        return self.rows[index].id

    def target(self, index: int) -> NDArray[np.float32]:
        """Return the classes of the whole video, float32 (classes,)."""
        return _multi_hot(self.rows[index].classes, len(self.classes))

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clips of a video, cut by (seed, epoch, id). Raises VideoError."""
        row = self.rows[index]
        path = video_path(self.reader.root, self.folder, row)
        clips = read_clips(self.reader, path, seed=seed, epoch=epoch, sample=row.id)
        target = self.target(index)
        if self.clip_labels:
            recipe = self.reader.recipe
            seen = {c for clip in clips for c in _overlapping(row.actions, clip, recipe)}
            target = _multi_hot(sorted(seen), len(self.classes))
        return make_sample(row.id, clips, target)


def open_charades(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> CharadesDataset:
    """Open a split.

    Raises CannotRun for missing files, files in another layout, and wrong options.
    """
    options = checked_options(spec, ("videos", "labels", "validation", *OPTIONS))
    root = existing_path(spec)
    labels = options.get("labels", "clip")
    if labels not in ("clip", "video"):
        raise CannotRun(f"--data {spec_text(spec)}: labels must be clip or video")
    share = parse_whole_number(spec, "validation", options.get("validation", "0"), 0, 99)
    if split == "validation" and share == 0:
        raise CannotRun(
            f"--data {spec_text(spec)}: Charades has no validation split; the option validation=10 "
            "takes 10 % of the subjects of the training list"
        )
    classes = read_classes(annotation_file(root, CLASSES))
    path = annotation_file(root, LISTS["test" if split == "test" else "train"])
    rows, empty = read_rows(path, len(classes))
    if empty:
        _log.info("%s: %d empty actions, which end at or before their start", path, empty)
    if split != "test":
        rows = [row for row in rows if split_by_hash(row.subject or row.id, share, 0) == split]
    skipped = quarantine.quarantined_names(spec, root)
    kept = tuple(row for row in rows if row.id not in skipped)
    for row in kept:
        if row.unknown:
            raise line_error(path, row.line, f"{row.id}: there is no class c{row.unknown[0]:03d}")
    if not kept:
        raise CannotRun(f"--data {spec_text(spec)}: the {split} split is empty")
    folder = video_folder(spec, root)
    paths = [f"{folder}/{row.id}.mp4" for row in kept]
    return CharadesDataset(
        spec=spec,
        split=split,
        classes=classes,
        folder=folder,
        rows=kept,
        reader=make_video_reader(spec, root, recipe, paths, flow=flow, objects=objects),
        clip_labels=split == "train" and labels == "clip",
    )


def annotation_file(root: Path, name: str) -> Path:
    """Return the path of an annotation file: in the data set's folder, or in its `Charades`."""
    unpacked = root / "Charades" / name
    return unpacked if unpacked.is_file() and not (root / name).is_file() else root / name


def video_folder(spec: DataSpec, root: Path) -> str:
    """Return the folder of the videos, relative to `root`. Raises CannotRun if there is none."""
    option = dict(spec.options).get("videos")
    for name in (option,) if option is not None else VIDEO_FOLDERS:
        if (root / name).is_dir():
            return name
    wanted = option or " or ".join(VIDEO_FOLDERS)
    raise CannotRun(
        f"--data {spec_text(spec)}: there is no folder {wanted} with the videos; "
        "name another with the option videos=FOLDER"
    )


def video_path(root: Path, folder: str, row: CharadesRow) -> str:
    """Return the path of a video, relative to the data set's folder `root`."""
    return on_disk(root, f"{folder}/{row.id}.mp4")


def _overlapping(actions: Actions, clip: Clip, recipe: Recipe) -> list[int]:
    """Return the classes of the actions that overlap a clip."""
    first, last = clip.start / recipe.fps, (clip.start + recipe.frames) / recipe.fps
    if clip.whole:
        first, last = 0.0, math.inf
    return [number for number, start, end in actions if start < last and end > first]


def _multi_hot(numbers: tuple[int, ...] | list[int], classes: int) -> NDArray[np.float32]:
    target = np.zeros(classes, np.float32)
    target[list(numbers)] = 1
    return target
