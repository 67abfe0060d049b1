"""Databases that are lost or damaged, disks that are full."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.diagnostics import CannotRun
from anetdsl.evolve.asked import Running
from anetdsl.evolve.engine import Driver
from anetdsl.evolve.rebuilding import rebuild
from anetdsl.evolve.rundir import Run, RunDir, read_run
from anetdsl.evolve.searching import drive_run, make_run
from anetdsl.evolve.store import explained, open_store
from anetdsl.evolve.trials import Job, Outcome
from tests.evolve.conftest import Essence, stop_after
from tests.evolve.driving import after_a_while, drive, essence, searched
from tests.evolve.method import COMMAND, METHOD, asked, identify


def test_the_database_can_be_made_anew(run: Run) -> None:
    """From the other files; times and all."""
    directory = RunDir(run.path)
    directory.database.unlink()
    assert rebuild(directory, identify) == (24, [])
    again = read_run(run.path)
    assert again.records == run.records
    assert (again.settings, again.trial, again.finished) == (run.settings, run.trial, run.finished)
    assert drive(run.path)


@pytest.mark.parametrize("halving", [1, 2])
def test_a_search_goes_on_from_a_database_made_anew(halving: int, tmp_path: Path) -> None:
    """In the middle, with failures, as if nothing had happened."""
    question = asked(running=Running(executor="threads:4", halving=halving))

    def trial(job: Job) -> Outcome:
        bad = job.name in ("g0002", "g0011")
        return Outcome(failure="nan", message="NaN") if bad else after_a_while(0.01)(job)

    reference = searched(tmp_path / "reference", question, trial)
    directory = RunDir(tmp_path / "run")
    for count in (4, 9, 14):
        assert not drive(directory.path, question, trial, watch=stop_after(count))
        before = essence(read_run(directory.path))
        assert rebuild(directory, identify)[1] == []
        assert essence(read_run(directory.path)) == before
    assert drive(directory.path, question, trial)
    assert essence(read_run(directory.path)) == essence(reference)


def test_what_is_lost_with_the_files_is_proposed_again(run: Run, reference: Essence) -> None:
    directory = RunDir(run.path)
    directory.arch("g0015").unlink()
    directory.record("g0003").write_text("[]")
    count, problems = rebuild(directory, identify)
    assert count == 15
    assert len(problems) == 2
    assert "g0003 is trained" in problems[0]
    assert "candidate 15 is missing; the 8 after it are left out" in problems[1]
    assert drive(run.path)
    assert essence(read_run(run.path)) == reference


def test_a_text_with_errors_ends_what_can_be_rebuilt(run: Run) -> None:
    directory = RunDir(run.path)
    directory.arch("g0020").write_text("anet 1\nnetwork")
    count, (problem,) = rebuild(directory, identify)
    assert count == 20
    assert "g0020.anet: has errors" in problem


def spoil_header(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)


def spoil_middle(path: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_header, spoil_middle, cut])
def test_a_damaged_database_says_what_mends_it(
    spoil: Callable[[Path], None], run: Run, reference: Essence
) -> None:
    directory = RunDir(run.path)
    spoil(directory.database)
    mend = f"is damaged .*`anetc evolve --rebuild {run.path}`"
    with pytest.raises(CannotRun, match=mend):
        read_run(run.path)
    with pytest.raises(CannotRun, match=mend):
        drive_run(directory, METHOD, command=COMMAND)
    assert rebuild(directory, identify) == (24, [])
    assert essence(read_run(run.path)) == reference
    assert list(run.path.glob("search-*.db"))


def test_what_is_no_run_directory(tmp_path: Path, run: Run) -> None:
    with pytest.raises(CannotRun, match="there is no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(CannotRun, match="there is no such folder"):
        drive_run(RunDir(tmp_path / "nowhere"), METHOD)
    with pytest.raises(CannotRun, match="is no run directory"):
        read_run(tmp_path)
    RunDir(run.path).database.unlink()
    with pytest.raises(CannotRun, match="is missing; `anetc evolve --rebuild"):
        read_run(run.path)
    RunDir(tmp_path).database.write_bytes(b"")
    with pytest.raises(CannotRun, match="is only being made"):
        read_run(tmp_path)
    with open_store(RunDir(tmp_path), new=True) as store:
        store.connection.execute("PRAGMA user_version = 7")
    with pytest.raises(CannotRun, match="is of version 7"):
        read_run(tmp_path)


def test_a_full_disk_stops_the_search_and_nothing_is_lost(
    tmp_path: Path, reference: Essence
) -> None:
    """SQLite's own limit of pages stands in for the disk."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())

    def watch(driver: Driver) -> None:
        driver.store.connection.execute("PRAGMA max_page_count = 14")

    with pytest.raises(CannotRun, match="cannot be written: the disk is full"):
        drive(directory.path, None, watch=watch)
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_a_file_that_cannot_be_written_stops_the_search(
    tmp_path: Path, reference: Essence, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())

    def full(path: Path, _: str) -> None:
        raise CannotRun(f"{path}: cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("anetdsl.evolve.jobs.write_atomically", full)
        with pytest.raises(CannotRun, match="No space left on device"):
            drive(directory.path)
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_other_failures_of_the_database_are_named() -> None:
    error = explained(Path("run/search.db"), sqlite3.OperationalError("database is locked"))
    assert str(error) == "run/search.db: database is locked"
