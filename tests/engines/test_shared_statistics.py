"""Several processes with shared batch statistics give the results of one with all clips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from anetc.engines.training import TrainingModule
from tests.conftest import REPOSITORY
from tests.engines.test_training import GRADIENTS, NUMBERS
from tests.plan.cases import EVERY_PASS, case

WORKER = REPOSITORY / "tests" / "engines" / "statistics_worker.py"


def trained(
    folder: Path, shares: list[int], *, checkpoint: bool = False, engine: str = "training"
) -> list[dict[str, Tensor]]:
    """Return the results of each process, by name; `shares` are their numbers of clips."""
    folder.mkdir()
    job = {"network": str(EVERY_PASS), "shares": shares, "checkpoint": checkpoint, "engine": engine}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    # The processes connect over the loopback interface.
    environment = {**os.environ, "PYTHONPATH": roots, "GLOO_SOCKET_IFNAME": "lo"}
    running = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(folder), str(rank)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(len(shares))
    ]
    try:
        for process in running:
            output, _ = process.communicate(timeout=100)
            assert process.returncode == 0, output
    finally:
        for process in running:
            process.kill()
    return [load_file(folder / f"{rank}.safetensors") for rank in range(len(shares))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Return the results of one process with all clips."""
    return trained(tmp_path_factory.mktemp("alone") / "job", [3])[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpoint"])
def test_two_processes_equal_one_with_the_whole_batch(
    checkpoint: bool, alone: dict[str, Tensor], tmp_path: Path
) -> None:
    """The sums of losses and gradients are equal, and so are the running averages of each."""
    parts = trained(tmp_path / "job", [2, 1], checkpoint=checkpoint)
    assert parts[0].keys() == parts[1].keys() == alone.keys()
    for name, expected in alone.items():
        if name.startswith("buffer "):
            for part in parts:
                torch.testing.assert_close(
                    part[name], expected, rtol=NUMBERS, atol=NUMBERS, msg=name
                )
        else:
            error = (parts[0][name] + parts[1][name] - expected).abs().max()
            assert error <= GRADIENTS * expected.abs().max() + 1e-12, name


def test_statistics_of_one_share_are_different(alone: dict[str, Tensor]) -> None:
    """So the test above fails for a module that does not synchronise."""
    example = case(EVERY_PASS, batch=3, frames=3, size=(20, 24))
    module = TrainingModule(example.model.double().train())
    module({name: clip[:2].double() for name, clip in example.inputs.items()})
    name = "nodes.s0.conv_bn.running_mean"
    assert not torch.allclose(module.get_buffer(name), alone[f"buffer {name}"])


def test_one_process_needs_no_process_group() -> None:
    example = case(EVERY_PASS, batch=2)
    logits = [
        TrainingModule(case(EVERY_PASS, batch=2).model.train(), synchronise=synchronise)(
            example.inputs
        )
        for synchronise in (False, True)
    ]
    assert torch.equal(*logits)
