"""Finals: which network wins, and what is resumed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

import anetdsl
from anetdsl.confidence import mean_interval, paired_difference
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialFolder
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.finals_driver import read_standings
from anetdsl.evolve.finals.finals_progress import finals_progress, read_finals_progress
from anetdsl.evolve.finals.finals_table import finals_page
from anetdsl.evolve.finals.plan import Contestant, Origin, Plan, read_plan, write_plan
from anetdsl.evolve.finals.stages import chosen_rate, training_counts, winner_of
from anetdsl.evolve.finals.standings import Standing, Standings
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.evolve.trainings.training import TrainingRecord
from anetdsl.evolve.trainings.training_folder import read_trainings
from anetdsl.evolve.trainings.training_runner import TrainingRunner
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.driving import searched
from tests.evolve.finals.made_finals import files_of, plan_of, run_finals
from tests.evolve.method import run_settings
from tests.evolve.trainings.running import train

ROOT = Path(__file__).resolve().parents[3]
BESIDE = tuple(
    str(ROOT / "examples" / f"{name}.anet")
    for name in ("small_flow_to_rgb", "small_two_stream_late")
)
SETTINGS = FinalsSettings(
    networks=2, seeds=3, learning_rates=(0.02, 0.1), beside=BESIDE, prune_below=0.5
)


Finished = tuple[Run, Plan, Standings]


# The run


@pytest.fixture
def plan(run: Run) -> Plan:
    return plan_of(run, SETTINGS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A search with finished finals. Tests only read it."""
    run = searched(tmp_path_factory.mktemp("finished") / "run", run_settings())
    plan = plan_of(run, SETTINGS)
    standings = run_finals(run, plan)
    assert standings is not None
    return run, plan, standings


def records_of(run: Run) -> dict[str, TrainingRecord]:
    folder = FinalsDir.of(run.path).trainings
    return {record.name: record for record in read_trainings(folder)}


def test_plan_is_kept(run: Run, plan: Plan) -> None:
    directory = FinalsDir.of(run.path)
    assert read_plan(directory) is None
    write_plan(directory, plan)
    assert read_plan(directory) == plan
    for one in plan.contestants:
        assert (directory.networks / f"{one.name}.anet").read_text() == one.text
    for damage in ("{", "[]", '{"schema": "anetdsl-finals-plan", "schema_version": 1}'):
        directory.plan.write_text(damage)
        with pytest.raises(CannotRun, match=r"plan\.json: cannot be used"):
            read_plan(directory)


def test_results_are_those_of_the_trainings(finished: Finished) -> None:
    run, plan, standings = finished
    records = records_of(run)
    counts = training_counts(plan)
    for stage, count in counts.items():
        assert sum(record.stage == stage for record in records.values()) == count
    by_network = {
        one.name: [
            record.fitness or 0.0
            for record in sorted(records.values(), key=lambda record: record.seed or 0)
            if (record.network, record.stage) == (one.name, "comparison")
        ]
        for one in plan.contestants
    }
    for standing in standings.validation:
        assert list(standing.measures["fitness"]) == by_network[standing.network]
        assert standing.interval("fitness") == mean_interval(by_network[standing.network])
        assert standing.seeds == (1, 2, 3)
    means = {name: statistics.fmean(values) for name, values in by_network.items()}
    able = [one.name for one in plan.contestants if one.can_win]
    assert standings.winner == max(able, key=lambda name: means[name])
    order = [standing.network for standing in standings.validation]
    assert order == sorted(means, key=lambda name: -means[name])
    other = next(name for name in able if name != standings.winner)
    assert standings.difference(standings.validation, other, "fitness") == paired_difference(
        by_network[standings.winner], by_network[other]
    )
    assert set(standings.better_beside()) == {
        one.name
        for one in plan.contestants
        if not one.can_win and means[one.name] > means[standings.winner]
    }


def test_each_network_gets_its_best_learning_rate(finished: Finished) -> None:
    run, plan, _ = finished
    records = records_of(run)
    for one in plan.contestants:
        rate = chosen_rate(plan, one, records)
        rated = [r for r in records.values() if (r.network, r.stage) == (one.name, "rate")]
        assert {record.seed for record in rated} == {0}
        assert max(rated, key=lambda r: r.fitness or 0).learning_rate == rate
        compared = [r for r in records.values() if (r.network, r.stage) == (one.name, "comparison")]
        assert {record.learning_rate for record in compared} == {rate}
    assert any(chosen_rate(plan, one, records) == 0.1 for one in plan.contestants)


def test_one_rate_needs_no_choice(run: Run) -> None:
    plan = plan_of(run, FinalsSettings(networks=1, learning_rates=(0.3,), prune_below=0))
    run_finals(run, plan)
    records = records_of(run)
    assert {record.stage for record in records.values()} == {"comparison", "full", "test"}
    assert {record.learning_rate for record in records.values()} == {0.3}


def test_the_winner_is_written(finished: Finished) -> None:
    run, plan, standings = finished
    directory = FinalsDir.of(run.path)
    (full,) = (r for r in records_of(run).values() if r.stage == "full")
    assert (full.network, full.iterations, full.seed) == (standings.winner, plan.full_steps, 1)
    network = anetdsl.load(directory.winner)
    form = canonical_form(anetdsl.parse(plan.contestant(full.network).text))
    assert canonical_form(network) == form
    assert network.score is not None
    assert directory.weights.read_bytes() == f"weights {full.fitness}".encode()
    left = list(directory.trainings.path.rglob("*.safetensors"))
    assert left == [], "the weights of the other trainings are deleted"


def test_all_weights_can_be_kept(run: Run) -> None:
    plan = plan_of(run, FinalsSettings(networks=1, prune_below=0, seeds=2))
    run_finals(run, plan, keep_all_weights=True)
    left = list(FinalsDir.of(run.path).trainings.path.rglob("*.safetensors"))
    assert len(left) == 3


def test_the_test_split_is_looked_at_last(run: Run, plan: Plan) -> None:
    """No evaluation on the test split starts before the full training has ended."""
    order: list[tuple[str, str]] = []

    def trial(task: TrialTask) -> Outcome:
        job = json.loads(TrialFolder(task.folder).job.read_text())
        order.append((job["split"], "evaluate" if "evaluate" in job else "train"))
        return train(task)

    run_finals(run, plan, trial)
    first = order.index(("test", "evaluate"))
    assert set(order[:first]) == {("validation", "train")}
    assert set(order[first:]) == {("test", "evaluate")}
    looked = {r.network for r in records_of(run).values() if r.split == "test"}
    standings = read_standings(FinalsDir.of(run.path), plan)
    assert looked == {standings.winner, "small_flow_to_rgb", "small_two_stream_late"}


def test_networks_beside_can_be_trained_as_long(run: Run) -> None:
    settings = attrs.evolve(SETTINGS, full_beside=True, learning_rates=())
    plan = plan_of(run, settings)
    standings = run_finals(run, plan)
    assert standings is not None
    assert len(standings.full_test) == 3
    assert {one.steps for one in standings.full_test} == {plan.full_steps}


def test_results_follow_their_schema(finished: Finished) -> None:
    run, plan, _ = finished
    document = json.loads(FinalsDir.of(run.path).results.read_text())
    schema = json.loads((ROOT / "docs" / "schemas" / "finals.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert [one["name"] for one in document["networks"]] == [o.name for o in plan.contestants]


def test_page(golden: Callable[[str, str], None]) -> None:
    golden("finals/table.md", finals_page(made_up_standings(), "made-up"))


def made_up_standings() -> Standings:
    """Return results of three networks with fixed numbers."""
    settings = FinalsSettings(networks=1, seeds=3, learning_rates=(0.1, 0.2), beside=("hand.anet",))
    networks: tuple[tuple[str, Origin, int], ...] = (
        *(("g0012", "search", 0), ("g0012_pruned", "pruned", 3)),
        *(("hand", "beside", 0), ("unlucky", "beside", 0)),
    )
    contestants = tuple(
        Contestant(
            name=name,
            origin=origin,
            source="hand.anet" if origin == "beside" else "g0012",
            text="",
            dropped=dropped,
            parameters=300_000 + 1000 * place,
            multiply_adds=5_000_000 - 1000 * place,
        )
        for place, (name, origin, dropped) in enumerate(networks)
    )
    plan = Plan(
        settings=settings,
        steps=600,
        full_steps=5000,
        trial={"data": "motion", "split": "validation"},
        test_split="test",
        contestants=contestants,
        notes=("g0012_pruned: 2 of 3 dropped edges have a weight near 0.5",),
    )

    def standing(network: str, steps: int, top1: list[float], failed: int = 0) -> Standing:
        return Standing(
            network=network,
            steps=steps,
            learning_rate=0.2,
            seeds=tuple(range(1, len(top1) + 1)),
            failed=failed,
            measures={
                "fitness": tuple(value + 99.0 for value in top1),
                "top1": tuple(top1),
                "top5": (99.0,) * len(top1),
            },
        )

    return Standings(
        plan=plan,
        winner="g0012_pruned",
        validation=(
            standing("hand", 600, [91.0, 93.0, 95.0]),
            standing("g0012_pruned", 600, [90.0, 91.0, 92.0]),
            standing("g0012", 600, [70.0, 72.0, 71.5]),
            standing("unlucky", 600, [60.0], failed=2),
        ),
        full_validation=(standing("g0012_pruned", 5000, [97.5]),),
        test=(
            standing("g0012_pruned", 600, [88.0, 89.0, 91.0]),
            standing("hand", 600, [87.0, 90.0, 93.0]),
        ),
        full_test=(standing("g0012_pruned", 5000, [96.5]),),
    )


# Stops and failures


@pytest.mark.parametrize("count", [1, 14, 31])
def test_finals_can_be_stopped_at_any_stage(run: Run, finished: Finished, count: int) -> None:
    def ready(runner: TrainingRunner) -> None:
        def watch(_: TrainingRunner) -> None:
            done = sum(record.status == "done" for record in runner.records.values())
            if done >= count:
                runner.stopping.set()

        runner.watch = watch

    plan = finished[1]
    assert run_finals(run, plan, ready=ready) is None
    assert not FinalsDir.of(run.path).results.exists()
    stopped = read_finals_progress(run)
    assert stopped is not None
    assert count <= stopped.done < stopped.total
    assert run_finals(run, plan) is not None
    found, expected = (files_of(FinalsDir.of(one.path).path) for one in (run, finished[0]))
    assert found == expected


def failing(stage: str, network: str, failure: Any = "nan") -> Any:
    def trial(task: TrialTask) -> Outcome:
        if f"{network}-{stage}" in task.name:
            return Outcome(failure=failure, message="the loss is nan at step 3")
        return train(task)

    return trial


def test_a_network_with_a_failed_training_cannot_win(run: Run, finished: Finished) -> None:
    _, plan, first = finished
    assert first.winner is not None
    second = run_finals(run, plan, failing("comparison", first.winner))
    assert second is not None
    assert second.winner not in (None, first.winner)
    assert second.validation[-1].network == first.winner
    page = FinalsDir.of(run.path).table.read_text()
    assert f"3 of the 3 trainings of {first.winner} failed" in page


def test_a_failed_rate_is_not_chosen(run: Run) -> None:
    plan = plan_of(
        run, FinalsSettings(networks=1, learning_rates=(0.1, 0.2), prune_below=0, seeds=1)
    )
    (one,) = plan.contestants
    run_finals(run, plan, failing("rate-0.1", one.name))
    assert chosen_rate(plan, one, records_of(run)) == 0.2


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            "comparison",
            "each network of the search has a failed training; .*: nan: the loss is nan",
        ),
        ("full", "the full training of .* failed"),
        ("comparison-seed1-test", "the test split could not be evaluated"),
    ],
)
def test_finals_that_cannot_end(run: Run, stage: str, message: str) -> None:
    plan = plan_of(run, FinalsSettings(networks=1, prune_below=0, seeds=1))
    failure = "nan" if stage == "comparison" else "error"
    with pytest.raises(CannotRun, match=message):
        run_finals(run, plan, failing(stage, plan.contestants[0].name, failure))
    assert not FinalsDir.of(run.path).results.exists()
    if failure == "error":
        assert run_finals(run, plan) is not None, "the cause is removed, and the finals go on"


# Progress


def test_progress(run: Run, plan: Plan) -> None:
    assert read_finals_progress(run) is None
    seen = []

    def ready(runner: TrainingRunner) -> None:
        runner.watch = lambda runner: seen.append(
            finals_progress(
                plan, runner.records, workers=3, candidate_rates={plan.contestants[0].name: 0.1}
            )
        )

    run_finals(run, plan, ready=ready)
    assert seen[0].stage == "rate"
    assert seen[0].seconds_left is not None
    assert {one.stage for one in seen} >= {"rate", "comparison", "full", "test"}
    finished = [one.finished for one in seen]
    assert finished == sorted(finished)
    last = read_finals_progress(run)
    assert last is not None
    assert (last.stage, last.done, last.failed) == (None, last.total, 0)
    assert last.winner == winner_of(plan, records_of(run)).name  # type: ignore[union-attr]
    assert last.seconds_left is None


def test_forecast_is_the_work_that_is_left(run: Run) -> None:
    """One network, 0.1 s a step: 2 x 20 steps on one worker, then 50."""
    plan = plan_of(run, FinalsSettings(networks=1, seeds=2, prune_below=0))
    name = plan.contestants[0].name
    found = finals_progress(plan, {}, workers=1, candidate_rates={name: 0.1})
    assert found.seconds_left == pytest.approx(0.1 * (2 * 20 + 50))
    both = finals_progress(plan, {}, workers=2, candidate_rates={name: 0.1})
    assert both.seconds_left == pytest.approx(0.1 * (20 + 50))
    assert finals_progress(plan, {}, workers=1).seconds_left is None
