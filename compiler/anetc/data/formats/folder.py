"""`folder`: one folder for each class, with the class's videos in it.

Either `DIR/train/CLASS/...`, `DIR/validation/CLASS/...` and `DIR/test/CLASS/...` (also `training`,
`val`, `valid` and `testing`), or `DIR/CLASS/...` alone; then each video belongs to a split by a
hash of its path, `test=10` and `validation=10` percent of them by default. With split folders but
no validation, `validation=10` takes that share of the training videos in the same way.

Classes are numbered in the order of their names, over all splits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import numpy as np

from anetc.data.formats.scanning import folders_in, videos_below
from anetc.data.formats.videos import OPTIONS, VideoSet, reading_of
from anetc.data.spec import options_of, place_of, shown, whole_number
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun

_SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_SHARE = 10


@attrs.frozen
class Listed:
    """A video: its path below the data set's folder, its class and its split."""

    name: str
    label: str
    split: Split


def open_folder(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> VideoSet:
    """Open a split. Which videos it has is drawn by their names alone: `seed` has no effect.

    Raises CannotRun for a folder that is missing or has no such split, and for bad options.
    """
    root, listed = list_folder(spec)
    skipped = quarantine.quarantined(spec, root)
    classes = tuple(sorted({video.label for video in listed}))
    number = {label: place for place, label in enumerate(classes)}
    chosen = [video for video in listed if video.split == split and video.name not in skipped]
    if not chosen:
        there = ", ".join(dict.fromkeys(video.split for video in listed)) or "none"
        drawn = ", or have some drawn by ?validation=10" if split == "validation" else ""
        raise CannotRun(
            f"--data {shown(spec)}: there are no {split} videos; splits with videos: {there}. "
            f"Make a folder {split}{drawn}."
        )
    return VideoSet(
        spec=spec,
        split=split,
        classes=classes,
        names=tuple(video.name for video in chosen),
        targets=np.array([number[video.label] for video in chosen], np.int64),
        reading=reading_of(spec, root, recipe, flow),
    )


def list_folder(spec: DataSpec) -> tuple[Path, list[Listed]]:
    """The folder and all of its videos, in the order of their splits and names."""
    options = options_of(spec, ("validation", "test", *OPTIONS))
    root = place_of(spec)
    if not root.is_dir():
        raise CannotRun(f"--data {shown(spec)}: is no folder")
    tops = folders_in(root)
    if tops and all(name.lower() in _SPLIT_FOLDERS for name in tops):
        return root, _split_folders(spec, root, tops, options)
    shares = {name: _share(spec, options, name, _SHARE) for name in ("validation", "test")}
    if sum(shares.values()) > 100:
        raise CannotRun(f"--data {shown(spec)}: validation and test are more than 100 percent")
    return root, [
        Listed(name, label, drawn_split(name, shares["validation"], shares["test"]))
        for label in tops
        for name in _videos(root, label)
    ]


def drawn_split(name: str, validation: int, test: int) -> Split:
    """The split of a name: so many percent of all names are for validation and for test."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    percent = int.from_bytes(digest, "big") * 100 >> 64
    if percent < test:
        return "test"
    return "validation" if percent < test + validation else "train"


def _split_folders(
    spec: DataSpec, root: Path, tops: list[str], options: dict[str, str]
) -> list[Listed]:
    listed = []
    given = {_SPLIT_FOLDERS[top.lower()] for top in tops}
    if "test" in options or ("validation" in options and "validation" in given):
        raise CannotRun(
            f"--data {shown(spec)}: there are folders for the splits; only validation=PERCENT can "
            "be asked for, where there is no validation folder"
        )
    share = _share(spec, options, "validation", 0)
    for top in tops:
        split = _SPLIT_FOLDERS[top.lower()]
        for label in folders_in(root / top):
            for name in _videos(root, f"{top}/{label}"):
                drawn = drawn_split(name, share, 0) if split == "train" else split
                listed.append(Listed(name, label, drawn))
    return listed


def _videos(root: Path, below: str) -> list[str]:
    return [f"{below}/{name}" for name in videos_below(root / below)]


def _share(spec: DataSpec, options: dict[str, str], name: str, default: int) -> int:
    return whole_number(spec, name, options[name], 0, 100) if name in options else default
