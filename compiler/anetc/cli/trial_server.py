"""The server process of `anetdsl.evolve.workers.trial_server`: it forks itself for each trial.

Usage: `python -P -m anetc.cli.trial_server SECONDS`; standard input is a socket for requests. The
server ends when the driver has closed the socket, or after SECONDS without a request, if they are
not 0.

The server runs no parallel computation: the threads of OpenMP would be missing in a forked process,
which would then wait for them for ever. For the same reason it uses no GPU.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from anetc.cli.entry_point import end_at_once
from anetc.native.library import library_or_none
from anetc.process_start import prepare_process
from anetdsl.evolve.workers import guard
from anetdsl.evolve.workers.trial_server import DESCRIPTORS, ENDED, LARGEST_MESSAGE

_PRELOADED = (
    "anetc.cli.commands.trial_command",
    "anetc.cli.log",
    "anetc.cli.main",
    "anetc.cli.terminated",
    "anetc.data.formats.arrays",
    "anetc.data.formats.motion.motion",
    "anetc.trial.trial",
)
"""Modules that a trial imports, some of them only when it uses them."""
_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""Variable that has PyTorch count the GPUs without the CUDA library, while modules are imported."""


def main(run: Callable[[str], None] | None = None) -> None:
    """Serve the requests of standard input. `run` runs the trial of a folder, and does not return.

    Without `run` it is the command `anetc trial`.
    """
    prepare_process()
    if run is None:
        preload()
    serve(socket.socket(fileno=0), float(sys.argv[1]), run or _run_command)


def serve(requests: socket.socket, idle: float, run: Callable[[str], None]) -> None:
    """Serve requests until the driver has closed the socket, or `idle` seconds without one."""
    # Forked processes share the memory of objects that garbage collection leaves alone.
    gc.collect()
    gc.freeze()
    # The kernel reaps the forked processes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    requests.settimeout(idle or None)
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(requests, LARGEST_MESSAGE, DESCRIPTORS)
        except TimeoutError:
            return
        if not message:
            return
        if os.fork() == 0:
            try:
                requests.close()
                _run_guard(json.loads(message), descriptors, run)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def preload() -> None:
    """Import the modules of a trial. The CUDA library, which must not be forked, is not used."""
    before = os.environ.get(_CHECK)
    os.environ[_CHECK] = "1"
    for name in _PRELOADED:
        importlib.import_module(name)
    library_or_none()  # compiles the native kernels, before the time of a trial begins
    if before is None:
        del os.environ[_CHECK]


def _run_guard(
    request: dict[str, Any], descriptors: Sequence[int], run: Callable[[str], None]
) -> None:
    """Fork a guard, and tell the driver when it has ended, and its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection = socket.socket(fileno=descriptors[0])
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for number, descriptor in enumerate(descriptors[1:]):
                os.dup2(descriptor, number)
                os.close(descriptor)
            connection.send(str(os.getpid()).encode())
            connection.close()
            os.environ.update(request["environment"])
            os._exit(guard.watch(request["seconds"], lambda: run(request["folder"])))
        finally:
            os._exit(127)
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    connection.send(ENDED)
    connection.recv(len(ENDED))
    _, status = os.waitpid(pid, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _run_command(folder: str) -> None:
    """Run the command `anetc trial FOLDER`, and end this process with its exit code."""
    from anetc.cli.entry_point import run

    sys.argv = ["anetc", "trial", folder]
    code: object = 1
    try:
        run()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    end_at_once(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
