"""The device of a search's trials: the line about it, a missing device, `--workers auto`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

import anetc
from anetc.api import search_device
from anetc.api.search_device import search_device_line, with_automatic_workers
from anetc.api.search_settings import Options, new_settings
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.run_settings import Running, RunSettings
from tests.command_line import anetc as command

CPU = "CPU of the test"


@pytest.fixture(autouse=True)
def _processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_device, "processor_name", lambda: CPU)
    monkeypatch.setattr(search_device, "processor_count", lambda: 16)


def made(
    monkeypatch: pytest.MonkeyPatch, gpus: str = "", executor: str = "threads", **training: Any
) -> RunSettings:
    """Return the settings of a search in a process that may use these GPUs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    options = Options("motion", None, {}, {}, training, {}, {"executor": executor})
    return new_settings("small", None, options)


@pytest.mark.parametrize(
    ("gpus", "training", "line"),
    [
        ("", {}, f"on the CPU: {CPU}, 1 thread, float32"),
        ("", {"precision": "bfloat16"}, f"on the CPU: {CPU}, 1 thread, bfloat16"),
        ("", {"engine": "reference"}, f"on the CPU: {CPU}, 1 thread, float32, reference module"),
        ("0,1", {"device": "cpu"}, f"on the CPU: {CPU}, 1 thread, float32"),
    ],
)
def test_trials_on_the_cpu(
    gpus: str, training: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search_device_line(made(monkeypatch, gpus, **training)) == line


def test_a_process_asks_pytorch_about_the_gpu_of_the_first_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Sequence[str], str]] = []

    def run(words: Sequence[str], **options: Any) -> Any:
        asked.append((words[4:], options["env"]["CUDA_VISIBLE_DEVICES"]))
        return search_device.subprocess.CompletedProcess(words, 0, "on NVIDIA H100, bfloat16\n", "")

    monkeypatch.setattr(search_device.subprocess, "run", run)
    settings = made(monkeypatch, "4,7", iterations=1500)
    assert search_device_line(settings) == "on NVIDIA H100, bfloat16"
    assert asked == [(["auto", "auto", "fast", "False", "1500"], "4")]
    assert search_device_line(attrs.evolve(settings, running=Running("dask:tcp://x:1"))) == ""


def test_a_numbered_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        CannotRun, match="--device cuda:1: each trial of a search sees one GPU only"
    ):
        search_device_line(made(monkeypatch, "0,1", device="cuda:1"))


def test_a_device_that_pytorch_cannot_use_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: Sequence[str], **_: Any) -> Any:
        return search_device.subprocess.CompletedProcess(words, 1, "", "a warning\nno driver\n")

    monkeypatch.setattr(search_device.subprocess, "run", run)
    with pytest.raises(CannotRun, match=r"^no driver$"):
        search_device_line(made(monkeypatch, device="cuda"))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_device_is_an_error_before_the_search_begins(tmp_path: Path) -> None:
    done = command("evolve", "--data", "motion", "--out", tmp_path / "run", "--device", "cuda")
    assert done.code == 2
    assert "anetc: --device cuda: " in done.err
    assert "Torch not compiled with CUDA" in done.err or "NVIDIA" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("gpus", "executor", "workers"),
    [("", "threads", 15), ("", "threads:4", 3), ("0,1", "threads", 7), ("", "threads:20", 1)],
)
def test_automatic_workers_share_the_processors(
    gpus: str, executor: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = with_automatic_workers(made(monkeypatch, gpus, executor))
    assert found.trial["settings"]["workers"] == workers


def test_workers_of_a_cluster_need_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotRun, match="machines of a cluster are not known; give a number"):
        with_automatic_workers(made(monkeypatch, executor="dask:tcp://x:1"))


def test_a_search_prints_its_device_and_records_the_options(tmp_path: Path) -> None:
    """The option --device replaces that of the table [trial]."""
    config = tmp_path / "search.toml"
    config.write_text('[trial]\ndevice = "auto"\n')
    lines: list[str] = []
    done = anetc.search(
        "motion:clips=96",
        tmp_path / "run",
        preset="small",
        config=config,
        device="cpu",
        precision="float32",
        workers="auto",
        executor="threads:1",
        ready=lambda driver: driver.stopping.set(),
        message=lines.append,
    )
    assert not done.is_finished
    assert lines == ["--workers auto: 15 for each trial", f"on the CPU: {CPU}, 1 thread, float32"]
    text = (tmp_path / "run" / "settings.toml").read_text()
    assert 'device = "cpu"' in text
    assert 'device = "auto"' not in text
    assert "workers = 15" in text
