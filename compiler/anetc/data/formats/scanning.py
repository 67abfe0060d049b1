"""Which videos lie in a folder: the same list, in the same order, on every machine."""

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
"""Names of videos end so, in small or capital letters."""


def is_video_name(name: str) -> bool:
    """Whether a file is a video by its name."""
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES and not _hidden(name)


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones are left out."""
    return sorted(e.name for e in _entries(folder) if _is_folder(e) and not _hidden(e.name))


def videos_below(folder: Path) -> list[str]:
    """The videos in a folder and the folders below it, as sorted relative paths with slashes.

    Links are followed, but not back into a folder that they lie in. A link to nothing and a loop of
    links are listed where their names are those of videos: reading them tells what is wrong.
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
    except OSError:  # a link that leads to itself
        return False


def _hidden(name: str) -> bool:
    return name.startswith(".")
