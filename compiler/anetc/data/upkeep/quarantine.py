"""Lists of videos to leave out: what `anetc data check` writes and every reader of videos honours.

A line names a video as the data set does, percent-encoded where it must be, and after a tab says
why. `#` begins a comment. A file `quarantine.txt` in the data set's folder is honoured where it is
there; the option `quarantine=FILE` names another (relative to that folder), `quarantine=no` none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from anetc.data.formats.text_files import lines
from anetc.data.spec import shown
from anetc.data.values import DataSpec
from anetdsl.errors import cannot_read
from anetdsl.terminal import visible

NAME = "quarantine.txt"
OPTION = "quarantine"

_log = logging.getLogger("anetc.data")


def quarantined(spec: DataSpec, root: Path) -> frozenset[str]:
    """The names that are to be left out, and a line in the log that says how many.

    Raises CannotRun for a list that was asked for and cannot be read.
    """
    asked = dict(spec.options).get(OPTION)
    if asked == "no":
        return frozenset()
    path = root / (asked or NAME)
    if asked is None and not path.is_file():
        return frozenset()
    if not path.is_file():
        raise cannot_read(f"--data {shown(spec)}: {OPTION}={asked}")
    names = frozenset(read_quarantine(path))
    if names:
        count = f"{len(names)} video{'s' * (len(names) > 1)}"
        text = "%s: its quarantine list leaves out %s; with the option quarantine=no all count"
        _log.info(text, shown(spec), count)
    return names


def read_quarantine(path: Path) -> dict[str, str]:
    """The names in a list, and why they are there."""
    found = {}
    for _, line in lines(path):
        if line[0] != "#":
            name, _, reason = line.partition("\t")
            found[unquote(name.strip(), "utf-8", "surrogateescape")] = reason.strip()
    return found


def add_to_quarantine(path: Path, videos: Mapping[str, str]) -> str:
    """The text of a list of these names and reasons, and of those that the file holds by now."""
    held = read_quarantine(path) if path.is_file() else {}
    rows = (
        f"{_quoted(name)}\t{visible(reason)}\n"
        for name, reason in sorted({**held, **videos}.items())
    )
    return "# Videos to leave out, and why: written by `anetc data check`.\n" + "".join(rows)


def _quoted(name: str) -> str:
    """The name in one line that does not begin as a comment; letters of any language stay."""
    plain = "".join(
        char if char.isprintable() and char != "%" else quote(char, "", "utf-8", "surrogateescape")
        for char in name
    )
    if plain[:1] in ("#", " "):
        plain = quote(plain[0], "") + plain[1:]
    return plain[:-1] + "%20" if plain.endswith(" ") else plain
