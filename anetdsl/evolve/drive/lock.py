"""Allow one driver per run directory, by a lock of the operating system.

The operating system releases the lock when the process that holds it ends.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import IO

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir

_WAIT_SECONDS = 1.0
"""Time to wait for the lock: `is_driven` in another process holds it for a moment."""


@contextlib.contextmanager
def locked(directory: RunDir) -> Iterator[None]:
    """Hold the lock of a run directory. Raise CannotRun if another driver holds it."""
    with _opened(directory) as file:
        end = time.monotonic() + _WAIT_SECONDS
        while not _lock(file, exclusive=True):
            if time.monotonic() > end:
                file.seek(0)
                holder = file.read(200).strip() or "another process"
                raise CannotRun(f"{directory.path}: a search is running here ({holder})")
            time.sleep(0.02)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield


def is_driven(directory: RunDir) -> bool:
    """Return whether a driver works in the run directory now."""
    try:
        with directory.lock.open("r") as file:
            return not _lock(file, exclusive=False)
    except OSError:
        return False


@contextlib.contextmanager
def _opened(directory: RunDir) -> Iterator[IO[str]]:
    try:
        file = directory.lock.open("a+")
    except OSError as error:
        raise CannotRun(f"{directory.lock}: cannot be written: {error.strerror}") from None
    with file:
        yield file


def _lock(file: IO[str], *, exclusive: bool) -> bool:
    """Try to lock a file until it is closed; return whether that succeeded."""
    try:
        import fcntl
    except ImportError:
        raise CannotRun("a search needs file locks, as Linux and macOS have them") from None
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CannotRun(
            f"{file.name}: this file system does not support locks: {error.strerror}; "
            "put the run directory on another one"
        ) from None
    return True
