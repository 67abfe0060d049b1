"""One driver a run directory: a lock of the operating system, which goes with its process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import IO

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir

_PATIENCE = 1.0
"""Seconds: a reader that asks whether a driver is at work holds the lock for a moment."""


@contextlib.contextmanager
def locked(directory: RunDir) -> Iterator[None]:
    """Hold the run directory. Raises CannotRun where another driver holds it."""
    with _opened(directory) as file:
        end = time.monotonic() + _PATIENCE
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
    """Whether a driver works in the run directory now."""
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
    """Try to lock; the lock is gone when the file is closed, or the process has ended."""
    try:
        import fcntl
    except ImportError:
        raise CannotRun("a search is driven on Linux or macOS") from None
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CannotRun(f"{file.name}: cannot be locked on this disk: {error.strerror}") from None
    return True
