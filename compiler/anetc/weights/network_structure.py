"""The structure of a network: its text without what training learns and what has no effect.

A weights file holds the hash of its network's structure, so that a command can warn if the weights
are used with another text whose tensors have the same shapes. This module does not need torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anetdsl.ir import Edge, Network

if TYPE_CHECKING:
    from anetc.weights.metadata import WeightsInfo


def structure_of(network: Network) -> Network:
    """Return a network without name, origin, score, edge weights and peers, in an order of its own.

    With peer attention the order of the nodes stays, as it is that of the mixtures in the weights.
    """
    nodes = [attrs.evolve(node, inputs=_untrained(node.inputs), peers=()) for node in network.nodes]
    if network.attention != "peer":
        nodes.sort(key=lambda node: node.name)
    return attrs.evolve(
        network,
        name="structure",
        inputs=tuple(sorted(network.inputs, key=lambda value: value.name)),
        nodes=tuple(nodes),
        sink=attrs.evolve(network.sink, inputs=_untrained(network.sink.inputs)),
        origin=None,
        score=None,
    )


def structure_hash(network: Network) -> str:
    """Return the SHA-256 of the canonical text of the network's structure, in hexadecimal."""
    return hashlib.sha256(str(structure_of(network)).encode()).hexdigest()


def structure_warning(network: Network, info: WeightsInfo, source: str | Path) -> str | None:
    """Return a sentence if weights were trained with a network of another structure.

    `source` is the weights file and `info` the description in it. Files of old versions do not
    hold the structure; for these the result is None.
    """
    if info.structure_sha256 in (None, structure_hash(network)):
        return None
    return (
        f"{source}: the weights were trained with another network text (rates r, strides, inputs "
        "or sink differ); use the text that the weights were trained with"
    )


def _untrained(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple(attrs.evolve(edge, weight=None) for edge in edges)
