"""Weight inheritance: a network starts from what its parent has learned, as far as that fits.

A tensor is inherited where the node is the parent's own, one half of it, or several of its nodes
joined (`anetc.weights.inherit.ancestry`), and the shape fits. Edge weights go by what their source
descends from; where a text gives an edge another weight than the parent's text does, the text
counts. The classifier is inherited so that the logits keep what each node contributed to them.

What reads a node's inputs (its first convolution, its projection, its adapters) is made to fit
where their largest number of channels is another than it was (`anetc.weights.inherit.refit`). All
else starts afresh, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import SINK, split_name
from anetc.weights.inherit.ancestry import Ancestry, trace
from anetc.weights.inherit.layer_tensors import Edges, block_tensor, classifier, edge_weights
from anetc.weights.inherit.refit import InputReading, kept_reading
from anetdsl.evolve.operations import are_known

if TYPE_CHECKING:
    from anetc.modules.network import NetworkParts
    from anetdsl.evolve.operations import Operation
    from anetdsl.ir import Network

_EDGES = "fuse.w"
_COUNTER = "num_batches_tracked"


@attrs.frozen
class Fresh:
    """What starts as if there were no parent, and why: a tensor, wholly or in part, or an edge."""

    node: str
    part: str
    reason: str


@attrs.frozen
class Inheritance:
    """What became of the tensors of a network that has a parent."""

    parent: str
    inherited: tuple[str, ...]
    """Names of tensors; also of those of which a part was inherited."""
    fresh: tuple[Fresh, ...]
    ancestry: Ancestry
    nodes: tuple[str, ...]
    """The nodes of the network, in its order."""
    gone: tuple[str, ...]
    """Nodes of the parent that nothing descends from."""
    fitted: tuple[tuple[str, str, float], ...]
    """Nodes and inputs that are read otherwise than by the parent, with the relative error."""
    numbers: int
    """Inherited parameters and statistics."""
    all_numbers: int
    """Parameters and statistics of the network."""
    by_names: bool
    """True if the operations are not known, so that nodes of equal names correspond."""

    def lines(self) -> tuple[str, ...]:
        """The report, by node."""
        share = 100 * self.numbers / self.all_numbers
        reasons: dict[str, dict[str, list[str]]] = {}
        for item in self.fresh:
            reasons.setdefault(item.node, {}).setdefault(item.reason, []).append(item.part)
        touched = {split_name(name)[0] for name in self.inherited}
        said = [
            f"inherited {self.numbers:,} of {self.all_numbers:,} numbers ({share:.1f} %) "
            f"from {self.parent}{', by equal node names' if self.by_names else ''}"
        ]
        whole = [name for name in (*self.nodes, SINK) if name in touched and name not in reasons]
        plain = [name for name in whole if self.ancestry.is_same(name) or name == SINK]
        said += [f"whole: {', '.join(plain)}"] if plain else []
        said += [f"{name}: {self.ancestry.said(name)}" for name in whole if name not in plain]
        for name, found in reasons.items():
            if name not in touched:
                said.append(f"{name}: afresh: {'; '.join(found)}")
                continue
            origin = "" if name == SINK else f"{self.ancestry.said(name)}; "
            parts = "; ".join(f"{', '.join(parts)} ({why})" for why, parts in found.items())
            said.append(f"{name}: {origin}afresh: {parts}")
        said += [
            f"{node}: reads {source} as its parent did but for {error:.1%}"
            for node, source, error in self.fitted
        ]
        said += [f"not needed: {', '.join(self.gone)}"] if self.gone else []
        return (*said, *(f"not applicable: {one.sentence}" for one in self.ancestry.misfits))


def inherit(
    model: NetworkParts,
    parent: Network,
    tensors: Mapping[str, Tensor],
    operations: Sequence[Operation] = (),
) -> Inheritance:
    """Copy into a model what its parent's tensors give; say what that is, and what starts afresh.

    `tensors` are the parent's, named as in `anetc.modules.names`; `operations` lead from
    the parent to the model's network; without them nodes of equal names correspond. What does not fit is left out and reported,
    whatever it is.
    """
    network, ancestry = model.network, trace(parent, operations)
    readings = _readings(model, parent, tensors, ancestry)
    inherited: list[str] = []
    fresh: list[Fresh] = []
    numbers = total = 0
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            node, part = split_name(name)
            if part.endswith(_COUNTER):
                continue
            total += tensor.numel()
            found: Tensor | Edges | str
            if node in readings and part in readings[node].tensors:
                tensor.copy_(readings[node].tensors[part])
                known = readings[node].known[part]
                numbers += known
                inherited.append(name)
                if known < tensor.numel():
                    fresh.append(Fresh(node, part, "in part, for new input channels"))
                continue
            if node == SINK:
                found = classifier(part, network, parent, tensors, ancestry)
            elif part == _EDGES:
                found = edge_weights(network, node, parent, tensors, ancestry)
            else:
                found = block_tensor(node, part, tensors, ancestry)
            if isinstance(found, Edges):
                fresh.extend(Fresh(node, f"edge from {edge}", why) for edge, why in found.fresh)
                for index, value in found.values.items():
                    tensor[index] = value
                numbers += len(found.values)
                inherited.extend([name] * bool(found.values))
            elif isinstance(found, str):
                fresh.append(Fresh(node, part, found))
            elif found.shape != tensor.shape:
                fresh.append(Fresh(node, part, f"{_shape(found)} for {_shape(tensor)}"))
            elif not found.isfinite().all():
                fresh.append(Fresh(node, part, "the parent's is not finite"))
            else:
                tensor.copy_(found)
                numbers += tensor.numel()
                inherited.append(name)
    nodes = tuple(node.name for node in network.nodes)
    needed = {parent for name in nodes for parent in ancestry.parents(name)}
    return Inheritance(
        parent.name,
        tuple(inherited),
        tuple(fresh),
        ancestry,
        nodes,
        tuple(node.name for node in parent.nodes if node.name not in needed),
        tuple((name, *error) for name, reading in readings.items() for error in reading.errors),
        numbers,
        total,
        not are_known(operations),
    )


def _readings(
    model: NetworkParts,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> dict[str, InputReading]:
    """Of nodes whose widest input is another, how they read their inputs."""
    own: dict[str, dict[str, Tensor]] = {}
    for name, tensor in model.state_dict().items():
        node, part = split_name(name)
        own.setdefault(node, {})[part] = tensor
    found = {
        node.name: kept_reading(model.network, node, parent, tensors, ancestry, own[node.name])
        for node in model.network.nodes
        if not node.is_stem
    }
    return {name: reading for name, reading in found.items() if reading is not None}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
