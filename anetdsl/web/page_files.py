"""Read the script and the style of live pages."""

from __future__ import annotations

import functools
from importlib import resources


def live_script() -> str:
    """Return the script that keeps a page up to date."""
    return _read("live.js")


def live_style() -> str:
    """Return the CSS rules of live pages beyond those of a report."""
    return _read("live.css")


@functools.cache
def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
