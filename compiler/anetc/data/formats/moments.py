"""`moments`: Moments in Time (Monfort et al. 2019), laid out as it is published.

    DIR/moments_categories.txt      `name,index` a line; a name may hold commas
    DIR/trainingSet.csv             no header: path, label, votes for, votes against
    DIR/validationSet.csv
    DIR/training/CLASS/x.mp4        the paths of the lists are below these
    DIR/validation/CLASS/x.mp4

How many classes there are is what the first file says (semantics 11). The labels of the test set
are not published: there is no test split, and the paper's figures are those of validation.
"""

from __future__ import annotations

import logging
from pathlib import Path

import attrs
import numpy as np

from anetc.data.formats.text_files import csv_rows, lines, wrong
from anetc.data.formats.videos import OPTIONS, VideoSet, reading_of
from anetc.data.spec import options_of, place_of, shown
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

CATEGORIES = "moments_categories.txt"
LISTS: dict[Split, tuple[str, str]] = {
    "train": ("trainingSet.csv", "training"),
    "validation": ("validationSet.csv", "validation"),
}

_log = logging.getLogger("anetc.data")


@attrs.frozen
class MomentsRow:
    """A line of a list: the video's path below the data set's folder, and its label."""

    line: int
    name: str
    label: str


def open_moments(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> VideoSet:
    """Open a split. Nothing is drawn for the whole of it: `seed` has no effect.

    Raises CannotRun for files that are missing or not as above, and a label that is no class.
    """
    options_of(spec, OPTIONS)
    root = place_of(spec)
    if split not in LISTS:
        raise CannotRun(
            f"--data {shown(spec)}: Moments in Time has no labels for its {split} set; "
            "use its validation split, as the paper does"
        )
    path = root / LISTS[split][0]
    classes = read_categories(root / CATEGORIES)
    number = {label: place for place, label in enumerate(classes)}
    skipped = quarantine.quarantined(spec, root)
    kept: dict[str, MomentsRow] = {}
    rows = [row for row in read_list(root, split) if row.name not in skipped]
    for row in rows:
        if row.label not in number:
            guess = did_you_mean(row.label, classes)
            hint = f"; did you mean `{guess}`?" if guess else ""
            raise wrong(path, row.line, f"`{row.label}` is not in {CATEGORIES}{hint}")
        kept.setdefault(row.name, row)
    if len(kept) < len(rows):
        _log.warning(
            "%s: %d videos are listed more than once", visible(str(path)), len(rows) - len(kept)
        )
    return VideoSet(
        spec=spec,
        split=split,
        classes=classes,
        names=tuple(kept),
        targets=np.array([number[row.label] for row in kept.values()], np.int64),
        reading=reading_of(spec, root, recipe, flow),
    )


def read_categories(path: Path) -> tuple[str, ...]:
    """The names of the classes by number. Raises CannotRun for numbers that are not 0 to n - 1."""
    names: dict[int, str] = {}
    for line, text in lines(path):
        name, comma, digits = text.rpartition(",")
        if not comma or not digits.strip().isdecimal():
            raise wrong(path, line, f"`{text[:80]}` is not `name,index`")
        index = int(digits)
        if index in names:
            raise wrong(path, line, f"the number {index} is that of `{names[index]}` too")
        names[index] = name.strip()
    for index in range(len(names)):
        if index not in names:
            raise CannotRun(f"{visible(str(path))}: there is no class {index}")
    if len(set(names.values())) < len(names):
        raise CannotRun(f"{visible(str(path))}: a name is given to two classes")
    return tuple(names[index] for index in range(len(names)))


def read_list(root: Path, split: Split) -> list[MomentsRow]:
    """The rows of a list. The votes, which may be missing, play no part."""
    file, folder = LISTS[split]
    rows = []
    for line, cells in csv_rows(root / file):
        if len(cells) < 2 or not cells[0].strip():
            raise wrong(root / file, line, "a row is `path,label,votes for,votes against`")
        name = cells[0].strip().removeprefix("./")
        if name.startswith("/") or ".." in name.split("/"):
            raise wrong(root / file, line, f"`{name}` is no path below {folder}")
        name = name if name.startswith(f"{folder}/") else f"{folder}/{name}"
        rows.append(MomentsRow(line, name, cells[1].strip()))
    return rows
