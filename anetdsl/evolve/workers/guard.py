"""Run one trial, and kill it when its driver or its time ends.

Usage: `python guard.py SECONDS COMMAND...`. The driver starts this script by its path (with
`python -I -S`) as the leader of a new process group. It imports only modules of the standard
library that load fast. The guard kills the trial with all its processes

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

TIMEOUT = "timeout"
"""Word that the guard writes to standard output when the time has passed."""

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the command of the command line and return its exit status.

    The status is 128 + n if signal n ended the command.
    """
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        _execute(command, guard)
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


def _execute(command: list[str], guard: int) -> None:
    """Replace this process by the command. Its output goes to the guard's standard error."""
    try:
        if sys.platform.startswith("linux"):
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != guard:
                os._exit(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    sys.exit(main())
