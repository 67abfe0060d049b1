"""Stands between a driver and one trial: `python guard.py SECONDS COMMAND...`, run as a script.

The trial, with all its processes, is ended when the driver is gone (the other end of standard
input is closed), when its time is up (SECONDS; 0 is no limit; said as `timeout` on standard
output), and when this process is killed. Otherwise the exit code is the trial's. The driver starts
this as the leader of a process group of its own. Nothing is imported that takes long to start.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the command of the command line; its exit code, 128 and the signal if it was killed."""
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, parent)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        left = max(0.0, end - time.monotonic()) if seconds else None
        ready, _, _ = select.select([0, woken], [], [], left)
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)
        gone = 0 in ready and not os.read(0, 512)
        if gone or not ready:
            if not gone:
                os.write(1, b"timeout")
            os.killpg(0, signal.SIGKILL)


def _become(command: list[str], parent: int) -> None:
    """Turn this process into the trial. It prints where this process's standard error goes."""
    try:
        if sys.platform.startswith("linux"):
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != parent:
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
