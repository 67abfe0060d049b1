"""What a network's tensors inherit, kind by kind: a block's layers, edge weights, the classifier.

Each function gives the tensor, or why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import NODES, SINK, module_key
from anetc.weights.inherit.merge import NOT_OF_TEXT, join

if TYPE_CHECKING:
    from anetc.weights.inherit.ancestry import Ancestry
    from anetdsl.ir import Edge, Network, Node

_NO_NODE = "the parent has no such node"
_NO_TENSOR = "the parent has none"


@attrs.frozen
class Edges:
    """Weights of edges before the sigmoid, by their place in `inputs`; and which have none, why."""

    values: Mapping[int, float]
    fresh: tuple[tuple[str, str], ...]


def block_tensor(
    node: str, part: str, tensors: Mapping[str, Tensor], ancestry: Ancestry
) -> Tensor | str:
    """A tensor of a node's layers: halved, joined, or as it is."""
    parents = ancestry.parents(node)
    if not parents:
        return _NO_NODE
    found = {name: _tensor(tensors, name, part) for name in parents}
    given = {name: tensor for name, tensor in found.items() if tensor is not None}
    if len(given) < len(parents):
        return _NO_TENSOR
    try:
        return join(part, ancestry.pieces[node], given, ancestry.filters)
    except ValueError as error:
        return str(error)


def edge_weights(
    network: Network,
    name: str,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> Edges | str:
    """The weights of a node's edges: each the mean of those that became it."""
    if network.edges == "fixed":
        return "edges=fixed: as the text has them"
    owners = [parent.node(owner) for owner in ancestry.parents(name)]
    if not owners:
        return _NO_NODE
    values: dict[int, float] = {}
    fresh: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for index, edge in enumerate(network.node(name).inputs):
        repeat = seen[edge.source] = seen.get(edge.source, -1) + 1
        found = [
            weight
            for owner in owners
            for source in ancestry.parents(edge.source)
            for weight in _weights(owner, source, repeat, tensors)
        ]
        texts = {text for text, _ in found}
        if not found:
            alone = any(
                len(owner.inputs) == 1 and owner.inputs[0].source in ancestry.parents(edge.source)
                for owner in owners
            )
            why = "its parent read it alone, without a weight" if alone else "a new edge"
            fresh.append((edge.source, why))
        elif edge.weight is not None and edge.weight not in texts:
            fresh.append((edge.source, "the text gives another weight"))
        else:
            logits = [logit for _, logit in found]
            same = len(set(logits)) == 1
            values[index] = logits[0] if same else sum(logits) / len(logits)
    return Edges(values, tuple(fresh))


def classifier(
    part: str,
    network: Network,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> Tensor | str:
    """The classifier's weight or bias."""
    tensor = tensors.get(f"{SINK}.{part}")
    if tensor is None:
        return _NO_TENSOR
    if network.sink.classes != parent.sink.classes:
        return f"{parent.sink.classes} classes for {network.sink.classes}"
    if not part.endswith("weight"):
        return tensor
    given = _contributions(parent, tensor)
    if given is None:
        return NOT_OF_TEXT
    wanted = [_columns(network, edge, given, ancestry) for edge in network.sink.inputs]
    known = [columns for columns in wanted if columns is not None]
    if not known:
        return "the parent's sink reads none of these nodes"
    ours, theirs = len(network.sink.inputs), len(parent.sink.inputs)
    share = theirs if parent.sink.combine == "mean" else 1
    if network.sink.combine == "concat":
        if len(known) < len(wanted):
            return "the parent's sink does not read all of these nodes"
        return _scaled(torch.cat(known, dim=1), 1, share)
    if any(not torch.equal(columns, known[0]) for columns in known[1:]):
        return "the mean of these nodes cannot be told apart into those that the parent read"
    return _scaled(known[0], ours, share)


def _tensor(tensors: Mapping[str, Tensor], node: str, part: str) -> Tensor | None:
    found = tensors.get(f"{NODES}.{module_key(node)}.{part}")
    return found if found is not None and found.is_floating_point() else None


def _weights(
    owner: Node, source: str, repeat: int, tensors: Mapping[str, Tensor]
) -> list[tuple[float | None, float]]:
    """The weight of a node's `repeat`-th edge from a source, as its text has it and as learned."""
    logits = _tensor(tensors, owner.name, "fuse.w")
    places = [place for place, edge in enumerate(owner.inputs) if edge.source == source]
    if logits is None or logits.shape != (len(owner.inputs),) or repeat >= len(places):
        return []
    place = places[repeat]
    logit = float(logits[place])
    return [(owner.inputs[place].weight, logit)] if math.isfinite(logit) else []


def _contributions(parent: Network, weight: Tensor) -> dict[str, Tensor] | None:
    """What the parent's classifier does with each node that it reads, (classes, channels).

    Of a mean it is what is done with the whole mean. None where the weight does not fit the sink.
    """
    read = [parent.node(edge.source) for edge in parent.sink.inputs]
    channels = [node.out_channels for node in read]
    joined = parent.sink.combine == "concat"
    if weight.shape != (parent.sink.classes, sum(channels) if joined else channels[0]):
        return None
    blocks = torch.split(weight, channels, dim=1) if joined else [weight] * len(read)
    return {node.name: block for node, block in zip(read, blocks)}


def _columns(
    network: Network, edge: Edge, given: Mapping[str, Tensor], ancestry: Ancestry
) -> Tensor | None:
    """What the classifier shall do with one of the nodes that the sink reads; None if unknown."""
    node = network.node(edge.source)
    pieces = ancestry.pieces.get(edge.source, ())
    if not pieces or any(piece.node not in given for piece in pieces):
        return None
    places = node.out_channels // node.channels
    cut = [given[p.node][:, places * p.start : places * p.end] for p in pieces]
    return torch.cat(cut, dim=1)


def _scaled(tensor: Tensor, by: int, over: int) -> Tensor:
    """Exactly the tensor where both are equal."""
    return tensor if by == over else tensor * (by / over)
