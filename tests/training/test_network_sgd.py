"""NetworkSGD computes the same numbers as torch.optim.SGD."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from anetc.training.network_sgd import NetworkSGD


def gradients(model: nn.Module, step: int) -> None:
    """Draw gradients. The bias of the last layer has none in step 1."""
    generator = torch.Generator().manual_seed(step)
    for name, parameter in model.named_parameters():
        grad = torch.randn(parameter.shape, generator=generator)
        parameter.grad = (
            None
            if (step, name) == (1, "1.bias")
            else grad.as_strided_(grad.shape, parameter.stride())
        )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_those_of_torch(momentum: float, decay: float) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(2, 3))
    model[0].weight.data = model[0].weight.data.contiguous(memory_format=torch.channels_last)
    other = copy.deepcopy(model)
    own = NetworkSGD(
        [
            {"params": list(model[0].parameters()), "weight_decay": decay},
            {"params": list(model[1].parameters()), "weight_decay": 0.0},
        ],
        lr=0.5,
        momentum=momentum,
    )
    expected = torch.optim.SGD(
        [
            {"params": list(other[0].parameters()), "weight_decay": decay},
            {"params": list(other[1].parameters())},
        ],
        lr=0.5,
        momentum=momentum,
        foreach=True,
    )
    for step in range(4):
        for group in (*own.param_groups, *expected.param_groups):
            group["lr"] = 0.5 / (step + 1)
        gradients(model, step)
        gradients(other, step)
        own.step()
        expected.step()
        for ours, theirs in zip(model.parameters(), other.parameters()):
            assert torch.equal(ours, theirs)
    own.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())
    own.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_rule_replaces_gradients() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    seen = []

    def rule(grad: torch.Tensor, state: dict[str, int]) -> torch.Tensor:
        state["count"] = state.get("count", 0) + 1
        seen.append(state["count"])
        return -grad

    group = {"params": [weight], "weight_decay": 0.0, "rule": rule}
    optimiser = NetworkSGD([group], lr=1.0, momentum=0.0)
    for _ in range(2):
        weight.grad = torch.tensor([1.0, 0.0])
        optimiser.step()
    assert weight.tolist() == [3.0, 2.0]
    assert seen == [1, 2]


def test_optimiser_does_not_import_the_compiler_of_torch() -> None:
    """The import takes half a second, which every trial would lose."""
    code = (
        "import sys, torch\n"
        "from anetc.training.network_sgd import NetworkSGD\n"
        "p = torch.nn.Parameter(torch.ones(1)); p.grad = torch.ones(1)\n"
        "o = NetworkSGD([{'params': [p], 'weight_decay': 0.1}], lr=0.1, momentum=0.9)\n"
        "o.step(); o.zero_grad()\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "False\n"
