"""Locks of the operating system on files, for processes that would disturb each other.

The operating system releases a lock when the process that holds it ends, however it ends. A file
that is left by a killed process is not locked.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from anetdsl.errors import CannotRun

_POLL_SECONDS = 0.05


class LocksUnsupported(CannotRun):
    """The file system or the operating system has no locks."""


@contextlib.contextmanager
def locked(
    path: str | Path,
    *,
    seconds: float = 1.0,
    busy: Callable[[str], str] = lambda holder: f"is in use ({holder})",
    waiting: Callable[[str], None] | None = None,
    remove: bool = True,
) -> Iterator[None]:
    """Hold the lock file at `path`, and remove it at the end unless `remove` is False.

    Wait up to `seconds` for another holder (infinity: until it ends), after `waiting` has received
    its description, such as "process 17 on HOST". Then raise CannotRun with the message of `busy`,
    which receives the description as well. Raise CannotRun if the file cannot be written, and
    LocksUnsupported (a CannotRun) if there are no locks.
    """
    path = Path(path)
    with _acquired(path, seconds, busy, waiting) as file:
        if file.writable():
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
        try:
            yield
        finally:
            if remove:
                # While the lock is held: a process that waits notices that the file has changed.
                with contextlib.suppress(OSError):
                    path.unlink()


@contextlib.contextmanager
def locked_if_possible(
    path: str | Path, waiting: Callable[[str], None] | None = None
) -> Iterator[bool]:
    """Wait for the lock file at `path` and hold it; without locks, go on without.

    For work that another process would only repeat. Yield whether the lock is held.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, seconds=float("inf"), waiting=waiting))
            held = True
        except CannotRun:
            held = False
        yield held


def is_locked(path: str | Path) -> bool:
    """Return whether a process holds the lock file at `path` now."""
    try:
        with Path(path).open("r") as file:
            return not _lock(file, exclusive=False)
    except OSError:
        return False


@contextlib.contextmanager
def _acquired(
    path: Path,
    seconds: float,
    busy: Callable[[str], str],
    waiting: Callable[[str], None] | None,
) -> Iterator[IO[str]]:
    end = time.monotonic() + seconds
    while True:
        with _opened(path) as file:
            if _lock(file, exclusive=True):
                if _is_at(path, file):
                    yield file
                    return
                continue
            file.seek(0)
            holder = file.read(200).strip() or "another process"
        if time.monotonic() > end:
            raise CannotRun(busy(holder))
        if waiting is not None:
            waiting(holder)
            waiting = None
        time.sleep(_POLL_SECONDS)


def _opened(path: Path) -> IO[str]:
    try:
        try:
            return path.open("a+")
        except PermissionError:
            return path.open("r")  # left by another user; it can be locked as well
    except OSError as error:
        raise CannotRun(f"{path}: cannot be written: {error.strerror or error}") from None


def _is_at(path: Path, file: IO[str]) -> bool:
    """Return whether an open file is still at its path: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _lock(file: IO[str], *, exclusive: bool) -> bool:
    """Try to lock a file until it is closed; return whether that succeeded."""
    try:
        import fcntl
    except ImportError:
        raise LocksUnsupported("this system has no file locks, as Linux and macOS have") from None
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LocksUnsupported(
            f"{file.name}: this file system does not support locks: {error.strerror}; "
            "put the folder on another one"
        ) from None
    return True
