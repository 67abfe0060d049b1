"""Logging to MLflow's file store, to a fake Weights & Biases, and their failures."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from anetc.training.run import trackers
from anetc.training.run.board import open_board
from anetc.training.run.trackers import TRACKERS, Service, Tracking
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.documents import REPOSITORY

SETTINGS = {"data": "motion", "settings": {"batch": 16, "loss": None}, "size": [32, 32]}
LINES = (
    {"iteration": 0, "loss": 1.5, "learning_rate": 0.25},
    {"iteration": 1, "validation": {"top1": 50.0, "mAP": None}},
)


def ignore(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an MLflow file store."""
    pytest.importorskip("mlflow")
    path = tmp_path / "store"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", path.as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")  # and restored after the test
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return path


def runs(store: Path) -> list[Path]:
    return [path.parent for path in store.glob("*/*/params")]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_settings_and_metrics_and_continues_its_run(
    store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Tracking("mlflow", folder, SETTINGS, ignore) as tracking:
        tracking.write(*LINES)
    (run,) = runs(store)
    assert (run / "params" / "settings.batch").read_text() == "16"
    assert (run / "params" / "size").read_text() == "32, 32"
    assert (run / "metrics" / "training" / "loss").read_text().split()[1:] == ["1.5", "0"]
    assert (run / "metrics" / "validation" / "top1").read_text().split()[1:] == ["50.0", "1"]
    assert not (run / "metrics" / "validation" / "mAP").exists()
    assert run.name in (folder / TRACKERS).read_text()
    with Tracking("mlflow", folder, SETTINGS, ignore) as tracking:
        tracking.write({"iteration": 2, "loss": 1.25, "learning_rate": 0.25})
    assert runs(store) == [run]
    losses = (run / "metrics" / "training" / "loss").read_text().splitlines()
    assert [line.split()[1:] for line in losses] == [["1.5", "0"], ["1.25", "2"]]


class FakeRun:
    """A run of Weights & Biases that keeps what it gets."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.id = options["id"] or "new"
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.finished = False

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append((values, step))

    def finish(self) -> None:
        self.finished = True


class FakeConfig:
    """The settings of a run of Weights & Biases."""

    def update(self, values: dict[str, Any], *, allow_val_change: bool) -> None:
        assert allow_val_change
        assert values["settings.batch"] == 16


@pytest.fixture
def fake_runs(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """Replace the package `wandb`; return the list of the runs that it starts."""
    started: list[FakeRun] = []
    package = types.ModuleType("wandb")

    def init(**options: Any) -> FakeRun:
        started.append(FakeRun(**options))
        return started[-1]

    package.init = init  # type: ignore[attr-defined]
    package.config = FakeConfig()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", package)
    return started


def test_weights_and_biases_gets_the_metrics_and_continues_its_run(
    fake_runs: list[FakeRun], tmp_path: Path
) -> None:
    for _ in range(2):
        with Tracking("wandb", tmp_path, SETTINGS, ignore) as tracking:
            tracking.write(*LINES)
    first, second = fake_runs
    assert first.options["project"] == "anetdsl"
    assert first.options["name"] == tmp_path.name
    assert first.logged == [
        ({"training/loss": 1.5, "training/learning_rate": 0.25}, 0),
        ({"validation/top1": 50.0}, 1),
    ]
    assert first.finished
    assert (first.options["id"], second.options["id"]) == (None, "new")


def test_a_service_that_fails_later_is_reported_once(
    fake_runs: list[FakeRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the server")

    warnings: list[str] = []
    monkeypatch.setattr(FakeRun, "log", fail)
    monkeypatch.setattr(FakeRun, "finish", fail)
    with Tracking("wandb", tmp_path, SETTINGS, warnings.append) as tracking:
        tracking.write(*LINES)
        tracking.write(*LINES)
    assert warnings == [
        "warning: --log wandb: no route to the server; the training goes on",
        "warning: --log wandb: no route to the server",
    ]


def test_a_service_that_cannot_start_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = types.ModuleType("wandb")

    def init(**_: Any) -> None:
        raise ValueError("no API key")

    package.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", package)
    with pytest.raises(CannotRun, match="--log wandb: the run cannot be started: no API key"):
        Tracking("wandb", tmp_path, SETTINGS, ignore)
    assert not (tmp_path / TRACKERS).exists()


@pytest.mark.parametrize("service", ["mlflow", "wandb"])
def test_a_missing_package_is_named_with_its_extra(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, service, None)
    with pytest.raises(CannotRun, match=rf"pip install 'anetdsl\[{service}\]'"):
        Tracking(service, tmp_path, SETTINGS, ignore)


def test_an_unknown_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="there is no service 'visdom'; choose from tensorboard"):
        open_board("visdom", tmp_path, 0, SETTINGS, ignore)


def test_a_training_logs_to_a_service(
    fake_runs: list[FakeRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeConfig, "update", lambda *_, **__: None)
    network = REPOSITORY / "examples" / "small_single_stream_rgb.anet"
    words = ("train", network, "--data", "motion:clips=48", "--iterations", 2, "--batch", 4)
    clips = ("--frames", 4, "--size", 32)
    result = anetc(*words, *clips, "--log", "wandb", "--out", tmp_path / "run")
    assert result.code == 0, result.err
    (run,) = fake_runs
    losses = [(step, "training/loss" in values) for values, step in run.logged]
    assert losses == [(0, True), (1, True), (2, False)]
    assert "validation/top1" in run.logged[-1][0]
    assert run.finished


@pytest.mark.filterwarnings("ignore")
def test_a_database_without_its_packages_is_explained(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small package of MLflow has no database."""
    if importlib.util.find_spec("sqlalchemy") is not None:
        pytest.skip("MLflow's whole package is installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(CannotRun, match=r"pip install mlflow.*MLFLOW_TRACKING_URI=file:mlruns"):
        Tracking("mlflow", tmp_path, SETTINGS, ignore)


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("file:mlruns", True),
        ("file:///tmp/mlruns", True),
        ("mlruns", True),
        ("sqlite:///mlflow.db", False),
        ("http://127.0.0.1:5000", False),
        ("", False),
    ],
)
def test_folders_are_recognised(address: str, folder: bool) -> None:
    assert trackers._is_folder(address) == folder
