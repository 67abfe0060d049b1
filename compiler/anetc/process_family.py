"""End the processes that a library starts (compilers and their parts) with this process."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

from anetc import process_reaper

_MARK = "ANETC_FAMILY"


@contextlib.contextmanager
def processes_end_with_this_one() -> Iterator[None]:
    """Have the processes that the block starts killed if this process ends in the block (Linux).

    They are also killed after Ctrl-C and SIGTERM. All of them are found, whoever started them: they
    inherit a variable of the environment.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    before, value = os.environ.get(_MARK), secrets.token_hex(16)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", process_reaper.__file__, f"{_MARK}={value}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as reaper:
        assert reaper.stdin is not None
        os.environ[_MARK] = value
        try:
            yield
            _spare(reaper)
        except Exception:
            _spare(reaper)
            raise
        finally:
            if before is None:
                del os.environ[_MARK]
            else:
                os.environ[_MARK] = before


def _spare(reaper: subprocess.Popen[bytes]) -> None:
    """Let the processes live: a library keeps some for its next task."""
    assert reaper.stdin is not None
    with contextlib.suppress(OSError):
        reaper.stdin.write(b".")
        reaper.stdin.flush()
