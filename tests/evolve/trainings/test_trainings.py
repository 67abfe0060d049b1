"""Trainings with several seeds: names, results, resumption, failures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

import anetdsl
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.contract import TrialJob
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.fresh_text import fresh_text
from anetdsl.evolve.trainings.training import Training, TrainingRecord, fresh_trainings
from anetdsl.evolve.trainings.training_folder import TrainingFolder, read_trainings
from anetdsl.evolve.trainings.training_runner import Stopped, TrainingRunner, open_trainings
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from tests.evolve.synthetic_trial import trained
from tests.evolve.trainings.running import runner, train
from tests.evolve.trainings.synthetic_training import fitness_of

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = (ROOT / "examples" / "small_two_stream_level4.anet").read_text()
TRIAL = {"data": "motion", "split": "validation", "settings": {"batch": 8, "warmup": 0.1}}


def trainings(seeds: int = 3, **changes: Any) -> tuple[Training, ...]:
    return fresh_trainings("late", EXAMPLE, TRIAL, iterations=40, seeds=range(seeds), **changes)


def outcomes(records: tuple[TrainingRecord, ...]) -> list[tuple[Any, ...]]:
    return [(record.name, record.status, record.fitness, record.measures) for record in records]


def test_each_seed_is_a_training() -> None:
    first, second = trainings(2, learning_rate=0.1, stage="comparison", label="x", split="test")
    assert (first.name, second.name) == ("late-comparison-x-seed0", "late-comparison-x-seed1")
    assert second.job == TrialJob(
        data="motion",
        split="test",
        settings={
            **{"batch": 8, "warmup": 0.1, "iterations": 40},
            **{"learning_rate": 0.1, "seed": 1},
        },
    )
    assert first.digest != second.digest
    moved = attrs.evolve(first, job=attrs.evolve(first.job, timeout=3.0, checkpoints="/there"))
    assert moved.digest == first.digest, "the place and the time limit change no number"
    with pytest.raises(CannotRun, match="bach"):
        fresh_trainings("late", EXAMPLE, {"data": "motion", "bach": 8}, iterations=1, seeds=[0])


def test_results_are_recorded(tmp_path: Path) -> None:
    with runner(tmp_path) as run:
        records = run.run(trainings())
    assert [record.seed for record in records] == [0, 1, 2]
    assert len({record.fitness for record in records}) == 3
    for record, training in zip(records, trainings()):
        document = json.loads((tmp_path / f"{record.name}.json").read_text())
        schema = json.loads((ROOT / "docs" / "schemas" / "training.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(document)
        assert TrainingRecord.from_json(document) == record
        job = json.loads((tmp_path / record.name / "1" / "job.json").read_text())
        assert record.fitness == fitness_of(training.text, job)
        assert job["checkpoints"] == str(tmp_path / record.name / "checkpoints")
    assert read_trainings(TrainingFolder(tmp_path)) == records


def test_finished_trainings_are_not_repeated(tmp_path: Path) -> None:
    with runner(tmp_path) as run:
        before = run.run(trainings(2))

    def never(task: TrialTask) -> Outcome:
        assert task.name == "late-seed2"
        return train(task)

    with runner(tmp_path, never) as run:
        after = run.run(trainings(3))
    assert after[:2] == before


def test_another_training_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with runner(tmp_path) as run:
        run.run(trainings(1))
        with pytest.raises(CannotRun, match="is of a training with another"):
            run.run(trainings(1, learning_rate=0.3))
        (tmp_path / "late-seed0.json").write_text("{")
        with pytest.raises(CannotRun, match="delete it"):
            run.run(trainings(1))
        with pytest.raises(ValueError, match="two trainings"):
            run.run([*trainings(1), *trainings(1)])


def failing(failure: Any, times: int, calls: list[str]) -> Any:
    def trial(task: TrialTask) -> Outcome:
        calls.append(task.folder)
        if len(calls) <= times:
            return Outcome(failure=failure, message="out of luck")
        return train(task)

    return trial


def test_failures_are_retried(tmp_path: Path) -> None:
    calls: list[str] = []
    with runner(tmp_path, failing("killed", 1, calls)) as run:
        (record,) = run.run(trainings(1))
    assert (record.status, record.starts, record.failure) == ("done", 2, None)
    assert [Path(call).name for call in calls] == ["1", "2"]


def test_failed_trainings_are_tried_again_later(tmp_path: Path) -> None:
    calls: list[str] = []
    with runner(tmp_path, failing("killed", 9, calls)) as run:
        (record,) = run.run(trainings(1))
    assert (record.status, record.starts, record.message) == ("failed", 2, "out of luck")
    with runner(tmp_path) as run:
        (record,) = run.run(trainings(1))
    assert (record.status, record.starts) == ("done", 3)


def test_a_loss_that_is_not_finite_stays(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        with runner(tmp_path, failing("nan", 9, calls)) as run:
            (record,) = run.run(trainings(1))
        assert (record.status, record.failure) == ("failed", "nan")
    assert len(calls) == 1


def test_a_full_disk_stops(tmp_path: Path) -> None:
    full = os.strerror(28)

    def trial(_: TrialTask) -> Outcome:
        return Outcome(failure="error", message=f"weights.safetensors: {full}")

    with runner(tmp_path, trial) as run, pytest.raises(CannotRun, match="the disk is full"):
        run.run(trainings(1))
    with runner(tmp_path) as run:
        assert run.run(trainings(1))[0].status == "done"


def test_another_network_is_an_error(tmp_path: Path) -> None:
    def trial(task: TrialTask) -> Outcome:
        outcome = train(task)
        other = (ROOT / "examples" / "small_flow_to_rgb.anet").read_text()
        return attrs.evolve(outcome, text=other)

    with runner(tmp_path, trial) as run:
        (record,) = run.run(trainings(1))
    assert record.message == "the trained text is not the network of the training"


def test_stopped_trainings_are_resumed(tmp_path: Path) -> None:
    def stop(run: TrainingRunner) -> None:
        if any(record.status == "done" for record in run.records.values()):
            run.stopping.set()

    with runner(tmp_path / "a", workers=1) as run:
        run.watch = stop
        with pytest.raises(Stopped):
            run.run(trainings(4))
    states = [record.status for record in read_trainings(TrainingFolder(tmp_path / "a"))]
    assert "running" not in states
    assert states.count("done") < 4
    with runner(tmp_path / "a") as run:
        resumed = run.run(trainings(4))
    with runner(tmp_path / "b") as run:
        assert outcomes(resumed) == outcomes(run.run(trainings(4)))


DRIVER = """
import sys
from pathlib import Path
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training_folder import TrainingFolder
from anetdsl.evolve.trainings.training_runner import open_trainings
from tests.evolve.trainings.test_trainings import trainings
folder, *command = sys.argv[1:]
with open_trainings(TrainingFolder(folder), Running("threads:2"), command=tuple(command)) as run:
    run.run(trainings())
"""


def test_killed_driver(tmp_path: Path) -> None:
    """The driver is killed while a training runs; the next one starts that training again."""
    script = str(ROOT / "tests" / "evolve" / "trainings" / "synthetic_training.py")
    mark, folder = tmp_path / "mark", tmp_path / "run"
    command = ("{python}", script)
    hanging = (*command, "--kill", "late-seed1", str(mark))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(folder), *hanging], env=environment
    ) as driver:
        while not mark.exists():
            assert driver.poll() is None
            time.sleep(0.02)
        with (
            pytest.raises(CannotRun, match=f"are running here .process {driver.pid}"),
            open_trainings(TrainingFolder(folder), Running()),
        ):
            pass
        driver.send_signal(signal.SIGKILL)
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv(
            "PYTHONPATH", environment["PYTHONPATH"]
        )
        run = stack.enter_context(
            open_trainings(TrainingFolder(folder), Running("threads:2"), command=command)
        )
        records = run.run(trainings())
    assert [record.status for record in records] == ["done"] * 3
    assert records[1].starts == 2
    with runner(tmp_path / "reference") as run:
        assert outcomes(records) == outcomes(run.run(trainings()))


def test_a_result_that_was_not_recorded_counts(tmp_path: Path) -> None:
    """The driver was killed between the end of a trial and its record."""
    with runner(tmp_path) as run:
        (before,) = run.run(trainings(1))
    path = tmp_path / "late-seed0.json"
    lost = attrs.evolve(before, status="running", fitness=None, measures={}, finished=None)
    path.write_text(json.dumps(lost.to_json()))

    def never(_: TrialTask) -> Outcome:
        raise AssertionError("trained again")

    with runner(tmp_path, never) as run:
        (after,) = run.run(trainings(1))
    assert outcomes((after,)) == outcomes((before,))
    assert after.starts == 1


# Texts


def test_fresh_text_has_no_trace_of_training() -> None:
    learned = trained(EXAMPLE)
    assert "@0." in learned
    fresh = fresh_text(learned)
    assert "@" not in fresh
    assert "score" not in fresh
    assert canonical_form(anetdsl.parse(fresh)) == canonical_form(anetdsl.parse(EXAMPLE))
    assert fresh_text(EXAMPLE) == EXAMPLE, "nothing to change"


def test_fresh_text_for_other_data() -> None:
    changed = anetdsl.parse(
        fresh_text(trained(EXAMPLE), name="late_5", classes=5, modules=[1, 2, 2, 1])
    )
    assert changed.name == "late_5"
    assert changed.sink.classes == 5
    assert changed.modules == (1, 2, 2, 1)
    with pytest.raises(AnetError):
        fresh_text("anet 1\nnetwork x")
