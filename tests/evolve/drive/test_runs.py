"""Run directories: files that people read and change, readable at any time."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import attrs
import pytest

from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.rebuild import rebuild
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import drive_run
from anetdsl.evolve.drive.search_progress import progress_of
from anetdsl.evolve.drive.store import open_for_reading, open_store
from anetdsl.evolve.settings.run_settings import settings_text
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.conftest import Essence, stop_after
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import COMMAND, RULES, run_settings

# Files


def test_files_catch_up_with_the_database(run: Run, reference: Essence) -> None:
    """A driver was killed between a commit and the writing of files."""
    directory = RunDir(run.path)
    with open_store(directory) as store:
        proposal = next(iter(store.candidates("name = 'g0003'"))).proposal
    directory.arch("g0002").unlink()
    directory.arch("g0003").write_text(proposal)
    directory.arch("g0004").write_bytes(b"")
    directory.record("g0005").unlink()
    directory.record("g0006").write_text('{"half')
    directory.settings.unlink()
    assert drive_run(directory, RULES, command=COMMAND)
    for record in run.records:
        assert directory.arch(record.name).read_text() == record.text
        assert json.loads(directory.record(record.name).read_text())["status"] == "done"
    assert directory.settings.exists()
    assert not list(directory.inbox.iterdir())
    assert essence(read_run(run.path)) == reference


def test_changed_text_becomes_another_candidate(tmp_path: Path) -> None:
    """The trained text is restored under its name."""
    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, run_settings(), after_a_while(0.01), watch=stop_after(5))
    old = directory.arch("g0001").read_text()
    changed = old.replace(
        "C=8   r=1  stride=4  inputs=[flow]", "C=8   r=11  stride=4  inputs=[flow]"
    )
    assert changed != old
    directory.arch("g0001").write_text("# mine\n" + changed)
    assert drive(directory.path)
    assert directory.arch("g0001").read_text() == old
    (added,) = [record for record in read_run(directory.path).records if record.source]
    assert added.parent == "g0001"
    assert added.text.startswith("# mine\n")
    assert "r=11" in added.text


def test_changed_settings_apply_to_the_next_candidates(tmp_path: Path) -> None:
    """A person changes the settings file while no driver works."""
    directory = RunDir(tmp_path / "run")
    first = searched(directory.path, run_settings(candidates=8))
    directory.settings.write_text(settings_text(run_settings(candidates=12)))
    assert drive_run(directory, RULES, command=COMMAND)
    more = read_run(directory.path)
    assert len(more.records) == more.settings.candidates == 12
    assert essence(more)[:8] == essence(first)


def test_run_of_an_earlier_version_is_resumed(tmp_path: Path, reference: Essence) -> None:
    """It has operations as sentences, and settings with `rounds`, the number of candidates."""
    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, run_settings(), after_a_while(0.01), watch=stop_after(5))
    with open_store(directory) as store, store.commit():
        store.connection.execute("""UPDATE candidates SET ops = '["r drawn"]'""")
        old = settings_text(store.settings()).replace("candidates = ", "rounds = ")
        store.set_meta("settings", old)
    assert "rounds = 24" in old
    directory.settings.write_text(old)
    (directory.path / "pulse").write_text("1 1\n")
    before = read_run(directory.path)
    for record in before.records:
        path = directory.record(record.name)
        values = json.loads(path.read_text())
        del values["operations"]
        path.write_text(json.dumps({**values, "ops": ["r drawn"]}))
    assert rebuild(directory) == (len(before.records), [])
    assert read_run(directory.path).records == before.records
    assert drive(directory.path)
    assert essence(read_run(directory.path)) == reference


def test_database_of_version_1_is_read_and_continued(tmp_path: Path, reference: Essence) -> None:
    """It lacks standard errors, second looks and inherited steps."""
    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, run_settings(), after_a_while(0.01), watch=stop_after(5))
    before = read_run(directory.path)
    with sqlite3.connect(directory.database) as old:
        for name in ("confirms", "standard_error", "inherited_steps"):
            old.execute(f"ALTER TABLE candidates DROP COLUMN {name}")
        old.execute("PRAGMA user_version = 1")
    found = read_run(directory.path)
    unknown = {"confirms": None, "standard_error": None, "inherited_steps": None}
    assert list(found.records) == [attrs.evolve(one, **unknown) for one in before.records]
    with open_for_reading(directory) as store:
        assert progress_of(store, 24).best is not None
        assert progress_of(store, 24).second_looks == 0
    for record in before.records:
        path = directory.record(record.name)
        values = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in values.items() if k not in unknown}))
    assert drive(directory.path)
    again = read_run(directory.path)
    assert [one.fitness for one in again.records] == [row[7] for row in reference]
    assert [one.standard_error for one in again.records[-5:]] == [3.0] * 5


# Reading


def test_run_can_be_read_while_a_driver_works(tmp_path: Path) -> None:
    """Each reading is consistent: all values are of one moment."""
    seen: list[int] = []

    def watch(_: Driver) -> None:
        run = read_run(tmp_path / "run")
        assert [record.index for record in run.records] == list(range(len(run.records)))
        assert run.finished is None or len(run.members) == 24
        seen.append(len(run.members))

    assert drive(tmp_path / "run", run_settings(), after_a_while(0.01), watch=watch)
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


def test_read_run(run: Run) -> None:
    assert run.name == "run"
    assert run.settings == run_settings().search
    assert run.trial == {"data": "none", "settings": {"iterations": 8}}
    assert [member.name for member in run.members] == [f"g{i:04d}" for i in range(24)]
    assert run.record("g0003").index == 3
    with pytest.raises(KeyError):
        run.record("g0099")
    assert run.started is not None
    assert run.finished is not None
    assert run.started < run.finished


def test_progress(tmp_path: Path) -> None:
    def trial(task: TrialTask) -> Outcome:
        return Outcome(failure="nan", message="NaN") if task.name == "g0002" else at_once(task)

    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, run_settings(), trial, watch=stop_after(6))
    run = read_run(directory.path)
    with open_for_reading(directory) as store:
        found = progress_of(store, 24)
    fitness = sorted((member.fitness for member in run.members), reverse=True)
    assert (found.done, found.failed) == (len(run.members), 1)
    assert found.best is not None
    assert found.best[1].mean == fitness[0]
    assert found.best[1].standard_error == 3.0
    assert found.second_looks == 0
    assert found.top_three == pytest.approx(sum(fitness[:3]) / 3)
    assert found.failures == (("g0002", "nan", "NaN"),)
    assert (found.running, found.seconds_left) == ((), None)
    with open_for_reading(directory) as store:
        assert (progress_of(store, 24, workers=2).seconds_left or 0) > 0
        assert progress_of(store, found.finished, workers=2).seconds_left is None
