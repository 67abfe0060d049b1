"""One process at a time holds a lock; the others wait, go on without it, or refuse."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anetdsl import locks
from anetdsl.errors import CannotRun
from anetdsl.locks import LocksUnsupported, is_locked, locked, locked_if_possible

fcntl = pytest.importorskip("fcntl")

HOLDS = """
import sys, time
from anetdsl.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in another process; kill it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(locks.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_is_held_by_one_process(tmp_path: Path) -> None:
    """The message names the holder. After SIGKILL the lock is free, and its file is taken over."""
    path = tmp_path / "lock"
    with held_elsewhere(path) as process:
        assert is_locked(path)
        again = locked(path, seconds=0, busy=lambda holder: f"x: {holder}")
        with pytest.raises(CannotRun, match=rf"^x: process {process.pid} on "), again:
            pytest.fail("it is held twice")
    assert path.exists()
    assert not is_locked(path)
    with locked(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert not path.exists()


def test_a_process_that_waits_gets_the_lock_once(tmp_path: Path) -> None:
    """The holder removes the file that the other one waits for; both never hold it together."""
    path, holders, waits = tmp_path / "lock", [], []

    def hold() -> None:
        for _ in range(20):
            with locked_if_possible(path, waits.append) as held:
                holders.append(1)
                assert held
                assert len(holders) == 1
                holders.pop()

    failed: list[object] = []
    hook, threading.excepthook = threading.excepthook, failed.append
    try:
        threads = [threading.Thread(target=hold) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook
    assert not failed
    assert not path.exists()


def test_the_wait_is_reported_once(tmp_path: Path) -> None:
    path, waits = tmp_path / "lock", []
    with held_elsewhere(path) as process:

        def waiting(holder: str) -> None:
            waits.append(holder)
            process.kill()

        with locked_if_possible(path, waiting) as held:
            assert held
    assert len(waits) == 1
    assert waits[0].startswith(f"process {process.pid} on ")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "lock"
    with pytest.raises(LocksUnsupported, match="does not support locks"), locked(path):
        pass
    with locked_if_possible(path) as held:
        assert not held


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "none" / "lock"
    with pytest.raises(CannotRun, match="lock: cannot be written: No such file"), locked(path):
        pass
    with locked_if_possible(path) as held:
        assert not held
