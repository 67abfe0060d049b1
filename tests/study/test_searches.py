"""The studies of searches: their cases with made-up results."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import attrs
import pytest

from anetc.study import searches
from anetc.study.comparison import choice, reported, search_plan
from anetc.study.figure4 import (
    Figure4Plan,
    figure4_cases,
    top_three,
)
from anetc.study.networks import StudyNetwork, largest, random_network_of
from anetc.study.searches import SearchPlan, SearchRecord, run_search
from anetc.study.table3 import (
    Table3Plan,
    table3_cases,
    whole_rows,
)
from anetc.study.trainings import NotTrained, Trainings, known_cases, run_cases
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.settings.presets import space
from anetdsl.ir import Network
from anetdsl.settings_reader import parse_toml
from tests.study.synthetic_workers import (
    Settings,
    SyntheticTrainings,
    sum_of_values,
    synthetic_workers,
)

NETWORKS = [random_network_of(space("small", 18), seed) for seed in range(4)]
FIGURE4 = Figure4Plan(
    data="motion:level=2", seeds=2, candidates=4, methods=("guided+inherit", "random")
)


def made_up(plan: SearchPlan) -> SearchRecord:
    """Return a search whose best networks differ by method and seed."""
    first = plan.seed % 2 + (plan.method == "random")
    best = tuple(NETWORKS[first : first + 3])
    bonus = 10.0 * plan.method.startswith("guided")
    fitness = (50.0, 60.0, None, 70.0 + bonus)
    return SearchRecord(searches._plan_json(plan), fitness, best, 400, 30.0)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace searches by made-up ones; return the names of those that were run."""
    names: list[str] = []

    def search(plan: SearchPlan, run: Path, _trainings: Trainings) -> None:
        names.append(plan.name)
        run.mkdir(parents=True)

    monkeypatch.setattr(searches, "_search", search)
    monkeypatch.setattr(searches, "_record_of", lambda plan, _run: made_up(plan))
    return names


def measured(network: Network, settings: Settings) -> TrialResult:
    found = sum_of_values(network, settings)
    rate = settings["learning_rate"]
    fitness = (found.fitness or 0.0) - 100 * abs(rate - 0.1)
    return attrs.evolve(found, fitness=fitness, measures={"top1": fitness / 2})


def test_figure4_searches_chooses_and_tests(tmp_path: Path, searched: list[str]) -> None:
    cases = list(figure4_cases(FIGURE4, tmp_path))
    synthetic = SyntheticTrainings(measured)
    with synthetic_workers(synthetic) as workers:
        rows = {end.case.name: end.row for end in run_cases(cases, tmp_path / "t", workers)}
    assert sorted(searched) == [
        *("guided-inherit-1", "guided-inherit-2"),
        *("random-1", "random-2"),
    ]
    assert not (tmp_path / "runs" / "random-1").exists()
    again = {end.case.name: end.row for end in known_cases(cases, tmp_path / "t")}
    assert again == rows
    assert len(searched) == 4, "known searches are not repeated"
    row = rows["random, seed 1"]
    assert row is not None
    values = {n.name: sum_of_values(n.network, {"seed": 0}).fitness for n in NETWORKS[2:5]}
    assert row.chosen == max(values, key=lambda name: values[name] or 0.0)
    assert len(row.test) == len(row.validation) == FIGURE4.final_seeds
    # Networks of several searches are trained once with the seed of the choice.
    assert sum(name == "afresh-600-0" for name in synthetic.tasks) == len(NETWORKS)


def test_seeds_that_repeat_a_study(tmp_path: Path) -> None:
    plan = attrs.evolve(FIGURE4, first_seed=6, methods=("random",))
    assert [case.name for case in figure4_cases(plan, tmp_path)] == [
        *("random, seed 6", "random, seed 7"),
    ]
    long = Table3Plan(data="x", first_seed=6, seeds=2, long_seeds=1, methods=())
    network = StudyNetwork("by_hand", NETWORKS[0].text)
    assert [case.name for case in table3_cases(long, [network], tmp_path)] == [
        *("by_hand, seed 6", "by_hand, seed 7", "by_hand, seed 6, 4000 steps"),
    ]


def test_one_search(tmp_path: Path, searched: list[str]) -> None:
    """The network of the first search is trained with all seeds."""
    plan = Table3Plan(
        data="motion:level=2",
        seeds=3,
        first_seed=6,
        one_search=True,
        methods=("random",),
        rates=(0.1,),
        rate_seeds=1,
        long_iterations=0,
    )
    cases = list(table3_cases(plan, (), tmp_path))
    synthetic = SyntheticTrainings(measured)
    with synthetic_workers(synthetic) as workers:
        ends = list(run_cases(cases, tmp_path / "t", workers))
    assert sorted(end.row.seed for end in ends if end.row is not None) == [6, 7, 8]
    assert searched == ["random-6"]
    seeds = {name.removeprefix("afresh-600-") for name in synthetic.tasks}
    assert seeds == {"0", "6", "7", "8"}, "a choice, and the reported trainings"


def test_two_cases_that_need_one_search_run_it_once(
    tmp_path: Path, searched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases of both budgets start at the same time, and the first one searches for a while."""
    barrier = threading.Barrier(2, timeout=0.5)
    search = searches._search

    def slow_search(plan: SearchPlan, run: Path, trainings: Trainings) -> None:
        search(plan, run, trainings)
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait()  # a second search would come here

    monkeypatch.setattr(searches, "_search", slow_search)
    plan = Table3Plan(data="motion:level=2", seeds=1, methods=("random",))
    cases = list(table3_cases(plan, (), tmp_path))
    with synthetic_workers(SyntheticTrainings(measured), count=4) as workers:
        ends = list(run_cases(cases, tmp_path / "t", workers))
    assert [(end.problem, end.row is not None) for end in ends] == [("", True)] * 2
    assert searched == ["random-1"]


def test_the_rate_of_an_example_is_chosen_by_the_mean_of_several_trainings(tmp_path: Path) -> None:
    """The first training alone would choose 0.2, with which another training diverged."""
    fitness = {
        **{(0.1, 0): 50.0, (0.1, 101): 52.0, (0.1, 102): 54.0},
        **{(0.2, 0): 90.0, (0.2, 101): 90.0},
        **{(0.4, 0): 60.0, (0.4, 101): 40.0, (0.4, 102): 10.0},
    }

    def result(_network: Network, settings: Settings) -> TrialResult:
        found = fitness.get((settings["learning_rate"], settings["seed"]))
        if settings["seed"] in (0, 101, 102) and found is None:
            return TrialResult(status="failed", failure="nan", message="loss is nan")
        return TrialResult(
            status="done",
            fitness=found or 0.0,
            measures={"top1": 77.0 + settings["seed"]},
            parameters=1000,
            multiply_adds=2000,
        )

    plan = Table3Plan(
        data="motion:level=2", seeds=2, methods=(), rates=(0.1, 0.2, 0.4), long_iterations=0
    )
    cases = list(table3_cases(plan, [StudyNetwork("by_hand", NETWORKS[0].text)], tmp_path))
    with synthetic_workers(SyntheticTrainings(result)) as workers:
        rows = [end.row for end in run_cases(cases, tmp_path / "t", workers)]
    found = sorted((row.seed, row.rate, row.short) for row in rows if row is not None)
    assert found == [(1, 0.1, 78.0), (2, 0.1, 79.0)]


@pytest.mark.parametrize(
    ("diverging", "short", "problem"),
    [
        ({1}, 0.0, ""),
        ({0}, None, "by_hand: trainings with each of the learning rates diverged"),
    ],
)
def test_trainings_that_diverge(
    tmp_path: Path, diverging: set[int], short: float | None, problem: str
) -> None:
    """A reported one counts as 0 %. A rate with which one diverged is not used."""

    def result(_network: Network, settings: Settings) -> TrialResult:
        if settings["seed"] in diverging:
            return TrialResult(status="failed", failure="nan", message="loss is nan")
        return TrialResult(status="done", fitness=1.0, measures={"top1": 70.0})

    plan = Table3Plan(data="motion", seeds=1, methods=(), rates=(0.1, 0.2), long_iterations=0)
    cases = list(table3_cases(plan, [StudyNetwork("by_hand", NETWORKS[0].text)], tmp_path))
    with synthetic_workers(SyntheticTrainings(result)) as workers:
        (end,) = run_cases(cases, tmp_path / "t", workers)
    assert end.problem == problem
    assert (None if end.row is None else end.row.short) == short


def test_a_search_without_a_trained_candidate_has_no_row(
    tmp_path: Path, searched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        searches, "_record_of", lambda plan, _run: attrs.evolve(made_up(plan), best=())
    )
    plan = attrs.evolve(FIGURE4, methods=("random",), seeds=1)
    cases = list(figure4_cases(plan, tmp_path))
    with synthetic_workers(SyntheticTrainings()) as workers:
        (end,) = run_cases(cases, tmp_path / "t", workers)
    assert searched == ["random-1"]
    assert (end.row, end.problem) == (None, "no candidate of the search could be trained")


def test_an_unknown_search_needs_workers(tmp_path: Path) -> None:
    with pytest.raises(NotTrained):
        run_search(search_plan(FIGURE4, "random", 1), tmp_path, Trainings(tmp_path))


def test_a_search_with_other_settings_is_not_used(tmp_path: Path, searched: list[str]) -> None:
    with synthetic_workers(SyntheticTrainings()) as workers:
        trainings = Trainings(tmp_path, workers)
        plan = search_plan(FIGURE4, "random", 1)
        record = run_search(plan, tmp_path, trainings)
        assert run_search(plan, tmp_path, trainings) == record
        with pytest.raises(CannotRun, match="with other settings"):
            run_search(attrs.evolve(plan, candidates=5), tmp_path, trainings)
        (tmp_path / "searches" / "random-1.json").write_text("[]")
        with pytest.raises(CannotRun, match="cannot be used"):
            run_search(plan, tmp_path, trainings)
    assert searched == ["random-1"]


def test_searches_with_other_settings_run_in_other_folders() -> None:
    """So a search that was stopped continues only with the same settings."""
    plan = search_plan(FIGURE4, "random", 1)
    others = [
        attrs.evolve(plan, candidates=5),
        attrs.evolve(plan, recipe={"frames": 8}),
        attrs.evolve(plan, training={**plan.training, "batch": 8}),
    ]
    names = {one.run_name for one in (plan, *others)}
    assert len(names) == 4
    assert all(name.startswith("random-1-") for name in names)


def test_settings_of_a_search() -> None:
    plan = search_plan(attrs.evolve(FIGURE4, max_params=1000), "guided+inherit", 3, stems=(2,))
    assert plan.name == "guided-inherit-stems2-most1000-3"
    options = plan.options()
    assert (options["method"], options["inherit"], options["max_params"]) == ("guided", True, 1000)
    assert parse_toml("x", plan.config()).values == {
        "search": {"tournament": 3, "space": {"stems": [2]}}
    }
    oneshot = search_plan(attrs.evolve(FIGURE4, candidates=36), "oneshot", 1)
    assert oneshot.options()["candidates"] == 2
    assert parse_toml("x", oneshot.config()).values["search"]["oneshot_steps"] == 35, (
        "35 times the steps of a candidate and a pruned network: the cost of 36 candidates"
    )


def test_curve_of_the_top_three() -> None:
    assert top_three([10.0, None, 40.0, 20.0, 30.0, 5.0]) == [
        (4, pytest.approx(70 / 3)),
        (5, 30.0),
        (6, 30.0),
    ]


def test_table3_tunes_and_trains(tmp_path: Path, searched: list[str]) -> None:
    plan = Table3Plan(
        data="motion:level=2",
        seeds=2,
        candidates=4,
        methods=("guided+inherit", "oneshot", "guided+inherit, 2 stems"),
        rates=(0.1, 0.2),
        max_params=largest(NETWORKS),
    )
    examples = [StudyNetwork("by_hand", NETWORKS[0].text)]
    cases = list(table3_cases(plan, examples, tmp_path))
    assert [case.name for case in cases[:4]] == [
        *("guided+inherit, seed 1", "by_hand, seed 1"),
        *("oneshot, seed 1", "guided+inherit, 2 stems, seed 1"),
    ]
    with synthetic_workers(SyntheticTrainings(measured)) as workers:
        rows = {end.case.name: end.row for end in run_cases(cases, tmp_path / "t", workers)}
    found = [rows[case.name] for case in cases]
    assert [row is not None and row.long is not None for row in found] == [False] * 8 + [True] * 8
    whole = whole_rows([row for row in found if row is not None])
    assert all(row.rate == 0.1 and row.long is not None for row in whole)
    assert [(row.row, row.seed) for row in whole[:5]] == [
        *(("guided+inherit", 1), ("by_hand", 1)),
        *(("oneshot", 1), ("guided+inherit, 2 stems", 1), ("guided+inherit", 2)),
    ]
    assert {json.loads(p.read_text())["plan"]["max_params"] for p in _files(tmp_path)} == {
        plan.max_params
    }
    assert f"guided-inherit-stems2-most{plan.max_params}-1" in searched


def _files(folder: Path) -> list[Path]:
    return list((folder / "searches").iterdir())


def test_trainings_of_data_with_folds() -> None:
    """Choices are on the folds; reported trainings are on all of their groups."""
    plan = Table3Plan(
        data="arrays:x.npz?folds=1,3&test=2",
        search_data="arrays:x.npz?train=1&validation=3&test=2",
        folds="all",
        frames=16,
        size=(32, 32),
    )
    recipe = {"frames": 16, "size": [32, 32]}
    chosen = choice(plan, StudyNetwork("n", NETWORKS[0].text), learning_rate=0.4).job
    assert (chosen.data, chosen.folds, chosen.recipe) == (plan.data, "all", recipe)
    assert (chosen.settings["learning_rate"], chosen.settings["seed"]) == (0.4, 0)
    last = reported(plan, StudyNetwork("n", NETWORKS[0].text), 3, 300)
    assert (last.job.data, last.job.split) == ("arrays:x.npz?folds=1,3&test=2&fold=all", "test")
    assert (last.job.folds, last.job.recipe, last.test) == ("one", recipe, False)
    search = search_plan(plan, "guided+inherit", 1)
    assert search.data == plan.search_data
    assert recipe.items() <= search.options().items()
