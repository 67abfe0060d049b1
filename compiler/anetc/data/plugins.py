"""Formats of data that other packages provide, by entry points of the group `anetc.data`.

A package registers a format in its pyproject.toml:

    [project.entry-points."anetc.data"]
    my-clips = "my_package.clips:open_clips"

`open_clips` is an `anetc.data.open.Opener`: it returns a `Dataset` of one split. Then
`my-clips:PATH` names such data wherever a data set is named. The opener interprets PATH and the
options, and the samples should say which clips are mirrored.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from typing import Any

from anetdsl.errors import CannotRun

GROUP = "anetc.data"
_NAME = re.compile(r"[a-z][a-z0-9_-]*[a-z0-9]")
"""Names of formats. Two letters at least: `c:` is a drive."""


def is_plugin_name(name: str) -> bool:
    """Return whether a package can give a format this name."""
    return _NAME.fullmatch(name) is not None


def plugin_formats() -> tuple[str, ...]:
    """Return the names of the formats that installed packages provide, sorted."""
    return tuple(sorted(_entry_points()))


def load_plugin(format: str) -> Any:
    """Return the opener of a format.

    Raises CannotRun if no package provides it, if several do, and if it cannot be loaded.
    """
    found = _entry_points().get(format)
    if found is None:
        raise CannotRun(
            f"no installed package provides the data format {format} (entry points {GROUP})"
        )
    if len({entry.value for entry in found}) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise CannotRun(f"the data format {format} is provided by {packages}; uninstall one")
    entry = found[0]
    try:
        opener = entry.load()
    except Exception as error:  # the code of another package may raise anything
        raise CannotRun(
            f"the data format {format} of {_package(entry)} cannot be loaded: "
            f"{entry.value}: {type(error).__name__}: {error}"
        ) from error
    if not callable(opener):
        raise CannotRun(
            f"the data format {format} of {_package(entry)}: {entry.value} is not a function"
        )
    return opener


def _entry_points() -> Mapping[str, tuple[metadata.EntryPoint, ...]]:
    return _entry_points_on(tuple(sys.path))


@lru_cache(maxsize=4)
def _entry_points_on(_path: tuple[str, ...]) -> Mapping[str, tuple[metadata.EntryPoint, ...]]:
    """Return the entry points of each format; the search takes time, so it is done once."""
    found: dict[str, tuple[metadata.EntryPoint, ...]] = {}
    for entry in metadata.entry_points(group=GROUP):
        if is_plugin_name(entry.name):
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _package(entry: metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"
