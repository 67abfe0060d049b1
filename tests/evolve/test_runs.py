"""Run directories: taken up again after anything, by one driver at a time, read at any time."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from anetdsl.diagnostics import CannotRun
from anetdsl.evolve.asked import Running, settings_text
from anetdsl.evolve.engine import Driver
from anetdsl.evolve.lock import is_driven, locked
from anetdsl.evolve.progress import progress_of
from anetdsl.evolve.rebuilding import rebuild
from anetdsl.evolve.rundir import Run, RunDir, read_run
from anetdsl.evolve.searching import drive_run, make_run
from anetdsl.evolve.store import explained, open_for_reading, open_store
from anetdsl.evolve.trials import Job, Outcome
from tests.evolve import driver as driver_script
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import COMMAND, METHOD, asked, identify
from tests.evolve.test_trials import is_alive, paths, until

Essence = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Essence:
    """The candidates of the usual search, never interrupted."""
    return essence(searched(tmp_path_factory.mktemp("reference") / "run", asked()))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A search that is finished."""
    return searched(tmp_path / "run", asked())


def stop_after(count: int) -> Callable[[Driver], None]:
    """Have a driver stop once so many are finished."""

    def watch(driver: Driver) -> None:
        if progress_of(driver.store, 1).finished >= count:
            driver.stopping.set()

    return watch


# Killed at any moment


@contextlib.contextmanager
def driving(folder: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A driver in a process of its own, with trials of so many seconds."""
    command = [sys.executable, driver_script.__file__, str(folder), str(seconds)]
    process = subprocess.Popen(command, env=paths(), stderr=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found + [grandchild for child in found for grandchild in children(child)]


def chaos(folder: Path, kills: int, seed: int, seconds: float) -> Run:
    """A search whose driver and trials, of so many seconds, are killed at random moments."""
    if not Path("/proc/self/task").exists():
        pytest.skip("finds processes in /proc")
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


def test_a_search_survives_being_killed(tmp_path: Path, reference: Essence) -> None:
    make_run(RunDir(tmp_path / "run"), asked())
    assert essence(chaos(tmp_path / "run", 8, seed=1, seconds=0.5)) == reference


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_search_survives_being_killed_thirty_times(seed: int, tmp_path: Path) -> None:
    """Driver and trials, at random; the candidates are those of an uninterrupted run, exactly."""
    question = asked(rounds=120, running=Running(executor="threads:6"))
    make_run(RunDir(tmp_path / "run"), question)
    run = chaos(tmp_path / "run", 30, seed, seconds=0.8)
    with open_store(RunDir(run.path)) as store:
        ((drivers,),) = store.query("SELECT count(*) FROM events WHERE kind = 'driver'")
        ((lost,),) = store.query("SELECT count(*) FROM events WHERE kind IN ('lost', 'fault')")
    assert drivers > 5
    assert lost > 10
    assert essence(run) == essence(searched(tmp_path / "reference", question))


def test_at_most_the_running_trials_are_lost(tmp_path: Path) -> None:
    """Each candidate that was finished before the driver was killed is not trained again."""
    folder = tmp_path / "run"
    make_run(RunDir(folder), asked())
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


def test_a_driver_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run(RunDir(folder), asked())
    assert not drive(folder, None, after_a_while(0.01), watch=stop_after(5))
    statuses = {record.status for record in read_run(folder).records}
    assert statuses == {"done", "proposed"}
    assert not is_driven(RunDir(folder))


# One driver at a time


def test_a_second_driver_refuses(tmp_path: Path) -> None:
    """Until the first has gone, however it went."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())
    with driving(directory.path, 5.0) as process:
        until(lambda: is_driven(directory))
        with pytest.raises(
            CannotRun, match=rf"a search is running here \(process {process.pid} on"
        ):
            drive_run(directory, METHOD, command=COMMAND)
        with pytest.raises(CannotRun, match="a search is running here"):
            rebuild(directory, identify)
        process.kill()
        process.wait()
    assert directory.lock.exists()
    assert not is_driven(directory)
    assert drive_run(directory, METHOD, command=COMMAND)


def test_whoever_asks_for_the_driver_does_not_keep_it_out(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            is_driven(directory)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            with locked(directory):
                pass
    finally:
        end.set()
        asking.join()


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(CannotRun, match="lock: cannot be locked on this disk: No locks available"):
        make_run(RunDir(tmp_path / "run"), asked())


def test_a_run_is_made_once(run: Run) -> None:
    with pytest.raises(CannotRun, match="holds a search already; `anetc evolve --resume"):
        make_run(RunDir(run.path), asked())


def test_a_run_that_was_made_in_part_is_made_anew(tmp_path: Path) -> None:
    """The settings file is written last; without it nothing has begun."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())
    directory.settings.unlink()
    make_run(directory, asked(seed=9))
    assert read_run(directory.path).settings.seed == 9


# Files


def test_files_catch_up_with_the_database(run: Run, reference: Essence) -> None:
    """As after a driver that was killed between a commit and what it writes."""
    directory = RunDir(run.path)
    with open_store(directory) as store:
        proposal = next(iter(store.candidates("name = 'g0003'"))).proposal
    directory.arch("g0002").unlink()
    directory.arch("g0003").write_text(proposal)
    directory.arch("g0004").write_bytes(b"")
    directory.record("g0005").unlink()
    directory.record("g0006").write_text('{"half')
    directory.settings.unlink()
    assert drive_run(directory, METHOD, command=COMMAND)
    for record in run.records:
        assert directory.arch(record.name).read_text() == record.text
        assert json.loads(directory.record(record.name).read_text())["status"] == "done"
    assert directory.settings.exists()
    assert not list(directory.inbox.iterdir())
    assert essence(read_run(run.path)) == reference


def test_a_text_that_a_person_changed_is_a_candidate_of_its_own(tmp_path: Path) -> None:
    """What was trained stays under its name."""
    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, asked(), after_a_while(0.01), watch=stop_after(5))
    old = directory.arch("g0001").read_text()
    changed = old.replace(
        "C=8   r=1  stride=4  inputs=[flow]", "C=8   r=11  stride=4  inputs=[flow]"
    )
    assert changed != old
    directory.arch("g0001").write_text("# mine\n" + changed)
    assert drive(directory.path)
    assert directory.arch("g0001").read_text() == old
    (joined,) = [record for record in read_run(directory.path).records if record.source]
    assert joined.parent == "g0001"
    assert joined.text.startswith("# mine\n")
    assert "r=11" in joined.text


def test_settings_may_be_changed_between_drivers(tmp_path: Path) -> None:
    """For the candidates to come."""
    directory = RunDir(tmp_path / "run")
    first = searched(directory.path, asked(rounds=8))
    directory.settings.write_text(settings_text(asked(rounds=12)))
    assert drive_run(directory, METHOD, command=COMMAND)
    more = read_run(directory.path)
    assert len(more.records) == more.settings.rounds == 12
    assert essence(more)[:8] == essence(first)


# Reading


def test_a_run_is_read_while_a_driver_works(tmp_path: Path) -> None:
    """And is consistent each time: all of one moment."""
    seen: list[int] = []

    def watch(_: Driver) -> None:
        run = read_run(tmp_path / "run")
        assert [record.index for record in run.records] == list(range(len(run.records)))
        assert run.finished is None or len(run.members) == 24
        seen.append(len(run.members))

    assert drive(tmp_path / "run", asked(), after_a_while(0.01), watch=watch)
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


def test_what_a_run_says(run: Run) -> None:
    assert run.name == "run"
    assert run.settings == asked().search
    assert run.trial == {"data": "none", "settings": {"iterations": 8}}
    assert [member.name for member in run.members] == [f"g{i:04d}" for i in range(24)]
    assert run.record("g0003").index == 3
    with pytest.raises(KeyError):
        run.record("g0099")
    assert run.started is not None
    assert run.finished is not None
    assert run.started < run.finished


def test_progress(tmp_path: Path) -> None:
    def trial(job: Job) -> Outcome:
        return Outcome(failure="nan", message="NaN") if job.name == "g0002" else at_once(job)

    directory = RunDir(tmp_path / "run")
    assert not drive(directory.path, asked(), trial, watch=stop_after(6))
    run = read_run(directory.path)
    with open_for_reading(directory) as store:
        found = progress_of(store, 24)
    fitness = sorted((member.fitness for member in run.members), reverse=True)
    assert (found.done, found.failed) == (len(run.members), 1)
    assert found.best is not None
    assert found.best[1] == fitness[0]
    assert found.top_three == pytest.approx(sum(fitness[:3]) / 3)
    assert found.failures == (("g0002", "nan", "NaN"),)
    assert (found.running, found.left) == ((), None)
    with open_for_reading(directory) as store:
        assert (progress_of(store, 24, workers=2).left or 0) > 0
        assert progress_of(store, found.finished, workers=2).left is None


# The database lost, damaged, full


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


# The inbox


MINE = """\
# a network of my own
anet 1
network mine  D=[8, 8, 8, 8]
score fitness=77.0
input rgb   channels=3
input flow  channels=2
node s0  level=0  C=8   r=1  stride=4  inputs=[rgb]  # the only stem
node s1  level=0  C=8   r=1  stride=4  inputs=[flow]
node a   level=1  C=8   r=1  stride=1  inputs=[s0, s1]
node c   level=2  C=8   r=1  stride=2  inputs=[a]
node d   level=3  C=8   r=1  stride=2  inputs=[c]
node e   level=4  C=8   r=1  stride=2  inputs=[d]
sink  inputs=[e]  classes=5
"""


def with_inbox(folder: Path, files: dict[str, str], **changes: object) -> Run:
    """A search into whose inbox these files are put before it starts."""
    directory = RunDir(folder)
    make_run(directory, asked(**changes))
    for name, text in files.items():
        (directory.inbox / name).write_text(text)
    assert drive(folder)
    return read_run(folder)


def test_a_file_in_the_inbox_joins(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"mine.anet": MINE})
    (joined,) = [record for record in run.records if record.source]
    assert (joined.index, joined.source, joined.status) == (0, "mine.anet", "done")
    assert joined.ops == ("added by hand: mine.anet",)
    assert "# a network of my own\n" in joined.text
    assert "# the only stem\n" in joined.text
    assert 'ops=["added by hand: mine.anet"]' in joined.text
    assert "fitness=77.0" not in joined.text
    assert len(run.records) == 24
    inbox = RunDir(run.path).inbox
    assert [path.name for path in inbox.rglob("*.anet")] == ["g0000-mine.anet"]
    assert (inbox / "joined" / "g0000-mine.anet").read_text() == MINE


def test_it_may_become_a_parent(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"mine.anet": MINE}, population=1, rounds=60, seed=1)
    assert run.records[0].source
    assert any(record.parent == "g0000" for record in run.records)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken", MINE.replace("sink", "snik"), "did you mean `sink`"),
        ("bytes", "anet 1\x00", "error"),
        ("loose", MINE.replace("inputs=[c]", "inputs=[a]"), "A6"),
        ("classes", MINE.replace("classes=5", "classes=6"), "about 5 classes; this network has 6"),
        ("large", MINE.replace("C=8 ", "C=512 "), "parameters; the search allows 100,000"),
        ("empty", "", "error"),
    ],
)
def test_one_that_cannot_join_is_told_why_and_kept(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    limits = attrs.evolve(asked().search.limits, parameters=100_000)
    run = with_inbox(tmp_path / "run", {f"{name}.anet": text}, limits=limits)
    assert not [record for record in run.records if record.source]
    path = RunDir(run.path).inbox / f"{name}.anet"
    assert path.read_text() == text
    reason = path.with_name(f"{name}.anet.txt").read_text()
    assert reason.startswith(f"{name}.anet cannot join the search:\n\n")
    assert message in reason


def test_the_same_network_joins_once(tmp_path: Path) -> None:
    run = with_inbox(tmp_path / "run", {"a.anet": MINE, "b.anet": MINE})
    assert [record.source for record in run.records if record.source] == ["a.anet"]
    reason = (RunDir(run.path).inbox / "b.anet.txt").read_text()
    assert "it is the same network as g0000" in reason


def test_one_that_was_mended_joins(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())
    path = directory.inbox / "mine.anet"
    path.write_text(MINE.replace("sink", "snik"))
    assert not drive(directory.path, None, watch=stop_after(2))
    assert path.with_name("mine.anet.txt").exists()
    path.write_text(MINE)
    os.utime(path, (time.time() + 1, time.time() + 1))
    assert drive(directory.path)
    assert [r.source for r in read_run(directory.path).records if r.source] == ["mine.anet"]
    assert not path.with_name("mine.anet.txt").exists()


def test_one_that_has_joined_is_moved_away_after_a_kill(tmp_path: Path) -> None:
    """The driver was killed between the commit and the move."""
    directory = RunDir(tmp_path / "run")
    make_run(directory, asked())
    (directory.inbox / "mine.anet").write_text(MINE)
    assert not drive(directory.path, None, watch=stop_after(2))
    (directory.inbox / "joined" / "g0000-mine.anet").rename(directory.inbox / "mine.anet")
    assert drive(directory.path)
    assert [r.source for r in read_run(directory.path).records if r.source] == ["mine.anet"]
    assert not (directory.inbox / "mine.anet.txt").exists()
    assert (directory.inbox / "joined" / "g0000-mine.anet").exists()


def test_what_came_too_late_waits(run: Run) -> None:
    """A search that is finished takes nobody in; one that is prolonged does."""
    directory = RunDir(run.path)
    (directory.inbox / "mine.anet").write_text(MINE)
    assert drive(run.path)
    assert (directory.inbox / "mine.anet").exists()
    directory.settings.write_text(settings_text(asked(rounds=26)))
    assert drive_run(directory, METHOD, command=COMMAND)
    assert read_run(run.path).records[24].source == "mine.anet"
