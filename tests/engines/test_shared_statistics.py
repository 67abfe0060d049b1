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

import anetdsl
from anetc.engines.training import TrainingModule
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.engines.test_training import GRADIENTS, NUMBERS
from tests.plan.cases import EVERY_PASS, case

LITE = anetdsl.parse("""anet 1
network lite blocks=lite modules=[1, 2, 1, 1] attention=peer
input rgb channels=3
input object channels=4 kind=object
node s0 level=0 C=3 r=1 stride=2 inputs=[rgb]
node s1 level=0 stride=4 inputs=[object]
node n1 level=1 C=[3, 2, 4] r=2 stride=1 inputs=[s0]
node n2 level=2 C=[2, 3, 3] r=1 stride=2 inputs=[s0, s1, n1]
sink inputs=[n2] classes=5
""")
WORKER = REPOSITORY / "tests" / "engines" / "statistics_worker.py"


def trained(
    folder: Path,
    shares: list[int],
    *,
    network: Network = EVERY_PASS,
    checkpoint: bool = False,
    engine: str = "training",
) -> list[dict[str, Tensor]]:
    """Return the results of each process, by name; `shares` are their numbers of clips."""
    folder.mkdir()
    job = {"network": str(network), "shares": shares, "checkpoint": checkpoint, "engine": engine}
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
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output
    finally:
        for process in running:
            process.kill()
    return [load_file(folder / f"{rank}.safetensors") for rank in range(len(shares))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Return the results of one process with all clips."""
    return trained(tmp_path_factory.mktemp("alone") / "job", [3])[0]


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
@pytest.mark.parametrize("checkpoint", [False, True], ids=["kept", "checkpoint"])
def test_two_processes_equal_one_with_the_whole_batch(
    checkpoint: bool, alone: dict[str, Tensor], tmp_path: Path
) -> None:
    """The sums of losses and gradients are equal, and so are the running averages of each."""
    check_sums(trained(tmp_path / "job", [2, 1], checkpoint=checkpoint), alone)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
def test_two_processes_share_attention_and_lite_blocks(tmp_path: Path) -> None:
    """The normalisations of the sink are shared as those of the nodes."""
    parts = trained(tmp_path / "job", [2, 1], network=LITE)
    alone = trained(tmp_path / "alone", [3], network=LITE)[0]
    assert {"gradient sink.conv2_bn.weight", "gradient nodes.n2.fuse.attention.h"} <= alone.keys()
    check_sums(parts, alone)


def check_sums(parts: list[dict[str, Tensor]], alone: dict[str, Tensor]) -> None:
    """Assert that the results of two processes are those of one process with all clips."""
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
