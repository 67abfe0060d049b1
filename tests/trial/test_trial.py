"""Trials: their results, which are reproducible, and each kind of failure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

import anetdsl
from anetc.data.values import DataSpec, Split
from anetc.training.run import run as training_run
from anetc.training.settings import Parent, settings_defaults
from anetc.trial import trial
from anetc.trial.job import TrialSetup, trial_setup
from anetc.trial.trial import run_trial
from anetc.weights.files import read_weights
from anetc.weights.network_structure import structure_hash
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import EXIT_DONE, EXIT_FAILED, EXIT_NO_RESULT, TrialFolder
from anetdsl.settings_reader import named_values
from anetdsl.source import SourceFile
from tests.command_line import anetc
from tests.training.running import TEXT, run
from tests.training.toys import NETWORK, Toy
from tests.trial.folders import job, result, validate


def test_result_has_all_values(done: Path) -> None:
    found = result(done)
    assert found["status"] == "done"
    measures = found["measures"]
    assert found["fitness"] == pytest.approx(measures["top1"] + measures["top5"])
    assert math.isfinite(measures["loss"])
    network = anetdsl.parse(TEXT)
    counted = anetdsl.cost(network, frames=4, size=16)
    assert found["parameters"] == counted.parameters
    assert found["multiply_adds"] == counted.multiply_adds
    assert found["seconds"] > 0
    assert found["peak_memory"] > 50_000_000
    names = {"anetdsl", "python", "torch", "numpy", "platform", "kernels"}
    assert set(found["versions"]) - {"products"} == names
    assert found["versions"]["kernels"] == "none"
    assert (found["seed"], found["parts"]) == (0, 1)
    assert found["inherited"] is None
    assert set(found["edges"]) == {"n2"}, "the sink does not read n4"


def test_trained_text_has_learned_weights_and_score(done: Path) -> None:
    found = result(done)
    network = anetdsl.load(done / "trained.anet")
    assert network.score is not None
    assert dict(network.score.values)["fitness"] == pytest.approx(found["fitness"], abs=1e-4)
    for name, weights in found["edges"].items():
        written = [edge.weight for edge in network.node(name).inputs]
        assert written == pytest.approx(weights, abs=1e-6)
    assert "# of the motion" in (done / "trained.anet").read_text()
    info, _ = read_weights(done / "weights.safetensors")
    assert info.network == "toy"
    assert info.structure_sha256 == structure_hash(network)


def test_trial_is_reproducible(done: Path, clips: DataSpec, tmp_path: Path) -> None:
    again = job(tmp_path / "again", clips)
    run_trial(TrialFolder(again))
    for name in ("log.jsonl", "trained.anet", "weights.safetensors"):
        assert (again / name).read_bytes() == (done / name).read_bytes()
    varying = ("seconds", "peak_memory")
    first, second = ({**result(f), **dict.fromkeys(varying)} for f in (done, again))
    assert first == second


def test_trial_computes_the_same_as_a_training_run(
    done: Path, clips: DataSpec, tmp_path: Path
) -> None:
    run(tmp_path / "run", clips, evaluate_every=0)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == (done / "log.jsonl").read_text()


def test_weights_of_a_parent_are_inherited_and_reported(
    done: Path, clips: DataSpec, tmp_path: Path
) -> None:
    parent = {"weights": str(done / "weights.safetensors"), "text": str(done / "candidate.anet")}
    folder = job(tmp_path / "child", clips, init_from=parent)
    run_trial(TrialFolder(folder))
    assert result(folder)["inherited"][0].startswith("inherited ")
    assert (folder / "log.jsonl").read_text() != (done / "log.jsonl").read_text()


@attrs.frozen(eq=False)
class Labels(Toy):
    """Videos with several labels each, or without labels."""

    any: bool = True

    def target(self, index: int) -> NDArray[np.float32]:
        labels = np.array([index % 2, index % 3 == 0, 1], np.float32)
        return labels * (self.any or self.split == "train")


def with_labels(monkeypatch: pytest.MonkeyPatch, module: Any, *, any: bool = True) -> None:
    def opened(spec: DataSpec, split: Split, *_: object, **__: object) -> Labels:
        return Labels(count=8, multi_label=True, split=split, any=any)

    monkeypatch.setattr(module, "open_data", opened)


def test_fitness_with_several_labels_is_the_average_precision(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_labels(monkeypatch, trial)
    folder = job(tmp_path / "t", clips, NETWORK)
    assert run_trial(TrialFolder(folder)) == "done"
    found = result(folder)
    assert found["fitness"] == found["measures"]["mAP"] > 30
    score = anetdsl.load(folder / "trained.anet").score
    assert score is not None
    assert {"mAP", "wAP", "loss", "fitness"} == set(dict(score.values))


def test_run_with_several_labels_is_scored_by_average_precision(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_labels(monkeypatch, training_run)
    done = run(tmp_path, clips, source=SourceFile("toy.anet", NETWORK))
    assert done.measures["fitness"] == done.measures["mAP_present"]
    assert "mAP=" in (tmp_path / "model.anet").read_text()


# Failures


def test_videos_without_labels_are_bad_data(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_labels(monkeypatch, trial, any=False)
    check_failure(
        job(tmp_path / "t", clips, NETWORK), "bad_data", "no video of the validation split"
    )


def check_failure(folder: Path, kind: str, message: str) -> None:
    """Run a trial and check that it fails with this kind and message."""
    assert run_trial(TrialFolder(folder)) == "failed"
    found = result(folder)
    assert found["status"] == "failed"
    assert found["failure"] == kind, found
    assert message in found["message"]
    assert found["seconds"] >= 0
    assert not (folder / "trained.anet").exists()


def test_missing_data_are_bad_data(clips: DataSpec, tmp_path: Path) -> None:
    check_failure(job(tmp_path / "t", clips, data="arrays:nowhere.npz"), "bad_data", "nowhere.npz")


def test_unreadable_videos_are_bad_data(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise CannotRun("half of the videos cannot be read")
        yield

    monkeypatch.setattr(trial, "training_batches", broken)
    check_failure(job(tmp_path / "t", clips), "bad_data", "half of the videos")


def test_infinite_loss_is_nan(clips: DataSpec, tmp_path: Path) -> None:
    check_failure(job(tmp_path / "t", clips, settings={"learning_rate": 1e30}), "nan", "at step")


def test_passed_time_limit_is_a_timeout(clips: DataSpec, tmp_path: Path) -> None:
    check_failure(job(tmp_path / "t", clips, timeout=0.001), "timeout", "time")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_lack_of_memory_is_out_of_memory(
    error: Exception, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(nn.Linear, "forward", refuse)
    check_failure(job(tmp_path / "t", clips), "out_of_memory", "memory")


def test_internal_error_names_its_place(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(nn.Linear, "forward", fail)
    check_failure(
        job(tmp_path / "t", clips), "error", "internal error: ZeroDivisionError: by zero (test_"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("stride=4", "strid=4"), "did you mean `stride`"),
        (TEXT.replace("classes=3", "classes=4"), "4 classes, but the data have 3"),
        ("\ufffe", "A10"),
    ],
)
def test_invalid_candidate_is_an_error(
    text: str, message: str, clips: DataSpec, tmp_path: Path
) -> None:
    check_failure(job(tmp_path / "t", clips, text), "error", message)


# The command, and jobs


def test_job_schema_has_all_settings(done: Path) -> None:
    validate("trial-job", json.loads((done / "job.json").read_text()))
    path = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "trial-job.schema.json"
    described = json.loads(path.read_text())["properties"]["settings"]["properties"]
    assert set(described) == set(settings_defaults())


def test_exit_codes(clips: DataSpec, tmp_path: Path) -> None:
    assert (
        anetc("trial", job(tmp_path / "done", clips, settings={"iterations": 1})).code
        == EXIT_DONE
        == 0
    )
    failing = job(tmp_path / "failed", clips, "anet 1")
    failed = anetc("trial", failing)
    assert failed.code == EXIT_FAILED == 1
    assert f"the trial failed; see {failing / 'result.json'}" in failed.err
    missing = anetc("trial", tmp_path / "nowhere")
    assert missing.code == EXIT_NO_RESULT == 2
    assert "job.json: no such file" in missing.err
    (failing / "candidate.anet").unlink()
    missing = anetc("trial", failing)
    assert missing.code == EXIT_NO_RESULT
    assert "candidate.anet: no such file" in missing.err


def parse_job(document: object) -> TrialSetup:
    return trial_setup(named_values(document, "job.json"))


MINIMAL = {"schema": "anetdsl-trial-job", "schema_version": 1, "data": "motion"}


def test_defaults_of_a_job() -> None:
    """One thread, the settings of the paper, and the clip size of the data."""
    found = parse_job(MINIMAL)
    assert found.settings.threads == 1
    assert found.settings.iterations == 50_000
    assert found.recipes.train.frames == 16
    assert (found.split, found.timeout, found.init_from) == ("validation", None, None)
    parent = {"weights": "w", "text": "t"}
    assert parse_job({**MINIMAL, "init_from": parent}).init_from == Parent(Path("w"), Path("t"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "other"}, '`schema` must be "anetdsl-trial-job"'),
        ({"schema_version": 2}, "`schema_version` is 2"),
        ({"setings": {}}, "did you mean `settings`"),
        ({"data": 3}, "`data` must be a string, not 3"),
        ({"settings": {"iterations": 0}}, "`iterations` must be at least 1, not 0"),
        ({"device": "tpu"}, '`device` must be "auto", "cpu", "cuda" or "cuda:N", not "tpu"'),
        ({"split": "all"}, '`split` must be one of "train", "validation", "test", not "all"'),
        ({"recipe": {"size": 32}}, "`size` must be a list of 2 whole numbers, not 32"),
        ({"recipe": {"frame": 32}}, r"no setting `frame` in \[recipe\]; did you mean `frames`"),
        ({"recipe": []}, r"`recipe` must hold settings by name, not \[\]"),
        ({"timeout": 0}, "`timeout` must be above 0, not 0.0"),
        ({"timeout": "1"}, '`timeout` must be a number, not "1"'),
        ({"init_from": "w"}, '`init_from` must hold settings by name, not "w"'),
        ({"init_from": {"weights": "w"}}, "`text` is missing"),
        (
            {"init_from": {"weights": "w", "text": "t", "operations": 3}},
            "`operations`: must be a list",
        ),
    ],
)
def test_invalid_jobs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        parse_job({**MINIMAL, **changes})


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_files_that_are_not_jobs(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(CannotRun, match=r"job\.json"):
        run_trial(TrialFolder(tmp_path))


def test_mistakes_in_a_job_have_lines(tmp_path: Path) -> None:
    job = {**MINIMAL, "settings": {"batch": 8, "iterations": "all"}}
    (tmp_path / "job.json").write_text(json.dumps(job, indent=1))
    with pytest.raises(CannotRun, match=r"job\.json:7: `iterations` must be a whole number"):
        run_trial(TrialFolder(tmp_path))
