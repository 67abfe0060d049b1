"""The contract of driver and trial: jobs, results and exit statuses."""

from __future__ import annotations

import json
import signal
from typing import Any, get_args

import jsonschema
import pytest

from anetc.devices import Device
from anetc.training.settings import settings_defaults
from anetdsl.evolve.contract import (
    DEFAULT_BATCH,
    FailureKind,
    ParentWeights,
    TrialFailure,
    TrialJob,
    TrialResult,
    killed_by,
    more_parts,
)
from anetdsl.evolve.operations import Repair, Split
from tests.conftest import REPOSITORY


def validate(name: str, document: object) -> None:
    path = REPOSITORY / "docs" / "schemas" / f"{name}.schema.json"
    jsonschema.Draft202012Validator(json.loads(path.read_text())).validate(document)


PARENT = ParentWeights("w", "t", (Split("n", ("a", "b")), Repair((("a", "b"), ("s", "b")))))


@pytest.mark.parametrize(
    "job",
    [
        TrialJob(data="motion"),
        TrialJob(
            data="motion:level=2",
            split="test",
            settings={"iterations": 8, "seed": 3},
            recipe={"frames": 4, "size": [16, 16]},
            device="cpu",
            init_from=PARENT,
            timeout=2.5,
        ),
    ],
)
def test_job_round_trip(job: TrialJob) -> None:
    document = json.loads(json.dumps(job.to_json()))
    validate("trial-job", document)
    assert TrialJob.from_json(document, "x") == job


def test_folds_of_a_job() -> None:
    job = TrialJob(data="arrays:x?folds=1,2", folds="all")
    validate("trial-job", job.to_json())
    assert TrialJob.from_json(job.to_json(), "x") == job
    assert "folds" not in TrialJob(data="motion").to_json()


def test_job_of_an_earlier_version_has_no_operations() -> None:
    values = {"data": "motion", "init_from": {"weights": "w", "text": "t"}}
    assert TrialJob.from_values(values, "x").init_from == ParentWeights("w", "t")


RESULTS = [
    TrialResult(status="failed", failure="nan", message="the loss is NaN", seed=3, seconds=1.0),
    TrialResult(
        status="done",
        fitness=120.5,
        standard_error=4.25,
        measures={"top1": 50.25, "loss": None},
        edges={"n": [0.25, 0.75]},
        parameters=10,
        multiply_adds=20,
        inherited=("inherited 3 tensors",),
        device=Device(name="cuda:0", hardware="NVIDIA H100").to_json(),
        seed=3,
        versions={"torch": "2"},
        seconds=1.5,
        peak_memory=2**30,
    ),
]


@pytest.mark.parametrize("result", RESULTS)
def test_result_round_trip(result: TrialResult) -> None:
    document = json.loads(json.dumps(result.to_json()))
    assert TrialResult.from_json(document) == result
    validate("trial-result", {**document, "seed": 3, "seconds": 1.0, "peak_memory": 1})


@pytest.mark.parametrize("value", ["1", None, True, float("nan"), float("inf"), 10**400, 1e300, []])
def test_invalid_numbers_become_none(value: object) -> None:
    """Also a number that Python cannot convert to a float, or that SQLite cannot store."""
    document: dict[str, Any] = {"fitness": 3, "parameters": value, "peak_memory": value}
    document["measures"] = {"top1": value}
    result = TrialResult.from_json(document)
    assert (result.fitness, result.parameters, result.peak_memory) == (3.0, None, None)
    assert result.measures == {"top1": 1e300 if value == 1e300 else None}


@pytest.mark.parametrize("fitness", ["1", None, True, float("nan"), float("-inf"), 10**400])
def test_result_without_a_finite_fitness_is_an_error(fitness: object) -> None:
    with pytest.raises(ValueError, match="it has no finite fitness"):
        TrialResult.from_json({"status": "done", "fitness": fitness})


def test_unknown_failures_are_errors() -> None:
    result = TrialResult.from_json({"status": "failed", "failure": "flood", "message": "water"})
    assert (result.failure, result.message) == ("error", "flood: water")


def test_failures_of_a_trial_are_failures_of_the_driver() -> None:
    """The driver also records a process that was killed."""
    assert set(get_args(FailureKind)) == {*get_args(TrialFailure), "killed"}


@pytest.mark.parametrize(
    ("status", "number"),
    [(0, None), (1, None), (2, None), (127, None), (128, None), (-9, 9), (137, 9), (139, 11)],
)
def test_exit_status_of_a_killed_process(status: int, number: int | None) -> None:
    assert killed_by(status) == number
    if number is not None:
        assert signal.Signals(number).name in ("SIGKILL", "SIGSEGV")


def test_default_batch_is_that_of_training() -> None:
    assert settings_defaults()["batch"] == DEFAULT_BATCH


@pytest.mark.parametrize(
    ("clips", "parts", "more"),
    [(512, 1, 2), (512, 2, 4), (12, 2, 4), (12, 4, 12), (7, 1, 7), (8, 8, None), (1, 1, None)],
)
def test_parts_are_at_most_half_as_large(clips: int, parts: int, more: int | None) -> None:
    assert more_parts(clips, parts) == more
