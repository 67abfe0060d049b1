"""Networks and clips for tests."""

from __future__ import annotations

import torch
from torch import Tensor

import anetdsl
from anetdsl.ir import Network

SMALL = """anet 1
network small D=[4, 6, 8, 10] modules=[2, 3, 2, 1]
input rgb channels=3
input flow channels=2
node s0 level=0 C=6 r=2 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=1 stride=4 inputs=[flow]
node n2 level=1 C=2 r=8 stride=1 inputs=[s0, s1]
node n3 level=1 C=1 r=1 stride=1 inputs=[s1]
node n4 level=2 C=2 r=2 stride=2 inputs=[s0, n2@0.75, n3]
node n5 level=3 C=3 r=4 stride=2 inputs=[s1, n3, n4]
node n6 level=4 C=2 r=1 stride=2 inputs=[n2, n5, n4]
node n7 level=4 C=2 r=2 stride=2 inputs=[n5]
sink inputs=[n6, n7] classes=5
"""
"""A network with skips over one to three halvings, sole inputs, adapters, and two sink inputs."""


def chain(
    body: str, *, sink: str = "inputs=[n1] classes=3", head: str = "D=[4, 4, 4, 4]"
) -> Network:
    """Return a network of one RGB stem `s0` (C=4, r=1), the nodes in `body`, and a sink."""
    return anetdsl.parse(
        f"anet 1 network chain modules=[2, 1, 1, 1] {head} input rgb channels=3\n"
        f"node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]\n{body}\nsink {sink}\n"
    )


def clip(
    network: Network, frames: int = 4, height: int = 32, width: int = 24, batch: int = 1
) -> dict[str, Tensor]:
    """Return random inputs (batch, channels, frames, height, width), equal at every call."""
    generator = torch.Generator().manual_seed(0)
    return {
        value.name: torch.randn(batch, value.channels, frames, height, width, generator=generator)
        for value in network.inputs
    }
