"""Processes that train together, with batch statistics of all their clips: as one with all."""

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

WORKER = REPOSITORY / "tests" / "engines" / "together_worker.py"


def trained(
    folder: Path, shares: list[int], *, checkpoint: bool = False
) -> list[dict[str, Tensor]]:
    """What each process of a step finds, by name; `shares` are their numbers of clips."""
    folder.mkdir()
    job = {"network": str(EVERY_PASS), "shares": shares, "checkpoint": checkpoint}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    # Processes of one machine meet on its loopback interface.
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
            said, _ = process.communicate(timeout=100)
            assert process.returncode == 0, said
    finally:
        for process in running:
            process.kill()
    return [load_file(folder / f"{rank}.safetensors") for rank in range(len(shares))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """What one process finds that has all clips."""
    return trained(tmp_path_factory.mktemp("alone") / "job", [3])[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpoint"])
def test_two_processes_are_one_with_the_whole_batch(
    checkpoint: bool, alone: dict[str, Tensor], tmp_path: Path
) -> None:
    """Loss and gradients, added up, and the running averages of each; shares may be unequal."""
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


def test_the_statistics_of_one_share_are_not_enough(alone: dict[str, Tensor]) -> None:
    """The test above would notice a module that does not synchronise."""
    example = case(EVERY_PASS, batch=3, frames=3, size=(20, 24))
    module = TrainingModule(example.model.double().train())
    module({name: clip[:2].double() for name, clip in example.inputs.items()})
    name = "nodes.s0.conv_bn.running_mean"
    assert not torch.allclose(module.get_buffer(name), alone[f"buffer {name}"])


def test_one_process_that_would_synchronise_needs_no_group() -> None:
    example = case(EVERY_PASS, batch=2)
    logits = [
        TrainingModule(case(EVERY_PASS, batch=2).model.train(), synchronise=synchronise)(
            example.inputs
        )
        for synchronise in (False, True)
    ]
    assert torch.equal(*logits)
