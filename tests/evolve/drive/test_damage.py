"""Databases that are lost or damaged, disks that are full."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.rebuild import rebuild
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.evolve.drive.store import explained, open_store
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.trial_process import TrialTask, Outcome
from tests.evolve.conftest import Essence, stop_after
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import COMMAND, RULES, asked


def test_the_database_can_be_made_anew(run: Run) -> None:
    """From the other files; times and all."""
    directory = RunDir(run.path)
    directory.database.unlink()
    assert rebuild(directory) == (24, [])
    again = read_run(run.path)
    assert again.records == run.records
    assert (again.settings, again.trial, again.finished) == (run.settings, run.trial, run.finished)
    assert drive(run.path)


@pytest.mark.parametrize("halving", [1, 2])
def test_a_search_goes_on_from_a_database_made_anew(halving: int, tmp_path: Path) -> None:
    """In the middle, with failures, as if nothing had happened."""
    question = asked(running=Running(executor="threads:4", halving=halving))

    def trial(job: TrialTask) -> Outcome:
        bad = job.name in ("g0002", "g0011")
        return Outcome(failure="nan", message="NaN") if bad else after_a_while(0.01)(job)

    reference = searched(tmp_path / "reference", question, trial)
    directory = RunDir(tmp_path / "run")
    for count in (4, 9, 14):
        assert not drive(directory.path, question, trial, watch=stop_after(count))
        before = essence(read_run(directory.path))
        assert rebuild(directory)[1] == []
        assert essence(read_run(directory.path)) == before
    assert drive(directory.path, question, trial)
    assert essence(read_run(directory.path)) == essence(reference)


def test_what_is_lost_with_the_files_is_proposed_again(run: Run, reference: Essence) -> None:
    directory = RunDir(run.path)
    directory.arch("g0015").unlink()
    directory.record("g0003").write_text("[]")
    count, problems = rebuild(directory)
    assert count == 15
    assert len(problems) == 2
    assert "g0003 is trained" in problems[0]
    assert "candidate 15 is missing; the 8 after it are left out" in problems[1]
    assert drive(run.path)
    assert essence(read_run(run.path)) == reference


@pytest.mark.parametrize("running", [{"halving": 2}, {"retries": 0}])
def test_candidates_that_are_proposed_again_are_trained_again(
    running: dict[str, int], tmp_path: Path
) -> None:
    """Their old trials are no trials of theirs; by true subprocesses."""
    question = asked(rounds=12, running=Running(executor="threads:4", **running))  # type: ignore[arg-type]
    directory = RunDir(tmp_path / "run")
    make_run(directory, question)
    assert drive_run(directory, RULES, command=COMMAND)
    before = essence(read_run(directory.path))
    directory.arch("g0006").unlink()
    directory.record("g0002").write_text("[]")
    assert rebuild(directory)[0] == 6
    (aside,) = directory.path.glob("left-out-*")
    assert sorted(path.name for path in (aside / "trials").iterdir()) == [
        f"g{index:04d}" for index in range(6, 12)
    ]
    assert len(list((aside / "archs").iterdir())) == 5
    assert drive_run(directory, RULES, command=COMMAND)
    assert essence(read_run(directory.path)) == before


def test_a_text_changed_by_hand_gets_no_score_that_another_has_earned(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked(rounds=8))
    assert drive_run(directory, RULES, command=COMMAND)
    path = directory.arch("g0002")
    old = path.read_text()
    changed = old.replace(" r=", " r=1", 1)
    path.write_text(changed)
    directory.database.unlink()
    assert rebuild(directory) == (8, [])
    assert read_run(directory.path).records[2].text == old
    assert drive_run(directory, RULES, command=COMMAND)
    assert path.read_text() == old
    (kept,) = directory.inbox.glob("g0002-changed-*.anet")
    assert kept.read_text() == changed


@pytest.mark.parametrize(
    ("name", "value"),
    [("fitness", "abc"), ("fitness", None), ("attempts", "x"), ("faults", True), ("ops", [1])],
)
def test_a_record_that_says_what_it_cannot_is_not_believed(
    name: str, value: object, run: Run
) -> None:
    directory = RunDir(run.path)
    path = directory.record("g0003")
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    count, (problem,) = rebuild(directory)
    assert count == 24
    assert "cannot be read; g0003 is trained" in problem


def test_settings_that_are_not_whole_are_not_rebuilt_from(run: Run) -> None:
    directory = RunDir(run.path)
    directory.settings.write_text("[search]\nrounds = 4\n")
    with pytest.raises(CannotRun, match="is not whole: there is no `classes`"):
        rebuild(directory)


def test_a_text_with_errors_ends_what_can_be_rebuilt(run: Run) -> None:
    directory = RunDir(run.path)
    directory.arch("g0020").write_text("anet 1\nnetwork")
    count, (problem,) = rebuild(directory)
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
        drive_run(directory, RULES, command=COMMAND)
    assert rebuild(directory) == (24, [])
    assert essence(read_run(run.path)) == reference
    assert list(run.path.glob("search-*.db"))


def test_what_is_no_run_directory(tmp_path: Path, run: Run) -> None:
    with pytest.raises(CannotRun, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(CannotRun, match="no such folder"):
        drive_run(RunDir(tmp_path / "nowhere"), RULES)
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
        patch.setattr("anetdsl.evolve.drive.candidate_files.write_atomically", full)
        with pytest.raises(CannotRun, match="No space left on device"):
            drive(directory.path)
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_a_trial_without_room_to_write_stops_the_search_and_fails_nobody(
    tmp_path: Path, reference: Essence
) -> None:
    left = [f"weights: cannot be written: {os.strerror(errno.ENOSPC)}"]

    def trial(job: TrialTask) -> Outcome:
        if job.name == "g0005" and left:
            return Outcome(failure="error", message=left.pop())
        return at_once(job)

    with pytest.raises(CannotRun, match="the disk is full: weights: cannot be written"):
        drive(tmp_path / "run", asked(), trial)
    assert drive(tmp_path / "run", None, trial)
    assert essence(read_run(tmp_path / "run")) == reference


def test_other_failures_of_the_database_are_named() -> None:
    error = explained(Path("run/search.db"), sqlite3.OperationalError("database is locked"))
    assert str(error) == "run/search.db: database is locked"
