"""Trials as subprocesses: each ends with all its processes and has an outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.workers.executors import open_workers
from anetdsl.evolve.workers.trial_process import (
    COMMAND,
    PYTHON,
    Outcome,
    RunningTrials,
    TrialTask,
    run_trial,
)
from tests.conftest import REPOSITORY


def python(code: str) -> tuple[str, ...]:
    return (PYTHON, "-I", "-S", "-c", code)


DONE = """
import json, sys, pathlib
folder = pathlib.Path(sys.argv[-1])
(folder / "trained.anet").write_text("text")
(folder / "result.json").write_text(json.dumps({"status": "done", "fitness": 3.5}))
"""
# Starts another process, writes the ids of both to the file `pids`, and hangs.
HANG = """
import os, subprocess, sys, time, pathlib
child = subprocess.Popen(["sleep", "600"])
part = pathlib.Path(sys.argv[-1]) / "part"
part.write_text(f"{os.getpid()} {child.pid}")
part.rename(part.with_name("pids"))
time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait until a condition holds. The limit is long: it must hold on a busy machine, too."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.01)


def pids(folder: Path) -> list[int]:
    """Return the ids of the two processes of HANG, once both have started."""
    until((folder / "pids").exists)
    return [int(word) for word in (folder / "pids").read_text().split()]


def is_alive(pid: int) -> bool:
    """Return whether a process runs. A zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_for_end(folder: Path) -> None:
    """Wait until both processes of HANG have ended."""
    until(lambda: not any(map(is_alive, pids(folder))))


def run(folder: Path, command: tuple[str, ...], timeout: float | None = None) -> Outcome:
    return run_trial(TrialTask("g0000", str(folder), command, timeout))


def test_successful_trial(tmp_path: Path) -> None:
    outcome = run(tmp_path, python(DONE))
    assert outcome == Outcome(result=TrialResult(status="done", fitness=3.5), text="text")


def fail(text: str) -> tuple[str, ...]:
    return python(f"import sys, pathlib; (pathlib.Path(sys.argv[-1]) / 'result.json').{text}")


@pytest.mark.parametrize(
    ("command", "failure", "message"),
    [
        (
            fail(
                'write_text(\'{"status": "failed", "failure": "nan", "message": "loss is NaN"}\')'
            ),
            *("nan", "loss is NaN"),
        ),
        (fail("write_text('{\"status\"')"), "error", "result.json: cannot be used"),
        (fail("write_text('[]')"), "error", "it is not a JSON object"),
        (fail("write_bytes(bytes([255]))"), "error", "result.json: cannot be used"),
        (fail('write_text(\'{"status": "done"}\')'), "error", "it has no finite fitness"),
        (
            fail('write_text(\'{"status": "done", "fitness": NaN}\')'),
            "error",
            "it has no finite fitness",
        ),
        (fail('write_text(\'{"status": "done", "fitness": 1}\')'), "error", "trained.anet"),
        (python("1 / 0"), "error", "exit code 1 and left no result: ZeroDivisionError"),
        (python("pass"), "error", "exit code 0 and left no result"),
        (python("import os; os.kill(os.getpid(), 9)"), "killed", "SIGKILL"),
        (python("import os; os.kill(os.getpid(), 11)"), "killed", "SIGSEGV"),
        (python("import os; os.kill(os.getppid(), 9)"), "killed", "SIGKILL"),
        (("no such program",), "error", "no such program: No such file"),
    ],
)
def test_failures(command: tuple[str, ...], failure: str, message: str, tmp_path: Path) -> None:
    outcome = run(tmp_path, command)
    assert outcome.failure == failure
    assert message in outcome.message


def test_result_counts_if_the_trial_dies_after_it(tmp_path: Path) -> None:
    assert run(tmp_path, python(DONE + "\nimport os; os.kill(os.getpid(), 9)")).failure is None


def test_trial_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')")
    command = [sys.executable, *COMMAND[1:], "--help"]
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    environment = {**os.environ, "PYTHONPATH": roots}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)


def test_hanging_trial_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    outcome = run(tmp_path, python(HANG), timeout=2.5)
    assert (outcome.failure, outcome.message) == ("timeout", "it took more than 2.5 seconds")
    wait_for_end(tmp_path)


def test_processes_that_a_trial_left_are_killed(tmp_path: Path) -> None:
    """The trial itself has exited already."""
    code = HANG.replace("time.sleep(600)", "os._exit(3)")
    assert run(tmp_path, python(code)).failure == "error"
    wait_for_end(tmp_path)


def test_killing_the_process_group_kills_the_trial(tmp_path: Path) -> None:
    killer = threading.Thread(
        target=lambda: os.killpg(os.getpgid(pids(tmp_path)[0]), signal.SIGKILL)
    )
    killer.start()
    assert run(tmp_path, python(HANG)).failure == "killed"
    killer.join()
    wait_for_end(tmp_path)


def test_killing_the_guard_kills_the_trial(tmp_path: Path) -> None:
    """The guard leads the process group of the trial."""
    killer = threading.Thread(target=lambda: os.kill(os.getpgid(pids(tmp_path)[0]), signal.SIGKILL))
    killer.start()
    assert run(tmp_path, python(HANG)).failure == "killed"
    killer.join()
    wait_for_end(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_driver_leaves_no_trial(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys; from anetdsl.evolve.workers.trial_process import *\n"
        f"run_trial(TrialTask('g0000', sys.argv[1], {python(HANG)!r}))"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=paths())
    pids(tmp_path)
    driver.send_signal(number)
    driver.wait()
    wait_for_end(tmp_path)


def paths() -> dict[str, str]:
    """Return an environment in which Python finds both packages and `tests`."""
    root = Path(__file__).resolve().parents[3]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "compiler")])}


def test_two_trials_never_share_a_folder(tmp_path: Path) -> None:
    """A Dask scheduler that lost a worker runs its task again on another one."""
    assert run(tmp_path, python(DONE)).failure is None
    second = run(tmp_path, python("1 / 0"))
    assert (second.failure, second.message) == ("killed", "the worker that ran it was lost")


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert run(tmp_path / "missing", python(DONE)).failure == "error"


def test_running_trials_are_stopped_at_once(tmp_path: Path) -> None:
    """Trials that start after `stop` are killed, too."""
    running = RunningTrials()
    stopper = threading.Thread(target=lambda: (pids(tmp_path), running.stop()))
    stopper.start()
    started = time.monotonic()
    assert (
        run_trial(TrialTask("g", str(tmp_path), python(HANG)), running=running).failure == "killed"
    )
    assert time.monotonic() - started < 60  # The trial itself would take 600 s.
    stopper.join()
    later = tmp_path / "later"
    later.mkdir()
    assert run_trial(TrialTask("g", str(later), python(HANG)), running=running).failure == "killed"


@pytest.mark.parametrize("how", ["removed", "stale", "of another driver"])
def test_remote_trial_ends_with_the_heartbeat(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial on another machine notices the end of the driver by the heartbeat file."""
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._HEARTBEAT_SECONDS", 0.05)
    heartbeat = tmp_path / "heartbeat"
    heartbeat.write_text("me 0")
    folder = tmp_path / "trial"
    folder.mkdir()

    def end() -> None:
        count = 0
        while not (folder / "pids").exists():
            heartbeat.write_text(f"me {(count := count + 1)}")
            time.sleep(0.05)
        if how == "removed":
            heartbeat.unlink()
        elif how == "of another driver":
            heartbeat.write_text("you 1")

    thread = threading.Thread(target=end)
    thread.start()
    stale = 2.0 if how == "stale" else 60.0
    task = TrialTask("g", str(folder), python(HANG), None, str(heartbeat), "me", stale)
    assert run_trial(task).failure == "killed"
    thread.join()
    wait_for_end(folder)


def test_heartbeat_keeps_a_remote_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._HEARTBEAT_SECONDS", 0.05)
    heartbeat = tmp_path / "heartbeat"
    heartbeat.write_text("me 0")
    folder = tmp_path / "trial"
    folder.mkdir()
    code = "import time\nfor i in range(30):\n time.sleep(.12); open({!r}, 'w').write(f'me {{i}}')"
    command = python(code.format(str(heartbeat)) + DONE)
    assert (
        run_trial(TrialTask("g", str(folder), command, None, str(heartbeat), "me", 2.5)).failure
        is None
    )


# Executors


def test_each_thread_has_a_gpu(tmp_path: Path) -> None:
    """GPUs are given to the threads in turn."""
    code = DONE.replace('"text"', 'repr(__import__("os").environ.get("CUDA_VISIBLE_DEVICES"))')
    for number in range(6):
        (tmp_path / str(number)).mkdir()
    tasks = [
        TrialTask("g", str(tmp_path / str(number)), python("import time; time.sleep(.2)" + code))
        for number in range(6)
    ]
    with open_workers("threads:3", ("0", "2")) as workers:
        outcomes = list(workers.executor.map(workers.run, tasks))
    texts = [outcome.text for outcome in outcomes]
    assert set(texts) == {"'0'", "'2'"}
    assert workers.capacity() == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads:", "a number from 1"),
        ("threads:0", "a number from 1"),
        ("threads:-1", "a number from 1"),
        ("threads:many", "a number from 1"),
        ("processes:3", "neither threads, threads:N nor dask:ADDRESS"),
        ("dask:", "neither threads, threads:N nor dask:ADDRESS"),
        ("", "neither threads, threads:N nor dask:ADDRESS"),
    ],
)
def test_invalid_executors(text: str, message: str) -> None:
    with pytest.raises(CannotRun, match=message), open_workers(text):
        pass
