"""The tensors of the attention of connections that a network inherits (AssembleNet++).

A linear layer is inherited if its node, and the peer or the input that it belongs to, descend from
one node of the parent each, without a split or a merge. The mixture of the peers is inherited
number by number; peers that the parent's node did not have start with the mean share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import MIXTURE, PEERS, SCALES, full_name, module_key, node_name

if TYPE_CHECKING:
    from anetc.weights.inherit.ancestry import Ancestry
    from anetdsl.ir import Network, Node

_NO_TENSOR = "the parent has no such tensor"
_ALL_NEW = "all edges or all peers are new"
_CHANGED = "split or merged since the parent"


@attrs.frozen
class InheritedMixture:
    """The mixture of a node's peers before the softmax, as far as it is inherited."""

    values: Mapping[tuple[int, int], float]
    """Inherited values by index of the input and of the peer."""
    reason: str
    """Why other values are not inherited; empty if all are."""


def inherited_attention(
    network: Network,
    name: str,
    part: str,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> Tensor | InheritedMixture | str:
    """Return a tensor of a node's attention, or the reason why it cannot be inherited.

    `part` is the name of the tensor within the node.
    """
    origin = ancestry.whole_origin(name)
    if origin is None:
        return _CHANGED if ancestry.parents(name) else "the parent has no such node"
    node, target = network.node(name), parent.node(origin)
    if part == MIXTURE:
        return _mixture(network, node, parent, target, tensors, ancestry)
    key, _, leaf = part.removeprefix(PEERS).removeprefix(SCALES).partition(".")
    if part.startswith(PEERS):
        peer = ancestry.whole_origin(node_name(key))
        if peer is None:
            return f"the peer was {_CHANGED}, or is new"
        found = tensors.get(full_name(origin, f"{PEERS}{module_key(peer)}.{leaf}"))
    else:
        place = _place(node, int(key), target, ancestry)
        if place is None:
            return "a new edge"
        found = tensors.get(full_name(origin, f"{SCALES}{place}.{leaf}"))
    return _NO_TENSOR if found is None or not found.is_floating_point() else found


def _place(node: Node, index: int, target: Node, ancestry: Ancestry) -> int | None:
    """Return the place in the parent's node of the input with an index, or None for a new one."""
    source = node.inputs[index].source
    repeat = sum(edge.source == source for edge in node.inputs[:index])
    origin = ancestry.whole_origin(source)
    places = [place for place, edge in enumerate(target.inputs) if edge.source == origin]
    return places[repeat] if repeat < len(places) else None


def _mixture(
    network: Network,
    node: Node,
    parent: Network,
    target: Node,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
) -> InheritedMixture | str:
    if node.peers and node.peers != target.peers:
        return "the text has other peers"
    h = tensors.get(full_name(target.name, MIXTURE))
    theirs = [peer.name for peer in parent.peers_by_level().get(target.level, ())]
    if h is None or not h.is_floating_point():
        return _NO_TENSOR
    if h.shape != (len(target.inputs), len(theirs)) or not h.isfinite().all():
        return "the parent's values do not fit its text, or are not finite"
    # Relative to the mean share, with which new peers start.
    relative = h.double() - (torch.logsumexp(h.double(), 1, keepdim=True) - _log(len(theirs)))
    values: dict[tuple[int, int], float] = {}
    ours = network.peers_by_level()[node.level]
    for row in range(len(node.inputs)):
        place = _place(node, row, target, ancestry)
        for column, peer in enumerate(ours):
            origin = ancestry.whole_origin(peer.name)
            if place is not None and origin in theirs:
                values[row, column] = float(relative[place, theirs.index(origin)])
    if len(values) == len(node.inputs) * len(ours):
        return InheritedMixture(values, "")
    return InheritedMixture(values, "in part: new edges or peers") if values else _ALL_NEW


def _log(count: int) -> Tensor:
    return torch.log(torch.tensor(float(count), dtype=torch.float64))
