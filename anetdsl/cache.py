"""Find the folder for files that this program can recreate.

Paths are strings here, because importing pathlib takes longer than checking a network.
"""

from __future__ import annotations

import os
import sys


def cache_folder() -> str:
    """Return the path of the folder for files that can be recreated.

    It is ANETDSL_CACHE if this variable is set, else `anetdsl` in the user's cache folder.
    """
    if override := os.environ.get("ANETDSL_CACHE"):
        return override
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "anetdsl")


def make_cache_folder(name: str = "") -> str:
    """Make the cache folder, or a folder `name` in it, and return its path. Raises OSError.

    A cache folder that this makes is private. The folders in it have the usual permissions, so that
    several users can share a cache folder that was made for all of them.
    """
    top = cache_folder()
    os.makedirs(top, mode=0o700, exist_ok=True)
    folder = os.path.join(top, name)
    os.makedirs(folder, exist_ok=True)
    return folder
