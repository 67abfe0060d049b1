"""All videos of a data set, whatever its format, for what is done to each file once."""

from __future__ import annotations

from pathlib import Path

import attrs

from anetc.data.formats import charades, moments
from anetc.data.formats.annotations import read_classes, read_rows
from anetc.data.formats.folder import list_folder
from anetc.data.spec import place_of, shown
from anetc.data.upkeep.quarantine import quarantined
from anetc.data.values import DataSpec, Format
from anetdsl.errors import CannotRun

VIDEO_FORMATS: tuple[Format, ...] = ("moments", "charades", "folder")
"""Formats whose data are video files."""


@attrs.frozen
class ListedVideo:
    """A video: its split, what the data set calls it, its file below the folder, its classes."""

    split: str
    name: str
    path: str
    labels: tuple[str, ...]


@attrs.frozen
class Listing:
    """The videos below `root`, each file once; those in `skipped` are in quarantine."""

    root: Path
    entries: tuple[ListedVideo, ...]
    skipped: tuple[ListedVideo, ...]


def list_videos(spec: DataSpec) -> Listing:
    """The videos of a data set.

    Raises CannotRun for a format that has no video files, and for lists that cannot be read.
    """
    root = place_of(spec)
    match spec.format:
        case "folder":
            _, listed = list_folder(spec)
            entries = [ListedVideo(v.split, v.name, v.name, (v.label,)) for v in listed]
        case "moments":
            entries = _moments(spec, root)
        case "charades":
            entries = _charades(spec, root)
        case _:
            raise CannotRun(
                f"--data {shown(spec)}: {spec.format} holds no video files; "
                f"this is for {', '.join(VIDEO_FORMATS)}"
            )
    once: dict[str, ListedVideo] = {}
    for entry in entries:
        once.setdefault(entry.path, entry)
    names = quarantined(spec, root)
    return Listing(
        root,
        tuple(entry for entry in once.values() if entry.name not in names),
        tuple(entry for entry in once.values() if entry.name in names),
    )


def _moments(spec: DataSpec, root: Path) -> list[ListedVideo]:
    there = [split for split, (file, _) in moments.LISTS.items() if (root / file).is_file()]
    if not there:
        files = " and no ".join(file for file, _ in moments.LISTS.values())
        raise CannotRun(f"--data {shown(spec)}: there is no {files}")
    return [
        ListedVideo(split, row.name, row.name, (row.label,))
        for split in there
        for row in moments.read_list(root, split)
    ]


def _charades(spec: DataSpec, root: Path) -> list[ListedVideo]:
    classes = read_classes(charades.annotation_file(root, charades.CLASSES))
    folder = charades.video_folder(spec, root)
    lists = {split: charades.annotation_file(root, file) for split, file in charades.LISTS.items()}
    there = {split: path for split, path in lists.items() if path.is_file()}
    if not there:
        files = " and no ".join(charades.LISTS.values())
        raise CannotRun(f"--data {shown(spec)}: there is no {files}")
    return [
        ListedVideo(
            split,
            row.id,
            charades.video_path(folder, row),
            tuple(classes[number] for number in row.classes),
        )
        for split, path in there.items()
        for row in read_rows(path, len(classes))[0]
    ]
