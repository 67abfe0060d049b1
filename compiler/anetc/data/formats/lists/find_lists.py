"""Find the lists of a data set and their kind, in a folder or as one file.

Lists are searched in the folder and in its subfolders, one level deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from anetc.data.formats.directory_scan import QUARANTINE_NAME, folders_in
from anetc.data.formats.lists import something
from anetc.data.formats.lists.list_rows import ListKind
from anetc.data.formats.lists.list_tables import is_kinetics, table_columns
from anetc.data.formats.lists.official_splits import HMDB51_LIST, UCF101_CLASSES
from anetc.data.formats.lists.path_lists import is_path_list
from anetc.data.formats.text_files import lines
from anetc.data.split_names import split_of_name
from anetc.data.values import Split
from anetdsl.errors import CannotRun

SUFFIXES = (".csv", ".tsv", ".txt", ".lst", ".list")
_PLACES = re.compile(
    r"annotations?|lists?|splits?|labels?|meta(data)?|csv|.*splits?.*|.*testlist.*"
)
_UCF101_ROW = re.compile(r"[^/\\]+[/\\][^/\\]+\.avi(\s+\d+)?")
_NO_LIST = re.compile(r".*(class|categor|label_?map|names).*", re.IGNORECASE)
_MAX_BYTES = 1 << 30
_IN_FOLDERS: tuple[ListKind, ...] = ("kinetics", "table", "paths")
"""Kinds of lists with any file name, the most specific first."""


@attrs.frozen
class FoundLists:
    """The lists of a data set: their kind, the folder of official lists, or files with splits.

    The split of a file is None if the file has the videos of all splits, or has no splits. `unused`
    are files in the same folder that look like lists, but are not among these.
    """

    kind: ListKind
    folder: Path
    files: tuple[tuple[Path, Split | None], ...] = ()
    unused: tuple[Path, ...] = ()


def find_lists(place: Path) -> FoundLists | None:
    """Return the lists in a folder, or in a file; None if there are none. Raises CannotRun."""
    if place.is_file():
        return _of_file(place)
    folders = [place, *(place / name for name in folders_in(place))]
    for folder in folders:
        if (folder / UCF101_CLASSES).is_file() and any(folder.glob("trainlist0*.txt")):
            return FoundLists("ucf101", folder)
        if any(HMDB51_LIST.fullmatch(path.name) for path in folder.glob("*_test_split*.txt")):
            return FoundLists("hmdb51", folder)
        lists = [something.something_file(folder, name) for name in something.FILES.values()]
        if any(lists) and something.something_file(folder, something.LABELS):
            return FoundLists("something", folder)
    for folder in folders:
        usual = folder == place or _PLACES.fullmatch(folder.name.lower())
        if usual and (found := _of_folder(folder)):
            return found
    return None


def ucf101_without_classes(place: Path) -> Path | None:
    """Return the first list of UCF101 in a folder without classInd.txt, or None."""
    if place.is_file():
        found = [place] if re.fullmatch(r"(train|test)list0\d\.txt", place.name) else []
    else:
        folders = [place, *(place / name for name in folders_in(place))]
        found = [path for folder in folders for path in sorted(folder.glob("trainlist0*.txt"))]
    for path in found:
        first = next((text for _, text in lines(path)), "")
        if not (path.parent / UCF101_CLASSES).is_file() and _UCF101_ROW.fullmatch(first):
            return path
    return None


def split_of_file(path: Path) -> Split | None:
    """Return the split that the name of a list means, such as kinetics400_train_list_videos.txt."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    found = [split for word in words if (split := split_of_name(word.removesuffix("list")))]
    return found[0] if len(set(found)) == 1 else None


def kind_of_file(path: Path) -> ListKind | None:
    """Return the kind of a list by its first line, or None."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        columns = table_columns(path)
        if columns is not None:
            return "kinetics" if is_kinetics(columns) else "table"
        return "paths" if is_path_list(path) else None
    except (CannotRun, OSError):
        return None


def _of_file(path: Path) -> FoundLists | None:
    if HMDB51_LIST.fullmatch(path.name):
        return FoundLists("hmdb51", path.parent)
    official = path.name == UCF101_CLASSES or re.fullmatch(r"(train|test)list0\d\.txt", path.name)
    if official and (path.parent / UCF101_CLASSES).is_file():
        return FoundLists("ucf101", path.parent)
    if path.suffix.lower() == ".json":
        if something.something_file(path.parent, something.LABELS):
            return FoundLists("something", path.parent)
        return None
    kind = kind_of_file(path)
    return FoundLists(kind, path.parent, ((path, split_of_file(path)),)) if kind else None


def _of_folder(folder: Path) -> FoundLists | None:
    """Return the lists of one kind, the first of Kinetics, tables and lists of paths."""
    found: dict[ListKind, list[tuple[Path, Split | None]]] = {}
    candidates: list[Path] = []
    for path in _text_files(folder):
        kind = kind_of_file(path)
        if kind is not None:
            found.setdefault(kind, []).append((path, split_of_file(path)))
        table = path.suffix.lower() in (".csv", ".tsv") and not _NO_LIST.fullmatch(path.stem)
        if kind is not None or table or split_of_file(path) is not None:
            candidates.append(path)
    for kind in _IN_FOLDERS:
        files = found.get(kind, [])
        named = [(path, split) for path, split in files if split is not None]
        if named or len(files) == 1:
            # Beside lists of the splits there may be one of all videos.
            used = dict(named or files)
            unused = tuple(path for path in candidates if path not in used)
            return FoundLists(kind, folder, tuple(used.items()), unused)
    return None


def _text_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        known = path.suffix.lower() in SUFFIXES and path.name != QUARANTINE_NAME
        if known and not path.name.startswith(".") and path.is_file():
            yield path
