"""Check a data set: compare its lists with its files, and read every file.

Videos with findings of the kinds in UNUSABLE cannot be used and go on a quarantine list. Other
findings are for the user to judge.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import attrs

from anetc.data.formats import charades, moments
from anetc.data.formats.charades_lists import CharadesRow, read_classes, read_rows
from anetc.data.formats.directory_scan import folders_in, is_video_name, videos_below
from anetc.data.formats.lists.open_list import ListContent, shared_videos
from anetc.data.object_maps.map_check import check_maps, map_findings
from anetc.data.object_maps.map_files import MapPlaces, map_places
from anetc.data.upkeep.findings import (
    FINDING_KINDS,
    UNUSABLE,
    FileCheck,
    Finding,
    FindingKind,
    MapsCheck,
)
from anetc.data.upkeep.flow_files import fingerprint
from anetc.data.upkeep.listing import ListedVideo, Listing
from anetc.data.upkeep.process_pool import map_in_processes
from anetc.data.upkeep.split_check import check_splits
from anetc.data.values import DataSpec
from anetc.video.clips import Recipe
from anetc.video.decode import VideoError, grid_length, probe, verify
from anetdsl.diagnostics import did_you_mean

_SLACK = 1.0
"""Tolerance of action ends, in seconds, if the list does not hold the length of the video."""


@attrs.frozen
class DatasetCheck:
    """The result of a check. `unlisted` counts the videos in the folders that are in no list.

    `maps` are the object maps that can be used. Videos without are unusable if `needs_maps`.
    """

    videos: int
    quarantined: int
    unlisted: int
    findings: tuple[Finding, ...]
    maps: tuple[MapsCheck, ...] = ()
    needs_maps: bool = False

    def of(self, kind: FindingKind) -> list[Finding]:
        """Return the findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def unusable(self) -> dict[str, str]:
        """Return the videos that cannot be used, each with its reason."""
        kinds = UNUSABLE | ({"objects"} if self.needs_maps else set())
        found = {f.name: f.message for f in self.findings if f.kind in kinds}
        return dict(sorted(found.items()))


def check_data(
    spec: DataSpec,
    listing: Listing,
    *,
    recipe: Recipe,
    quick: bool,
    workers: int,
    progress: Callable[[int], None],
    channels: int | None = None,
) -> DatasetCheck:
    """Check the lists and all videos; `progress` gets the number of files read so far.

    `channels` is the number of channels of a network's object input, which needs object maps.

    `recipe` is that of the training clips. A video is short if it has fewer frames at the clip's
    rate than a clip, slow if its frame rate is below that of clips, and small if its short side is
    below that of clips. `quick` reads all packets but decodes only the first frame of a video.
    """
    root, entries = listing.root, listing.entries
    files: dict[str, FileCheck] = {}
    places = map_places(spec, root)
    check = partial(check_file, root, places=places, fps=recipe.fps, quick=quick)
    for file in map_in_processes(check, listing.paths(), workers, _lost):
        files[file.path] = file
        progress(len(files))
    findings = [
        *check_splits(spec, entries, files, listing.classes),
        *_check_lists(spec, listing, files),
        *_check_videos(entries, files, recipe),
        *_find_copies(root, entries, files),
        *(_check_endings(root) if spec.format == "folder" else ()),
        *map_findings(entries, files, channels),
    ]
    ranks = {kind: rank for rank, kind in enumerate(FINDING_KINDS)}
    listed = {entry.path for entry in (*entries, *listing.skipped)}
    return DatasetCheck(
        videos=len(entries),
        quarantined=len(listing.skipped),
        unlisted=sum(path not in listed for path in _videos_in_folders(spec, root)),
        # A video in two splits has its findings once.
        findings=tuple(sorted({*findings}, key=lambda f: (ranks[f.kind], f.name, f.message))),
        maps=tuple(file.maps for file in files.values() if file.maps and not file.maps.problem),
        needs_maps=channels is not None,
    )


def check_file(
    root: Path, path: str, *, fps: float, quick: bool, places: MapPlaces | None = None
) -> FileCheck:
    """Read all packets of a file, and unless `quick` decode all its frames.

    With `places` its object maps are read as well.
    """
    file = root / path
    try:
        info = probe(file)
        if info.damage or not quick:
            # For a damaged file the error names the number of readable frames.
            verify(file)
        digest = fingerprint(file)
    except (VideoError, OSError) as error:
        return FileCheck(path, "corrupt" if file.exists() else "missing", _reason(error))
    return FileCheck(
        path,
        None,
        frames=grid_length(info, fps),
        fps=info.fps,
        duration=info.duration,
        width=info.width,
        height=info.height,
        codec=info.codec,
        fingerprint=f"{digest['bytes']} {digest['digest']}",
        maps=None if places is None else check_maps(places, path, info, fps, quick=quick),
    )


def _lost(path: str, reason: str) -> FileCheck:
    """Return the result for a file that has crashed the process that read it."""
    return FileCheck(path, "corrupt", reason)


def _reason(error: VideoError | OSError) -> str:
    text = str(error)
    return text.removeprefix(f"{error.path}: ") if isinstance(error, VideoError) else text


def _check_videos(
    entries: Sequence[ListedVideo], files: dict[str, FileCheck], recipe: Recipe
) -> Iterator[Finding]:
    frames, fps, side = recipe.frames, recipe.fps, min(recipe.size)
    for entry in entries:
        file = files[entry.path]
        if file.problem is not None:
            yield Finding(file.problem, entry.name, file.message)
            continue
        count, duration = file.frames, file.duration
        if entry.segment is not None:
            begin, count = entry.segment.on_grid(fps, file.frames, file.duration)
            end = entry.segment.end
            if count == 0:
                message = f"it begins after the end of the video, at {duration:.2f} s"
                yield Finding("segment", entry.name, message)
                continue
            # With `unless_cut`, a file that is the segment begins with it.
            whole = entry.segment.unless_cut and (begin, count) == (0, file.frames)
            if not whole and begin + count == file.frames and end > duration + _SLACK:
                message = f"the segment ends after the video, which ends at {duration:.2f} s"
                yield Finding("cut-action", entry.name, message)
            duration = count / fps
        if count < frames:
            length = f"{count} frames at {fps:g} a second ({duration:.2f} s)"
            yield Finding("short", entry.name, f"{length}; a clip has {frames}")
        # The rate of a file is an average; a single frame has no rate.
        if file.frames > 1 and file.fps < 0.98 * fps:
            yield Finding("slow", entry.name, f"{file.fps:.2f} frames a second, fewer than {fps:g}")
        if min(file.width, file.height) < side:
            message = f"{file.width} x {file.height} pixels; the short side of a clip is {side}"
            yield Finding("small", entry.name, message)


def _find_copies(
    root: Path, entries: Sequence[ListedVideo], files: dict[str, FileCheck]
) -> Iterator[Finding]:
    """Find files with the same content as an earlier file."""
    first: dict[str, ListedVideo] = {}
    for entry in entries:
        file = files[entry.path]
        if file.problem is not None:
            continue
        other = first.setdefault(file.fingerprint, entry)
        if other.path == entry.path or not filecmp.cmp(
            root / other.path, root / entry.path, shallow=False
        ):
            continue
        message = f"the same file as {other.name}"
        if other.split != entry.split:
            message += f", but this one is in {entry.split}, the other in {other.split}"
        if other.labels != entry.labels:
            message += "; their labels differ"
        yield Finding("copy", entry.name, message)


def _check_lists(
    spec: DataSpec, listing: Listing, files: dict[str, FileCheck]
) -> Iterator[Finding]:
    root, entries = listing.root, {entry.name: entry for entry in listing.entries}
    match spec.format:
        case "moments":
            yield from _check_moments(root, entries)
        case "charades":
            yield from _check_charades(root, files, entries)
        case "list":
            if listing.lists is not None:
                yield from _check_list(listing.lists, entries)


def _check_moments(root: Path, entries: dict[str, ListedVideo]) -> Iterator[Finding]:
    classes = moments.read_categories(root / moments.CATEGORIES)
    known = set(classes)
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
                message = f"{file}:{row.line}: the label `{row.label}` is not in "
                yield Finding("label", row.name, f"{message}{moments.CATEGORIES}{hint}")
            if other is not row:
                label = "" if other.label == row.label else f", as `{other.label}`"
                message = f"{file}:{row.line}: already listed in line {other.line}{label}"
                yield Finding("repeated", row.name, message)


def _check_charades(
    root: Path, files: dict[str, FileCheck], entries: dict[str, ListedVideo]
) -> Iterator[Finding]:
    classes = read_classes(charades.annotation_file(root, charades.CLASSES))
    for file in charades.LISTS.values():
        path = charades.annotation_file(root, file)
        if not path.is_file():
            continue
        for row in read_rows(path, len(classes))[0]:
            if row.id not in entries:
                continue
            video = files[entries[row.id].path]
            yield from _check_charades_row(row, f"{file}:{row.line}", video)


def _check_list(content: ListContent, entries: dict[str, ListedVideo]) -> Iterator[Finding]:
    for entry in content.entries:
        if entry.name in entries and entry.repeated:
            message = f"listed in {entry.place} and {', '.join(entry.repeated)}"
            if entry.differs:
                message += "; their labels differ, and the first is used"
            yield Finding("repeated", entry.name, message)
    for shared in shared_videos(content).values():
        splits = " and ".join(dict.fromkeys(entry.split for entry in shared))
        places = ", ".join(dict.fromkeys(entry.place for entry in shared))
        if any(entry.name in entries for entry in shared):
            yield Finding("copy", shared[0].name, f"it is in {splits}: {places}")


def _check_endings(root: Path) -> Iterator[Finding]:
    """Find files that may be videos, but have no ending of a video."""
    for top in folders_in(root):
        for name in videos_below(root / top, with_unknown_names=True):
            if is_video_name(name.rpartition("/")[2]):
                continue
            try:
                probe(root / top / name)
                content = "is a video"
            except VideoError:
                content = "cannot be read as a video"
            message = f"not used: its name has no ending of a video, such as .mp4; it {content}"
            yield Finding("ending", f"{top}/{name}", message)


def _check_charades_row(row: CharadesRow, place: str, video: FileCheck) -> Iterator[Finding]:
    for number in row.unknown:
        yield Finding("label", row.id, f"{place}: there is no class c{number:03d}")
    cut, length = row.cut, row.length
    if length is None and video.problem is None:
        length = video.duration
        cut = sum(end > length + _SLACK for _, _, end in row.actions)
    if cut and length is not None:
        actions = "an action ends" if cut == 1 else f"{cut} actions end"
        message = f"{place}: {actions} after the video, which ends at {length:.2f} s"
        yield Finding("cut-action", row.id, message)
    if row.empty:
        ends = "an action ends at or before its start"
        if row.empty > 1:
            ends = f"{row.empty} actions end at or before their start"
        yield Finding("empty-action", row.id, f"{place}: {ends}")


def _videos_in_folders(spec: DataSpec, root: Path) -> Iterator[str]:
    """Yield all videos in the folders of the listed videos."""
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
