"""Start trials by a server process, which has imported all modules and forks itself for each trial.

To start a trial as a new process costs seconds of imports; the server costs them once. Each trial
has its own guard (`guard.watch`), environment and output, as a new process has. The server uses no
GPU and starts no thread, so that a forked process may do both. Linux only.

The driver sends a request (JSON) through the server's standard input, with four descriptors: a
socket, the guard's standard input, its report, and the output. Through that socket the guard sends
its process id, and its parent, another forked process, sends ENDED when the guard has ended. The
guard then stays a zombie, so that its process group can be killed safely, until the driver answers;
at last its exit status is sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

MODULE = "anetc.cli.trial_server"
LARGEST_MESSAGE = 1 << 16
DESCRIPTORS = 4
"""Number of descriptors that a request carries."""
ENDED = b"ended"

_ANSWER_SECONDS = 120.0
"""Time after which a server that does not answer is killed: its imports take seconds."""


class ServedGuard:
    """A guard that the server has forked, with its trial."""

    def __init__(self, pid: int, connection: socket.socket, alive: int, report: int) -> None:
        self.pid = pid
        self._connection = connection
        self._alive: int | None = alive
        self._report = report
        self._ended = False

    def __enter__(self) -> ServedGuard:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        os.close(self._report)
        self._connection.close()

    def _kill(self) -> None:
        """Close the guard's standard input: then the guard kills the trial and itself."""
        if self._alive is not None:
            os.close(self._alive)
        self._alive = None

    def wait_for_end(self, seconds: float | None = None) -> bool:
        """Wait until the guard has ended; return False if it has not after some seconds."""
        if not self._ended:
            self._connection.settimeout(seconds)
            try:
                message = self._connection.recv(len(ENDED))
            except TimeoutError:
                return False
            except ConnectionError:
                message = b""
            if message != ENDED:
                self._kill()  # the guard's parent was killed
            self._ended = True
        return True

    def read_report(self) -> str:
        """Return what the guard has reported, when it has ended."""
        self.wait_for_end()
        return os.read(self._report, LARGEST_MESSAGE).decode("utf-8", "replace")

    def status(self) -> int:
        """Return the exit status, -9 if it is unknown: then the guard's parent was killed, too.

        The process id may belong to another process from now on.
        """
        self.wait_for_end()
        self._connection.settimeout(None)
        try:
            self._connection.send(ENDED)
            return int(self._connection.recv(16))
        except (OSError, ValueError):
            return -9


class TrialServer:
    """A server of trials, which starts with the first trial. Several threads may use it."""

    def __init__(self, idle: float | None = None) -> None:
        """Make a server that ends after `idle` seconds without a request; it starts again then."""
        self._idle = idle
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._closed = not sys.platform.startswith("linux")

    def start(
        self, folder: str, seconds: float, environment: Mapping[str, str], output: Path
    ) -> ServedGuard | None:
        """Start a trial and return its guard; None if the server cannot start it.

        Args:
            folder: Folder of the trial.
            seconds: Seconds after which the guard kills the trial; 0 is no limit.
            environment: Variables to add to the environment of the trial.
            output: File that gets the output of the trial.

        Raises:
            OSError: The output cannot be written, or there are too many open files.
        """
        request = {"folder": folder, "seconds": seconds, "environment": dict(environment)}
        message = json.dumps(request).encode()
        if len(message) > LARGEST_MESSAGE:
            return None
        # The server may have ended: after its idle time, or killed by the system.
        return self._try(message, output) or self._try(message, output)

    def close(self) -> None:
        """End the server. Trials that have started go on."""
        with self._lock:
            self._closed = True
            self._end()

    def _try(self, message: bytes, output: Path) -> ServedGuard | None:
        with contextlib.ExitStack() as stack:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.callback(theirs.close)
            on_failure = stack.enter_context(contextlib.ExitStack())
            on_failure.callback(ours.close)
            their_alive, alive = os.pipe()
            stack.callback(os.close, their_alive)
            on_failure.callback(os.close, alive)
            report, their_report = os.pipe()
            stack.callback(os.close, their_report)
            on_failure.callback(os.close, report)
            file = stack.enter_context(output.open("wb"))
            sent = self._send(message, [theirs.fileno(), their_alive, their_report, file.fileno()])
            theirs.close()  # if the server has ended, this end sees it
            if not sent:
                return None
            ours.settimeout(_ANSWER_SECONDS)
            try:
                answer = ours.recv(16)
            except ConnectionError:
                return None
            except TimeoutError:
                with self._lock:
                    self._end()
                return None
            if not answer:
                return None
            on_failure.pop_all()
            return ServedGuard(int(answer), ours, alive, report)

    def _send(self, message: bytes, descriptors: list[int]) -> bool:
        """Send a request, and start the server if it does not run. Return False if that failed."""
        with self._lock:
            if self._closed:
                return False
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    self._process = _started(theirs, self._idle)
            assert self._requests is not None
            try:
                socket.send_fds(self._requests, [message], descriptors)
            except ConnectionError:
                self._end()
                return False
            return True

    def _end(self) -> None:
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._requests = None


def _started(requests: socket.socket, idle: float | None) -> subprocess.Popen[bytes]:
    # -P: the server does not import a `random.py` of the current folder.
    command = [sys.executable, "-P", "-m", MODULE, str(idle or 0)]
    return subprocess.Popen(
        command,
        stdin=requests.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
