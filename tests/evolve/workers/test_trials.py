"""Dispatcher as subprocesses: each ends, with all its processes, and says how."""

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
    TrialTask,
    Outcome,
    RunningTrials,
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
# Starts a process of its own, says which, and hangs.
HANG = """
import os, subprocess, sys, time, pathlib
child = subprocess.Popen(["sleep", "600"])
part = pathlib.Path(sys.argv[-1]) / "part"
part.write_text(f"{os.getpid()} {child.pid}")
part.rename(part.with_name("pids"))
time.sleep(600)
"""


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def pids(folder: Path) -> list[int]:
    """The processes of a trial that hangs, once they have started."""
    until((folder / "pids").exists)
    return [int(word) for word in (folder / "pids").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def all_gone(folder: Path) -> None:
    until(lambda: not any(map(is_alive, pids(folder))))


def run(folder: Path, command: tuple[str, ...], timeout: float | None = None) -> Outcome:
    return run_trial(TrialTask("g0000", str(folder), command, timeout))


def test_a_trial_that_goes_well(tmp_path: Path) -> None:
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
        (fail("write_text('{\"status\"')"), "error", "result cannot be used"),
        (fail("write_text('[]')"), "error", "is no object"),
        (fail("write_bytes(bytes([255]))"), "error", "result cannot be used"),
        (fail('write_text(\'{"status": "done"}\')'), "error", "holds no fitness"),
        (fail('write_text(\'{"status": "done", "fitness": NaN}\')'), "error", "holds no fitness"),
        (fail('write_text(\'{"status": "done", "fitness": 1}\')'), "error", "trained.anet"),
        (python("1 / 0"), "error", "exit code 1 and left no result: ZeroDivisionError"),
        (python("pass"), "error", "exit code 0 and left no result"),
        (python("import os; os.kill(os.getpid(), 9)"), "killed", "SIGKILL"),
        (python("import os; os.kill(os.getpid(), 11)"), "killed", "SIGSEGV"),
        (python("import os; os.kill(os.getppid(), 9)"), "killed", "SIGKILL"),
        (("no such program",), "error", "no such program: No such file"),
    ],
)
def test_how_a_trial_fails(
    command: tuple[str, ...], failure: str, message: str, tmp_path: Path
) -> None:
    outcome = run(tmp_path, command)
    assert outcome.failure == failure
    assert message in outcome.message


def test_a_result_counts_whatever_comes_after_it(tmp_path: Path) -> None:
    assert run(tmp_path, python(DONE + "\nimport os; os.kill(os.getpid(), 9)")).failure is None


def test_a_trial_imports_nothing_from_the_folder_that_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('not that one')")
    command = [sys.executable, *COMMAND[1:], "--help"]
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    environment = {**os.environ, "PYTHONPATH": roots}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)


def test_a_trial_that_hangs_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    outcome = run(tmp_path, python(HANG), timeout=2.5)
    assert (outcome.failure, outcome.message) == ("timeout", "it took more than 2.5 seconds")
    all_gone(tmp_path)


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """Also when the trial itself has gone and left a process behind."""
    code = HANG.replace("time.sleep(600)", "os._exit(3)")
    assert run(tmp_path, python(code)).failure == "error"
    all_gone(tmp_path)


def test_the_guard_killed_is_the_trial_killed(tmp_path: Path) -> None:
    killer = threading.Thread(
        target=lambda: os.killpg(os.getpgid(pids(tmp_path)[0]), signal.SIGKILL)
    )
    killer.start()
    assert run(tmp_path, python(HANG)).failure == "killed"
    killer.join()
    all_gone(tmp_path)


def test_the_guard_alone_killed_is_the_trial_killed(tmp_path: Path) -> None:
    """The guard leads the group of the trial."""
    killer = threading.Thread(target=lambda: os.kill(os.getpgid(pids(tmp_path)[0]), signal.SIGKILL))
    killer.start()
    assert run(tmp_path, python(HANG)).failure == "killed"
    killer.join()
    all_gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_killed_leaves_no_trial(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys; from anetdsl.evolve.workers.trial_process import *\n"
        f"run_trial(TrialTask('g0000', sys.argv[1], {python(HANG)!r}))"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=paths())
    pids(tmp_path)
    driver.send_signal(number)
    driver.wait()
    all_gone(tmp_path)


def paths() -> dict[str, str]:
    root = Path(__file__).resolve().parents[3]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "compiler")])}


def test_two_trials_never_share_a_folder(tmp_path: Path) -> None:
    """A scheduler that has lost a worker runs its task again elsewhere."""
    assert run(tmp_path, python(DONE)).failure is None
    second = run(tmp_path, python("1 / 0"))
    assert (second.failure, second.message) == ("killed", "the worker that ran it was lost")


def test_without_a_folder_there_is_no_trial(tmp_path: Path) -> None:
    assert run(tmp_path / "missing", python(DONE)).failure == "error"


def test_a_group_is_stopped_at_once(tmp_path: Path) -> None:
    group = RunningTrials()
    stopper = threading.Thread(target=lambda: (pids(tmp_path), group.stop()))
    stopper.start()
    started = time.monotonic()
    assert run_trial(TrialTask("g", str(tmp_path), python(HANG)), group=group).failure == "killed"
    assert time.monotonic() - started < 10
    stopper.join()
    later = tmp_path / "later"
    later.mkdir()
    assert run_trial(TrialTask("g", str(later), python(HANG)), group=group).failure == "killed"


@pytest.mark.parametrize("how", ["removed", "stale", "another's"])
def test_a_trial_elsewhere_ends_with_the_drivers_pulse(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs on another machine sees the driver by a file alone."""
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._PULSE_SECONDS", 0.05)
    pulse = tmp_path / "pulse"
    pulse.write_text("me 0")
    folder = tmp_path / "job"
    folder.mkdir()

    def end() -> None:
        count = 0
        while not (folder / "pids").exists():
            pulse.write_text(f"me {(count := count + 1)}")
            time.sleep(0.05)
        if how == "removed":
            pulse.unlink()
        elif how == "another's":
            pulse.write_text("you 1")

    thread = threading.Thread(target=end)
    thread.start()
    stale = 2.0 if how == "stale" else 60.0
    job = TrialTask("g", str(folder), python(HANG), None, str(pulse), "me", stale)
    assert run_trial(job).failure == "killed"
    thread.join()
    all_gone(folder)


def test_a_pulse_that_beats_keeps_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._PULSE_SECONDS", 0.05)
    pulse = tmp_path / "pulse"
    pulse.write_text("me 0")
    folder = tmp_path / "job"
    folder.mkdir()
    code = "import time\nfor i in range(30):\n time.sleep(.12); open({!r}, 'w').write(f'me {{i}}')"
    command = python(code.format(str(pulse)) + DONE)
    assert (
        run_trial(TrialTask("g", str(folder), command, None, str(pulse), "me", 2.5)).failure is None
    )


# Executors


def test_each_of_the_slots_has_a_gpu(tmp_path: Path) -> None:
    """In turn; without --gpus nothing is said about them."""
    code = DONE.replace('"text"', 'repr(__import__("os").environ.get("CUDA_VISIBLE_DEVICES"))')
    for number in range(6):
        (tmp_path / str(number)).mkdir()
    jobs = [
        TrialTask("g", str(tmp_path / str(number)), python("import time; time.sleep(.2)" + code))
        for number in range(6)
    ]
    with open_workers("threads:3", ("0", "2")) as workers:
        outcomes = list(workers.executor.map(workers.run, jobs))
    texts = [outcome.text for outcome in outcomes]
    assert set(texts) == {"'0'", "'2'"}
    assert workers.capacity() == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads", "a number from 1"),
        ("threads:0", "a number from 1"),
        ("threads:-1", "a number from 1"),
        ("threads:many", "a number from 1"),
        ("processes:3", "neither threads:N nor dask:ADDRESS"),
        ("dask:", "neither threads:N nor dask:ADDRESS"),
        ("", "neither threads:N nor dask:ADDRESS"),
    ],
)
def test_executors_that_there_are_not(text: str, message: str) -> None:
    with pytest.raises(CannotRun, match=message), open_workers(text):
        pass
