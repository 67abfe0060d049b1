"""Read all lists of a data set, by the options of its spec."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from anetc.data.formats.lists.find_lists import (
    FoundLists,
    find_lists,
    kind_of_file,
    split_of_file,
    ucf101_without_classes,
)
from anetc.data.formats.lists.list_rows import ListKind, ListRow, VideoList
from anetc.data.formats.lists.list_tables import read_table
from anetc.data.formats.lists.official_splits import UCF101_CLASSES, read_hmdb51, read_ucf101
from anetc.data.formats.lists.path_lists import read_path_list
from anetc.data.formats.lists.something import read_something
from anetc.data.spec import existing_path, parse_whole_number, spec_text
from anetc.data.values import DataSpec, Split
from anetdsl.errors import CannotRun

OPTIONS = ("kind", "split", "train", "validation", "test", "classes", "first")

_SHOWN = 5
_log = logging.getLogger("anetc.data")
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_READERS: dict[ListKind, Callable[[Path, Split | None], VideoList]] = {
    "table": read_table,
    "kinetics": read_table,
    "paths": read_path_list,
}


def read_lists(spec: DataSpec, place: Path) -> tuple[ListKind, VideoList]:
    """Read the lists of a folder or file; also return their kind.

    Raises CannotRun if there are none, several for the same videos, or none of the option `kind`.
    """
    found = _found(spec, place)
    options = dict(spec.options)
    number = parse_whole_number(spec, "split", options.get("split", "1"), 1, 3)
    match found.kind:
        case "something":
            videos = read_something(found.folder)
        case "ucf101":
            videos = read_ucf101(found.folder, number)
        case "hmdb51":
            videos = read_hmdb51(found.folder, number)
        case kind:
            files = _one_of_each(spec, found, options.get("split"))
            videos = _joined([_READERS[kind](path, split) for path, split in files])
    if "split" in options and found.kind == "something":
        raise CannotRun(f"--data {spec_text(spec)}: split=N is for UCF101 and HMDB51")
    if not videos.rows:
        raise CannotRun(f"--data {spec_text(spec)}: the lists have no videos with labels")
    return found.kind, videos


def percentages(spec: DataSpec) -> frozenset[str]:
    """Return the options `validation` and `test` that are percentages and not paths of lists."""
    root = existing_path(spec)
    root = root if root.is_dir() else root.parent
    return frozenset(
        name
        for name, value in spec.options
        if name in ("validation", "test")
        and re.fullmatch(r"\d{1,18}", value, re.ASCII)
        and not (root / value).is_file()
    )


def _found(spec: DataSpec, place: Path) -> FoundLists:
    options = dict(spec.options)
    kind = next((known for known in get_args(ListKind) if known == options.get("kind")), None)
    if kind is None and "kind" in options:
        raise CannotRun(
            f"--data {spec_text(spec)}: kind must be one of {', '.join(get_args(ListKind))}"
        )
    root = place if place.is_dir() else place.parent
    shares = percentages(spec)
    named = [
        (root / options[split], split)
        for split in _SPLITS
        if split in options and split not in shares
    ]
    for path, split in named:
        if not path.is_file():
            raise CannotRun(f"--data {spec_text(spec)}: {split}={options[split]}: no such file")
    if named and place.is_file():
        own: Split = split_of_file(place) or "train"
        named = [(place, own), *((path, split) for path, split in named if split != own)]
    if named:
        if kind in ("ucf101", "hmdb51", "something"):
            raise CannotRun(f"--data {spec_text(spec)}: lists of {kind} cannot be named by options")
        kinds = {kind or kind_of_file(path) for path, _ in named}
        chosen = kinds.pop() if len(kinds) == 1 else None
        if chosen is None:
            raise _unknown(spec, "the lists are of different or unknown kinds")
        return FoundLists(chosen, root, tuple(named))
    if kind in (None, "ucf101") and "classes" not in options:
        lone = ucf101_without_classes(place)
        if lone is not None:
            raise CannotRun(
                f"--data {spec_text(spec)}: {lone.parent / UCF101_CLASSES} is missing, the names "
                f"of the classes for {lone.name}; it belongs to the lists of UCF101"
            )
    found = find_lists(place)
    if kind is None or (found is not None and found.kind == kind):
        if found is None:
            raise _unknown(spec, "there is no list of a known kind")
        _warn_of_unused(spec, root, found)
        return found
    if kind in _READERS and place.is_file():
        return FoundLists(kind, root, ((place, split_of_file(place)),))
    if kind in _READERS:
        raise CannotRun(f"--data {spec_text(spec)}: name the lists, such as train=FILE&test=FILE")
    return FoundLists(kind, root)


def _warn_of_unused(spec: DataSpec, root: Path, found: FoundLists) -> None:
    """Name the files beside the lists that look like lists and are not used."""
    named = {root / value for _, value in spec.options}
    unused = [path.name for path in found.unused if path not in named]
    if unused:
        more = f" and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else ""
        text = "%s: not used, as it is no list of the kind %s%s: %s%s; name lists with train=FILE"
        split = " with a split in its name" if any(own for _, own in found.files) else ""
        shown = ", ".join(unused[:_SHOWN])
        _log.warning(text, spec_text(spec), found.kind, split, shown, more)


def _one_of_each(
    spec: DataSpec, found: FoundLists, number: str | None
) -> list[tuple[Path, Split | None]]:
    """Return one file for each split; `number` chooses among those of several official splits."""
    files = list(found.files)
    if number is not None:
        pattern = re.compile(rf"split_?0?{number}(?!\d)", re.IGNORECASE)
        files = [(path, split) for path, split in files if pattern.search(path.stem)]
        if not files:
            raise CannotRun(f"--data {spec_text(spec)}: there is no list of split {number}")
    for split in _SPLITS:
        same = [path.name for path, own in files if own == split]
        if len(same) > 1 and found.kind != "kinetics":
            raise CannotRun(
                f"--data {spec_text(spec)}: {' and '.join(same)} are lists of the {split} split; "
                f"name one with the option {split}=FILE, or with split=N"
            )
    return files


def _joined(lists: list[VideoList]) -> VideoList:
    rows: list[ListRow] = [row for videos in lists for row in videos.rows]
    hidden = frozenset(split for videos in lists for split in videos.unlabelled)
    several = True if any(videos.several for videos in lists) else None
    return VideoList(rows, None, hidden - {row.split for row in rows}, several)


def _unknown(spec: DataSpec, problem: str) -> CannotRun:
    return CannotRun(
        f"--data {spec_text(spec)}: {problem}; name it with the option kind="
        f"{'|'.join(get_args(ListKind))}, and the files with train=FILE and so on"
    )
