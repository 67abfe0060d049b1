"""Kill the processes that a command has left behind, once the command has ended (script).

Usage: `python -I -S process_reaper.py NAME=VALUE`. The processes have this variable in their
environment. The command holds standard input open: it writes a byte if its processes may go on, and
they are killed if the input ends without one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

_SCANS_WITHOUT_PROCESS = 3
"""A process that is being started does not have the variable yet."""
_SECONDS_BETWEEN_SCANS = 0.05


def main() -> None:
    """Wait for the end of the command, then kill its processes."""
    if os.read(0, 1):
        return
    mark = os.fsencode(sys.argv[1])
    empty = 0
    while empty < _SCANS_WITHOUT_PROCESS:
        found = [path for path in Path("/proc").glob("[0-9]*") if has(path / "environ", mark)]
        for path in found:
            with contextlib.suppress(OSError):
                os.kill(int(path.name), signal.SIGKILL)
        empty = 0 if found else empty + 1
        time.sleep(_SECONDS_BETWEEN_SCANS)


def has(environment: Path, mark: bytes) -> bool:
    """Return whether the environment of a process holds a variable, NAME=VALUE."""
    try:
        return mark in environment.read_bytes().split(b"\0")
    except OSError:  # the process has ended, or is another user's
        return False


if __name__ == "__main__":
    main()
