"""List the videos in a folder: the same list in the same order on every machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

from anetdsl.errors import cannot_read

QUARANTINE_NAME = "quarantine.txt"
"""The name of the list of videos that are left out, in the folder of a data set."""

OBJECTS_SUFFIX = ".objects"
"""The end of the name of a folder with the object maps of a video."""

VIDEO_SUFFIXES = frozenset(
    (
        *(".264", ".265", ".3g2", ".3gp", ".3gpp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv"),
        *(".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v"),
        *(".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts"),
        *(".mxf", ".nut", ".ogm", ".ogv", ".qt", ".tod", ".ts", ".vob", ".webm", ".wmv", ".xvid"),
        ".y4m",
    )
)
"""Suffixes of video files, in lower case; a file name may have them in upper case."""

_OTHER_SUFFIXES = frozenset(
    (
        *(".aac", ".bmp", ".csv", ".db", ".doc", ".docx", ".flac", ".gz", ".htm", ".html", ".ini"),
        *(".jpeg", ".jpg", ".json", ".jsonl", ".log", ".m4a", ".mat", ".md", ".mp3", ".npy"),
        *(".npz", ".pdf", ".pickle", ".pkl", ".png", ".py", ".srt", ".tar", ".tif", ".tiff"),
        *(".toml", ".tsv", ".txt", ".vtt", ".wav", ".webp", ".xls", ".xlsx", ".xml", ".yaml"),
        *(".yml", ".zip"),
    )
)
"""Suffixes of files that are known to be no videos."""


def is_video_name(name: str) -> bool:
    """Return whether a file name is that of a video."""
    # As PurePosixPath.suffix, but much faster: a data set may have a million files.
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and f"{dot}{ending.lower()}" in VIDEO_SUFFIXES and not _hidden(name)


def folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden folders."""
    return sorted(e.name for e in _entries(folder) if _is_folder(e) and not _hidden(e.name))


def videos_below(folder: Path, *, with_unknown_names: bool = False) -> list[str]:
    """Return the videos in a folder and its subfolders, as sorted relative paths with slashes.

    `with_unknown_names` also returns the files that are neither videos by their names nor known
    other files. Links are followed, except to a folder that contains the link. A broken link and a
    loop of links are listed if their names are those of videos: reading them raises the error.
    """
    wanted = _may_be_video if with_unknown_names else is_video_name
    return sorted(_below(folder, "", (), wanted))


def on_disk(root: Path, path: str) -> str:
    """Return a path as it is called on the disk: in another Unicode form, if only that exists.

    A list may have a letter with its accent as one character, and the name of the file as two.
    """
    if path.isascii() or (root / path).exists():
        return path
    found = ""
    for part in path.split("/"):
        found += "/" * bool(found)
        try:
            names = {normalize("NFC", entry.name): entry.name for entry in os.scandir(root / found)}
        except OSError:
            return path
        if (name := names.get(normalize("NFC", part))) is None:
            return path
        found += name
    return found


def _may_be_video(name: str) -> bool:
    stem, dot, ending = name.rpartition(".")
    return not (stem and f"{dot}{ending.lower()}" in _OTHER_SUFFIXES) and not _hidden(name)


def _below(
    folder: Path,
    prefix: str,
    parents: tuple[str, ...],
    wanted: Callable[[str], bool],
) -> Iterator[str]:
    real = os.path.realpath(folder)
    if any(Path(parent).is_relative_to(real) for parent in parents):
        return
    for entry in _entries(folder):
        if _hidden(entry.name):
            continue
        if _is_folder(entry):
            if entry.name.endswith(OBJECTS_SUFFIX):
                continue
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/", (*parents, real), wanted)
        elif wanted(entry.name):
            yield prefix + entry.name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (OSError, ValueError) as error:
        raise cannot_read(folder, error) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _hidden(name: str) -> bool:
    return name.startswith(".")
