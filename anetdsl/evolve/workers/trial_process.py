"""One trial: `anetc trial FOLDER` as a subprocess, and what came of it.

`run_trial` is what an executor runs, on this machine or on another that sees the same folder. It
never raises for what happens to a trial: a trial that was killed or hung is an Outcome too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetdsl.evolve.workers import guard

PYTHON = "{python}"
"""Stands for the Python of the machine that the trial runs on."""

COMMAND = (PYTHON, "-P", "-m", "anetc", "trial")
"""-P: a `random.py` in the folder that the search was started from is no module of a trial's."""

RETRIED = frozenset({"killed", "out_of_memory", "timeout", "error"})
"""Failures that may not come again; `nan` and `bad_data` would."""

_NO_ROOM = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
_PULSE_SECONDS = 2.0
_LONGEST_MESSAGE = 2000


@attrs.frozen
class Job:
    """A trial to run: its folder holds `candidate.anet` and `job.json`."""

    name: str
    folder: str
    command: tuple[str, ...] = COMMAND
    timeout: float | None = None
    """Seconds until it is killed."""
    pulse: str | None = None
    """A file that the driver rewrites: without it, or when it is stale, the driver is gone."""
    driver: str = ""
    """What the pulse starts with as long as it is that of the same driver."""
    stale: float = 60.0
    """Seconds without change after which the pulse is stale."""
    allowed: float | None = None
    """Seconds that it was given, fewer than `timeout`: it may say itself that it is late."""


@attrs.frozen
class Outcome:
    """What came of a trial: `result.json` and the trained text, or a failure."""

    result: Mapping[str, Any] | None = None
    text: str | None = None
    failure: str | None = None
    """`out_of_memory`, `nan`, `timeout`, `bad_data`, `killed` or `error`."""
    message: str = ""

    @property
    def is_of_the_disk(self) -> bool:
        """Whether it failed as there was no room to write to: the next would fail as well."""
        return self.failure is not None and any(words in self.message for words in _NO_ROOM)


class ProcessGroup:
    """Trials that run on this machine for one driver; `stop` ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Kill all trials with all their processes; those that start later end at once."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _kill_group(process)

    @contextlib.contextmanager
    def holding(self, process: subprocess.Popen[bytes]) -> Any:
        """While the block runs, `stop` ends this process."""
        with self._lock:
            self._running.add(process)
            stopped = self._stopped
        try:
            if stopped:
                _kill_group(process)
            yield
        finally:
            with self._lock:
                self._running.discard(process)


def run_trial(
    job: Job, environment: Mapping[str, str] | None = None, group: ProcessGroup | None = None
) -> Outcome:
    """Run a trial to its end, whatever that is. `environment` is added to that of this process."""
    folder = Path(job.folder)
    try:
        # A scheduler that has lost sight of a worker starts its tasks again elsewhere: never may
        # two trials write into one folder.
        with (folder / "claimed").open("x") as claim:
            claim.write(f"{os.uname().nodename} {os.getpid()}\n")
    except FileExistsError:
        return Outcome(failure="killed", message="the worker that ran it was lost")
    except OSError as error:
        return Outcome(failure="error", message=f"{folder}: {error.strerror}")
    try:
        said, code = _run(job, {**os.environ, **(environment or {})}, group or ProcessGroup())
    except OSError as error:
        return Outcome(failure="error", message=f"the trial cannot be started: {error.strerror}")
    return _outcome(job, said, code)


def _run(job: Job, environment: dict[str, str], group: ProcessGroup) -> tuple[str, int]:
    """Run the command behind its guard: what the guard said, and the exit code."""
    command = [sys.executable if word == PYTHON else word for word in job.command]
    limit = str(job.timeout or 0)
    # -I -S: the guard needs the standard library alone, and starts in a few milliseconds.
    words = [sys.executable, "-I", "-S", guard.__file__, limit, *command, job.folder]
    with (Path(job.folder) / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout, group.holding(process):
        if job.pulse is not None:
            _watch(process, job)
        said = process.stdout.read().decode("utf-8", "replace")
        _kill_group(process)
        return said, process.wait()


def _watch(process: subprocess.Popen[bytes], job: Job) -> None:
    """Wait for the end; kill the trial when the driver's pulse has stopped."""
    assert job.pulse is not None
    pulse = Path(job.pulse)
    last, seen = b"", time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PULSE_SECONDS)
            return
        try:
            now = pulse.read_bytes()
        except FileNotFoundError:
            break
        except OSError:
            now = last
        if now and not now.startswith(job.driver.encode()):
            break
        if now != last:
            last, seen = now, time.monotonic()
        elif time.monotonic() - seen > job.stale:
            break
    _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a guard and all that it started. The guard leads the group, which has its number."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _outcome(job: Job, said: str, code: int) -> Outcome:
    """What the folder and the exit code say."""
    folder = Path(job.folder)
    try:
        data = (folder / "result.json").read_bytes()
    except OSError:
        return _without_result(job, said, code)
    try:
        result = json.loads(data)
        if not isinstance(result, dict):
            raise ValueError("is no object")
        if result.get("status") == "failed":
            failure = str(result.get("failure", "error"))
            return Outcome(failure=failure, message=str(result.get("message", "")))
        if not is_fitness(result.get("fitness")):
            raise ValueError("holds no fitness")
        text = (folder / "trained.anet").read_text(encoding="utf-8")
    except (ValueError, OSError) as error:
        return Outcome(failure="error", message=f"the trial's result cannot be used: {error}")
    return Outcome(result=result, text=text)


def is_fitness(value: object) -> bool:
    """Whether a value can be compared as a fitness: a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _without_result(job: Job, said: str, code: int) -> Outcome:
    if said == "timeout":
        seconds = job.allowed or job.timeout
        return Outcome(failure="timeout", message=f"it took more than {seconds:g} seconds")
    number = -code if code < 0 else code - 128
    if 0 < number < 65:
        with contextlib.suppress(ValueError):
            name = signal.Signals(number).name
            hint = "; the system does so when memory runs out" if number == signal.SIGKILL else ""
            return Outcome(failure="killed", message=f"it was ended by {name}{hint}")
    message = f"it ended with exit code {code} and left no result"
    if last := _last_line(Path(job.folder) / "output.txt"):
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
