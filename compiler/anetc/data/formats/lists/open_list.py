"""The format `list`: lists of videos as they are published, and tables.

`list:PATH` names a list, or a folder with lists: Kinetics, UCF101, HMDB51, Something-Something v2,
those of mmaction2 and SlowFast, and tables with named columns. docs/data.md describes the options.
Paths are relative to the data set's folder: the folder PATH, or the folder of the list PATH.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import attrs

from anetc.data.formats.directory_scan import on_disk
from anetc.data.formats.lists.list_dataset import ListDataset, ListedClip
from anetc.data.formats.lists.list_labels import number_labels
from anetc.data.formats.lists.list_rows import VideoList, segment_name
from anetc.data.formats.lists.official_splits import UCF101_GROUP
from anetc.data.formats.lists.read_lists import OPTIONS as LIST_OPTIONS
from anetc.data.formats.lists.read_lists import percentages, read_lists
from anetc.data.formats.lists.video_finder import VideoFinder
from anetc.data.formats.video_dataset import OPTIONS, make_video_reader
from anetc.data.spec import checked_options, existing_path, parse_whole_number, spec_text
from anetc.data.splits import hash_splits, split_options
from anetc.data.upkeep import quarantine
from anetc.data.values import DataSpec, Segment, Split
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun

ALL_OPTIONS = ("videos", "labels", "group", "missing", *LIST_OPTIONS, *OPTIONS)

_MISSING = 5
"""Percentage of missing files that is accepted."""
_SHARE = 10
_SHOWN = 5

_log = logging.getLogger("anetc.data")


@attrs.frozen
class ListEntry:
    """A video or segment of a list, in one split; `path` is relative to the data set's folder.

    `found` tells whether the file exists. `place` is the list and the line, `repeated` are the
    places of the other rows of the same video in this split; `differs` tells whether one of them
    has another label, which is not used.
    """

    name: str
    path: str
    found: bool
    labels: tuple[int, ...]
    split: Split
    segment: Segment | None
    place: str
    repeated: tuple[str, ...] = ()
    differs: bool = False


@attrs.frozen
class ListContent:
    """The content of a data set of lists."""

    root: Path
    classes: tuple[str, ...]
    several: bool
    """True if a video can have several labels."""
    entries: tuple[ListEntry, ...]
    unlabelled: frozenset[Split]


def open_list(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> ListDataset:
    """Open a split. Missing files are counted in a warning and left out.

    Raises CannotRun for lists that cannot be read, wrong options, an empty split, and more missing
    files than 5 percent or the option `missing`.
    """
    content = list_content(spec)
    skipped = quarantine.quarantined_names(spec, content.root)
    chosen = [e for e in content.entries if e.split == split and e.name not in skipped]
    if not chosen:
        _refuse_split(spec, split, content)
    if any(entry.repeated for entry in chosen):
        again = [entry.name for entry in chosen if entry.repeated]
        _log.warning("%s: listed more than once: %s", spec_text(spec), _names(again))
    if differing := [entry.name for entry in chosen if entry.differs]:
        text = "%s: listed again with another label; the first is used: %s"
        _log.warning(text, spec_text(spec), _names(differing))
    _warn_of_leaks(spec, content, split)
    present = _present(spec, split, chosen)
    paths = [entry.path for entry in present]
    return ListDataset(
        spec=spec,
        split=split,
        classes=content.classes,
        clips=tuple(
            ListedClip(entry.name, entry.path, entry.labels, entry.segment) for entry in present
        ),
        reader=make_video_reader(spec, content.root, recipe, paths, flow=flow, objects=objects),
        multi_label=content.several,
    )


def list_content(spec: DataSpec) -> ListContent:
    """Read the lists and find their videos. Raises CannotRun."""
    options = checked_options(spec, ALL_OPTIONS)
    place = existing_path(spec)
    root = place if place.is_dir() else place.parent
    kind, videos = read_lists(spec, place)
    labelled = number_labels(spec, videos, root)
    splits = _splits(spec, videos, kind == "ucf101")
    finder = VideoFinder(root, _videos_folder(spec, root))
    look = options.get("missing") != "keep"
    paths = finder.find_all(videos.rows) if look else [None] * len(videos.rows)
    merged: dict[tuple[str, Split], ListEntry] = {}
    for row, path, labels, split in zip(videos.rows, paths, labelled.labels, splits):
        found = path is not None or not look
        path = finder.listed_path(row) if path is None else path
        segment = row.segment
        stem = path.rpartition("/")[2].rpartition(".")[0]
        if segment is not None and segment.unless_cut and stem == row.stems[0]:
            segment = None
        name = segment_name(path, segment)
        entry = ListEntry(name, path, found, labels, split, segment, row.place)
        first = merged.setdefault((name, split), entry)
        if first is not entry:
            merged[name, split] = _merge(first, entry, labelled.several)
    return ListContent(
        root, labelled.classes, labelled.several, tuple(merged.values()), videos.unlabelled
    )


def shared_videos(content: ListContent) -> dict[str, list[ListEntry]]:
    """Return, by file, the entries that are also in another split, wholly or in part."""
    by_file: dict[str, list[ListEntry]] = defaultdict(list)
    for entry in content.entries:
        by_file[entry.path].append(entry)
    found = {}
    for path, entries in by_file.items():
        if len({entry.split for entry in entries}) > 1:
            shared = [entry for entry in entries if any(_leaks(entry, e) for e in entries)]
            if shared:
                found[path] = shared
    return found


def _leaks(a: ListEntry, b: ListEntry) -> bool:
    return a.split != b.split and _overlap(a.segment, b.segment)


def _overlap(a: Segment | None, b: Segment | None) -> bool:
    return a is None or b is None or (a.start < b.end and b.start < a.end)


def _merge(first: ListEntry, again: ListEntry, several: bool) -> ListEntry:
    """Return one entry of two rows: with the labels of both, or else those of the first row."""
    labels = tuple(dict.fromkeys((*first.labels, *again.labels))) if several else first.labels
    repeated = first.repeated
    if not several or labels == first.labels:
        repeated = (*repeated, again.place)
    differs = first.differs or (not several and again.labels != first.labels)
    return attrs.evolve(first, labels=labels, repeated=repeated, differs=differs)


def _splits(spec: DataSpec, videos: VideoList, ucf101: bool) -> list[Split]:
    """Return the split of each row: by the lists, or by hash where they have none."""
    rows = videos.rows
    given = percentages(spec)
    # The other options of this name are paths of lists.
    options = tuple(
        (name, value)
        for name, value in spec.options
        if name in given or name not in ("train", "validation", "test")
    )
    if ucf101 and "group" not in dict(options):
        options = (*options, ("group", UCF101_GROUP))
    bare = attrs.evolve(spec, options=options)
    has_splits = any(row.split is not None for row in rows)
    if has_splits and any(row.split is None for row in rows):
        row = next(row for row in rows if row.split is None)
        raise CannotRun(f"{row.file}:{row.line}: there is no split, but other videos have one")
    if has_splits:
        splits = [row.split or "train" for row in rows]
        if "test" in given or ("validation" in given and "validation" in splits):
            raise CannotRun(
                f"--data {spec_text(spec)}: the lists have splits; the only percentage is "
                "validation=PERCENT, where there is no validation list"
            )
        if "validation" not in given:
            return splits
        how, places = (
            split_options(bare, validation=0, test=0),
            [place for place, split in enumerate(splits) if split == "train"],
        )
    else:
        how, places = split_options(bare, validation=_SHARE, test=_SHARE), [*range(len(rows))]
        splits = ["train"] * len(rows)
    # Segments of one video are one group, as its parts look alike.
    names = [(*rows[place].paths, *rows[place].stems[-1:])[0] for place in places]
    labels = [tuple(map(str, rows[place].labels)) for place in places]
    for place, split in zip(places, hash_splits(bare, names, labels, how)):
        splits[place] = split
    return splits


def _videos_folder(spec: DataSpec, root: Path) -> str | None:
    option = dict(spec.options).get("videos")
    if option is None:
        return None
    found = on_disk(root, option)
    if not (root / found).is_dir():
        raise CannotRun(f"--data {spec_text(spec)}: videos={option}: there is no such folder")
    return found


def warn_of_missing(spec: DataSpec, entries: Sequence[ListEntry]) -> None:
    """Count and name the missing files in a warning."""
    missing = list(dict.fromkeys(entry.path for entry in entries if not entry.found))
    if missing:
        total = len({entry.path for entry in entries})
        text = "%s: %d of the %d files are missing: %s"
        _log.warning(text, spec_text(spec), len(missing), total, _names(missing))


def _present(spec: DataSpec, split: Split, chosen: list[ListEntry]) -> list[ListEntry]:
    """Return the entries whose files exist; warn of the others. Raises CannotRun for too many."""
    option = dict(spec.options).get("missing", str(_MISSING))
    if option == "keep":
        return chosen
    allowed = parse_whole_number(spec, "missing", option, 0, 100)
    missing = [entry.path for entry in chosen if not entry.found]
    if not missing:
        return chosen
    text = (
        f"{spec_text(spec)}: {len(missing)} of the {len(chosen)} {split} videos are missing: "
        f"{_names(missing)}"
    )
    if len(missing) == len(chosen) or 100 * len(missing) > allowed * len(chosen):
        advice = (
            "name their folder with the option videos=FOLDER"
            if 2 * len(missing) > len(chosen)
            else "leave them out by a quarantine list of `anetc data check`, or accept more with "
            "the option missing=PERCENT"
        )
        limit = f", more than {allowed} %" if len(missing) < len(chosen) else ""
        raise CannotRun(f"--data {text}{limit}; {advice}")
    _log.warning("%s", text)
    return [entry for entry in chosen if entry.found]


def _refuse_split(spec: DataSpec, split: Split, content: ListContent) -> None:
    if split in content.unlabelled:
        raise CannotRun(
            f"--data {spec_text(spec)}: the {split} list has no labels; use another split"
        )
    found = Counter(entry.split for entry in content.entries)
    shown = ", ".join(f"{name} ({count})" for name, count in found.items()) or "none"
    advice = f"name a list with the option {split}=FILE"
    if split == "validation":
        advice += ", or take 10 % of the training list with validation=10"
    raise CannotRun(
        f"--data {spec_text(spec)}: there are no {split} videos; splits with videos: {shown}; "
        f"{advice}"
    )


def _warn_of_leaks(spec: DataSpec, content: ListContent, split: Split) -> None:
    shared = [
        path
        for path, entries in shared_videos(content).items()
        if any(entry.split == split for entry in entries)
    ]
    if shared:
        _log.warning("%s: also in another split: %s", spec_text(spec), _names(shared))


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
