"""Allow one driver per run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from anetdsl import locks
from anetdsl.evolve.drive.run_dir import RunDir

_WAIT_SECONDS = 1.0
"""Time to wait for the lock: `is_driven` in another process holds it for a moment."""


@contextlib.contextmanager
def locked(directory: RunDir) -> Iterator[None]:
    """Hold the lock of a run directory. Raise CannotRun if another driver holds it."""
    with locks.locked(
        directory.lock,
        seconds=_WAIT_SECONDS,
        busy=lambda holder: f"{directory.path}: a search is running here ({holder})",
        remove=False,
    ):
        yield


def is_driven(directory: RunDir) -> bool:
    """Return whether a driver works in the run directory now."""
    return locks.is_locked(directory.lock)
