"""The driver's pulse: a file that changes while it lives, for trials on other machines."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

SECONDS = 5.0


@contextlib.contextmanager
def beating(path: Path, name: str, *, active: bool) -> Iterator[None]:
    """Rewrite the file every few seconds while the block runs; it starts with the driver's name."""
    if not active:
        yield
        return
    end = threading.Event()
    write_atomically(path, f"{name} 0\n")

    def beat() -> None:
        for count in itertools.count(1):
            if end.wait(SECONDS):
                return
            # A disk that is full for a while must not end the trials.
            with contextlib.suppress(CannotRun):
                write_atomically(path, f"{name} {count}\n")

    thread = threading.Thread(target=beat, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        path.unlink(missing_ok=True)
