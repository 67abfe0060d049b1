"""Several processes and several parts compute the numbers of one process with one part."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

import anetdsl
from anetc.data.batches.loader import Batch, training_batches
from anetc.data.values import DataSpec
from anetc.devices import EngineChoice
from anetc.training.loop import make_accelerator, make_train_state, steps
from anetc.training.settings import TrainSettings
from tests.training.running import SOURCE, losses, metrics, run
from tests.training.toys import Toy, network


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    """Runs of two processes on the CPU, with the backend gloo."""
    out = tmp_path_factory.mktemp("distributed")
    root = Path(__file__).resolve().parents[2]
    worker = Path(__file__).with_name("distributed_worker.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", str(worker), str(out), f"arrays:{clips.path}"]
    done = subprocess.run(
        [*command, str(root), str(root / "compiler")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    out = tmp_path_factory.mktemp("alone")
    run(out, clips)
    return out


@pytest.mark.integration
@pytest.mark.parametrize("name", ["fused", "plain"])
def test_two_processes_have_the_losses_of_one(name: str, together: Path, alone: Path) -> None:
    """The same losses and measures, with synchronised batch normalisation."""
    assert losses(together / name) == pytest.approx(losses(alone), abs=1e-4)
    found, expected = (metrics(out)[-1]["validation"] for out in (together / name, alone))
    assert found == pytest.approx(expected, abs=1e-3)
    for file in ("model.anet", "weights.safetensors", "result.json"):
        assert (together / name / file).exists()


@pytest.mark.integration
def test_processes_with_parts_have_similar_losses(together: Path) -> None:
    """Batch statistics are those of each part, so the losses differ a little."""
    assert len(losses(together / "parts")) == 12
    assert losses(together / "parts")[0] == pytest.approx(losses(together / "fused")[0], abs=0.05)


@pytest.mark.integration
def test_one_process_resumes_a_run_of_two(together: Path, alone: Path, clips: DataSpec) -> None:
    """A checkpoint does not depend on the number of processes."""
    (together / "half" / "run.json").write_bytes((alone / "run.json").read_bytes())
    run(together / "half", clips, resume=True)
    assert losses(together / "half")[4:] != []


def train_losses(settings: TrainSettings, batches: Iterator[Batch]) -> list[float]:
    state = make_train_state(anetdsl.parse(SOURCE.text), settings, make_accelerator(settings))
    return [step.loss.item() for step in steps(state, batches)]


def random_batches(twice: int) -> Iterator[Batch]:
    """Batches of 4 clips, repeated `twice` times: each part has the statistics of the batch."""
    generator = torch.Generator().manual_seed(0)
    for number in range(100):
        rgb = torch.rand(4, 3, 4, 16, 16, generator=generator).repeat(twice, 1, 1, 1, 1)
        flow = torch.rand(4, 2, 4, 16, 16, generator=generator).repeat(twice, 1, 1, 1, 1)
        targets = torch.randint(3, (4,), generator=generator).repeat(twice)
        yield Batch({"rgb": rgb, "flow": flow}, targets, ("x",) * 4 * twice, number)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_parts_have_the_gradients_of_the_whole_batch(engine: EngineChoice) -> None:
    """For parts with equal statistics: batch normalisation uses the statistics of each part."""
    given = TrainSettings(iterations=8, batch=8, device="cpu", learning_rate=0.05, engine=engine)
    whole = train_losses(given, random_batches(2))
    parts = train_losses(attrs.evolve(given, accumulate=2), random_batches(2))
    assert parts == pytest.approx(whole, abs=1e-5)
    assert whole[-1] != whole[0]


def test_several_labels_use_the_binary_cross_entropy() -> None:
    data: Any = Toy(count=8, multi_label=True)
    given = TrainSettings(iterations=25, batch=8, device="cpu", learning_rate=0.3)
    state = make_train_state(network(), given, make_accelerator(given))
    batches = training_batches(data, batch=8, seed=0)
    found = [step.loss.item() for step in steps(state, batches)]
    assert found[0] == pytest.approx(0.693, abs=0.05), "log 2 a class"
    assert found[-1] < found[0] - 0.05
