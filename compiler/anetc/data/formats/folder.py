"""The format `folder`: one folder of videos for each class.

The layout is either `DIR/train/CLASS/...`, `DIR/validation/CLASS/...` and `DIR/test/CLASS/...`
(also `training`, `val`, `valid` and `testing`), or `DIR/CLASS/...`. In the second layout a hash of
its path assigns each video to a split; the options `test=10` and `validation=10` are percentages,
10 by default. In the first layout, without a validation folder, `validation=10` takes that
percentage of the training videos in the same way.

Classes are numbered in the order of their names, over all splits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import numpy as np

from anetc.data.formats.directory_scan import folders_in, videos_below
from anetc.data.formats.video_dataset import OPTIONS, VideoDataset, make_video_reader
from anetc.data.spec import checked_options, existing_path, parse_whole_number, spec_text
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
class FolderVideo:
    """A video: its path relative to the data set's folder, its class and its split."""

    name: str
    label: str
    split: Split


def open_folder(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> VideoDataset:
    """Open a split.

    Raises CannotRun for a missing folder, a missing or empty split, and wrong options.
    """
    root, listed = list_folder(spec)
    skipped = quarantine.quarantined_names(spec, root)
    classes = tuple(sorted({video.label for video in listed}))
    number = {label: place for place, label in enumerate(classes)}
    chosen = [video for video in listed if video.split == split and video.name not in skipped]
    if not chosen:
        found = ", ".join(dict.fromkeys(video.split for video in listed)) or "none"
        option = ", or use the option validation=10" if split == "validation" else ""
        raise CannotRun(
            f"--data {spec_text(spec)}: there are no {split} videos; splits with videos: {found}. "
            f"Make a folder {split}{option}."
        )
    return VideoDataset(
        spec=spec,
        split=split,
        classes=classes,
        names=tuple(video.name for video in chosen),
        targets=np.array([number[video.label] for video in chosen], np.int64),
        reader=make_video_reader(spec, root, recipe, flow),
    )


def list_folder(spec: DataSpec) -> tuple[Path, list[FolderVideo]]:
    """Return the data set's folder and all its videos, sorted by folder and name."""
    options = checked_options(spec, ("validation", "test", *OPTIONS))
    root = existing_path(spec)
    if not root.is_dir():
        raise CannotRun(f"--data {spec_text(spec)}: not a folder")
    tops = folders_in(root)
    if tops and all(name.lower() in _SPLIT_FOLDERS for name in tops):
        return root, _split_folders(spec, root, tops, options)
    shares = {name: _share(spec, options, name, _SHARE) for name in ("validation", "test")}
    if sum(shares.values()) > 100:
        raise CannotRun(f"--data {spec_text(spec)}: validation and test are more than 100 percent")
    return root, [
        FolderVideo(name, label, split_by_hash(name, shares["validation"], shares["test"]))
        for label in tops
        for name in _videos(root, label)
    ]


def split_by_hash(name: str, validation: int, test: int) -> Split:
    """Return the split of a name by its hash; `validation` and `test` are percentages."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    percent = int.from_bytes(digest, "big") * 100 >> 64
    if percent < test:
        return "test"
    return "validation" if percent < test + validation else "train"


def _split_folders(
    spec: DataSpec, root: Path, tops: list[str], options: dict[str, str]
) -> list[FolderVideo]:
    listed = []
    given = {_SPLIT_FOLDERS[top.lower()] for top in tops}
    if "test" in options or ("validation" in options and "validation" in given):
        raise CannotRun(
            f"--data {spec_text(spec)}: the data have a folder for each split; the only option is "
            "validation=PERCENT, where there is no validation folder"
        )
    share = _share(spec, options, "validation", 0)
    for top in tops:
        split = _SPLIT_FOLDERS[top.lower()]
        for label in folders_in(root / top):
            for name in _videos(root, f"{top}/{label}"):
                drawn = split_by_hash(name, share, 0) if split == "train" else split
                listed.append(FolderVideo(name, label, drawn))
    return listed


def _videos(root: Path, below: str) -> list[str]:
    return [f"{below}/{name}" for name in videos_below(root / below)]


def _share(spec: DataSpec, options: dict[str, str], name: str, default: int) -> int:
    return parse_whole_number(spec, name, options[name], 0, 100) if name in options else default
