"""Quarantine lists: videos to leave out, written by `anetc data check` and used by all readers.

A line holds the name of a video in the data set, percent-encoded if necessary, a tab and the
reason. `#` begins a comment. The default list is `quarantine.txt` in the data set's folder, if it
exists; the option `quarantine=FILE` names another, relative to that folder, `quarantine=no` none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote, unquote

from anetc.data.formats.directory_scan import QUARANTINE_NAME
from anetc.data.formats.text_files import lines
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetdsl.errors import cannot_read
from anetdsl.terminal import visible

NAME = QUARANTINE_NAME
OPTION = "quarantine"

_log = logging.getLogger("anetc.data")


def quarantined_names(spec: DataSpec, root: Path) -> frozenset[str]:
    """Return the names to leave out. A line in the log counts them.

    Raises CannotRun if the list that an option names cannot be read.
    """
    option = dict(spec.options).get(OPTION)
    if option == "no":
        return frozenset()
    path = root / (option or NAME)
    if option is None and not path.is_file():
        return frozenset()
    if not path.is_file():
        raise cannot_read(f"--data {spec_text(spec)}: {OPTION}={option}")
    names = read_quarantine(path)
    if names:
        count = f"{len(names)} video{'s' * (len(names) > 1)}"
        text = "%s: the quarantine list leaves out %s; the option quarantine=no uses all videos"
        _log.info(text, spec_text(spec), count)
    # Another program may have changed the Unicode form of a file's name.
    return frozenset(
        form for name in names for form in (name, *(normalize(f, name) for f in ("NFC", "NFD")))
    )


def read_quarantine(path: Path) -> dict[str, str]:
    """Read the names and reasons of a list."""
    found = {}
    for _, line in lines(path):
        if line[0] != "#":
            name, _, reason = line.partition("\t")
            found[unquote(name.strip(), "utf-8", "surrogateescape")] = reason.strip()
    return found


def extended_quarantine(path: Path, videos: Mapping[str, str]) -> str:
    """Return the text of a list with the entries of the file and these names and reasons."""
    existing = read_quarantine(path) if path.is_file() else {}
    rows = (
        f"{_quoted(name)}\t{visible(reason)}\n"
        for name, reason in sorted({**existing, **videos}.items())
    )
    return "# Videos to leave out, with reasons: written by `anetc data check`.\n" + "".join(rows)


def _quoted(name: str) -> str:
    """Encode a name in one line that is no comment; letters of all languages are kept."""
    plain = "".join(
        char if char.isprintable() and char != "%" else quote(char, "", "utf-8", "surrogateescape")
        for char in name
    )
    if plain[:1] in ("#", " "):
        plain = quote(plain[0], "") + plain[1:]
    return plain[:-1] + "%20" if plain.endswith(" ") else plain
