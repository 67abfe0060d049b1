"""`charades`: Charades v1 (Sigurdsson et al. 2016), laid out as it is published.

    DIR/Charades_v1_classes.txt                          `cNNN name` a line
    DIR/Charades_v1_train.csv, DIR/Charades_v1_test.csv  also in DIR/Charades, as they are unpacked
    DIR/Charades_v1_480/ID.mp4                           or Charades_v1, or the option videos=FOLDER

To test with, a video has the classes of all of its actions, as in the official script of
`Charades_v1_classify`. To train with, a clip has those of the actions that overlap it in time, as
it is a few seconds of half a minute; `labels=video` gives it all of the video's. `validation=10`
holds that percentage of the subjects of the training list out: there is no official such split.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.annotations import Actions, CharadesRow, read_classes, read_rows
from anetc.data.formats.folder import drawn_split
from anetc.data.formats.text_files import wrong
from anetc.data.formats.videos import OPTIONS, VideoReading, read_clips, reading_of, sample_of
from anetc.data.spec import options_of, place_of, shown, whole_number
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Clip, Recipe
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

CLASSES = "Charades_v1_classes.txt"
LISTS = {"train": "Charades_v1_train.csv", "test": "Charades_v1_test.csv"}
VIDEO_FOLDERS = ("Charades_v1_480", "Charades_v1")

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class CharadesSet:
    """One split: the videos `rows`, in `folder`. A video is called by its id."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    folder: str
    rows: tuple[CharadesRow, ...] = attrs.field(repr=False)
    reading: VideoReading
    clip_labels: bool
    multi_label: bool = True

    def __len__(self) -> int:
        """How many videos the split has."""
        return len(self.rows)

    def name(self, index: int) -> str:
        """The video's id."""
        return self.rows[index].id

    def target(self, index: int) -> NDArray[np.float32]:
        """The classes of the whole video."""
        return _hot(self.rows[index].classes, len(self.classes))

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """The video's clips, cut by (seed, epoch, id). Raises VideoError."""
        row = self.rows[index]
        path = video_path(self.folder, row)
        clips = read_clips(self.reading, path, seed=seed, epoch=epoch, sample=row.id)
        target = self.target(index)
        if self.clip_labels:
            shown = {c for clip in clips for c in _shown(row.actions, clip, self.reading.recipe)}
            target = _hot(sorted(shown), len(self.classes))
        return sample_of(row.id, clips, target)


def open_charades(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> CharadesSet:
    """Open a split. Subjects are held out by their names alone: `seed` has no effect.

    Raises CannotRun for files that are missing or not as above, and bad options.
    """
    options = options_of(spec, ("videos", "labels", "validation", *OPTIONS))
    root = place_of(spec)
    labels = options.get("labels", "clip")
    if labels not in ("clip", "video"):
        raise CannotRun(f"--data {shown(spec)}: labels must be clip or video")
    share = whole_number(spec, "validation", options.get("validation", "0"), 0, 99)
    if split == "validation" and share == 0:
        raise CannotRun(
            f"--data {shown(spec)}: Charades has no validation split; the option validation=10 "
            "holds 10 % of the subjects of the training list out"
        )
    classes = read_classes(annotation_file(root, CLASSES))
    path = annotation_file(root, LISTS["test" if split == "test" else "train"])
    rows, dropped = read_rows(path, len(classes))
    if dropped:
        _log.info(
            "%s: actions without length, which have no place in time: %d",
            visible(str(path)),
            dropped,
        )
    if split != "test":
        rows = [row for row in rows if drawn_split(row.subject or row.id, share, 0) == split]
    skipped = quarantine.quarantined(spec, root)
    kept = tuple(row for row in rows if row.id not in skipped)
    for row in kept:
        if row.unknown:
            raise wrong(path, row.line, f"{row.id}: there is no class c{row.unknown[0]:03d}")
    if not kept:
        raise CannotRun(f"--data {shown(spec)}: the {split} split is empty")
    return CharadesSet(
        spec=spec,
        split=split,
        classes=classes,
        folder=video_folder(spec, root),
        rows=kept,
        reading=reading_of(spec, root, recipe, flow),
        clip_labels=split == "train" and labels == "clip",
    )


def annotation_file(root: Path, name: str) -> Path:
    """The place of one of the lists: in the folder itself, or in the one they are unpacked to."""
    unpacked = root / "Charades" / name
    return unpacked if unpacked.is_file() and not (root / name).is_file() else root / name


def video_folder(spec: DataSpec, root: Path) -> str:
    """The folder of the videos, below the data set's. Raises CannotRun where there is none."""
    asked = dict(spec.options).get("videos")
    for name in (asked,) if asked is not None else VIDEO_FOLDERS:
        if (root / name).is_dir():
            return name
    wanted = asked or " or ".join(VIDEO_FOLDERS)
    raise CannotRun(
        f"--data {shown(spec)}: there is no folder {visible(wanted)} with the videos; "
        "videos=FOLDER names another"
    )


def video_path(folder: str, row: CharadesRow) -> str:
    """Where a video lies below the data set's folder."""
    return f"{folder}/{row.id}.mp4"


def _shown(actions: Actions, clip: Clip, recipe: Recipe) -> list[int]:
    """The classes of the actions that overlap a clip."""
    first, last = clip.start / recipe.fps, (clip.start + recipe.frames) / recipe.fps
    if clip.whole:
        first, last = 0.0, math.inf
    return [number for number, start, end in actions if start < last and end > first]


def _hot(numbers: tuple[int, ...] | list[int], classes: int) -> NDArray[np.float32]:
    target = np.zeros(classes, np.float32)
    target[list(numbers)] = 1
    return target
