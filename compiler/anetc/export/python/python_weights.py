"""The weights of a Python artifact: those of the network, with folded normalisations."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from anetc.engines.accelerator.portable import two_dimensional
from anetc.engines.constants import State, evaluate
from anetc.export.python.python_parts import safe_name
from anetc.modules.names import ATTENTION, EDGES, MIXTURE, PEERS, SINK, module_key, split_name
from anetc.plan.plan import call
from anetdsl.ir import Network, Node


def python_weights(network: Network, state: State, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the tensors for the source, by the names of its state dict.

    Convolutions have the type `dtype`, and all other tensors float32.
    """
    needed = network.needed_by_sink()
    weights: dict[str, Tensor] = {}
    for stored in state:
        node, part = split_name(stored)
        layer, _, leaf = part.rpartition(".")
        if layer.endswith("_bn") or not (node == SINK or node in needed):
            continue
        name = part if node == SINK else _renamed(network, network.node(node), part)
        name = f"{SINK if node == SINK else safe_name(node)}.{name}"
        if part == EDGES:
            weights[name] = torch.sigmoid(evaluate(call(stored), state)).float()
        elif part == MIXTURE:
            weights[name] = torch.softmax(evaluate(call(stored), state), dim=1).float()
        elif state[stored].ndim < 5:  # a linear layer
            weights[name] = evaluate(call(stored), state).float()
        else:
            kernel, bn = call(stored), call(f"{stored.removesuffix(f'.{leaf}')}_bn")
            if f"{bn}.weight" in state:
                kernel = call("fold", kernel, bn)
                bias = name.removesuffix("weight") + "bias"
                weights[bias] = evaluate(call("shift", bn), state).to(dtype)
            weights[name] = two_dimensional(evaluate(kernel, state).to(dtype)).contiguous()
    return weights


def _renamed(network: Network, node: Node, part: str) -> str:
    """Return the name of a tensor of a node in the source, from its name within the node."""
    if part == EDGES:
        return "fuse.gates"
    if part == MIXTURE:
        return "fuse.shares"
    if part.startswith(PEERS):
        key, _, leaf = part.removeprefix(PEERS).partition(".")
        keys = [module_key(peer.name) for peer in network.peers_by_level()[node.level]]
        return f"fuse.peers.{keys.index(key)}.{leaf}"
    part = re.sub(r"^fuse\.adapt(\d+)to\d+", r"fuse.adapt.\1", part)
    part = re.sub(r"^m(\d+)\.", r"modules_.\1.", part)
    return part.replace(ATTENTION, "fuse.", 1)
