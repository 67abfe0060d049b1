"""Trials: their results, which are reproducible, and each kind of failure."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

import anetdsl
from anetc.api.evaluate import evaluate
from anetc.data.values import DataSpec, Split
from anetc.training import memory_probe
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
from tests.training.test_memory_probe import ERROR, limit
from tests.training.toys import NETWORK, Toy

ITERATIONS = 12


def job(folder: Path, data: DataSpec, text: str = TEXT, /, **changes: Any) -> Path:
    """Make the folder of a trial."""
    settings = {"iterations": ITERATIONS, "batch": 8, "learning_rate": 0.05}
    document = {
        "schema": "anetdsl-trial-job",
        "schema_version": 1,
        "data": f"arrays:{data.path}",
        "settings": settings | changes.pop("settings", {}),
        "recipe": {"frames": 4, "size": [16, 16]},
        "split": "validation",
        "init_from": None,
        "timeout": None,
        "device": "cpu",
        **changes,
    }
    folder.mkdir()
    (folder / "candidate.anet").write_text(text)
    (folder / "job.json").write_text(json.dumps(document))
    return folder


def validate(name: str, document: object) -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "schemas" / f"{name}.schema.json"
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def result(folder: Path) -> dict[str, Any]:
    """Return the result of a trial; check that it follows its schema."""
    found = json.loads((folder / "result.json").read_text())
    validate("trial-result", found)
    return dict(found)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    folder = job(tmp_path_factory.mktemp("trial") / "g0001", clips)
    assert run_trial(TrialFolder(folder)) == "done"
    return folder


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


# Long trials: checkpoints, and the evaluation of trained weights


def test_trial_continues_from_its_checkpoints(
    done: Path, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that was killed after its second checkpoint ends with the same bytes."""
    saved = tmp_path / "checkpoints"
    changes = {"settings": {"save_every": 5}, "checkpoints": str(saved)}
    first = job(tmp_path / "1", clips, **changes)
    save = trial.save_checkpoint

    def killed(folder: Path, state: Any) -> Path:
        path = save(folder, state)
        if state.iteration == 10:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(trial, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        run_trial(TrialFolder(first))
    monkeypatch.undo()
    assert [path.name for path in sorted(saved.iterdir())] == [
        "00000005.safetensors",
        "00000010.safetensors",
    ]
    (saved / "00000012.safetensors").write_bytes(b"damaged")
    second = job(tmp_path / "2", clips, **changes)
    assert run_trial(TrialFolder(second)) == "done"
    lines = (second / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [10, 11, 12]
    for name in ("trained.anet", "weights.safetensors"):
        assert (second / name).read_bytes() == (done / name).read_bytes()


def test_trial_records_and_keeps_the_parts_that_memory_allows(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It continues with the same parts, also where memory would suffice for larger ones."""
    changes = {"settings": {"save_every": 5}, "checkpoints": str(tmp_path / "checkpoints")}
    whole = job(tmp_path / "0", clips, settings={"accumulate": 4, "save_every": 5})
    assert run_trial(TrialFolder(whole)) == "done"
    assert result(whole)["parts"] == 4
    probe = functools.partial(memory_probe.with_fitting_parts, always=True)
    monkeypatch.setattr(trial, "with_fitting_parts", probe)
    save = trial.save_checkpoint

    def killed(folder: Path, state: Any) -> Path:
        save(folder, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "save_checkpoint", killed)
    with monkeypatch.context() as patch:
        limit(patch, 2, ERROR)
        with pytest.raises(KeyboardInterrupt):
            run_trial(TrialFolder(job(tmp_path / "1", clips, **changes)))
    monkeypatch.setattr(trial, "save_checkpoint", save)
    second = job(tmp_path / "2", clips, **changes)
    assert run_trial(TrialFolder(second)) == "done"
    assert result(second)["parts"] == 4
    assert (second / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()


def test_checkpoints_of_another_network_fail(clips: DataSpec, tmp_path: Path) -> None:
    changes = {"settings": {"save_every": 5}, "checkpoints": str(tmp_path / "checkpoints")}
    run_trial(TrialFolder(job(tmp_path / "1", clips, **changes)))
    other = TEXT.replace("D=[4,", "D=[8,")
    assert other != TEXT
    folder = job(tmp_path / "2", clips, other, **changes)
    assert run_trial(TrialFolder(folder)) == "failed"
    assert "are of another network" in result(folder)["message"]


def test_trained_weights_are_evaluated_as_by_eval(
    done: Path, clips: DataSpec, tmp_path: Path
) -> None:
    text, weights = (done / "trained.anet").read_text(), str(done / "weights.safetensors")
    folder = job(tmp_path / "look", clips, text, split="train", evaluate=weights)
    assert run_trial(TrialFolder(folder)) == "done"
    assert not (folder / "weights.safetensors").exists()
    found = result(folder)
    report = evaluate(done / "trained.anet", weights, f"arrays:{clips.path}", split="train")
    expected = report.measures
    assert found["fitness"] == expected["fitness"]
    assert found["measures"]["top1"] == expected["top1"]
    assert found["device"]["hardware"] == report.about["device"]["hardware"]
    validate("trial-job", json.loads((folder / "job.json").read_text()))


def test_missing_weights_are_a_failure(clips: DataSpec, tmp_path: Path) -> None:
    folder = job(tmp_path / "look", clips, evaluate=str(tmp_path / "none.safetensors"))
    assert run_trial(TrialFolder(folder)) == "failed"
    assert "none.safetensors" in result(folder)["message"]


# Folds


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> DataSpec:
    """Clips of three people."""
    with np.load(str(clips.path)) as archive:
        arrays = {name: archive[name] for name in ("x", "y", "flow8")}
    path = tmp_path_factory.mktemp("people") / "people.npz"
    np.savez(path, subj=np.arange(30) % 10 // 3 % 3 + 1, **arrays)
    return DataSpec("arrays", f"{path}?folds=1,2,3")


def test_the_seed_chooses_the_fold(people: DataSpec, tmp_path: Path) -> None:
    """The result is that of a training whose data name the fold."""
    path = str(people.path)
    found = []
    for seed, fold in ((4, 2), (5, 3)):
        one = job(tmp_path / f"{seed}", people, settings={"seed": seed})
        named = job(
            tmp_path / f"{seed}-named",
            DataSpec("arrays", f"{path}&fold={fold}"),
            settings={"seed": seed},
        )
        for folder in (one, named):
            assert run_trial(TrialFolder(folder)) == "done"
        assert result(one)["measures"] == result(named)["measures"]
        found.append(result(one)["measures"])
    assert found[0] != found[1]


def test_all_folds_are_trained_and_evaluated(people: DataSpec, tmp_path: Path) -> None:
    """The fitness is that of the clips of all folds; weights are those of the seed's fold."""
    whole = job(tmp_path / "all", people, folds="all", settings={"seed": 1})
    assert run_trial(TrialFolder(whole)) == "done"
    shares, count = 0.0, 0
    for fold in (1, 2, 3):
        data = DataSpec("arrays", f"{people.path}&fold={fold}")
        one = job(tmp_path / f"fold-{fold}", data, settings={"seed": 1})
        assert run_trial(TrialFolder(one)) == "done"
        subjects = np.arange(30) % 10 // 3 % 3 + 1
        clips = int(np.count_nonzero(subjects == fold))
        shares += clips * result(one)["fitness"]
        count += clips
        if fold == 2:
            assert result(one)["edges"] == result(whole)["edges"]
    assert count == 30
    assert result(whole)["fitness"] == pytest.approx(shares / count)
    assert result(whole)["standard_error"] > 0
    assert sorted(path.name for path in whole.glob("log*")) == [
        *("log-fold-1.jsonl", "log-fold-2.jsonl", "log.jsonl"),
    ]
