"""Second looks (`confirm`): which networks are trained again, and what their results change."""

from __future__ import annotations

import json
import math
import random
import statistics
from collections import Counter
from pathlib import Path

import attrs
import pytest

from anetdsl.evolve.candidates import Member
from anetdsl.evolve.drive.candidate_files import seed_of
from anetdsl.evolve.drive.driver import Rules
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.rebuild import rebuild
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search_progress import progress_of
from anetdsl.evolve.drive.store import open_store
from anetdsl.evolve.fitness_values import Fitness, of_records
from anetdsl.evolve.operations import TrainedAgain
from anetdsl.evolve.propose.algorithms import ALGORITHMS, population, propose
from anetdsl.evolve.settings.run_settings import Running, RunSettings
from anetdsl.evolve.settings.search_settings import Method, Space
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.conftest import stop_after
from tests.evolve.drive.test_driver import with_weights
from tests.evolve.driving import after_a_while, at_once, drive, essence, searched
from tests.evolve.method import RULES, run_settings, select

METHODS = tuple(method for method in ALGORITHMS if method != "oneshot")


def of_method(method: Method, **changes: object) -> RunSettings:
    """Return settings of a search by a method of the product, of small networks."""
    settings = run_settings(confirm=2, **changes)
    space = Space(5, 16, (8, 8, 8, 8), (2, 2, 1, 1), (8, 8, 8, 8), (1, 1, 1, 1))
    return attrs.evolve(settings, search=attrs.evolve(settings.search, method=method, space=space))


def looks(run: Run) -> dict[str, str]:
    """Return the confirmed networks by the names of their second looks."""
    return {record.name: record.confirms for record in run.records if record.confirms}


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished search with second looks, by one worker."""
    folder = tmp_path_factory.mktemp("confirmed") / "run"
    return searched(folder, run_settings(confirm=2), workers=1)


# What is trained again


def members_before(run: Run, index: int) -> tuple[Member, ...]:
    """Return the population that candidate `index` sees, by the definition of `confirm`."""
    settings = run.settings
    visible = VisiblePopulation(attrs.evolve(settings, order="arrival"), select)
    for record in run.records[: max(0, index - settings.window)]:
        if record.fitness is None:
            continue
        if record.confirms:
            visible.add(Result(record.index, None, confirmed=(record.confirms, record.fitness)))
        else:
            member = Member(record.index, record.name, record.text, record.fitness)
            visible.add(Result(record.index, member))
    return visible.members


@pytest.mark.parametrize(("confirm", "expected_reasons"), [(1, {"best", "parent"}), (3, {"best"})])
def test_the_best_three_and_frequent_parents_are_trained_again(
    confirm: int, expected_reasons: set[str], tmp_path: Path
) -> None:
    settings = run_settings(confirm=confirm, population=12, candidates=60)
    confirmed = searched(tmp_path / "run", settings)
    found = looks(confirmed)
    assert len(set(found.values())) == len(found)
    children: Counter[str] = Counter()
    done: set[str] = set()
    reasons = Counter[str]()
    for record in confirmed.records:
        members = members_before(confirmed, record.index)
        ranked = sorted(members, key=lambda one: (-one.fitness, one.index))[:3]
        unconfirmed = [one.name for one in ranked if one.name not in done]
        if record.index < confirmed.settings.population:
            unconfirmed = []
        if record.confirms:
            expected = unconfirmed[:1] or [record.confirms]
            assert [record.confirms] == expected
            if not unconfirmed:
                assert children[record.confirms] == confirm - 1
            reasons["best" if unconfirmed else "parent"] += 1
            done.add(record.confirms)
        else:
            assert not unconfirmed
            if record.parent:
                assert record.parent in done or children[record.parent] < confirm - 1
                children[record.parent] += 1
    assert reasons.keys() >= expected_reasons


def test_a_second_look_counts_and_repeats_the_training_with_another_seed(confirmed: Run) -> None:
    directory = RunDir(confirmed.path)
    assert len(confirmed.records) == confirmed.settings.candidates
    for name, original in looks(confirmed).items():
        record = confirmed.record(name)
        assert record.operations == (TrainedAgain(original),)
        assert f'ops=["second training of {original}"]' in record.text
        jobs = [
            json.loads(directory.trial_folder(one, 1).job.read_bytes()) for one in (original, name)
        ]
        seeds = [job["settings"].pop("seed") for job in jobs]
        assert seeds == [seed_of(3, confirmed.record(one).index) for one in (original, name)]
        assert jobs[0] == jobs[1]


def test_the_fitness_is_the_mean(confirmed: Run) -> None:
    for name, original in looks(confirmed).items():
        values = [confirmed.record(one).fitness for one in (original, name)]
        assert None not in values
        (member,) = [one for one in confirmed.members if one.name == original]
        assert member.fitness == pytest.approx(statistics.fmean(map(float, values)))  # type: ignore[arg-type]
        assert member.trainings == 2
        assert name not in [one.name for one in confirmed.members]
    fitness = of_records(confirmed.records)
    with open_store(RunDir(confirmed.path)) as store:
        progress = progress_of(store, confirmed.settings.candidates)
    assert progress.second_looks == len(looks(confirmed))
    best = max(confirmed.members, key=lambda one: one.fitness)
    assert progress.best == (best.name, fitness[best.name])


def test_combined_standard_error() -> None:
    """The clips are the same in all trainings; the spread between seeds is added."""
    assert Fitness((100.0,), (3.0,)).standard_error == 3.0
    assert Fitness((100.0,), (None,)).standard_error is None
    both = Fitness((100.0,), (3.0,)).and_another(Fitness((108.0,), (5.0,)))
    assert both.mean == 104
    assert both.standard_error == pytest.approx(math.hypot(4.0, 8 / math.sqrt(2) / math.sqrt(2)))
    assert str(both) == "104.00 ± 5.66"
    unknown = Fitness((100.0, 108.0), (None, None))
    assert unknown.standard_error == pytest.approx(4.0)


# Determinism


@pytest.mark.parametrize("workers", [3, 8])
def test_second_looks_do_not_depend_on_workers(
    workers: int, tmp_path: Path, confirmed: Run
) -> None:
    trial = after_a_while(0.02, seed=workers)
    run = searched(tmp_path / "run", run_settings(confirm=2), trial, workers=workers)
    assert essence(run) == essence(confirmed)


@pytest.mark.parametrize("method", METHODS)
def test_methods_are_confirmed_and_resumed(method: Method, tmp_path: Path) -> None:
    """The driver is stopped and the database rebuilt at random moments."""
    rules = Rules(propose, population)
    settings = of_method(method, candidates=20, population=4, window=2)
    reference = searched(tmp_path / "reference", settings, rules=rules)
    assert looks(reference)
    directory = RunDir(tmp_path / "run")
    draw = random.Random(method)
    stops = sorted(draw.sample(range(3, 18), 3))
    for count in stops:
        drive(directory.path, settings, after_a_while(0.005), watch=stop_after(count), rules=rules)
        if draw.random() < 0.5:
            assert rebuild(directory)[1] == []
    assert drive(directory.path, settings, rules=rules)
    assert essence(read_run(directory.path)) == essence(reference)


def test_failed_second_looks_change_no_fitness(tmp_path: Path) -> None:
    """They are not repeated."""
    confirms: list[str] = []

    def trial(task: TrialTask) -> Outcome:
        text = (Path(task.folder) / "candidate.anet").read_text()
        if "second training" in text:
            confirms.append(task.name)
            return Outcome(failure="nan", message="NaN")
        return at_once(task)

    run = searched(tmp_path / "run", run_settings(confirm=1), trial)
    assert sorted(confirms) == sorted(looks(run))
    assert len(set(looks(run).values())) == len(confirms) > 3
    assert {record.status for record in run.records if record.confirms} == {"failed"}
    assert all(member.trainings == 1 for member in run.members)


def test_rebuild_finds_second_looks_without_their_records(confirmed: Run, tmp_path: Path) -> None:
    """A text that equals an earlier candidate is a second look."""
    settings = run_settings(confirm=2)
    run = searched(tmp_path / "run", settings)
    directory = RunDir(run.path)
    name = next(iter(looks(run)))
    directory.record(name).unlink()
    assert rebuild(directory) == (24, [])
    assert looks(read_run(run.path)) == looks(run)
    assert drive(run.path)
    again = read_run(run.path)
    assert again.record(name).fitness == run.record(name).fitness
    assert [(one.name, one.fitness) for one in again.members] == [
        (one.name, one.fitness) for one in run.members
    ]


# With inherited weights and halving


def test_a_second_look_inherits_what_its_network_did(tmp_path: Path) -> None:
    running = Running(executor="threads:4", inherit=True)
    settings = run_settings(confirm=1, candidates=40, running=running)
    run = searched(tmp_path / "run", settings, with_weights)
    directory = RunDir(run.path)
    inherited = 0
    for name, original in looks(run).items():
        jobs = [
            json.loads(directory.trial_folder(one, 1).job.read_bytes()) for one in (original, name)
        ]
        assert jobs[0]["init_from"] == jobs[1]["init_from"]
        inherited += jobs[0]["init_from"] is not None
        assert run.record(name).inherited_steps == run.record(original).inherited_steps
    assert inherited > 2
    for record in run.records:
        if record.parent:
            parent = run.record(record.parent)
            assert record.inherited_steps == (parent.inherited_steps or 0) + 8
        elif not record.confirms:
            assert record.inherited_steps == 0


def test_a_second_look_takes_the_steps_of_its_network(tmp_path: Path) -> None:
    """With halving, some networks are trained for a part of the steps only."""
    running = Running(executor="threads:4", halving=2)
    settings = run_settings(confirm=1, candidates=40, running=running)
    run = searched(tmp_path / "run", settings, after_a_while(0.01))
    steps = Counter()  # type: Counter[int | None]
    for name, original in looks(run).items():
        assert run.record(name).iterations == run.record(original).iterations
        assert run.record(name).attempts == 1
        steps[run.record(name).iterations] += 1
    assert steps[8] > 0
    assert essence(run) == essence(searched(tmp_path / "other", settings, workers=1))


def test_arrival_order_has_second_looks_too(tmp_path: Path) -> None:
    run = searched(tmp_path / "run", run_settings(confirm=1, order="arrival"), after_a_while(0.01))
    assert len(set(looks(run).values())) == len(looks(run)) > 3


def test_no_second_looks_by_default(tmp_path: Path) -> None:
    assert RULES.propose is not None
    assert not looks(searched(tmp_path / "run", run_settings()))
