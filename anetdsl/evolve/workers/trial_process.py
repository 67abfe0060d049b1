"""Run one trial: `anetc trial FOLDER` as a subprocess, started by a guard process (`guard`).

Either the guard is a new process, or a server of trials forks it (`trial_server`).

An executor calls `run_trial`, on this machine or on another one that sees the same folder. For a
trial that was killed or hung, `run_trial` returns an Outcome with a failure; it does not raise.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import attrs

from anetdsl.evolve.contract import FailureKind, TrialFolder, TrialResult, killed_by
from anetdsl.evolve.workers import guard
from anetdsl.evolve.workers.trial_server import ServedGuard, TrialServer

PYTHON = "{python}"
"""Word of a command that stands for the Python of the machine on which the trial runs."""

COMMAND = (PYTHON, "-P", "-m", "anetc", "trial")
"""Command of a trial. -P: the trial does not import a `random.py` of the current folder."""

_DISK_FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
_HEARTBEAT_SECONDS = 2.0
_LONGEST_MESSAGE = 2000


@attrs.frozen
class TrialTask:
    """A trial to run, for an executor. Its folder holds the candidate and the job."""

    name: str
    """Name of the candidate."""
    folder: str
    command: tuple[str, ...] = COMMAND
    """Command without its last word, the folder."""
    kill_after: float | None = None
    """Seconds after which the guard kills the trial."""
    heartbeat: str | None = None
    """File that the driver rewrites; the trial is killed if it is missing or does not change."""
    driver: str = ""
    """Identifier of the driver. The content of the heartbeat file starts with it."""
    heartbeat_timeout: float = 60.0
    """Seconds without a change of the heartbeat file after which the trial is killed."""
    time_limit: float | None = None
    """Seconds that the job allows; `kill_after` is longer, so that the trial can report itself."""


@attrs.frozen
class Outcome:
    """The result and the trained text of a trial, or its failure."""

    result: TrialResult | None = None
    text: str | None = None
    failure: FailureKind | None = None
    message: str = ""

    @property
    def is_disk_full(self) -> bool:
        """True if the trial failed because the disk is full; any other trial would fail, too."""
        return self.failure is not None and any(words in self.message for words in _DISK_FULL)


class Guard(Protocol):
    """A guard process that runs, with its trial."""

    pid: int
    """Process id, which is also that of the process group."""

    def wait_for_end(self, seconds: float | None = None) -> bool:
        """Wait until the guard has ended; return False if it has not after some seconds."""
        ...

    def read_report(self) -> str:
        """Return what the guard has reported, when it has ended."""
        ...

    def status(self) -> int:
        """Return the exit status when the guard has ended, and free its process id."""
        ...


class RunningTrials:
    """The trials that run on this machine for one driver."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._stopped = False

    def stop(self) -> None:
        """Kill all trials with all their processes, now and whenever one starts later."""
        with self._lock:
            self._stopped = True
            for group in self._groups:
                _kill_group(group)

    @contextlib.contextmanager
    def registered(self, group: int) -> Iterator[None]:
        """Have `stop` kill this process group while the block runs."""
        with self._lock:
            self._groups.add(group)
            if self._stopped:
                _kill_group(group)
        try:
            yield
        finally:
            with self._lock:
                self._groups.discard(group)


def run_trial(
    task: TrialTask,
    environment: Mapping[str, str] | None = None,
    running: RunningTrials | None = None,
    server: TrialServer | None = None,
) -> Outcome:
    """Run a trial until it ends and return its outcome.

    Args:
        task: The trial.
        environment: Variables to add to the environment of this process.
        running: Trials to register this one with.
        server: Server that starts the trial, if its command is COMMAND; otherwise, and if the
            server cannot start it, the trial is a new process.
    """
    folder = TrialFolder(task.folder)
    try:
        # A Dask scheduler that lost contact with a worker starts its tasks again on another one.
        # Two trials must never write into one folder.
        with folder.claim.open("x") as claim:
            claim.write(f"{os.uname().nodename} {os.getpid()}\n")
    except FileExistsError:
        return Outcome(failure="killed", message="the worker that ran it was lost")
    except OSError as error:
        return Outcome(failure="error", message=f"{folder.path}: {error.strerror}")
    try:
        report, status = _run(task, environment or {}, running or RunningTrials(), server)
    except OSError as error:
        return Outcome(failure="error", message=f"the trial cannot be started: {error.strerror}")
    return _read_outcome(task, folder, report, status)


def _run(
    task: TrialTask,
    environment: Mapping[str, str],
    running: RunningTrials,
    server: TrialServer | None,
) -> tuple[str, int]:
    """Run the trial with its guard; return the guard's report and the exit status."""
    with _started(task, environment, server) as process:
        with running.registered(process.pid):
            if task.heartbeat is not None:
                _wait_with_heartbeat(process, task, Path(task.heartbeat))
            report = process.read_report()
            _kill_group(process.pid)
        return report, process.status()


def _started(
    task: TrialTask, environment: Mapping[str, str], server: TrialServer | None
) -> ServedGuard | _NewGuard:
    """Start the trial with its guard. Raise OSError."""
    seconds, output = task.kill_after or 0.0, TrialFolder(task.folder).output
    if server is not None and task.command == COMMAND:
        served = server.start(task.folder, seconds, environment, output)
        if served is not None:
            return served
    return _NewGuard(task, seconds, {**os.environ, **environment}, output)


class _NewGuard:
    """A guard that is a new process."""

    def __init__(
        self, task: TrialTask, seconds: float, environment: Mapping[str, str], output: Path
    ) -> None:
        command = [sys.executable if word == PYTHON else word for word in task.command]
        # -I -S: the guard needs the standard library alone, and starts in a few milliseconds.
        interpreter = [sys.executable, "-I", "-S"]
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [*interpreter, guard.__file__, str(seconds), *command, task.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> _NewGuard:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def wait_for_end(self, seconds: float | None = None) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def read_report(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.read().decode("utf-8", "replace")

    def status(self) -> int:
        return self._process.wait()


def _wait_with_heartbeat(process: Guard, task: TrialTask, path: Path) -> None:
    """Wait for the end of the trial; kill the trial when the driver's heartbeat has stopped."""
    last, changed = b"", time.monotonic()
    while not process.wait_for_end(_HEARTBEAT_SECONDS):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            break
        except OSError:
            content = last
        if content and not content.startswith(task.driver.encode()):
            break
        if content != last:
            last, changed = content, time.monotonic()
        elif time.monotonic() - changed > task.heartbeat_timeout:
            break
    else:
        return
    _kill_group(process.pid)


def _kill_group(group: int) -> None:
    """Kill a guard and all processes that it started: the guard leads their process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _read_outcome(task: TrialTask, folder: TrialFolder, report: str, status: int) -> Outcome:
    """Return the outcome that the trial's files have, or that follows from the exit status."""
    try:
        data = folder.result.read_bytes()
    except OSError:
        return _outcome_without_result(task, folder, report, status)
    try:
        result = TrialResult.from_json(json.loads(data))
        if result.status == "failed":
            return Outcome(failure=result.failure, message=result.message)
        text = folder.trained.read_text(encoding="utf-8")
    except (ValueError, OSError, RecursionError) as error:
        return Outcome(failure="error", message=f"{folder.result.name}: cannot be used: {error}")
    return Outcome(result=result, text=text)


def _outcome_without_result(
    task: TrialTask, folder: TrialFolder, report: str, status: int
) -> Outcome:
    if report == guard.TIMEOUT:
        seconds = task.time_limit or task.kill_after
        return Outcome(failure="timeout", message=f"it took more than {seconds:g} seconds")
    if number := killed_by(status):
        with contextlib.suppress(ValueError):
            name = signal.Signals(number).name
            hint = "; the system does so when memory runs out" if number == signal.SIGKILL else ""
            return Outcome(failure="killed", message=f"it was ended by {name}{hint}")
    message = f"it ended with exit code {status} and left no result"
    if last := _last_line(folder.output):
        message += f": {last}"
    return Outcome(failure="error", message=message)


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LONGEST_MESSAGE))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
