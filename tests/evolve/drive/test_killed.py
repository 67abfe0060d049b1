"""Killed and stopped searches can be resumed; a run has one driver at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.lock import is_driven, locked
from anetdsl.evolve.drive.rebuild import rebuild
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.evolve.drive.store import open_store
from anetdsl.evolve.settings.run_settings import Running
from tests.evolve.conftest import stop_after
from tests.evolve.drive import driver as driver_script
from tests.evolve.driving import after_a_while, drive, essence, searched
from tests.evolve.method import COMMAND, RULES, run_settings
from tests.evolve.workers.test_trials import is_alive, paths, until

# Kills at random moments


@contextlib.contextmanager
def driving(folder: Path, seconds: float, *wait: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a driver in another process, with trials of so many seconds.

    `wait` has the further options of `synthetic_trial.py`.
    """
    words = map(str, (driver_script.__file__, folder, seconds, *wait))
    command = [sys.executable, *words]
    process = subprocess.Popen(command, env=paths(), stderr=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """Return all descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found + [grandchild for child in found for grandchild in children(child)]


def chaos(folder: Path, kills: int, seed: int, seconds: float) -> Run:
    """Run a search and kill its driver and its trials at random moments.

    A trial takes so many seconds.
    """
    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc to find processes")
    draw = random.Random(seed)
    while kills:
        with driving(folder, seconds) as process:
            time.sleep(draw.uniform(0.2, 0.8))
            while kills and process.poll() is None:
                kills -= 1
                if draw.random() < 0.5:
                    process.kill()
                    break
                if victims := children(process.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(draw.choice(victims), signal.SIGKILL)
                time.sleep(draw.uniform(0.0, 0.2))
            left = children(process.pid)
            process.kill()
            process.wait()
        until(lambda left=left: not any(map(is_alive, left)))
        assert read_run(folder).finished is None, f"finished with {kills} kills to come"
    with driving(folder, 0.0) as process:
        assert process.wait(60) == 0, process.stderr and process.stderr.read()
    return read_run(folder)


@pytest.mark.parametrize("confirm", [0, 2])
def test_search_survives_kills(confirm: int, tmp_path: Path) -> None:
    settings = run_settings(confirm=confirm)
    make_run(RunDir(tmp_path / "run"), settings)
    found = chaos(tmp_path / "run", 5, seed=1, seconds=0.5)
    assert essence(found) == essence(searched(tmp_path / "reference", settings))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "confirm"), [(2, 0), (3, 2)])
def test_search_survives_thirty_kills(seed: int, confirm: int, tmp_path: Path) -> None:
    """The candidates are exactly those of a search without interruption."""
    running = Running(executor="threads:6")
    settings = run_settings(candidates=120, confirm=confirm, running=running)
    make_run(RunDir(tmp_path / "run"), settings)
    run = chaos(tmp_path / "run", 30, seed, seconds=0.8)
    with open_store(RunDir(run.path)) as store:
        ((drivers,),) = store.query("SELECT count(*) FROM events WHERE kind = 'driver'")
        ((lost,),) = store.query("SELECT count(*) FROM events WHERE kind IN ('lost', 'retry')")
    assert drivers > 5
    assert lost > 10
    assert essence(run) == essence(searched(tmp_path / "reference", settings))


def test_only_running_trials_are_lost(tmp_path: Path) -> None:
    """Candidates that were finished before the kill are not trained again."""
    folder = tmp_path / "run"
    make_run(RunDir(folder), run_settings())
    with driving(folder, 0.05) as process:
        until(lambda: len(read_run(folder).members) >= 8)
        process.kill()
        process.wait()
    before = read_run(folder)
    with driving(folder, 0.0) as process:
        assert process.wait(60) == 0
    after = read_run(folder)
    for record in before.records:
        again = after.record(record.name)
        assert again.text == record.text or record.status != "done"
        assert again.attempts == record.attempts + (record.status != "done")


def test_stopped_driver_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run(RunDir(folder), run_settings())
    assert not drive(folder, None, after_a_while(0.01), watch=stop_after(5))
    statuses = {record.status for record in read_run(folder).records}
    assert statuses == {"done", "proposed"}
    assert not is_driven(RunDir(folder))


# One driver per run


def test_second_driver_is_refused(tmp_path: Path) -> None:
    """The second driver can start once the first has ended, even if it was killed."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    with driving(directory.path, 5.0) as process:
        until(lambda: is_driven(directory))
        with pytest.raises(
            CannotRun, match=rf"a search is running here \(process {process.pid} on"
        ):
            drive_run(directory, RULES, command=COMMAND)
        with pytest.raises(CannotRun, match="a search is running here"):
            rebuild(directory)
        process.kill()
        process.wait()
    assert directory.lock.exists()
    assert not is_driven(directory)
    assert drive_run(directory, RULES, command=COMMAND)


def test_is_driven_does_not_keep_a_driver_out(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    end = threading.Event()

    def query() -> None:
        while not end.is_set():
            is_driven(directory)

    thread = threading.Thread(target=query)
    thread.start()
    try:
        for _ in range(20):
            with locked(directory):
                pass
    finally:
        end.set()
        thread.join()


def test_error_for_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(
        CannotRun, match="lock: this file system does not support locks: No locks available"
    ):
        make_run(RunDir(tmp_path / "run"), run_settings())


def test_run_is_created_once(run: Run) -> None:
    with pytest.raises(CannotRun, match="contains a search already; `anetc evolve --resume"):
        make_run(RunDir(run.path), run_settings())


def test_incomplete_run_directory_is_created_again(tmp_path: Path) -> None:
    """The settings file is written last; a folder without it is not a run directory."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())
    directory.settings.unlink()
    make_run(directory, run_settings(seed=9))
    assert read_run(directory.path).settings.seed == 9
