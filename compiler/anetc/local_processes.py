"""Run a command in several processes of this machine, as `torchrun` does.

The first process has the terminal. The output of the others is kept, and shown only where the first
one has no message. SIGINT and SIGTERM go to all of them, once; none outlives this process (Linux).
"""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import IO

from anetc.process_start import processor_count
from anetc.worker_processes import describe_exit, kill_with_parent
from anetdsl.errors import CannotRun

COMMAND = (sys.executable, "-P", "-m", "anetc")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE_SECONDS = 10.0
"""Time that the other processes have to end after one has failed."""
_POLL_SECONDS = 0.05
_LONGEST_MESSAGE = 2000
_SLOWEST = datetime.timedelta(days=7)


def run_processes(words: Sequence[str], count: int) -> int:
    """Run `anetc` with these words in `count` processes, and return the exit code.

    It is the code of the first process, or if that has none, of the process that failed first.
    """
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count - 1)]
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(_kill, processes)
        with _signals_passed_on(processes):
            port = _free_port()
            for rank in range(count):
                output = outputs[rank - 1] if rank else None
                processes.append(_start(words, _environment(rank, count, port), output))
            failed = _wait(processes)
        codes = [process.returncode for process in processes]
        if failed and codes[0] in (0, -signal.SIGKILL, -signal.SIGTERM):
            _show(failed, codes[failed], outputs[failed - 1])
            return codes[failed] if codes[failed] > 0 else 128 - codes[failed]
    return codes[0] if codes[0] >= 0 else 128 - codes[0]


def is_first_process() -> bool:
    """Return whether this process has the terminal: the first one of several, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def joined_processes() -> Iterator[None]:
    """Let the processes that `torchrun` or `run_processes` started exchange objects in the block.

    Objects go through the memory of the host, so no device is needed. A single process needs no
    exchange. Raise CannotRun if the processes do not find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    import torch.distributed as processes

    try:
        # A process waits at the end until the slowest one has finished its share.
        processes.init_process_group("gloo", timeout=_SLOWEST)
    except (RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CannotRun(f"the processes cannot be connected: {reason}") from None
    try:
        yield
    finally:
        processes.destroy_process_group()


def _start(
    words: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # A terminal sends Ctrl-C to its process group: here only this process passes it on.
        start_new_session=True,
        preexec_fn=kill_with_parent,
    )


def _environment(rank: int, count: int, port: int) -> dict[str, str]:
    """Return the environment of a process, with the variables of `torchrun`."""
    threads = str(max(1, processor_count() // count))
    return {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait for all processes; when one fails, end the others. Return the rank that failed first."""
    failed: int | None = None
    end = float("inf")
    while any(process.poll() is None for process in processes):
        if failed is None:
            codes = [process.poll() for process in processes]
            failed = next((rank for rank, code in enumerate(codes) if code), None)
            if failed is not None:
                end = time.monotonic() + _GRACE_SECONDS
        elif time.monotonic() > end:
            for process in processes:
                process.kill()
        time.sleep(_POLL_SECONDS)
    if failed is None:
        failed = next((rank for rank, process in enumerate(processes) if process.returncode), None)
    return failed


def _show(rank: int, code: int, output: IO[bytes]) -> None:
    """Print the last lines of a process's output."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _LONGEST_MESSAGE))
    text = output.read().decode("utf-8", "replace").strip()
    print(f"{text}\nanetc: process {rank} {describe_exit(code)}", file=sys.stderr)


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextlib.contextmanager
def _signals_passed_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on to the processes while the block runs."""

    def handle(number: int, _frame: FrameType | None) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
