"""Edge weights have a learning rate and a rule of their own; by default those of the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import anetdsl
from anetc.modules.network import build_network
from anetc.training.optimiser import (
    ADAM_BETAS,
    make_optimiser,
    momentum_of,
    set_momentum,
    set_rate,
)
from anetc.training.settings import EdgeOptimiser, TrainSettings

TEXT = """\
anet 1
network two  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]
input rgb   channels=3
input flow  channels=2
node a  level=0  C=2  r=1  stride=4  inputs=[rgb]
node b  level=0  C=2  r=1  stride=4  inputs=[flow]
node c  level=1  C=2  r=1  stride=1  inputs=[a, b]
sink  inputs=[c]  classes=3
"""
EDGES = "nodes.c.fuse.w"


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_edge_weights_have_their_own_learning_rate(factor: float) -> None:
    model = build_network(anetdsl.parse(TEXT))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = make_optimiser(model, TrainSettings(edge_rate=factor, weight_decay=0.0))
    set_rate(optimiser, 0.01)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, parameter in model.named_parameters():
        rate = 0.01 * (factor if name == EDGES else 1.0)
        torch.testing.assert_close(parameter.detach(), before[name] - rate)


def gradients(step: int) -> torch.Tensor:
    return torch.tensor([[3.0, -4.0], [0.6, 0.8], [0.0, 0.0], [-1e-5, 2e-5]])[step]


def stepped(rule: EdgeOptimiser, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a model whose edge weights, from 0, have had the gradients of these steps."""
    model = build_network(anetdsl.parse(TEXT))
    nn.init.zeros_(model.get_parameter(EDGES))
    optimiser = make_optimiser(model, TrainSettings(edge_rate=0.5, edge_optimiser=rule))
    set_rate(optimiser, 0.1)
    for step in range(steps):
        do_step(model, optimiser, step)
    return model, optimiser


def do_step(model: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    model.get_parameter(EDGES).grad = gradients(step)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def test_normalised_gradients_have_a_root_mean_square_of_one() -> None:
    """Momentum is that of all parameters; a gradient of zeros stays zero."""
    model, _ = stepped("normalised", 4)
    expected, velocity = torch.zeros(2), torch.zeros(2)
    for step in range(4):
        grad = gradients(step)
        norm = grad.norm()
        velocity = 0.9 * velocity + (grad / norm * 2**0.5 if norm else grad)
        expected = expected - 0.05 * velocity
    torch.testing.assert_close(model.get_parameter(EDGES).detach(), expected)


def test_adam_is_that_of_torch() -> None:
    model, _ = stepped("adam", 4)
    weights = nn.Parameter(torch.zeros(2))
    reference = torch.optim.Adam([weights], lr=0.05, betas=ADAM_BETAS)
    for step in range(4):
        weights.grad = gradients(step)
        reference.step()
    torch.testing.assert_close(model.get_parameter(EDGES).detach(), weights.detach())


@pytest.mark.parametrize("rule", ["sgd", "normalised", "adam"])
def test_state_of_the_optimiser_is_restored(rule: EdgeOptimiser) -> None:
    model, optimiser = stepped(rule, 2)
    copy, other = stepped(rule, 0)
    copy.load_state_dict(model.state_dict())
    set_momentum(other, copy, momentum_of(optimiser, model))
    for step in (2, 3):
        do_step(model, optimiser, step)
        do_step(copy, other, step)
    assert torch.equal(model.get_parameter(EDGES), copy.get_parameter(EDGES))
