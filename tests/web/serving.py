"""Start `anetc preview` or `anetc dashboard` as a user does, and read its pages."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator

import attrs

SECONDS = 60


@attrs.frozen
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def served(*words: object, address: str = r"127\.0\.0\.1") -> Iterator[Served]:
    """Start a command that serves pages on a free port of an address, and end it."""
    command = [sys.executable, "-m", "anetc", *map(str, words), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        match = re.fullmatch(rf"serving (http://{address}:\d+)/ \(Ctrl-C stops\)\n", line)
        assert match is not None, line + process.stderr.read()
        yield Served(match[1], process)
    finally:
        process.terminate()
        process.wait(SECONDS)
        process.stderr.close()
