"""The tensors that a network inherits: layers of nodes, edge weights, and the classifier.

Each function returns the tensor, or the reason why it cannot be inherited.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import EDGES, SINK, full_name
from anetc.weights.inherit.merge import MISFIT, merge_tensors

if TYPE_CHECKING:
    from anetc.weights.inherit.ancestry import Ancestry
    from anetdsl.ir import Edge, Network, Node

_NO_NODE = "the parent has no such node"
_NO_TENSOR = "the parent has no such tensor"


@attrs.frozen
class InheritedEdges:
    """Edge weights of one node before the sigmoid."""

    logits: Mapping[int, float]
    """Inherited values by index in the node's `inputs`."""
    not_inherited: tuple[tuple[str, str], ...]
    """Sources of the other edges, each with a reason."""


def inherited_layer(
    node: str, part: str, tensors: Mapping[str, Tensor], ancestry: Ancestry
) -> Tensor | str:
    """Return a tensor of a node's layers, from the filters that the node descends from."""
    parents = ancestry.parents(node)
    if not parents:
        return _NO_NODE
    given = {
        name: tensor
        for name in parents
        if (tensor := _float_tensor(tensors, name, part)) is not None
    }
    if len(given) < len(parents):
        return _NO_TENSOR
    if ancestry.whole_origin(node) is not None:
        return given[parents[0]]
    if ancestry.is_lite:
        return "a lite block that was split or merged"
    try:
        return merge_tensors(part, ancestry.ranges[node], given, ancestry.filters)
    except ValueError as error:
        return str(error)


def inherited_edges(
    network: Network,
    name: str,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> InheritedEdges | str:
    """Return the edge weights of a node, each the mean over the parent's corresponding edges.

    Edges correspond if their sources and their targets do. If the text of the child gives an edge
    another weight than the text of the parent, the edge is not inherited.
    """
    if network.edges == "fixed":
        return "edges=fixed: the text defines the weights"
    targets = [parent.node(target) for target in ancestry.parents(name)]
    if not targets:
        return _NO_NODE
    values: dict[int, float] = {}
    not_inherited: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for index, edge in enumerate(network.node(name).inputs):
        repeat = seen[edge.source] = seen.get(edge.source, -1) + 1
        weights = [
            weight
            for target in targets
            for source in ancestry.parents(edge.source)
            for weight in _edge_weights(target, source, repeat, tensors)
        ]
        texts = {text for text, _ in weights}
        if not weights:
            was_sole_input = any(
                not target.has_edge_weights
                and target.inputs[0].source in ancestry.parents(edge.source)
                for target in targets
            )
            why = "a sole input of the parent, without a weight" if was_sole_input else "new edge"
            not_inherited.append((edge.source, why))
        elif edge.weight is not None and edge.weight not in texts:
            not_inherited.append((edge.source, "the text has another weight"))
        else:
            logits = [logit for _, logit in weights]
            are_equal = len(set(logits)) == 1
            values[index] = logits[0] if are_equal else sum(logits) / len(logits)
    return InheritedEdges(values, tuple(not_inherited))


def inherited_classifier(
    part: str,
    network: Network,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
    *,
    other_classes: bool = False,
) -> Tensor | str:
    """Return a tensor of the sink, such that each node contributes as before.

    Its rows are the parent's classes; with `other_classes` these may be others than the network's.
    """
    tensor = tensors.get(f"{SINK}.{part}")
    if tensor is None:
        return _NO_TENSOR
    is_classifier = part.startswith("fc.")
    if is_classifier and network.sink.classes != parent.sink.classes and not other_classes:
        return f"{parent.sink.classes} classes in the parent, {network.sink.classes} here"
    if network.blocks == "lite" or not part.startswith("fc."):
        return _lite_sink_tensor(part, tensor, network, parent, ancestry)
    if not part.endswith("weight"):
        return tensor
    given = _columns_by_node(parent, tensor)
    if given is None:
        return MISFIT
    wanted = [_columns(network, edge, given, ancestry) for edge in network.sink.inputs]
    found = [columns for columns in wanted if columns is not None]
    if not found:
        return "the parent's sink reads none of these nodes"
    ours, theirs = len(network.sink.inputs), len(parent.sink.inputs)
    parent_divisor = theirs if parent.sink.combine == "mean" else 1
    if network.sink.combine == "concat":
        if len(found) < len(wanted):
            return "the parent's sink does not read all of these nodes"
        return _scaled(torch.cat(found, dim=1), 1, parent_divisor)
    if any(not torch.equal(columns, found[0]) for columns in found[1:]):
        return "these nodes need different weights, but the sink averages them"
    return _scaled(found[0], ours, parent_divisor)


def _lite_sink_tensor(
    part: str, tensor: Tensor, network: Network, parent: Network, ancestry: Ancestry
) -> Tensor | str:
    """Return a tensor of a lite sink; its first convolution reads the node that it read before."""
    if part.startswith("conv1.") and (
        ancestry.whole_origin(network.sink.inputs[0].source) != parent.sink.inputs[0].source
    ):
        return "the sink reads another node, or one that was split or merged"
    return tensor


def _float_tensor(tensors: Mapping[str, Tensor], node: str, part: str) -> Tensor | None:
    tensor = tensors.get(full_name(node, part))
    return tensor if tensor is not None and tensor.is_floating_point() else None


def _edge_weights(
    target: Node, source: str, repeat: int, tensors: Mapping[str, Tensor]
) -> list[tuple[float | None, float]]:
    """Return the weight in the text and the learned logit of a node's `repeat`-th edge from source.

    The list is empty if there is no such edge or no finite logit.
    """
    logits = _float_tensor(tensors, target.name, EDGES)
    indices = [index for index, edge in enumerate(target.inputs) if edge.source == source]
    if logits is None or logits.shape != (len(target.inputs),) or repeat >= len(indices):
        return []
    index = indices[repeat]
    logit = float(logits[index])
    return [(target.inputs[index].weight, logit)] if math.isfinite(logit) else []


def _columns_by_node(parent: Network, weight: Tensor) -> dict[str, Tensor] | None:
    """Return the classifier's columns (classes, channels) for each node that the sink reads.

    For `combine=mean`, all nodes have the same columns. None if the weight does not fit the sink.
    """
    nodes = [parent.node(edge.source) for edge in parent.sink.inputs]
    widths = parent.out_channels()
    channels = [widths[node.name] for node in nodes]
    concatenates = parent.sink.combine == "concat"
    if weight.shape != (parent.sink.classes, sum(channels) if concatenates else channels[0]):
        return None
    blocks = torch.split(weight, channels, dim=1) if concatenates else [weight] * len(nodes)
    return {node.name: block for node, block in zip(nodes, blocks)}


def _columns(
    network: Network, edge: Edge, given: Mapping[str, Tensor], ancestry: Ancestry
) -> Tensor | None:
    """Return the classifier's columns for one node that the sink reads, or None if unknown."""
    node = network.node(edge.source)
    ranges = ancestry.ranges.get(edge.source, ())
    if not ranges or any(part.node not in given for part in ranges):
        return None
    multiple = network.out_channels()[node.name] // node.width
    cut = [given[p.node][:, multiple * p.start : multiple * p.end] for p in ranges]
    return torch.cat(cut, dim=1)


def _scaled(tensor: Tensor, numerator: int, denominator: int) -> Tensor:
    """Return tensor * numerator / denominator, without rounding if both are equal."""
    return tensor if numerator == denominator else tensor * (numerator / denominator)
