"""Trials that a server forks: they end and compute as those that are new processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from anetc.data.values import DataSpec
from anetc.trial.trial import run_trial as run_here
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.workers import trial_server
from anetdsl.evolve.workers.executors import open_workers
from anetdsl.evolve.workers.trial_process import RunningTrials, TrialTask, run_trial
from anetdsl.evolve.workers.trial_server import TrialServer
from tests.evolve.workers.test_trials import (
    DONE,
    HANG,
    is_alive,
    paths,
    pids,
    until,
    wait_for_end,
)
from tests.training.conftest import clips
from tests.trial.folders import job

__all__ = ["clips"]

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the server of trials is for Linux only"
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrialServer]:
    """A server whose trials are scripts; if it cannot start one, the trial fails."""
    monkeypatch.setattr(trial_server, "MODULE", "tests.evolve.workers.scripted_server")
    monkeypatch.setenv("PYTHONPATH", paths()["PYTHONPATH"])
    found = TrialServer()
    yield found
    found.close()


def task(folder: Path, code: str, kill_after: float | None = None) -> TrialTask:
    folder.mkdir(exist_ok=True)
    (folder / "trial.py").write_text(code)
    return TrialTask("g0000", str(folder), kill_after=kill_after)


def server_pid(server: TrialServer) -> int:
    assert server._process is not None
    return server._process.pid


def test_trials_share_one_server(server: TrialServer, tmp_path: Path) -> None:
    code = DONE.replace('"text"', "str(__import__('os').getppid())")
    outcomes = [run_trial(task(tmp_path / name, code), server=server) for name in "ab"]
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert outcomes[0].text != outcomes[1].text, "each trial has its own guard"
    assert is_alive(server_pid(server))


@pytest.mark.parametrize(
    ("code", "failure", "message"),
    [
        ("1 / 0", "error", "exit code 127 and left no result: ZeroDivisionError"),
        ("import os; os._exit(3)", "error", "exit code 3 and left no result"),
        ("import os; print('out of luck', flush=True); os._exit(1)", "error", "out of luck"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "killed", "SIGSEGV"),
        ("import os; os.kill(os.getppid(), 9)", "killed", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "killed", "SIGSEGV"),
    ],
)
def test_failures(
    code: str, failure: str, message: str, server: TrialServer, tmp_path: Path
) -> None:
    """A crash costs the trial alone."""
    outcome = run_trial(task(tmp_path / "a", code), server=server)
    assert outcome.failure == failure
    if "ZeroDivisionError" not in message:  # the script has no handler for exceptions
        assert message in outcome.message
    before = server_pid(server)
    assert run_trial(task(tmp_path / "b", DONE), server=server).failure is None
    assert server_pid(server) == before


def test_trial_has_its_environment_and_signals(server: TrialServer, tmp_path: Path) -> None:
    code = """
import os, select, signal, sys
values = [os.environ["CUDA_VISIBLE_DEVICES"], signal.getsignal(signal.SIGCHLD).name,
          signal.getsignal(signal.SIGINT).__name__, signal.set_wakeup_fd(-1), os.read(0, 1),
          sorted(map(int, os.listdir("/proc/self/fd")))[:-1], os.getcwd()]
text = repr(values)
"""
    code += DONE.replace('"text"', "text")
    outcome = run_trial(task(tmp_path, code), {"CUDA_VISIBLE_DEVICES": "MIG-7"}, server=server)
    expected = ["MIG-7", "SIG_DFL", "default_int_handler", -1, b"", [0, 1, 2], str(Path.cwd())]
    assert outcome.text == repr(expected), outcome


def test_hanging_trial_is_killed_with_all_its_processes(
    server: TrialServer, tmp_path: Path
) -> None:
    outcome = run_trial(task(tmp_path, HANG, 2.5), server=server)
    assert (outcome.failure, outcome.message) == ("timeout", "it took more than 2.5 seconds")
    wait_for_end(tmp_path)


def test_processes_that_a_trial_left_are_killed(server: TrialServer, tmp_path: Path) -> None:
    code = HANG.replace("time.sleep(600)", "os._exit(3)")
    assert run_trial(task(tmp_path, code), server=server).failure == "error"
    wait_for_end(tmp_path)


@pytest.mark.parametrize("whom", ["guard", "its parent", "server"])
def test_killed_processes_leave_no_trial(whom: str, server: TrialServer, tmp_path: Path) -> None:
    """Without the server, the trial goes on; without its guard, or the guard's parent, it ends."""
    gate = tmp_path / "gate"
    code = HANG.replace(
        "time.sleep(600)", f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    )

    def kill() -> None:
        guard = os.getpgid(pids(tmp_path)[0])
        parent = int(Path(f"/proc/{guard}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill({"guard": guard, "its parent": parent}.get(whom, server_pid(server)), 9)
        if whom == "server":
            gate.touch()

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = run_trial(task(tmp_path, code + DONE), server=server)
    killer.join()
    gate.touch()
    wait_for_end(tmp_path)
    assert outcome.failure == (None if whom == "server" else "killed"), outcome
    assert run_trial(task(tmp_path / "next", DONE), server=server).failure is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_driver_leaves_no_trial(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from anetdsl.evolve.workers import trial_server\n"
        "from anetdsl.evolve.workers.trial_process import *\n"
        "trial_server.MODULE = 'tests.evolve.workers.scripted_server'\n"
        "run_trial(TrialTask('g0000', sys.argv[1]), server=trial_server.TrialServer())"
    )
    task(tmp_path, HANG)
    driver = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=paths())
    trial = pids(tmp_path)[0]
    driver.send_signal(number)
    driver.wait()
    wait_for_end(tmp_path)
    assert not is_alive(trial)


def test_running_trials_are_stopped_at_once(server: TrialServer, tmp_path: Path) -> None:
    running = RunningTrials()
    stopper = threading.Thread(target=lambda: (pids(tmp_path), running.stop()))
    stopper.start()
    started = time.monotonic()
    assert run_trial(task(tmp_path, HANG), {}, running, server).failure == "killed"
    assert time.monotonic() - started < 60
    stopper.join()
    assert run_trial(task(tmp_path / "a", HANG), {}, running, server).failure == "killed"


def test_closed_server_ends_with_its_trials(server: TrialServer, tmp_path: Path) -> None:
    """A server that cannot start a trial leaves it to a new process."""
    assert run_trial(task(tmp_path / "a", DONE), server=server).failure is None
    pid = server_pid(server)
    server.close()
    assert not is_alive(pid)
    assert server.start(str(tmp_path), 0, {}, tmp_path / "output.txt") is None
    outcome = run_trial(task(tmp_path / "b", DONE), server=server)
    assert "job.json: no such file" in outcome.message


def test_idle_server_ends_and_starts_again(
    server: TrialServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = TrialServer(idle=0.2)
    assert run_trial(task(tmp_path / "a", DONE), server=short).failure is None
    pid = server_pid(short)
    until(lambda: not is_alive(pid))
    assert run_trial(task(tmp_path / "b", DONE), server=short).failure is None
    short.close()


def test_remote_trial_ends_with_the_heartbeat(
    server: TrialServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._HEARTBEAT_SECONDS", 0.05)
    (tmp_path / "trial.py").write_text(HANG)
    missing = TrialTask("g", str(tmp_path), heartbeat=str(tmp_path / "heartbeat"))
    assert run_trial(missing, server=server).failure == "killed"
    wait_for_end(tmp_path)


def test_numbers_are_those_of_another_process(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials with two threads (OpenMP works in forked processes), and without a GPU in the server.

    `watched_server` ends if an import of the server uses CUDA.
    """
    settings = {"threads": 2, "iterations": 2}
    for name in ("here", "served", "failing"):
        job(tmp_path / name, clips, settings=settings)
    (tmp_path / "failing" / "candidate.anet").write_text("anet 1")
    before = torch.get_num_threads()
    assert run_here(TrialFolder(tmp_path / "here")) == "done"
    torch.set_num_threads(before)
    monkeypatch.setattr(trial_server, "MODULE", "tests.evolve.workers.watched_server")
    monkeypatch.setenv("PYTHONPATH", paths()["PYTHONPATH"])
    # A new process would run the command COMMAND: this one fails if the server does not run.
    monkeypatch.setattr("anetdsl.evolve.workers.trial_process._NewGuard", None)
    with open_workers("threads:1") as workers:
        tasks = [TrialTask("g", str(tmp_path / name)) for name in ("served", "failing")]
        served, failing = workers.executor.map(workers.run, tasks)
    assert served.failure is None, served.message
    assert failing.failure == "error"
    assert "the trial failed; see" in (tmp_path / "failing" / "output.txt").read_text()
    printed = (tmp_path / "served" / "output.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in printed] == ["on the CPU"]
    for name in ("log.jsonl", "trained.anet", "weights.safetensors"):
        assert (tmp_path / "served" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
