"""The driver: candidates depend on results alone, not on workers, times and restarts."""

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
from anetdsl.evolve.contract import FailureKind, TrialResult
from anetdsl.evolve.drive.candidate_files import seed_of
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.drive.store import open_store
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import RULES, propose, run_settings, select


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """Candidates of the default search with one worker, without interruption."""
    return essence(
        searched(tmp_path_factory.mktemp("reference") / "run", run_settings(), workers=1)
    )


# Index order


@pytest.mark.parametrize("workers", [2, 5, 16])
@pytest.mark.parametrize("longest", [0.0, 0.03])
def test_candidates_do_not_depend_on_workers_and_their_speed(
    workers: int, longest: float, tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    run = searched(
        tmp_path / "run", run_settings(), after_a_while(longest, seed=workers), workers=workers
    )
    assert essence(run) == reference


def test_candidates_do_not_depend_on_interruptions(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    """The driver is stopped again and again, each time after a random number of changes."""
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

        finished = drive(tmp_path / "run", run_settings(), after_a_while(0.01), watch=watch)
        drivers += 1
    assert drivers > 3
    assert essence(read_run(tmp_path / "run")) == reference


def test_candidate_waits_for_results_outside_its_window(tmp_path: Path) -> None:
    """Candidate k starts when all candidates below k - window are finished, and not before."""
    gate = threading.Event()
    started: list[str] = []

    def trial(task: TrialTask) -> Outcome:
        started.append(task.name)
        if task.name == "g0003":
            assert gate.wait(10)
        return at_once(task)

    def watch(driver: Driver) -> None:
        # All candidates that can start without the result of g0003 have started and ended.
        if len(started) == 8 and not gate.is_set():
            time.sleep(0.05)
            assert max(started) == "g0007"
            gate.set()

    assert drive(tmp_path / "run", run_settings(window=4), trial, workers=16, watch=watch)
    assert len(set(started)) == len(started) == 24


def test_seed_changes_the_candidates(tmp_path: Path, reference: list[tuple[object, ...]]) -> None:
    assert essence(searched(tmp_path / "run", run_settings(seed=4))) != reference


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.integers(0, 5))
def test_results_are_taken_in_by_index(order: list[int], failed: set[int], window: int) -> None:
    """In any order of arrival, candidate k sees the results below k - window and no others."""
    settings = run_settings(window=window, population=3).search
    members = [Member(i, f"g{i:04d}", "", float(i * 7 % 12)) for i in range(12)]
    population = VisiblePopulation(settings, select)
    index = 0
    for done in [*order, None]:
        while population.advance_to(index) and index < 12:
            seen = [m for m in members[: max(0, index - window)] if m.index not in failed]
            assert population.members == select(settings, seen)
            index += 1
        if done is not None:
            population.add(Result(done, None if done in failed else members[done]))
    assert index == 12


def test_arrival_order_does_not_wait_for_slow_trials(tmp_path: Path) -> None:
    gate = threading.Event()

    def trial(task: TrialTask) -> Outcome:
        if task.name == "g0000":
            assert gate.wait(10)
        if task.name == "g0023":
            gate.set()
        return at_once(task)

    run = searched(tmp_path / "run", run_settings(order="arrival"), trial, workers=3)
    assert [record.status for record in run.records] == ["done"] * 24
    finished = [record.finished or 0.0 for record in run.records]
    assert finished[0] > sorted(finished)[20]


# Failures


def failing(names: dict[str, list[FailureKind]]) -> Callable[[TrialTask], Outcome]:
    """Return a trial that fails with these kinds for these candidates, start by start."""
    left = {name: list(kinds) for name, kinds in names.items()}

    def trial(task: TrialTask) -> Outcome:
        if left.get(task.name):
            kind = left[task.name].pop(0)
            return Outcome(failure=kind, message=f"{kind} it was")
        return at_once(task)

    return trial


def test_retried_failures_do_not_change_the_search(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    """A trial that was killed, ran out of memory or hung is started once more."""
    trial = failing({"g0001": ["killed"], "g0007": ["timeout"], "g0008": ["out_of_memory"]})
    run = searched(tmp_path / "run", run_settings(), trial)
    assert [r.attempts for r in run.records if r.index in (1, 2, 7, 8)] == [2, 1, 2, 2]
    assert essence(run) == reference
    assert run.record("g0001").failure is None


def test_repeated_failures_are_final(tmp_path: Path) -> None:
    trial = failing({"g0001": ["killed", "timeout"], "g0004": ["nan"], "g0009": ["bad_data"]})
    run = searched(tmp_path / "run", run_settings(), trial)
    failures = {r.name: (r.failure, r.message, r.attempts) for r in run.records if r.failure}
    assert failures == {
        "g0001": ("timeout", "timeout it was", 2),
        "g0004": ("nan", "nan it was", 1),
        "g0009": ("bad_data", "bad_data it was", 1),
    }
    assert {r.parent for r in run.records}.isdisjoint(failures)
    again = failing({"g0001": ["killed", "timeout"], "g0004": ["nan"], "g0009": ["bad_data"]})
    other = searched(tmp_path / "again", run_settings(), again, workers=1)
    assert essence(run) == essence(other)


def test_search_stops_if_all_first_trials_fail(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"all of the first \d trials failed.*no such data"):
        drive(
            tmp_path / "run",
            run_settings(),
            lambda _: Outcome(failure="bad_data", message="no such data"),
        )


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"fitness": 3.0}, "not a network"),
        ({"fitness": 3.0}, "anet 1\nnetwork other\n"),
    ],
)
def test_trained_text_of_another_network_is_an_error(
    result: dict[str, object], text: str, tmp_path: Path
) -> None:
    def trial(task: TrialTask) -> Outcome:
        return (
            Outcome(result=TrialResult.from_json(result), text=text)
            if task.name == "g0002"
            else at_once(task)
        )

    run = searched(tmp_path / "run", run_settings(), trial)
    assert run.record("g0002").failure == "error"
    assert "trained text" in (run.record("g0002").message or "")


def test_invalid_numbers_in_a_result_become_none(tmp_path: Path) -> None:
    def trial(task: TrialTask) -> Outcome:
        found = at_once(task)
        odd = {"measures": {"top1": "high", "loss": 2}, "seconds": None, "parameters": 1e300}
        return attrs.evolve(found, result=TrialResult.from_json({**found.result.to_json(), **odd}))

    record = searched(tmp_path / "run", run_settings(), trial).records[0]
    assert (record.status, record.top1, record.seconds, record.parameters) == (
        *("done", None),
        *(None, None),
    )
    assert record.measures == (("loss", 2.0),)


def test_running_trials_finish_when_no_candidate_is_found(tmp_path: Path) -> None:
    """Then the search stops with the reason, and can be resumed with other rules."""

    def exhausted(*arguments: Any) -> Proposal:
        if arguments[1] == 9:
            raise CannotRun("no candidate g0009 was found")
        return propose(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        method = attrs.evolve(RULES, propose=exhausted)
        patch.setattr("tests.evolve.driving.RULES", method)
        with pytest.raises(CannotRun, match="no candidate g0009 was found"):
            drive(tmp_path / "run", run_settings(), after_a_while(0.01))
    assert [record.status for record in read_run(tmp_path / "run").records] == ["done"] * 9
    assert drive(tmp_path / "run")


# Jobs


def test_each_start_has_its_folder_and_the_same_job(tmp_path: Path) -> None:
    searched(tmp_path / "run", run_settings(), failing({"g0001": ["killed"]}))
    directory = RunDir(tmp_path / "run")
    first, second = (directory.trial_folder("g0001", start) for start in (1, 2))
    assert first.candidate.read_bytes() == second.candidate.read_bytes()
    assert first.job.read_bytes() == second.job.read_bytes()
    job = json.loads(first.job.read_text())
    assert job["settings"] == {"iterations": 8, "seed": seed_of(3, 1)}
    assert (job["data"], job["timeout"], job["init_from"]) == ("none", None, None)
    assert not directory.trial_folder("g0002", 2).path.exists()


def test_trial_without_memory_starts_again_with_smaller_parts(tmp_path: Path) -> None:
    names: dict[str, list[FailureKind]] = {
        "g0001": ["out_of_memory", "killed"],
        "g0002": ["killed"],
    }
    settings = run_settings(running=Running(retries=2))
    settings = attrs.evolve(settings, trial={**settings.trial, "settings": {"batch": 12}})
    run = searched(tmp_path / "run", settings, failing(names))
    jobs = [
        json.loads(RunDir(run.path).trial_folder(name, attempt).job.read_text())
        for name, attempt in [("g0001", 1), ("g0001", 2), ("g0001", 3), ("g0002", 2)]
    ]
    assert [job["settings"].get("accumulate") for job in jobs] == [None, 2, None, None]
    assert [record.status for record in run.records] == ["done"] * len(run.records)


def test_children_inherit_weights_with_inherit(tmp_path: Path) -> None:
    running = Running(executor="threads:4", inherit=True)
    run = searched(tmp_path / "run", run_settings(running=running), with_weights)
    for record in run.records:
        job = json.loads(RunDir(run.path).trial_folder(record.name, 1).job.read_text())
        if record.parent is None:
            assert job["init_from"] is None
        else:
            folder = RunDir(run.path).trial_folder(record.parent, 1).path.absolute()
            assert job["init_from"] == {
                "weights": str(folder / "weights.safetensors"),
                "text": str(folder / "trained.anet"),
                "operations": [{"operation": "described", "sentence": "r drawn"}],
            }
    assert any(record.parent for record in run.records)


def test_deleted_weights_are_not_inherited(tmp_path: Path) -> None:
    run = searched(
        tmp_path / "run", run_settings(running=Running(executor="threads:4", inherit=True))
    )
    for record in run.records:
        job = json.loads(RunDir(run.path).trial_folder(record.name, 1).job.read_text())
        assert (record.status, job["init_from"]) == ("done", None)


def with_weights(task: TrialTask) -> Outcome:
    """Run a trial that leaves weights."""
    (Path(task.folder) / "weights.safetensors").write_bytes(b"weights")
    return at_once(task)


@pytest.mark.parametrize("keep", [False, True])
def test_weights_of_removed_members_are_deleted(keep: bool, tmp_path: Path) -> None:
    """The weights of the best three candidates are kept."""
    running = Running(executor="threads:4", keep_all_weights=keep)
    run = searched(tmp_path / "run", run_settings(running=running, population=4), with_weights)
    left = {path.parent.parent.name for path in run.path.glob("trials/*/*/weights.safetensors")}
    best = sorted(run.members, key=lambda member: -member.fitness)[:3]
    if keep:
        assert left == {record.name for record in run.records}
    else:
        assert {member.name for member in best} <= left
        assert len(left) < 24


# Halving


def test_only_the_best_get_the_long_training(
    tmp_path: Path, reference: list[tuple[object, ...]]
) -> None:
    """A candidate is compared with the results that it sees, so workers do not matter."""
    running = Running(executor="threads:4", halving=3)
    run = searched(
        tmp_path / "run", run_settings(candidates=40, running=running), after_a_while(0.02)
    )
    long = [record for record in run.records if record.iterations == 8]
    short = [record for record in run.records if record.iterations == 2]
    assert len(long) + len(short) == 40
    assert 5 <= len(long) <= 25
    assert all(record.attempts == 2 for record in long)
    assert all(record.attempts == 1 for record in short)
    other = searched(tmp_path / "other", run_settings(candidates=40, running=running), workers=1)
    assert essence(run) == essence(other)


def test_promotion_threshold() -> None:
    """With n results, a candidate is promoted if fewer than (n + 1) / halving are better."""
    population = VisiblePopulation(run_settings(order="arrival", population=100).search, select)
    assert population.promotion_threshold(2) is None
    for number, fitness in enumerate([50.0, 10.0, 40.0, 30.0, 20.0]):
        population.add(Result(number, None, fitness))
    assert population.promotion_threshold(1) is None
    assert population.promotion_threshold(2) == 30.0
    assert population.promotion_threshold(3) == 40.0
    assert population.promotion_threshold(6) == 50.0
    assert population.promotion_threshold(100) == 50.0


# Events


def test_events_are_committed_before_the_driver_acts(tmp_path: Path) -> None:
    """A trial starts after its start is committed; a text is written after it is committed."""
    seen: list[str] = []

    def trial(task: TrialTask) -> Outcome:
        with open_store(RunDir(tmp_path / "run")) as store:
            (found,) = store.candidates("name = ?", task.name)
            seen.append(found.record.status)
            assert RunDir(tmp_path / "run").arch(task.name).read_text() == found.record.text
        return at_once(task)

    drive(tmp_path / "run", run_settings(), trial)
    assert seen == ["running"] * 24
    with open_store(RunDir(tmp_path / "run")) as store:
        kinds = store.query("SELECT number, kind FROM events WHERE number = 7 ORDER BY id")
    assert [kind for _, kind in kinds] == ["proposed", "started", "done"]
