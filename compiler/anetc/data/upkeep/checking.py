"""What is wrong with a data set: its lists against its files, and every file on its own.

Videos that cannot be used (`missing`, `corrupt`, `label`) go on a quarantine list; other findings
are for a person to judge.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import attrs

from anetc.data.formats import charades, moments
from anetc.data.formats.annotations import CharadesRow, read_classes, read_rows
from anetc.data.formats.scanning import videos_below
from anetc.data.upkeep.flow_files import fingerprint
from anetc.data.upkeep.listing import ListedVideo, Listing
from anetc.data.upkeep.pool import in_processes
from anetc.data.values import DataSpec
from anetc.video.decode import VideoError, grid_length, probe, verify
from anetdsl.diagnostics import did_you_mean

Kind = Literal[
    "missing",
    "corrupt",
    "label",
    "short",
    "slow",
    "copy",
    "repeated",
    "beyond",
    "placeless",
    "class",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNUSABLE: frozenset[Kind] = frozenset({"missing", "corrupt", "label"})

_SLACK = 1.0
"""Seconds by which annotations may be off where the list does not say how long a video is."""


@attrs.frozen
class Finding:
    """Something about the video (or class) `name`."""

    kind: Kind
    name: str
    what: str


@attrs.frozen
class Checked:
    """What a check found. `unlisted` are videos that lie there but are in no list."""

    videos: int
    quarantined: int
    unlisted: int
    findings: tuple[Finding, ...]

    def of(self, kind: Kind) -> list[Finding]:
        """The findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def unusable(self) -> dict[str, str]:
        """The videos that cannot be used, and why."""
        found = {f.name: f.what for f in self.findings if f.kind in UNUSABLE}
        return dict(sorted(found.items()))


@attrs.frozen
class Looked:
    """What a look at a file showed: a problem, or how long it is and what tells it from others."""

    path: str
    kind: Kind | None
    what: str = ""
    frames: int = 0
    fps: float = 0.0
    duration: float = 0.0
    mark: str = ""


def check_data(
    spec: DataSpec,
    listing: Listing,
    *,
    frames: int,
    fps: float,
    quick: bool,
    workers: int,
    progress: Callable[[int], None],
) -> Checked:
    """Check the lists and all videos; `progress` gets the number of videos examined so far.

    A video is short with fewer than `frames` frames at `fps`, and slow where it has fewer than
    `fps` frames a second. `quick` reads packets but decodes no more than the first frame.
    """
    root, entries = listing.root, listing.entries
    looks: dict[str, Looked] = {}
    look = partial(look_at, root, fps=fps, quick=quick)
    for found in in_processes(look, [entry.path for entry in entries], workers):
        looks[found.path] = found
        progress(len(looks))
    findings = [
        *_of_lists(spec, root, looks, {entry.name: entry for entry in entries}),
        *_of_videos(entries, looks, frames, fps),
        *_copies(root, entries, looks),
    ]
    ranks = {kind: rank for rank, kind in enumerate(KINDS)}
    listed = {entry.path for entry in (*entries, *listing.skipped)}
    return Checked(
        videos=len(entries),
        quarantined=len(listing.skipped),
        unlisted=sum(p not in listed for p in _lying_there(spec, root)),
        findings=tuple(sorted(findings, key=lambda f: (ranks[f.kind], f.name))),
    )


def look_at(root: Path, path: str, *, fps: float, quick: bool) -> Looked:
    """Look at one file: all of its packets, and unless `quick` all of its frames."""
    place = root / path
    try:
        info = probe(place)
        if info.damage or not quick:
            # Where the packets show damage, this says how many frames can be read.
            verify(place)
        mark = fingerprint(place)
    except (VideoError, OSError) as error:
        return Looked(path, "corrupt" if place.exists() else "missing", _reason(error))
    return Looked(
        path,
        None,
        frames=grid_length(info, fps),
        fps=info.fps,
        duration=info.duration,
        mark=f"{mark['bytes']} {mark['digest']}",
    )


def _reason(error: VideoError | OSError) -> str:
    text = str(error)
    return text.removeprefix(f"{error.path}: ") if isinstance(error, VideoError) else text


def _of_videos(
    entries: Sequence[ListedVideo], looks: dict[str, Looked], frames: int, fps: float
) -> Iterator[Finding]:
    for entry in entries:
        look = looks[entry.path]
        if look.kind is not None:
            yield Finding(look.kind, entry.name, look.what)
            continue
        if look.frames < frames:
            have = f"{look.frames} frames at {fps:g} a second ({look.duration:.2f} s)"
            yield Finding("short", entry.name, f"{have}; a clip has {frames}")
        # One frame has no rate, and the rate of a file is an average.
        if look.frames > 1 and look.fps < 0.98 * fps:
            yield Finding("slow", entry.name, f"{look.fps:.2f} frames a second, fewer than {fps:g}")


def _copies(
    root: Path, entries: Sequence[ListedVideo], looks: dict[str, Looked]
) -> Iterator[Finding]:
    """Files with the same content, the first of them apart."""
    first: dict[str, ListedVideo] = {}
    for entry in entries:
        look = looks[entry.path]
        if look.kind is not None:
            continue
        other = first.setdefault(look.mark, entry)
        if other is entry or not filecmp.cmp(root / other.path, root / entry.path, shallow=False):
            continue
        what = f"the same file as {other.name}"
        if other.split != entry.split:
            what += f", but this is in {entry.split}, that in {other.split}"
        if other.labels != entry.labels:
            what += "; their labels differ"
        yield Finding("copy", entry.name, what)


def _of_lists(
    spec: DataSpec, root: Path, looks: dict[str, Looked], entries: dict[str, ListedVideo]
) -> Iterator[Finding]:
    match spec.format:
        case "moments":
            yield from _of_moments(root, looks, entries)
        case "charades":
            yield from _of_charades(root, looks, entries)
        case _:
            labels = {label for entry in entries.values() for label in entry.labels}
            good = [v for v in entries.values() if looks[v.path].kind is None]
            trained = {v.labels[0] for v in good if v.split == "train"}
            yield from _untrained(sorted(labels), trained)


def _of_moments(
    root: Path, looks: dict[str, Looked], entries: dict[str, ListedVideo]
) -> Iterator[Finding]:
    classes = moments.read_categories(root / moments.CATEGORIES)
    known = set(classes)
    trained: set[str] = set()
    for split, (file, _) in moments.LISTS.items():
        if not (root / file).is_file():
            continue
        first: dict[str, moments.MomentsRow] = {}
        for row in moments.read_list(root, split):
            if row.name not in entries:
                continue
            other = first.setdefault(row.name, row)
            if row.label not in known:
                guess = did_you_mean(row.label, classes)
                hint = f"; did you mean `{guess}`?" if guess else ""
                what = f"{file}:{row.line}: the label `{row.label}` is not in "
                yield Finding("label", row.name, f"{what}{moments.CATEGORIES}{hint}")
            if other is not row:
                label = "" if other.label == row.label else f", as `{other.label}`"
                what = f"{file}:{row.line}: listed before, in line {other.line}{label}"
                yield Finding("repeated", row.name, what)
            elif split == "train" and looks[row.name].kind is None:
                trained.add(row.label)
    yield from _untrained(classes, trained)


def _of_charades(
    root: Path, looks: dict[str, Looked], entries: dict[str, ListedVideo]
) -> Iterator[Finding]:
    classes = read_classes(charades.annotation_file(root, charades.CLASSES))
    trained: set[int] = set()
    for split, file in charades.LISTS.items():
        path = charades.annotation_file(root, file)
        if not path.is_file():
            continue
        for row in read_rows(path, len(classes))[0]:
            if row.id not in entries:
                continue
            look = looks[entries[row.id].path]
            if split == "train" and look.kind is None:
                trained.update(row.classes)
            yield from _of_row(row, f"{file}:{row.line}", look)
    yield from _untrained(classes, {classes[number] for number in trained})


def _of_row(row: CharadesRow, where: str, look: Looked) -> Iterator[Finding]:
    for number in row.unknown:
        yield Finding("label", row.id, f"{where}: there is no class c{number:03d}")
    beyond, length = row.beyond, row.length
    if length is None and look.kind is None:
        length = look.duration
        beyond = sum(end > length + _SLACK for _, _, end in row.actions)
    if beyond and length is not None:
        actions = "an action ends" if beyond == 1 else f"{beyond} actions end"
        yield Finding("beyond", row.id, f"{where}: {actions} after the video, at {length:.2f} s")
    if row.dropped:
        actions = "an action does" if row.dropped == 1 else f"{row.dropped} actions do"
        yield Finding("placeless", row.id, f"{where}: {actions} not begin before it ends")


def _untrained(classes: Iterable[str], trained: set[str]) -> Iterator[Finding]:
    for label in classes:
        if label not in trained:
            yield Finding("class", label, "this class has no video to train with")


def _lying_there(spec: DataSpec, root: Path) -> Iterator[str]:
    """All videos in the folders of the lists' videos."""
    match spec.format:
        case "moments":
            folders = [folder for _, folder in moments.LISTS.values()]
        case "charades":
            folders = [charades.video_folder(spec, root)]
        case _:
            return
    for folder in folders:
        if (root / folder).is_dir():
            yield from (f"{folder}/{name}" for name in videos_below(root / folder))
