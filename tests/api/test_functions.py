"""`anetc.train`, `anetc.evaluate` and `anetc.search`: the results of the commands, as values."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import anetc
import anetdsl
from anetc.api.train import read_settings
from anetc.data.values import Dataset, DataSpec
from anetc.training.settings import TrainSettings
from anetdsl.errors import AnetError, CannotRun
from anetdsl.evolve.drive import search
from anetdsl.evolve.drive.driver import Driver
from anetdsl.source import SourceFile
from tests.command_line import anetc as command
from tests.evolve.method import COMMAND
from tests.training.conftest import _one_thread, clips
from tests.training.running import TEXT, losses, outcome

__all__ = ["_one_thread", "clips"]

SETTINGS: dict[str, Any] = {
    "iterations": 6,
    "batch": 8,
    "frames": 4,
    "size": (16, 16),
    "device": "cpu",
    "learning_rate": 0.05,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    out = tmp_path_factory.mktemp("functions") / "run"
    anetc.train(SourceFile("toy.anet", TEXT), f"arrays:{clips.path}", out, **SETTINGS)
    return out


# train


def test_training_is_that_of_the_command(trained: Path, clips: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "toy.anet").write_text(TEXT)
    options = {**SETTINGS, "size": 16}
    words = [word for k, v in options.items() for word in (f"--{k.replace('_', '-')}", v)]
    out = tmp_path / "run"
    done = command("train", tmp_path / "toy.anet", "--data", clips.path, "--out", out, *words)
    assert done.code == 0, done.err
    assert outcome(out) == outcome(trained)


def test_the_result_has_the_measures(clips: DataSpec, tmp_path: Path) -> None:
    """The network may be a value; a text of its own is written."""
    network = anetdsl.parse(TEXT)
    result = anetc.train(network, f"arrays:{clips.path}", tmp_path, **{**SETTINGS, "size": 16})
    assert (result.iterations, set(result.measures)) == (6, {"top1", "top5", "loss", "fitness"})
    assert json.loads((tmp_path / "result.json").read_text())["measures"] == result.measures
    assert anetdsl.load(tmp_path / "model.anet").name == "toy"


def test_a_run_goes_on_with_more_steps(trained: Path, clips: DataSpec, tmp_path: Path) -> None:
    data = f"arrays:{clips.path}"
    path = tmp_path / "toy.anet"
    path.write_text(TEXT)
    out = tmp_path / "run"
    anetc.train(path, data, out, **SETTINGS)
    without = {k: v for k, v in SETTINGS.items() if k != "iterations"}
    assert anetc.train(path, data, out, resume=True, **without).iterations == 6
    assert outcome(out) == outcome(trained)
    assert (
        anetc.train(path, data, out, resume=True, **{**SETTINGS, "iterations": 8}).iterations == 8
    )
    assert losses(out)[:6] == losses(trained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iteration": 4}, "no setting `iteration`; did you mean `iterations`"),
        ({"batch": 0}, "--batch: `batch` must be at least 1"),
        ({"size": "big"}, "`size` must be"),
        ({"new_head": True}, "--new-head: is about the weights of --init-from"),
        ({"init_from": "gone.safetensors"}, "gone.safetensors: no such file"),
    ],
)
def test_wrong_arguments_are_named(
    changes: dict[str, Any], message: str, clips: DataSpec, tmp_path: Path
) -> None:
    arguments = {**SETTINGS, **changes}
    with pytest.raises(CannotRun, match=message):
        anetc.train(SourceFile("x", TEXT), f"arrays:{clips.path}", tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_a_text_with_errors_is_refused(clips: DataSpec, tmp_path: Path) -> None:
    source = SourceFile("toy.anet", TEXT.replace("[n2]", "[n9]"))
    with pytest.raises(AnetError, match="A302"):
        anetc.train(source, f"arrays:{clips.path}", tmp_path / "run", **SETTINGS)


def test_none_is_the_default(tmp_path: Path) -> None:
    settings, clip = read_settings(tmp_path, {"iterations": None, "frames": 8}, resume=True)
    assert settings == TrainSettings()
    assert (clip.frames, clip.flip) == (8, None)


# evaluate


def test_evaluation_is_that_of_the_command(trained: Path, clips: DataSpec) -> None:
    seen: list[Any] = []

    def ready(dataset: Dataset, notes: tuple[str, ...]) -> Any:
        seen.append((len(dataset), notes))
        return seen.append

    report = anetc.evaluate(
        trained / "model.anet",
        trained / "weights.safetensors",
        f"arrays:{clips.path}",
        split="validation",
        ready=ready,
    )
    words = ["--weights", trained / "weights.safetensors", "--data", clips.path]
    done = command("eval", trained / "model.anet", *words, "--split", "validation", "--json")
    assert json.loads(json.dumps(report.to_json())) == json.loads(done.out)
    assert report.evaluation.logits.shape == (9, 3)
    assert np.isfinite(report.evaluation.logits).all()
    last = json.loads((trained / "result.json").read_text())["measures"]
    assert report.measures == pytest.approx(last, rel=1e-4)
    assert seen[0] == (9, ())
    assert seen[-1] == 9


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("engine", "referense", 'must be one of "fast", "reference", not "referense"'),
        (
            *("precision", "float16"),
            'must be one of "auto", "float32", "bfloat16", "ieee", not "float16"',
        ),
        ("protocol", "kinetics", 'must be one of "moments", "charades", not "kinetics"'),
        ("split", "val", 'must be one of "train", "validation", "test", not "val"'),
        ("max_failures", float("nan"), "must be a number from 0 to 1, not NaN"),
        ("batch", 0, "must be a whole number at least 1, not 0"),
        ("batch", None, "must be a whole number, not null"),
        ("workers", -1, "must be a whole number at least 0, not -1"),
        ("frames", 0, "must be a whole number at least 1, not 0"),
        ("size", "16", "must be a list of 2 whole numbers"),
        ("seed", 0.5, "must be a whole number, not 0.5"),
    ],
)
def test_wrong_arguments_of_an_evaluation_are_named(
    trained: Path, clips: DataSpec, argument: str, value: object, message: str
) -> None:
    with pytest.raises(CannotRun, match=re.escape(f"evaluate: `{argument}` {message}")):
        anetc.evaluate(
            trained / "model.anet",
            trained / "weights.safetensors",
            Path(clips.path or ""),
            **{argument: value},  # type: ignore[arg-type]
        )


def test_swapped_arguments_are_named(trained: Path, clips: DataSpec, tmp_path: Path) -> None:
    network = anetdsl.parse(TEXT)
    with pytest.raises(CannotRun, match="`weights` must be str or a path, not Network"):
        anetc.evaluate(trained / "model.anet", network, clips.path or "")  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="must be a text or a path, not Network"):
        anetc.train(TEXT, network, tmp_path / "run")  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="`out` must be str or a path, not int"):
        anetc.train(network, clips.path or "", 3)  # type: ignore[arg-type]


def test_data_may_be_a_path(trained: Path, clips: DataSpec, tmp_path: Path) -> None:
    path = Path(clips.path or "")
    weights = trained / "weights.safetensors"
    reports = [
        anetc.evaluate(trained / "model.anet", weights, data, split="validation")
        for data in (path, str(path))
    ]
    assert reports[0].to_json() == reports[1].to_json()
    anetc.train(anetdsl.parse(TEXT), path, tmp_path / "run", **{**SETTINGS, "iterations": 1})
    assert (tmp_path / "run" / "result.json").exists()


def test_a_text_with_another_rate_is_reported(trained: Path, clips: DataSpec) -> None:
    """The weights fit its shapes. The trained text, which has learned edge weights, is silent."""
    weights, data = trained / "weights.safetensors", Path(clips.path or "")
    network = anetdsl.load(trained / "model.anet")
    assert anetc.evaluate(network, weights, data, split="validation").notes == ()
    first, *others = network.nodes
    other = attrs.evolve(network, nodes=(attrs.evolve(first, dilation=3), *others))
    (note,) = anetc.evaluate(other, weights, data, split="validation").notes
    assert note.startswith(f"{weights}: the weights were trained with another network text (")


def test_what_cannot_be_evaluated_is_refused(trained: Path, clips: DataSpec) -> None:
    data = f"arrays:{clips.path}"
    with pytest.raises(CannotRun, match=r"gone\.safetensors: no such file"):
        anetc.evaluate(trained / "model.anet", "gone.safetensors", data)
    network = anetdsl.parse(TEXT.replace("classes=3", "classes=4"))
    with pytest.raises(CannotRun, match="classes=4"):
        anetc.evaluate(network, trained / "weights.safetensors", data)


# search


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = functools.partial(search.drive_run, command=COMMAND)
    monkeypatch.setattr(search, "drive_run", drive)


@pytest.mark.usefixtures("_no_training")
def test_a_search_can_be_stopped_and_resumed(tmp_path: Path) -> None:
    out = tmp_path / "run"

    def stop(driver: Driver) -> None:
        driver.stopping.set()

    settings = {"preset": "small", "candidates": 4, "population": 2, "executor": "threads:1"}
    data = "motion:clips=96"
    stopped = anetc.search(data, out, ready=stop, label_smoothing=0.1, **settings)  # type: ignore[arg-type]
    assert (stopped.is_finished, stopped.done, stopped.best) == (False, 0, None)
    assert "label_smoothing = 0.1" in (out / "settings.toml").read_text()
    finished = anetc.search(None, out, resume=True)
    assert (finished.is_finished, finished.done, finished.failed) == (True, 4, 0)
    assert finished.best is not None
    score = anetdsl.load(finished.best).score
    assert score is not None
    assert dict(score.values)["fitness"] == pytest.approx(finished.fitness, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidate": 4}, "no setting `candidate`; did you mean `candidates`"),
        ({"rounds": 4}, "--rounds: this option is now `--candidates`"),
        ({"candidates": 0}, "`candidates` must be"),
        ({"patience": 3, "evaluate_every": 1}, "early stopping"),
        ({"resume": True}, "has its own data"),
        ({"accept_changed_videos": True}, "--resume only"),
        ({"crop_area": (2, 3)}, "crop_area"),
    ],
)
def test_wrong_arguments_of_a_search_are_named(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotRun, match=message):
        anetc.search("motion:clips=96", tmp_path / "run", preset="small", **arguments)
    assert not (tmp_path / "run").exists()


def test_a_resumed_search_accepts_few_settings(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no setting `candidates`"):
        anetc.search(None, tmp_path / "run", resume=True, candidates=9)
