"""Claim the folder of a run: one process trains in it, and a run that fails at once leaves none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from anetc.training.data_record import VIDEOS
from anetc.training.run.checkpoint import checkpoints
from anetc.training.run.run_folder import BOARD, CHECKPOINTS, METRICS, RUN
from anetdsl.errors import CannotRun
from anetdsl.locks import LocksUnsupported, locked

LOCK = "lock"
"""Name of the lock file, which exists while a process trains."""

_OF_A_START = (RUN, VIDEOS, METRICS, BOARD)
"""Files of a run before its first step, besides the folder of checkpoints."""


@contextlib.contextmanager
def claimed(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a run's folder, which is made if it is missing.

    After an exception in the block, a run that began in the block and has finished no step is
    removed again. Raises CannotRun where the folder cannot be made and where another process trains
    in it. `report` receives a warning where the file system has no locks.
    """
    if os.environ.get("RANK", "0") != "0":  # of the processes of one run the first one writes
        yield
        return
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRun(f"{error.filename or folder}: {error.strerror or error}") from None
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(folder / LOCK, busy=lambda who: _busy(folder, who)))
            except LocksUnsupported as error:
                report(f"warning: {error}; do not train twice in this folder at once")
            with _removed_after_failure(folder):
                yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # the run is in it
                path.rmdir()


def _busy(folder: Path, holder: str) -> str:
    return f"{folder}: a run is being trained here ({holder}); wait for it, or stop it first"


@contextlib.contextmanager
def _removed_after_failure(folder: Path) -> Iterator[None]:
    before = {name for name in (*_OF_A_START, CHECKPOINTS) if (folder / name).exists()}
    try:
        yield
    except BaseException:
        if RUN not in before and not _has_steps(folder):
            for name in _OF_A_START:
                if name not in before:
                    _remove(folder / name)
            if CHECKPOINTS not in before:
                with contextlib.suppress(OSError):
                    (folder / CHECKPOINTS).rmdir()
        raise


def _has_steps(folder: Path) -> bool:
    """Return whether a step has been recorded."""
    with contextlib.suppress(OSError):
        if (folder / METRICS).stat().st_size:
            return True
    return bool(checkpoints(folder / CHECKPOINTS))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
