"""Rewrite a file while the driver lives, so that trials on other machines notice its end."""

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
def heartbeat(path: Path, driver: str) -> Iterator[None]:
    """Rewrite the file every few seconds while the block runs; remove it at the end.

    Its content is the driver's identifier and a counter.
    """
    end = threading.Event()
    write_atomically(path, f"{driver} 0\n")

    def beat() -> None:
        for count in itertools.count(1):
            if end.wait(SECONDS):
                return
            # A disk that is full for a while must not end the trials.
            with contextlib.suppress(CannotRun):
                write_atomically(path, f"{driver} {count}\n")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        path.unlink(missing_ok=True)
