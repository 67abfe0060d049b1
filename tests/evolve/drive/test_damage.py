"""Lost or damaged databases, and full disks."""

from __future__ import annotations

import contextlib
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
from anetdsl.evolve.drive.store import database_error, open_store
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.conftest import Essence, stop_after
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import COMMAND, RULES, run_settings


def test_rebuild_restores_all_records(run: Run) -> None:
    """The other files are sufficient, including all times."""
    directory = RunDir(run.path)
    directory.database.unlink()
    assert rebuild(directory) == (24, [])
    again = read_run(run.path)
    assert again.records == run.records
    assert (again.settings, again.trial, again.finished) == (run.settings, run.trial, run.finished)
    assert drive(run.path)


@pytest.mark.parametrize("halving", [1, 2])
def test_search_continues_from_a_rebuilt_database(halving: int, tmp_path: Path) -> None:
    """Rebuilding an unfinished search, with failures in it, does not change its candidates."""
    settings = run_settings(running=Running(executor="threads:4", halving=halving))

    def trial(task: TrialTask) -> Outcome:
        bad = task.name in ("g0002", "g0011")
        return Outcome(failure="nan", message="NaN") if bad else after_a_while(0.01)(task)

    reference = searched(tmp_path / "reference", settings, trial)
    directory = RunDir(tmp_path / "run")
    for count in (4, 9, 14):
        assert not drive(directory.path, settings, trial, watch=stop_after(count))
        before = essence(read_run(directory.path))
        assert rebuild(directory)[1] == []
        assert essence(read_run(directory.path)) == before
    assert drive(directory.path, settings, trial)
    assert essence(read_run(directory.path)) == essence(reference)


def test_candidates_after_a_missing_file_are_proposed_again(run: Run, reference: Essence) -> None:
    directory = RunDir(run.path)
    directory.arch("g0015").unlink()
    directory.record("g0003").write_text("[]")
    count, problems = rebuild(directory)
    assert count == 15
    assert len(problems) == 2
    assert "g0003 will be trained again" in problems[0]
    assert "candidate 15 is missing; the 8 candidates after it are left out" in problems[1]
    assert drive(run.path)
    assert essence(read_run(run.path)) == reference


@pytest.mark.parametrize("running", [{"halving": 2}, {"retries": 0}])
def test_candidates_proposed_again_are_trained_again(
    running: dict[str, int], tmp_path: Path
) -> None:
    """Old trials of the same name do not count. Trials are real subprocesses here."""
    settings = run_settings(candidates=12, running=Running(executor="threads:4", **running))  # type: ignore[arg-type]
    directory = RunDir(tmp_path / "run")
    make_run(directory, settings)
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


def test_rebuild_gives_a_changed_text_no_score(tmp_path: Path) -> None:
    """The trained text is restored; the changed text goes to the inbox."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings(candidates=8))
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
def test_rebuild_trains_a_candidate_with_an_invalid_record_again(
    name: str, value: object, run: Run
) -> None:
    directory = RunDir(run.path)
    path = directory.record("g0003")
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    count, (problem,) = rebuild(directory)
    assert count == 24
    assert "cannot be read; g0003 will be trained again" in problem


def test_rebuild_refuses_incomplete_settings(run: Run) -> None:
    directory = RunDir(run.path)
    directory.settings.write_text("[search]\ncandidates = 4\n")
    with pytest.raises(CannotRun, match=r"`classes` is missing in \[search.space\]"):
        rebuild(directory)


def test_rebuild_stops_at_a_text_with_errors(run: Run) -> None:
    directory = RunDir(run.path)
    directory.arch("g0020").write_text("anet 1\nnetwork")
    count, (problem,) = rebuild(directory)
    assert count == 20
    assert "g0020.anet: the text has errors" in problem


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
def test_damaged_database_error_names_rebuild(
    spoil: Callable[[Path], None], run: Run, reference: Essence
) -> None:
    directory = RunDir(run.path)
    spoil(directory.database)
    advice = f"is damaged .*run `anetc evolve --rebuild {run.path}`"
    with pytest.raises(CannotRun, match=advice):
        read_run(run.path)
    with pytest.raises(CannotRun, match=advice):
        drive_run(directory, RULES, command=COMMAND)
    assert rebuild(directory) == (24, [])
    assert essence(read_run(run.path)) == reference
    assert list(run.path.glob("search-*.db"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ops = '{'", "Expecting property name"),
        ("ops = '[{\"kind\": 1}]'", "not an operation: "),
        ("measures = '[1, 2]'", "cannot unpack"),
        ("fitness = 'abc'", "fitness is not a number"),
        ("standard_error = 'abc'", "standard_error is not a number"),
        ("finished = 'x'", "finished is not a number"),
        ("multiply_adds = 'x'", "multiply_adds is not a number"),
        ("name = '../../secret'", "the name is not the name of a file"),
        ("name = '..'", "the name is not the name of a file"),
    ],
)
def test_a_damaged_candidate_is_named(change: str, reason: str, run: Run) -> None:
    with contextlib.closing(sqlite3.connect(RunDir(run.path).database)) as database:
        database.execute(f"UPDATE candidates SET {change} WHERE number = 3")
        database.commit()
    advice = f"; run `anetc evolve --rebuild {run.path}`"
    with pytest.raises(CannotRun, match=r"search\.db: candidate 3 is damaged ") as caught:
        read_run(run.path)
    assert reason in str(caught.value)
    assert advice in str(caught.value)


def test_read_run_refuses_other_folders(tmp_path: Path, run: Run) -> None:
    with pytest.raises(CannotRun, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(CannotRun, match="no such folder"):
        drive_run(RunDir(tmp_path / "nowhere"), RULES)
    with pytest.raises(CannotRun, match="not a run directory"):
        read_run(tmp_path)
    RunDir(run.path).database.unlink()
    with pytest.raises(CannotRun, match="no such file; run `anetc evolve --rebuild"):
        read_run(run.path)
    RunDir(tmp_path).database.write_bytes(b"")
    with pytest.raises(CannotRun, match="is still being created"):
        read_run(tmp_path)
    with open_store(RunDir(tmp_path), new=True) as store:
        store.connection.execute("PRAGMA user_version = 7")
    with pytest.raises(CannotRun, match="has format version 7"):
        read_run(tmp_path)


def test_full_disk_stops_the_search_without_loss(tmp_path: Path, reference: Essence) -> None:
    """A limit of SQLite pages simulates the full disk."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())

    def watch(driver: Driver) -> None:
        driver.store.connection.execute("PRAGMA max_page_count = 14")

    with pytest.raises(CannotRun, match="cannot be written: the disk is full"):
        drive(directory.path, None, watch=watch)
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_unwritable_file_stops_the_search(
    tmp_path: Path, reference: Essence, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings())

    def full(path: Path, _: str) -> None:
        raise CannotRun(f"{path}: cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("anetdsl.evolve.drive.candidate_files.write_atomically", full)
        with pytest.raises(CannotRun, match="No space left on device"):
            drive(directory.path)
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_full_disk_in_a_trial_stops_the_search_without_failures(
    tmp_path: Path, reference: Essence
) -> None:
    left = [f"weights: cannot be written: {os.strerror(errno.ENOSPC)}"]

    def trial(task: TrialTask) -> Outcome:
        if task.name == "g0005" and left:
            return Outcome(failure="error", message=left.pop())
        return at_once(task)

    with pytest.raises(CannotRun, match="the disk is full: weights: cannot be written"):
        drive(tmp_path / "run", run_settings(), trial)
    assert drive(tmp_path / "run", None, trial)
    assert essence(read_run(tmp_path / "run")) == reference


def test_other_database_errors_name_the_file() -> None:
    error = database_error(Path("run/search.db"), sqlite3.OperationalError("database is locked"))
    assert str(error) == "run/search.db: database is locked"
