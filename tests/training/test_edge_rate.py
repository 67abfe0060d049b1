"""The learning rate of edge weights is a multiple of the others'; by default it is the same."""

from __future__ import annotations

import pytest
import torch

import anetdsl
from anetc.modules.network import build_network
from anetc.training.optimiser import make_optimiser, set_rate
from anetc.training.settings import TrainSettings

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
        rate = 0.01 * (factor if name == "nodes.c.fuse.w" else 1.0)
        torch.testing.assert_close(parameter.detach(), before[name] - rate)
