"""The speed of a run: clips per second, waiting, and the fraction of the GPU's peak speed."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import anetdsl
from anetc.cli.progress import training_progress
from anetc.data.recipes import recipes_for
from anetc.data.values import DataSpec
from anetc.devices import Device, Precision
from anetc.training.run.speed import SpeedMeter, peak_flops, speed_meter
from anetc.training.run.watcher import StepReport
from tests.conftest import REPOSITORY
from tests.training.running import SOURCE, metrics, run


def test_speed_of_a_run_is_recorded(clips: DataSpec, tmp_path: Path) -> None:
    """The file of metrics stays free of times."""
    run(tmp_path / "run", clips)
    text = (tmp_path / "run" / "speed.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1]["iteration"] == 11
    schema = json.loads((REPOSITORY / "docs/schemas/speed.schema.json").read_text("utf-8"))
    for line in lines:
        jsonschema.validate(line, schema)
    assert all(line["mfu"] is None for line in lines), "the peak speed of CPUs is not known"
    assert {name for line in metrics(tmp_path / "run") for name in line} == {
        *("iteration", "loss", "learning_rate", "validation")
    }


@pytest.mark.parametrize(
    ("hardware", "precision", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.4e12),
        ("NVIDIA H100 PCIe", "float32", 378e12),
        ("NVIDIA H100 NVL", "bfloat16", 835e12),
        ("NVIDIA A100-SXM4-40GB", "float32", 156e12),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "float32", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bfloat16", None),
        ("NVIDIA A100-SXM4-40GB", "ieee", None),
        ("NVIDIA Unknown", "bfloat16", None),
    ],
)
def test_peak_speeds(hardware: str, precision: Precision, peak: float | None) -> None:
    device = Device(name="cuda:0", hardware=hardware, precision=precision)
    assert peak_flops(device) == peak


def test_model_flop_utilisation_counts_three_passes() -> None:
    network = anetdsl.parse(SOURCE.text)
    recipe = recipes_for(DataSpec("motion", None), 4, (16, 16)).train
    device = Device(name="cuda:0", hardware="NVIDIA A100", precision="bfloat16")
    meter = speed_meter(network, recipe, device, 32, 2, None)
    speed = meter.measure(10, 10, 4.0, 1.0)
    assert (speed.clips_per_second, speed.waiting) == (80.0, 0.25)
    multiply_adds = anetdsl.cost(network, frames=4, size=(16, 16)).multiply_adds
    assert speed.mfu == pytest.approx(80 * 6 * multiply_adds / (2 * 312e12))


def test_meter_without_a_peak() -> None:
    assert SpeedMeter(8, 1e9, None).measure(1, 1, 2.0, 3.0).waiting == 1.0


def test_progress_shows_waiting_and_utilisation(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress() as watch:
        watch.steps_done(StepReport(10, 10, 1.25, 0.5, 12.0, 0.41, 0.307))
        watch.steps_done(StepReport(10, 10, 1.25, 0.5, 12.0, 0.01))
    assert "12.0 clips/s, 41 % waiting for clips, MFU 31 %" in capsys.readouterr().err
