"""Worker processes end with the process that starts them, and leave the current folder alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anetc import worker_processes
from anetc.data.upkeep.process_pool import map_in_processes
from anetc.worker_processes import StallWatch, WorkerContext, describe_exit
from anetdsl.errors import CannotRun
from tests.conftest import REPOSITORY

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def environment(**variables: str) -> dict[str, str]:
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    return {**os.environ, "PYTHONPATH": roots, **variables}


def with_variable(mark: str) -> list[int]:
    """Return the processes with a variable, NAME=VALUE, in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def wait_until(condition: object, seconds: float = 120.0) -> None:
    """Wait for a condition. The limit is long: the machine may be busy."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def crash(item: int) -> int:
    """Crash at item 2, as a decoder may at a damaged file."""
    if item == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return item


def be_killed(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def hang(item: int) -> int:
    if item == 1:
        time.sleep(600)
    return item


def stop(item: int) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return item


def lost(item: int, reason: str) -> str:
    return f"{item}: {reason}"


def test_an_item_that_crashes_its_process_does_not_stop_the_rest() -> None:
    found = list(map_in_processes(crash, range(6), 2, lost))
    assert found == [0, 1, "2: the process that read it was ended by SIGSEGV", 3, 4, 5]
    with pytest.raises(CannotRun, match="2: the process that read it was ended by SIGSEGV"):
        list(map_in_processes(crash, range(6), 2))


def test_a_process_killed_by_the_system_is_an_error() -> None:
    """The item is not to blame: memory may have run out."""
    with pytest.raises(CannotRun, match="was ended by SIGKILL; memory may have run out"):
        list(map_in_processes(be_killed, range(2), 2, lost))


@ON_LINUX
def test_a_stopped_process_does_not_hang_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "STOPPED_SECONDS", 0.5)
    found = list(map_in_processes(stop, range(4), 2, lost))
    assert found == [0, "1: the process that read it has been stopped by a signal (SIGSTOP)", 2, 3]


def test_a_process_stalls_that_uses_no_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process waits all the time; the other one computes at first, then waits."""
    now, used = 0.0, 0.0
    monkeypatch.setattr(worker_processes.time, "monotonic", lambda: now)
    monkeypatch.setattr(
        worker_processes, "_state_of", lambda pid: ("S", 7.0) if pid == 1 else ("R", used)
    )
    watch = StallWatch()
    watch.restart()
    while now < 600:
        assert watch.stall([1, 2]) is None
        now, used = now + 1, used + 0.01  # a slow machine
    for _ in range(60):
        now += 1
        assert watch.stall([1, 2]) is None
    for _ in range(120):
        now += 1
        reason = watch.stall([1, 2])
    assert reason == "has made no progress for 120 s"
    watch.restart()
    assert watch.stall([1, 2]) is None


def test_no_process_is_left_by_an_iteration_that_is_given_up() -> None:
    results = map_in_processes(hang, range(4), 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]


POOL = """
import os, sys
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
from anetc.data.upkeep.process_pool import map_in_processes
if __name__ == "__main__":
    print(list(map_in_processes(abs, [-1, -2, -3], 2)))
"""


def test_workers_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "pool.py").write_text(POOL)
    for name in ("random", "select", "socket"):
        (tmp_path / f"{name}.py").write_text(
            f"print('own {name}', flush=True); raise SystemExit(1)"
        )
    done = subprocess.run(
        [sys.executable, tmp_path / "script" / "pool.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")


def test_a_script_without_a_main_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL.replace('__name__ == "__main__"', "True"))
    done = subprocess.run(
        [sys.executable, script], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "CannotRun: a worker process ended with exit code 1" in done.stderr.splitlines()[-1]


def test_a_process_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """EOFError: the fork server has ended."""
    for error, reason in ((BlockingIOError(11, "no more"), "no more"), (EOFError(), "end at once")):

        def refuse(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(worker_processes.WorkerProcess, "start", refuse)
        with pytest.raises(CannotRun, match=f"cannot be started .*{reason}"):
            list(map_in_processes(abs, range(4), 2))


def test_exits_are_described() -> None:
    assert describe_exit(-signal.SIGBUS) == "was ended by SIGBUS"
    assert describe_exit(3) == "ended with exit code 3"
    assert describe_exit(-99) == "ended with exit code -99"


def test_workers_are_killed_at_the_end_of_the_block() -> None:
    context = WorkerContext()
    with context.killed_at_end():
        with context.starting():
            worker = context.Process(target=time.sleep, args=(600,))
            worker.start()
        assert worker.is_alive()
    assert worker.exitcode == -signal.SIGKILL


FAMILY = """
import os, signal, subprocess, sys
from anetc.process_family import processes_end_with_this_one
with processes_end_with_this_one():
    # As a compiler does: the child starts the process that works.
    subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600"])
    print("started", flush=True)
    sys.stdin.readline()
"""


@ON_LINUX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_processes_of_a_library_end_with_the_command(number: int) -> None:
    mark = f"FAMILY_TEST={os.getpid()}-{number}"
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        env=environment(**dict([mark.split("=")])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        wait_until(lambda: len(with_variable(mark)) >= 5)  # with the reaper
        process.send_signal(number)
        process.wait()
        wait_until(lambda: not with_variable(mark))
