"""Start worker processes that never outlive or disturb the process that starts them.

A worker process imports nothing from the current folder (as under `python -P`), ignores Ctrl-C
(which a terminal sends to all processes), computes with one thread, and ends when the process that
started it ends, even by SIGKILL. So it is watched twice: the kernel kills it together with the fork
server, which dies with the main process (Linux), and a thread waits for the end of the pipe that
the main process holds open (all systems).
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from anetdsl.errors import CannotRun

MOST_AUTOMATIC = 16
"""Most worker processes that `automatic_workers` chooses."""
STALL_SECONDS = 120.0
"""Time without progress after which a worker counts as stalled."""
STOPPED_SECONDS = 10.0
"""Time after which a worker that a signal has stopped (SIGSTOP) counts as stalled."""

_PROGRESS_SECONDS = 0.5
"""Processor time within STALL_SECONDS that counts as progress; a waiting process uses less."""
_PR_SET_PDEATHSIG = 1
_PRELOAD = "anetc.forkserver_preload"

# A forked process would inherit locks that are held by threads it does not have.
if sys.platform == "win32":
    from multiprocessing.context import SpawnContext as _Context
    from multiprocessing.context import SpawnProcess as _Process
else:
    from multiprocessing.context import ForkServerContext as _Context
    from multiprocessing.context import ForkServerProcess as _Process


def automatic_workers(cores: int, processes: int) -> int:
    """Return the number of loader processes for one of several computing processes.

    One core of each computing process is left for its computation.
    """
    return min(MOST_AUTOMATIC, max(1, cores // processes - 1))


class WorkerProcess(_Process):
    """A process that prepares itself before it runs its target."""

    def run(self) -> None:
        """Run the target, as described in this module."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        kill_with_parent()
        threading.Thread(target=_end_with_main_process, daemon=True).start()
        os.environ["OMP_NUM_THREADS"] = "1"  # torch reads it when it is imported
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        super().run()


class WorkerContext(_Context):
    """A multiprocessing context whose processes are workers; `processes` lists them."""

    def __init__(self, preload: Iterable[str] = ()) -> None:
        super().__init__()
        self.processes: list[WorkerProcess] = []
        self._preload = list(preload)
        self._is_ready = False

    def Process(self, *args: Any, **options: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """Return a new worker process, which is killed by `kill` or at exit."""
        process = WorkerProcess(*args, **options)
        process.daemon = True
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Start the fork server before a block that starts workers, and only does that.

        A signal takes effect after the block: DataLoader cannot be interrupted while it starts its
        workers. Raises CannotRun where the system cannot start a process.
        """
        try:
            _start_fork_server(self._preload)
            if not self._is_ready:
                # Wait here, where a signal may interrupt, until the fork server has imported all.
                first = WorkerProcess(target=_do_nothing, daemon=True)
                first.start()
                first.join()
                if first.exitcode:
                    raise CannotRun(
                        f"a worker process {describe_exit(first.exitcode)} before it began to "
                        "work; a script of your own that uses workers needs the line `if __name__ "
                        '== "__main__":`'
                    )
                self._is_ready = True
            with _signals_deferred():
                yield
        except (OSError, EOFError) as error:
            # EOFError: the fork server has ended.
            reason = getattr(error, "strerror", None) or "they end at once"
            raise CannotRun(
                f"worker processes cannot be started ({reason}); use fewer --workers"
            ) from error

    @contextlib.contextmanager
    def killed_at_end(self) -> Iterator[None]:
        """Kill all workers when the block ends."""
        try:
            yield
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill all workers."""
        started = [process for process in self.processes if process.pid is not None]
        for process in started:
            process.kill()
        for process in started:
            process.join(1.0)
        self.processes.clear()


def kill_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def _end_with_main_process() -> None:
    """Wait for the end of the main process, behind a fork server, too; then end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do_nothing() -> None:
    """End at once."""


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Handle SIGINT and SIGTERM after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)


def _start_fork_server(preload: list[str]) -> None:
    if sys.platform == "win32":
        return
    from multiprocessing import forkserver, resource_tracker

    # The kernel kills a process with the thread that started it: only the main thread is sure to
    # live as long as this process.
    first = [_PRELOAD] if threading.current_thread() is threading.main_thread() else []
    forkserver.set_forkserver_preload([*first, *preload])
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        # It changes the signal mask; started first, it leaves the mask below alone.
        resource_tracker.ensure_running()
        # Processes inherit the mask: Ctrl-C cannot interrupt them while they start either.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def describe_exit(code: int | None) -> str:
    """Return how a process ended, such as "was ended by SIGKILL"."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


@attrs.define
class StallWatch:
    """A watch of processes from which a result is due.

    Processes that compute make progress, however long that takes. Processes that hang (on a file
    system that does not answer, or on a lock) use no processor time. Linux only: elsewhere no
    process counts as stalled.
    """

    _since: float = attrs.field(init=False, factory=time.monotonic)
    """When the last progress was seen."""
    _used: float = attrs.field(init=False, default=0.0)
    """Processor time at the last progress, in seconds."""
    _stopped_since: float | None = attrs.field(init=False, default=None)

    def restart(self) -> None:
        """Begin anew: a result has arrived, or another is due."""
        self._since, self._used, self._stopped_since = time.monotonic(), -1.0, None

    def stall(self, pids: Iterable[int]) -> str | None:
        """Return a description of the stall, or None. Call it about every second."""
        now = time.monotonic()
        states = [state for pid in pids if (state := _state_of(pid)) is not None]
        if not states:
            return None
        if any(letter in "Tt" for letter, _ in states):
            self._stopped_since = self._stopped_since or now
            if now - self._stopped_since > STOPPED_SECONDS:
                return "has been stopped by a signal (SIGSTOP)"
        else:
            self._stopped_since = None
        used = sum(seconds for _, seconds in states)
        if self._used < 0 or used - self._used > _PROGRESS_SECONDS:
            self._since, self._used = now, used
        elif now - self._since > STALL_SECONDS:
            return f"has made no progress for {STALL_SECONDS:g} s"
        return None


def _state_of(pid: int) -> tuple[str, float] | None:
    """Return the state letter and the processor time in seconds of a process, if it can be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
