"""The format `moments`: Moments in Time (Monfort et al. 2019) in its published layout.

    DIR/moments_categories.txt      `name,index` per line; a name may contain commas
    DIR/trainingSet.csv             no header: path, label, votes for, votes against
    DIR/validationSet.csv
    DIR/training/CLASS/x.mp4        the paths in the lists are relative to these folders
    DIR/validation/CLASS/x.mp4

The first file defines the classes (semantics 11). The labels of the test set are not published:
there is no test split, and the paper reports results on the validation split.
"""

from __future__ import annotations

import logging
from pathlib import Path

import attrs
import numpy as np

from anetc.data.formats.directory_scan import on_disk
from anetc.data.formats.text_files import csv_rows, line_error, lines
from anetc.data.formats.video_dataset import OPTIONS, VideoDataset, make_video_reader
from anetc.data.spec import checked_options, existing_path, spec_text
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun

CATEGORIES = "moments_categories.txt"
LISTS: dict[Split, tuple[str, str]] = {
    "train": ("trainingSet.csv", "training"),
    "validation": ("validationSet.csv", "validation"),
}

_log = logging.getLogger("anetc.data")


@attrs.frozen
class MomentsRow:
    """A line of a list: the video's path relative to the data set's folder, and its label."""

    line: int
    name: str
    label: str


def open_moments(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> VideoDataset:
    """Open a split.

    Raises CannotRun for missing files, files in another layout, and a label that is not a class.
    """
    checked_options(spec, OPTIONS)
    root = existing_path(spec)
    if split not in LISTS:
        raise CannotRun(
            f"--data {spec_text(spec)}: Moments in Time has no labels for its {split} set; "
            "use the validation split, as the paper does"
        )
    path = root / LISTS[split][0]
    classes = read_categories(root / CATEGORIES)
    number = {label: place for place, label in enumerate(classes)}
    skipped = quarantine.quarantined_names(spec, root)
    kept: dict[str, MomentsRow] = {}
    rows = [row for row in read_list(root, split) if row.name not in skipped]
    for row in rows:
        if row.label not in number:
            guess = did_you_mean(row.label, classes)
            hint = f"; did you mean `{guess}`?" if guess else ""
            raise line_error(path, row.line, f"`{row.label}` is not in {CATEGORIES}{hint}")
        kept.setdefault(row.name, row)
    if len(kept) < len(rows):
        _log.warning("%s: %d videos are listed more than once", path, len(rows) - len(kept))
    return VideoDataset(
        spec=spec,
        split=split,
        classes=classes,
        names=tuple(kept),
        targets=np.array([number[row.label] for row in kept.values()], np.int64),
        reader=make_video_reader(spec, root, recipe, tuple(kept), flow=flow, objects=objects),
    )


def read_categories(path: Path) -> tuple[str, ...]:
    """Read the names of the classes, ordered by number.

    Raises CannotRun for numbers that are not 0 to n - 1 and for repeated names.
    """
    names: dict[int, str] = {}
    for line, text in lines(path):
        name, comma, digits = text.rpartition(",")
        if not comma or not digits.strip().isdecimal():
            raise line_error(path, line, f"expected `name,index`, not `{text[:80]}`")
        index = int(digits)
        if index in names:
            raise line_error(path, line, f"the number {index} is already that of `{names[index]}`")
        names[index] = name.strip()
    for index in range(len(names)):
        if index not in names:
            raise CannotRun(f"{path}: there is no class {index}")
    if len(set(names.values())) < len(names):
        raise CannotRun(f"{path}: two classes have the same name")
    return tuple(names[index] for index in range(len(names)))


def read_list(root: Path, split: Split) -> list[MomentsRow]:
    """Read the rows of a list. The votes are not used and may be missing."""
    file, folder = LISTS[split]
    rows = []
    for line, cells in csv_rows(root / file):
        if len(cells) < 2 or not cells[0].strip():
            raise line_error(root / file, line, "expected `path,label,votes for,votes against`")
        name = cells[0].strip().removeprefix("./")
        if name.startswith("/") or ".." in name.split("/"):
            raise line_error(root / file, line, f"`{name}` is not a path below {folder}")
        name = name if name.startswith(f"{folder}/") else f"{folder}/{name}"
        rows.append(MomentsRow(line, on_disk(root, name), cells[1].strip()))
    return rows
