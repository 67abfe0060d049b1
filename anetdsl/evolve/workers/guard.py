"""Run one trial, and kill it when its driver or its time ends.

Usage: `python guard.py SECONDS COMMAND...`. The driver starts this script by its path (with
`python -I -S`) as the leader of a new process group. It imports only modules of the standard
library that load fast. A server of trials calls `watch` in a forked process instead. The guard
kills the trial with all its processes

- when the driver has ended: the other end of the guard's standard input is closed;
- when SECONDS have passed (0: no limit): the guard writes TIMEOUT to standard output first;
- when the guard itself is killed.

Otherwise the guard exits with the exit status of the trial.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable

TIMEOUT = "timeout"
"""Word that the guard writes to standard output when the time has passed."""

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the command of the command line and return its exit status, as `watch` does."""
    return watch(float(sys.argv[1]), lambda: _execute(sys.argv[2:]))


def watch(seconds: float, trial: Callable[[], None]) -> int:
    """Run a trial in a forked process, and return its exit status.

    This process leads a process group. Its standard input is open as long as the driver lives, its
    standard output takes the report, and its standard error is the output of the trial. The status
    is 128 + n if signal n ended the trial.

    Args:
        seconds: Seconds after which the trial is killed; 0 is no limit.
        trial: Function that the forked process calls; it does not return.
    """
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wake)
            _separate_from(guard)
            trial()
        finally:
            os._exit(127)
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        left = max(0.0, end - time.monotonic()) if seconds else None
        ready, _, _ = select.select([0, woken], [], [], left)
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
        driver_ended = 0 in ready and not os.read(0, 512)
        if driver_ended or not ready:
            if not driver_ended:
                os.write(1, TIMEOUT.encode())
            os.killpg(0, signal.SIGKILL)


def _separate_from(guard: int) -> None:
    """Have the kernel kill this process with its guard; take standard error for all output."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != guard:
            os._exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)


def _execute(command: list[str]) -> None:
    """Replace this process by the command."""
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
