"""Trials that continue from checkpoints, evaluate trained weights, or train in folds."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.api.evaluate import evaluate
from anetc.data.values import DataSpec
from anetc.training import memory_probe
from anetc.trial import trial
from anetc.trial.trial import run_trial
from anetdsl.evolve.contract import TrialFolder
from tests.training.running import TEXT
from tests.training.test_memory_probe import ERROR, limit
from tests.trial.folders import job, result, validate

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
