"""The engine: candidates depend on results alone, whoever computes them, when, and how often."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.drive.candidate_files import seed_of
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.drive.store import open_store
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.trial_process import TrialTask, Outcome
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import RULES, asked, propose, select


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The candidates of the usual search, one worker, never interrupted."""
    return essence(searched(tmp_path_factory.mktemp("reference") / "run", asked(), workers=1))


# Index order


@pytest.mark.parametrize("workers", [2, 5, 16])
@pytest.mark.parametrize("longest", [0.0, 0.03])
def test_workers_and_their_speed_do_not_matter(
    workers: int, longest: float, tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    run = searched(tmp_path / "run", asked(), after_a_while(longest, seed=workers), workers=workers)
    assert essence(run) == reference


def test_interruptions_do_not_matter(tmp_path: Path, reference: list[tuple[object, ...]]) -> None:
    """Stopped after every few changes, each time somewhere else."""
    draw = random.Random(5)
    finished = False
    drivers = 0
    while not finished:
        changes = itertools.count()
        last = draw.randint(1, 2)

        def watch(
            driver: Driver, changes: itertools.count[int] = changes, last: int = last
        ) -> None:
            if next(changes) >= last:
                driver.stopping.set()

        finished = drive(tmp_path / "run", asked(), after_a_while(0.01), watch=watch)
        drivers += 1
    assert drivers > 3
    assert essence(read_run(tmp_path / "run")) == reference


def test_the_window_is_what_a_candidate_waits_for(tmp_path: Path) -> None:
    """Candidate k starts once those below k - window are finished, whatever the others do."""
    gate = threading.Event()
    started: list[str] = []

    def trial(job: TrialTask) -> Outcome:
        started.append(job.name)
        if job.name == "g0003":
            assert gate.wait(10)
        return at_once(job)

    def watch(driver: Driver) -> None:
        # All that may start without g0003 has started, and ended.
        if len(started) == 8 and not gate.is_set():
            time.sleep(0.05)
            assert max(started) == "g0007"
            gate.set()

    assert drive(tmp_path / "run", asked(window=4), trial, workers=16, watch=watch)
    assert len(set(started)) == len(started) == 24


def test_another_seed_gives_other_candidates(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    assert essence(searched(tmp_path / "run", asked(seed=4))) != reference


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.integers(0, 5))
def test_results_are_taken_in_by_number(order: list[int], failed: set[int], window: int) -> None:
    """Whatever order they come in, a candidate sees those below it by more than the window."""
    settings = asked(window=window, population=3).search
    members = [Member(i, f"g{i:04d}", "", float(i * 7 % 12)) for i in range(12)]
    visible = VisiblePopulation(settings, select)
    index = 0
    for done in [*order, None]:
        while visible.is_ready(index) and index < 12:
            seen = [m for m in members[: max(0, index - window)] if m.index not in failed]
            assert visible.alive == select(settings, seen)
            index += 1
        if done is not None:
            visible.add(Result(done, None if done in failed else members[done]))
    assert index == 12


def test_arrival_order_waits_for_nobody(tmp_path: Path) -> None:
    gate = threading.Event()

    def trial(job: TrialTask) -> Outcome:
        if job.name == "g0000":
            assert gate.wait(10)
        if job.name == "g0023":
            gate.set()
        return at_once(job)

    run = searched(tmp_path / "run", asked(order="arrival"), trial, workers=3)
    assert [record.status for record in run.records] == ["done"] * 24
    finished = [record.finished or 0.0 for record in run.records]
    assert finished[0] > sorted(finished)[20]


# Failures


def failing(names: dict[str, list[str]]) -> Callable[[TrialTask], Outcome]:
    """A trial that fails so, for these candidates, start by start."""
    left = {name: list(kinds) for name, kinds in names.items()}

    def trial(job: TrialTask) -> Outcome:
        if left.get(job.name):
            kind = left[job.name].pop(0)
            return Outcome(failure=kind, message=f"{kind} it was")
        return at_once(job)

    return trial


def test_what_may_go_well_is_tried_again_once(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    """A worker that was killed, out of memory or hung does not change the search."""
    trial = failing({"g0001": ["killed"], "g0007": ["timeout"], "g0008": ["out_of_memory"]})
    run = searched(tmp_path / "run", asked(), trial)
    assert [r.attempts for r in run.records if r.index in (1, 2, 7, 8)] == [2, 1, 2, 2]
    assert essence(run) == reference
    assert run.record("g0001").failure is None


def test_what_fails_again_has_failed_and_the_search_goes_on(tmp_path: Path) -> None:
    trial = failing({"g0001": ["killed", "timeout"], "g0004": ["nan"], "g0009": ["bad_data"]})
    run = searched(tmp_path / "run", asked(), trial)
    fates = {r.name: (r.failure, r.message, r.attempts) for r in run.records if r.failure}
    assert fates == {
        "g0001": ("timeout", "timeout it was", 2),
        "g0004": ("nan", "nan it was", 1),
        "g0009": ("bad_data", "bad_data it was", 1),
    }
    assert {r.parent for r in run.records}.isdisjoint(fates)
    again = failing({"g0001": ["killed", "timeout"], "g0004": ["nan"], "g0009": ["bad_data"]})
    other = searched(tmp_path / "again", asked(), again, workers=1)
    assert essence(run) == essence(other)


def test_a_search_in_which_everything_fails_stops(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"all of the first \d trials failed.*no such data"):
        drive(
            tmp_path / "run", asked(), lambda _: Outcome(failure="bad_data", message="no such data")
        )


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"fitness": 3.0}, "not a network"),
        ({"fitness": 3.0}, "anet 1\nnetwork other\n"),
    ],
)
def test_a_trained_text_is_the_candidates_own(
    result: dict[str, object], text: str, tmp_path: Path
) -> None:
    def trial(job: TrialTask) -> Outcome:
        return (
            Outcome(result=TrialResult.from_json(result), text=text)
            if job.name == "g0002"
            else at_once(job)
        )

    run = searched(tmp_path / "run", asked(), trial)
    assert run.record("g0002").failure == "error"
    assert "trained text" in (run.record("g0002").message or "")


def test_odd_numbers_in_a_result_stay_unknown(tmp_path: Path) -> None:
    def trial(job: TrialTask) -> Outcome:
        found = at_once(job)
        odd = {"measures": {"top1": "high", "loss": 2}, "seconds": None, "parameters": 1e300}
        return attrs.evolve(found, result=TrialResult.from_json({**found.result.to_json(), **odd}))

    record = searched(tmp_path / "run", asked(), trial).records[0]
    assert (record.status, record.top1, record.seconds, record.parameters) == (
        *("done", None),
        *(None, None),
    )
    assert record.measures == (("loss", 2.0),)


def test_without_a_next_candidate_those_that_run_are_finished(tmp_path: Path) -> None:
    """Then the search says which rule refuses, and can be resumed under another."""

    def exhausted(*arguments: Any) -> Proposal:
        if arguments[1] == 9:
            raise CannotRun("no candidate g0009 was found")
        return propose(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        method = attrs.evolve(RULES, propose=exhausted)
        patch.setattr("tests.evolve.driving.RULES", method)
        with pytest.raises(CannotRun, match="no candidate g0009 was found"):
            drive(tmp_path / "run", asked(), after_a_while(0.01))
    assert [record.status for record in read_run(tmp_path / "run").records] == ["done"] * 9
    assert drive(tmp_path / "run")


# Jobs


def test_each_start_has_a_folder_and_the_same_job(tmp_path: Path) -> None:
    searched(tmp_path / "run", asked(), failing({"g0001": ["killed"]}))
    directory = RunDir(tmp_path / "run")
    first, second = (directory.job("g0001", start) for start in (1, 2))
    for name in ("candidate.anet", "job.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    job = json.loads((first / "job.json").read_text())
    assert job["settings"] == {"iterations": 8, "seed": seed_of(3, 1)}
    assert (job["data"], job["timeout"], job["init_from"]) == ("none", None, None)
    assert not directory.job("g0002", 2).exists()


def test_children_inherit_weights_where_that_is_asked_for(tmp_path: Path) -> None:
    running = Running(executor="threads:4", inherit=True)
    run = searched(tmp_path / "run", asked(running=running), with_weights)
    for record in run.records:
        job = json.loads((RunDir(run.path).job(record.name, 1) / "job.json").read_text())
        if record.parent is None:
            assert job["init_from"] is None
        else:
            folder = RunDir(run.path).job(record.parent, 1).absolute()
            assert job["init_from"] == {
                "weights": str(folder / "weights.safetensors"),
                "text": str(folder / "trained.anet"),
                "operations": [{"operation": "described", "sentence": "r drawn"}],
            }
    assert any(record.parent for record in run.records)


def test_weights_that_were_removed_are_not_inherited(tmp_path: Path) -> None:
    run = searched(tmp_path / "run", asked(running=Running(executor="threads:4", inherit=True)))
    for record in run.records:
        job = json.loads((RunDir(run.path).job(record.name, 1) / "job.json").read_text())
        assert (record.status, job["init_from"]) == ("done", None)


def with_weights(job: TrialTask) -> Outcome:
    """A trial that leaves weights."""
    (Path(job.folder) / "weights.safetensors").write_bytes(b"weights")
    return at_once(job)


@pytest.mark.parametrize("keep", [False, True])
def test_weights_go_with_those_that_leave(keep: bool, tmp_path: Path) -> None:
    """But for the best three."""
    running = Running(executor="threads:4", keep_all_weights=keep)
    run = searched(tmp_path / "run", asked(running=running, population=4), with_weights)
    left = {path.parent.parent.name for path in run.path.glob("trials/*/*/weights.safetensors")}
    best = sorted(run.members, key=lambda member: -member.fitness)[:3]
    if keep:
        assert left == {record.name for record in run.records}
    else:
        assert {member.name for member in best} <= left
        assert len(left) < 24


# The budget halved


def test_only_the_best_go_on_to_the_long_training(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    """Each is compared with those that it may see, so workers do not matter here either."""
    running = Running(executor="threads:4", halving=3)
    run = searched(tmp_path / "run", asked(rounds=40, running=running), after_a_while(0.02))
    long = [record for record in run.records if record.iterations == 8]
    short = [record for record in run.records if record.iterations == 2]
    assert len(long) + len(short) == 40
    assert 5 <= len(long) <= 25
    assert all(record.attempts == 2 for record in long)
    assert all(record.attempts == 1 for record in short)
    other = searched(tmp_path / "other", asked(rounds=40, running=running), workers=1)
    assert essence(run) == essence(other)


def test_the_bar_is_the_share_of_those_seen() -> None:
    """Of n seen and itself, a candidate goes on if fewer than (n + 1) / share are better."""
    visible = VisiblePopulation(asked(order="arrival", population=100).search, select)
    assert visible.bar(2) is None
    for number, fitness in enumerate([50.0, 10.0, 40.0, 30.0, 20.0]):
        visible.add(Result(number, None, fitness))
    assert visible.bar(1) is None
    assert visible.bar(2) == 30.0
    assert visible.bar(3) == 40.0
    assert visible.bar(6) == 50.0
    assert visible.bar(100) == 50.0


# Events


def test_events_come_before_what_they_speak_of(tmp_path: Path) -> None:
    """A trial runs only after its start is committed; a file is written after its text is."""
    seen: list[str] = []

    def trial(job: TrialTask) -> Outcome:
        with open_store(RunDir(tmp_path / "run")) as store:
            (found,) = store.candidates("name = ?", job.name)
            seen.append(found.record.status)
            assert RunDir(tmp_path / "run").arch(job.name).read_text() == found.record.text
        return at_once(job)

    drive(tmp_path / "run", asked(), trial)
    assert seen == ["running"] * 24
    with open_store(RunDir(tmp_path / "run")) as store:
        kinds = store.query("SELECT number, kind FROM events WHERE number = 7 ORDER BY id")
    assert [kind for _, kind in kinds] == ["proposed", "started", "done"]
