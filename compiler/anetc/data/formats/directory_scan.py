"""List the videos in a folder: the same list in the same order on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from anetdsl.errors import cannot_read

VIDEO_SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".flv", ".gif", ".h264", ".hevc", ".ivf"),
        *(".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
        *(".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
"""Suffixes of video files, in lower case; a file name may have them in upper case."""


def is_video_name(name: str) -> bool:
    """Return whether a file name is that of a video."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES and not _hidden(name)


def folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden folders."""
    return sorted(e.name for e in _entries(folder) if _is_folder(e) and not _hidden(e.name))


def videos_below(folder: Path) -> list[str]:
    """Return the videos in a folder and its subfolders, as sorted relative paths with slashes.

    Links are followed, except to a folder that contains the link. A broken link and a loop of links
    are listed if their names are those of videos: reading them raises the error.
    """
    return sorted(_below(folder, "", ()))


def _below(folder: Path, prefix: str, parents: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if any(Path(parent).is_relative_to(real) for parent in parents):
        return
    for entry in _entries(folder):
        if _hidden(entry.name):
            continue
        if _is_folder(entry):
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/", (*parents, real))
        elif is_video_name(entry.name):
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
