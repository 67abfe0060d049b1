"""Weight inheritance: initialise a network with the weights of its parent, as far as they fit.

A tensor of a node is inherited if the node is a node of the parent, a half of one, or several
merged ones (`anetc.weights.inherit.ancestry`), and if the shape fits. Edge weights are inherited by
source. If the text of the child gives an edge another weight than the text of the parent, the
child's text has precedence. The classifier is inherited such that each node contributes to the
logits as before.

If the widest input of a node has another width than before, the layers that read the inputs are
refitted (`anetc.weights.inherit.refit`). All other tensors keep their initial values. The report
lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import ATTENTION, EDGES, SINK, is_counter, split_name
from anetc.weights.inherit.ancestry import Ancestry, trace_filters
from anetc.weights.inherit.attention_tensors import InheritedMixture, inherited_attention
from anetc.weights.inherit.layer_tensors import (
    InheritedEdges,
    inherited_classifier,
    inherited_edges,
    inherited_layer,
)
from anetc.weights.inherit.new_head import NewHead
from anetc.weights.inherit.refit import RefittedInputs, refit_inputs
from anetdsl.evolve.operations import are_known

if TYPE_CHECKING:
    from anetc.modules.network import NetworkParts
    from anetdsl.evolve.operations import Operation
    from anetdsl.ir import Network


@attrs.frozen
class NotInherited:
    """A tensor, a part of it, or an edge that keeps its initial values, and the reason."""

    node: str
    part: str
    reason: str


@attrs.frozen
class Inheritance:
    """Report of the tensors that a network inherited from its parent."""

    parent: str
    """Name of the parent."""
    inherited: tuple[str, ...]
    """Names of the tensors that were inherited, wholly or in part."""
    not_inherited: tuple[NotInherited, ...]
    ancestry: Ancestry
    nodes: tuple[str, ...]
    """Nodes of the network, in its order."""
    unused: tuple[str, ...]
    """Nodes of the parent that no node descends from."""
    refitted: tuple[tuple[str, str, float], ...]
    """Nodes and inputs whose matrix is approximated, with the relative error."""
    inherited_values: int
    """Number of inherited parameters and statistics."""
    total_values: int
    """Number of parameters and statistics of the network."""
    by_names: bool
    """True if the operations are not known, so that nodes of equal names correspond."""
    notes: tuple[str, ...] = ()
    """Sentences about the classes of the parent."""

    def lines(self) -> tuple[str, ...]:
        """Return the report as lines of text, by node."""
        share = 100 * self.inherited_values / self.total_values
        reasons: dict[str, dict[str, list[str]]] = {}
        for item in self.not_inherited:
            reasons.setdefault(item.node, {}).setdefault(item.reason, []).append(item.part)
        with_weights = {split_name(name)[0] for name in self.inherited}
        lines = [
            f"inherited {self.inherited_values:,} of {self.total_values:,} values ({share:.1f} %) "
            f"from {self.parent}{', by equal node names' if self.by_names else ''}"
        ]
        complete = [n for n in (*self.nodes, SINK) if n in with_weights and n not in reasons]
        unchanged = [n for n in complete if self.ancestry.is_unchanged(n) or n == SINK]
        if unchanged:
            lines.append(f"complete: {', '.join(unchanged)}")
        lines += [
            f"{name}: {self.ancestry.description(name)}"
            for name in complete
            if name not in unchanged
        ]
        for name, parts in reasons.items():
            if name in with_weights:
                origin = "" if name == SINK else f"{self.ancestry.description(name)}; "
                why = "; ".join(f"{', '.join(parts[reason])} ({reason})" for reason in parts)
            else:
                origin, why = "", "; ".join(parts)
            lines.append(f"{name}: {origin}not inherited: {why}")
        lines += [
            f"{node}: reads {source} as in the parent, with a relative error of {error:.1%}"
            for node, source, error in self.refitted
        ]
        if self.unused:
            lines.append(f"unused nodes of the parent: {', '.join(self.unused)}")
        lines += [
            f"skipped operation, because its nodes do not exist: {operation.sentence}"
            for operation in self.ancestry.skipped
        ]
        return (*lines, *self.notes)


def inherit(
    model: NetworkParts,
    parent: Network,
    tensors: Mapping[str, Tensor],
    operations: Sequence[Operation] = (),
    head: NewHead | None = None,
) -> Inheritance:
    """Copy the weights of a parent into a model, as far as they fit, and return a report.

    `tensors` are the parent's, by name (`anetc.modules.names`). `operations` lead from the parent
    to the model's network; without operations, nodes of equal names correspond. Tensors that do not
    fit are not copied. `head` chooses rows of the classifier of a parent with other classes.
    """
    network, ancestry = model.network, trace_filters(parent, operations)
    refitted = _refitted_inputs(model, parent, tensors, ancestry)
    inherited: list[str] = []
    not_inherited: list[NotInherited] = []
    values = total = 0
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            node, part = split_name(name)
            if is_counter(name):
                continue
            total += tensor.numel()
            found: Tensor | InheritedEdges | InheritedMixture | str
            if node in refitted and part in refitted[node].tensors:
                tensor.copy_(refitted[node].tensors[part])
                count = refitted[node].inherited[part]
                values += count
                inherited.append(name)
                if count < tensor.numel():
                    not_inherited.append(NotInherited(node, part, "in part: new input channels"))
                continue
            if node == SINK:
                found = inherited_classifier(
                    part, network, parent, tensors, ancestry, other_classes=head is not None
                )
                if head is not None and part.startswith("fc.") and isinstance(found, Tensor):
                    copied = head.copy_rows(found, tensor)
                    if isinstance(copied, int):
                        values += copied
                        inherited.append(name)
                        if copied == tensor.numel():
                            continue
                        copied = "in part: new classes"
                    not_inherited.append(NotInherited(node, part, copied))
                    continue
            elif part == EDGES:
                found = inherited_edges(network, node, parent, tensors, ancestry)
            elif part.startswith(ATTENTION):
                found = inherited_attention(network, node, part, parent, tensors, ancestry)
            else:
                found = inherited_layer(node, part, tensors, ancestry)
            if isinstance(found, InheritedEdges):
                not_inherited += [
                    NotInherited(node, f"edge from {source}", reason)
                    for source, reason in found.not_inherited
                ]
                for index, logit in found.logits.items():
                    tensor[index] = logit
                values += len(found.logits)
                inherited.extend([name] * bool(found.logits))
                continue
            if isinstance(found, InheritedMixture):
                for place, value in found.values.items():
                    tensor[place] = value
                values += len(found.values)
                inherited.extend([name] * bool(found.values))
                if found.reason:
                    not_inherited.append(NotInherited(node, part, found.reason))
                continue
            if isinstance(found, Tensor):
                found = _usable(found, tensor)
            if isinstance(found, str):
                not_inherited.append(NotInherited(node, part, found))
            else:
                tensor.copy_(found)
                values += tensor.numel()
                inherited.append(name)
    nodes = tuple(node.name for node in network.nodes)
    parents = {parent for name in nodes for parent in ancestry.parents(name)}
    return Inheritance(
        parent.name,
        tuple(inherited),
        tuple(not_inherited),
        ancestry,
        nodes,
        tuple(node.name for node in parent.nodes if node.name not in parents),
        tuple((name, *error) for name, inputs in refitted.items() for error in inputs.errors),
        values,
        total,
        not are_known(operations),
    )


def _usable(found: Tensor, target: Tensor) -> Tensor | str:
    """Return `found` if it can be copied to `target`, or the reason why it cannot."""
    if found.shape != target.shape:
        return f"shape {_shape(found)} in the parent, {_shape(target)} here"
    return found if found.isfinite().all() else "the parent's values are not finite"


def _refitted_inputs(
    model: NetworkParts,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> dict[str, RefittedInputs]:
    """Return, by node, the refitted tensors of nodes whose widest input has another width."""
    initial: dict[str, dict[str, Tensor]] = {}
    for name, tensor in model.state_dict().items():
        node, part = split_name(name)
        initial.setdefault(node, {})[part] = tensor
    found = {
        node.name: refit_inputs(model.network, node, parent, tensors, ancestry, initial[node.name])
        for node in model.network.nodes
        if not node.is_stem
    }
    return {name: inputs for name, inputs in found.items() if inputs is not None}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
