"""Parent and child networks for the tests of inheritance."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

import anetdsl
from anetc.modules.network import NetworkModule, build_network
from anetc.weights.inherit.inheritance import Inheritance, inherit
from anetdsl.evolve.operations import Operation
from anetdsl.ir import Network
from tests.modules.networks import clip

PARENT = """\
anet 1
network parent D=[4, 6, 8, 10] modules=[3, 3, 2, 2]
input rgb channels=3
input flow channels=2
node s0 level=0 C=8 r=2 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=1 stride=4 inputs=[flow]
node n2 level=1 C=4 r=8 stride=1 inputs=[s0, s1]
node n3 level=1 C=4 r=2 stride=1 inputs=[s1, s0]
node n4 level=2 C=4 r=2 stride=2 inputs=[s0, n2@0.75, n3]
node n5 level=4 C=4 r=1 stride=2 inputs=[n2, n4, s1]
sink inputs=[n5] classes=5
"""
MODULE_ENDS = ("conv3_bn.weight", "conv3_bn.bias")


def network(text: str = PARENT, *changes: tuple[str, str]) -> Network:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return anetdsl.parse(text)


def random_model(given: Network, *, silent: bool = False, seed: int = 7) -> NetworkModule:
    """Return a model with random weights. With `silent`, all residual branches give 0."""
    model = build_network(given)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(0.1 + torch.rand(value.shape, generator=generator))
                if silent and name.endswith(MODULE_ENDS):
                    value.zero_()
    return model


def child_model(
    child: Network, parent: NetworkModule, *operations: Operation
) -> tuple[NetworkModule, Inheritance]:
    model = build_network(child, seed=3)
    return model, inherit(model, parent.network, parent.state_dict(), operations)


def state(model: NetworkModule) -> dict[str, Tensor]:
    return {k: v for k, v in model.state_dict().items() if "num_batches" not in k}


def logits(model: NetworkModule, *outputs: str) -> dict[str, Tensor]:
    with torch.no_grad():
        result, nodes = model.eval()(clip(model.network), outputs=outputs or ("s0",))
    return {"logits": result, **nodes}


def input_matrix(model: NetworkModule, name: str, source: str) -> Tensor:
    """Return the matrix (5C, channels) of a node's first convolution and projection for one input.

    It is measured with a one in each channel of that input and zeros in the others, without
    attention, and divided by the gate of the edge.
    """
    node, block = model.network.node(name), model.nodes[name]
    channels = model.network.out_channels()
    widths = [channels[edge.source] for edge in node.inputs]
    place = [edge.source for edge in node.inputs].index(source)
    features = [torch.zeros(widths[place], width, 1, 1, 1) for width in widths]
    features[place] = torch.eye(widths[place])[..., None, None, None]
    gate = 1.0 if len(widths) == 1 else torch.sigmoid(block.fuse.w[place])
    fuse = copy.deepcopy(block.fuse)
    fuse.attention = None
    with torch.no_grad():
        x = fuse(features)
        found = torch.cat([block.m0.conv1(x), block.m0.proj(x)], dim=1) / gate
    return found[:, :, 0, 0, 0].T


SPLIT = network(
    PARENT,
    (
        "node n4 level=2 C=4 r=2 stride=2 inputs=[s0, n2@0.75, n3]",
        "node a level=2 C=2 r=2 stride=2 inputs=[s0, n2@0.75, n3]\n"
        "node b level=2 C=2 r=2 stride=2 inputs=[s0, n2@0.75, n3]",
    ),
    ("[n2, n4, s1]", "[n2, a, b, s1]"),
)
MERGED = network(
    PARENT,
    (
        "node n2 level=1 C=4 r=8 stride=1 inputs=[s0, s1]\n"
        "node n3 level=1 C=4 r=2 stride=1 inputs=[s1, s0]",
        "node m level=1 C=8 r=2 stride=1 inputs=[s0, s1]",
    ),
    ("[s0, n2@0.75, n3]", "[s0, m]"),
    ("[n2, n4, s1]", "[m, n4, s1]"),
)
