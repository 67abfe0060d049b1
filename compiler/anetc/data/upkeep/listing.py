"""List all videos of a data set of any format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from anetc.data.formats import charades, moments
from anetc.data.formats.charades_lists import read_classes, read_rows
from anetc.data.formats.folder import list_folder
from anetc.data.formats.lists.open_list import ListContent, list_content, warn_of_missing
from anetc.data.spec import existing_path, spec_text
from anetc.data.upkeep.quarantine import quarantined_names
from anetc.data.values import DataSpec, Format, Segment
from anetdsl.errors import CannotRun

VIDEO_FORMATS: tuple[Format, ...] = ("moments", "charades", "folder", "list")
"""Formats whose data are video files."""


@attrs.frozen
class ListedVideo:
    """A video: its split, its name in the data set, its path below the root, its classes."""

    split: str
    name: str
    path: str
    labels: tuple[str, ...]
    segment: Segment | None = None


@attrs.frozen
class Listing:
    """The videos below `root`, each once. The videos in `skipped` are in quarantine.

    Several segments of a video have the same path. `classes` are the names of the classes, also of
    those without videos; `lists` is the content of a data set of the format `list`.
    """

    root: Path
    entries: tuple[ListedVideo, ...]
    skipped: tuple[ListedVideo, ...]
    classes: tuple[str, ...]
    lists: ListContent | None = None

    def paths(self) -> list[str]:
        """Return the path of each file once."""
        return list(dict.fromkeys(entry.path for entry in self.entries))


def list_videos(spec: DataSpec) -> Listing:
    """List the videos of a data set.

    Raises CannotRun for a format without video files and for lists that cannot be read.
    """
    if spec.format not in VIDEO_FORMATS:
        raise CannotRun(
            f"--data {spec_text(spec)}: {spec.format} has no video files that anetc lists; "
            f"the formats with video files are {', '.join(VIDEO_FORMATS)}"
        )
    root = existing_path(spec)
    classes: tuple[str, ...] = ()
    lists = None
    match spec.format:
        case "folder":
            _, listed = list_folder(spec)
            entries = [ListedVideo(v.split, v.name, v.name, (v.label,)) for v in listed]
        case "moments":
            entries = _moments(spec, root)
            if (root / moments.CATEGORIES).is_file():
                classes = moments.read_categories(root / moments.CATEGORIES)
        case "charades":
            classes = read_classes(charades.annotation_file(root, charades.CLASSES))
            entries = _charades(spec, root, classes)
        case _:
            lists = list_content(spec)
            root, classes, entries = lists.root, lists.classes, _listed(spec, lists)
    once: dict[str, ListedVideo] = {}
    for entry in entries:
        # A list may have segments of one file, and the same video in two splits.
        key = f"{entry.split} {entry.name}" if spec.format == "list" else entry.path
        once.setdefault(key, entry)
    names = quarantined_names(spec, root)
    return Listing(
        root,
        tuple(entry for entry in once.values() if entry.name not in names),
        tuple(entry for entry in once.values() if entry.name in names),
        classes or tuple(sorted({label for entry in once.values() for label in entry.labels})),
        lists,
    )


def _listed(spec: DataSpec, content: ListContent) -> list[ListedVideo]:
    warn_of_missing(spec, content.entries)
    return [
        ListedVideo(
            entry.split,
            entry.name,
            entry.path,
            tuple(content.classes[number] for number in entry.labels),
            entry.segment,
        )
        for entry in content.entries
    ]


def _moments(spec: DataSpec, root: Path) -> list[ListedVideo]:
    splits = [split for split, (file, _) in moments.LISTS.items() if (root / file).is_file()]
    if not splits:
        files = " and no ".join(file for file, _ in moments.LISTS.values())
        raise CannotRun(f"--data {spec_text(spec)}: there is no {files}")
    return [
        ListedVideo(split, row.name, row.name, (row.label,))
        for split in splits
        for row in moments.read_list(root, split)
    ]


def _charades(spec: DataSpec, root: Path, classes: Sequence[str]) -> list[ListedVideo]:
    folder = charades.video_folder(spec, root)
    lists = {split: charades.annotation_file(root, file) for split, file in charades.LISTS.items()}
    found = {split: path for split, path in lists.items() if path.is_file()}
    if not found:
        files = " and no ".join(charades.LISTS.values())
        raise CannotRun(f"--data {spec_text(spec)}: there is no {files}")
    return [
        ListedVideo(
            split,
            row.id,
            charades.video_path(root, folder, row),
            tuple(classes[number] for number in row.classes),
        )
        for split, path in found.items()
        for row in read_rows(path, len(classes))[0]
    ]
