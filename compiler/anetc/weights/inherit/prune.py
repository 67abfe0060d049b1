"""Compute the weights of a pruned network from the weights of the network before pruning.

The pruned network computes what the old one computes without the dropped edges. The weights and
adapters of dropped edges are removed. If a node has one edge left, the weight of that edge is
multiplied into the convolutions that read it. If the widest inputs of a node are dropped, the
adapter of the inputs that are now the widest is multiplied into these convolutions, too: both are
linear, with no operation between them. The adapters of narrower inputs are then fitted by least
squares; the result reports their errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import ATTENTION, EDGES, MIXTURE, NODES, SCALES, full_name, split_name
from anetc.weights.inherit.adapters import (
    READERS,
    adapter_name,
    as_matrix,
    as_weight,
    fit_adapter,
    fit_error,
)

if TYPE_CHECKING:
    from anetdsl.ir import Node
    from anetdsl.pruning import Pruning


@attrs.frozen(eq=False)
class PrunedTensors:
    """The tensors of a pruned network."""

    tensors: Mapping[str, Tensor]
    """Tensors by name."""
    fitted: tuple[tuple[str, float], ...]
    """Names of the adapters that were fitted, with the relative error of their effect."""


def pruned_tensors(pruning: Pruning, tensors: Mapping[str, Tensor]) -> PrunedTensors:
    """Return the tensors of the pruned network. `tensors` are those of the old network."""
    remaining = {node.name for node in pruning.new.nodes}
    result = {
        name: tensor
        for name, tensor in tensors.items()
        if split_name(name)[0] in remaining or not name.startswith(f"{NODES}.")
    }
    fitted: list[tuple[str, float]] = []
    for node in pruning.new.nodes:
        old = pruning.old.node(node.name)
        if len(node.inputs) < len(old.inputs):
            prefix = full_name(node.name, "")
            own = {
                name.removeprefix(prefix): tensor
                for name, tensor in result.items()
                if name.startswith(f"{prefix}fuse.")
            }
            for part in own:
                del result[prefix + part]
            own |= {part: result[prefix + part] for part in READERS}
            kept = pruning.kept[node.name]
            result |= {
                prefix + part: tensor for part, tensor in _pruned_attention(kept, own).items()
            }
            pruned = _pruned_inputs(pruning, old, kept, own)
            result |= {prefix + part: tensor for part, tensor in pruned.tensors.items()}
            fitted += [(prefix + part, error) for part, error in pruned.fitted]
    return PrunedTensors(result, tuple(fitted))


def _pruned_attention(kept: tuple[int, ...], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the attention of the edges that stay; peers stay as they are.

    A sole input has no weight. Self attention reads the weighted input, so that the weight of an
    edge that is left alone is multiplied into its linear layer.
    """
    found: dict[str, Tensor] = {}
    alone = len(kept) == 1 and MIXTURE not in own
    for part, tensor in own.items():
        if not part.startswith(ATTENTION):
            continue
        if part == MIXTURE:
            found[part] = tensor[list(kept)].clone()
        elif part.startswith(SCALES):
            index, leaf = part.removeprefix(SCALES).split(".")
            if int(index) in kept:
                if alone and leaf == "weight":
                    gate = torch.sigmoid(own[EDGES][kept[0]].double())
                    tensor = (gate * tensor.double()).to(tensor.dtype)
                found[f"{SCALES}{kept.index(int(index))}.{leaf}"] = tensor
        else:
            found[part] = tensor
    return found


def _pruned_inputs(
    pruning: Pruning, node: Node, kept: tuple[int, ...], own: Mapping[str, Tensor]
) -> PrunedTensors:
    """Return the edge weights, adapters and readers of a node without the dropped edges.

    `kept` holds the indices of the edges that stay. `own` holds the old tensors, and all names are
    those within the node.
    """
    by_node = pruning.old.out_channels()
    channels = [by_node[edge.source] for edge in node.inputs]
    old, new = (value.fused_channels()[node.name] for value in (pruning.old, pruning.new))
    adapted = sorted({channels[index] for index in kept} - {new})
    w = own[EDGES]
    tensors: dict[str, Tensor] = {}
    readers = {part: as_matrix(own[part]) for part in READERS}
    if len(kept) == 1:
        gate = torch.sigmoid(w[kept[0]].double())
        readers = {part: gate * matrix for part, matrix in readers.items()}
    else:
        tensors[EDGES] = w[list(kept)].clone()
    fitted: list[tuple[str, float]] = []
    if new == old:
        for width in adapted:
            tensors[adapter_name(width, old)] = own[adapter_name(width, old)]
    else:
        before = torch.cat(list(readers.values()))
        widest_adapter = as_matrix(own[adapter_name(new, old)])
        readers = {part: matrix @ widest_adapter for part, matrix in readers.items()}
        after = torch.cat(list(readers.values()))
        for width in adapted:
            product = before @ as_matrix(own[adapter_name(width, old)])
            adapter = fit_adapter(after, product)
            tensors[adapter_name(width, new)] = as_weight(adapter, w.dtype)
            fitted.append((adapter_name(width, new), fit_error(after, adapter, product)))
    tensors |= {part: as_weight(matrix, w.dtype) for part, matrix in readers.items()}
    return PrunedTensors(tensors, tuple(fitted))
