"""What a node does with its inputs, kept when their largest number of channels changes.

A node's first convolution and its projection read the sum of its inputs, each of which passes an
adapter where it has fewer channels than the widest. All of these are 1x1 and nothing is between
them, so that what a node does with one input is one matrix: convolution times adapter. When the
widest input is another than before, convolutions and adapters are made anew so that these matrices
stay, exactly where that can be (the widest input goes, or a wider one comes), as near as least
squares get elsewhere (inputs that share an adapter and did not before).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import NODES, module_key

if TYPE_CHECKING:
    from anetc.weights.inherit.ancestry import Ancestry, Pieces
    from anetdsl.ir import Network, Node

READERS = ("m0.conv1.weight", "m0.proj.weight")
"""What reads a node's input: (C, channels, 1, 1, 1) and (4C, channels, 1, 1, 1)."""
_EXACT = 1e-4
"""Relative errors below this are those of single precision."""


@attrs.frozen(eq=False)
class InputReading:
    """Tensors with which a node does what its parents did with the inputs that they had."""

    tensors: Mapping[str, Tensor]
    """By their names within the node."""
    known: Mapping[str, int]
    """How many of a tensor's numbers come from the parents; the others are the node's own."""
    errors: tuple[tuple[str, float], ...]
    """Inputs of which this is not exact, and the relative error."""


def kept_reading(
    network: Network,
    node: Node,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
    own: Mapping[str, Tensor],
) -> InputReading | None:
    """The tensors of a node whose widest input is another than its parents'.

    `own` are the node's first tensors, by their names within it. None where the widest input is as
    wide as it was, where no input was an input of a parent, and where the parents' tensors do not
    fit their text.
    """
    pieces = ancestry.pieces.get(node.name, ())
    is_block = not any(parent.node(piece.node).is_stem for piece in pieces)
    if not is_block or sum(piece.filters for piece in pieces) != node.channels:
        return None
    owners = {piece.node: parent.node(piece.node) for piece in pieces}
    widths = {edge.source: network.node(edge.source).out_channels for edge in node.inputs}
    widest = max(widths.values())
    if all(_widest(parent, owner) == widest for owner in owners.values()):
        return None
    known = {name: _matrices(parent, owner, tensors) for name, owner in owners.items()}
    given = {name: found for name, found in known.items() if found is not None}
    if len(given) < len(known):
        return None
    wanted: dict[int, list[tuple[str, Tensor]]] = {}
    for source, width in widths.items():
        matrix = _of_source(pieces, given, ancestry.pieces.get(source, ()), parent)
        if matrix is not None and matrix.shape[1] == width:
            wanted.setdefault(width, []).append((source, matrix))
    return _fitted(node, wanted, set(widths.values()), own) if wanted else None


def _widest(network: Network, node: Node) -> int:
    return max(network.node(edge.source).out_channels for edge in node.inputs)


def _matrices(
    parent: Network, owner: Node, tensors: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]] | None:
    """What a parent's node does with each of its inputs: (C, channels) and (4C, channels)."""
    prefix = f"{NODES}.{module_key(owner.name)}."
    widest = _widest(parent, owner)
    readers = [_matrix(tensors.get(prefix + part)) for part in READERS]
    shapes = [(owner.channels, widest), (owner.out_channels, widest)]
    found = {}
    for edge in owner.inputs:
        width = parent.node(edge.source).out_channels
        adapter = (
            torch.eye(widest, dtype=torch.float64)
            if width == widest
            else _matrix(tensors.get(f"{prefix}fuse.adapt{width}to{widest}.weight"))
        )
        if adapter is None or adapter.shape != (widest, width):
            return None
        products = []
        for reader, shape in zip(readers, shapes):
            if reader is None or reader.shape != shape:
                return None
            products.append(reader @ adapter)
        found[edge.source] = (products[0], products[1])
    return found


def _matrix(weight: Tensor | None) -> Tensor | None:
    """A 1x1 convolution's weight as a float64 matrix (out, in); None for what is none."""
    if weight is None or weight.ndim != 5 or not weight.is_floating_point():
        return None
    if not weight.isfinite().all():
        return None
    return weight.detach().double().cpu()[:, :, 0, 0, 0]


def _of_source(
    pieces: Pieces,
    given: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    source: Pieces,
    parent: Network,
) -> Tensor | None:
    """What the node shall do with one input, (5C, channels); None if no parent had it.

    Of joined nodes, one that did not have it does nothing with it.
    """
    wide = [
        parent.node(part.node).out_channels // parent.node(part.node).channels for part in source
    ]
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    found = False
    for piece in pieces:
        matrices = given[piece.node]
        for reader, places in ((0, 1), (1, 4)):
            columns = []
            for part, width in zip(source, wide):
                count = places * piece.filters
                matrix = matrices.get(part.node)
                if matrix is None:
                    columns.append(torch.zeros(count, width * part.filters, dtype=torch.float64))
                    continue
                found = True
                cut = matrix[reader][places * piece.start : places * piece.end]
                columns.append(cut[:, width * part.start : width * part.end])
            if columns:
                rows[reader].append(torch.cat(columns, dim=1))
    return torch.cat([*rows[0], *rows[1]]) if found else None


def _fitted(
    node: Node,
    wanted: Mapping[int, list[tuple[str, Tensor]]],
    widths: set[int],
    own: Mapping[str, Tensor],
) -> InputReading:
    """Convolutions and adapters with which inputs are read as wanted, by their widths.

    The widest known input is read by the convolutions themselves. Where there are wider ones, which
    are new, it comes to be in the first of their channels.
    """
    widest, most = max(widths), max(wanted)
    targets = {width: _mean([matrix for _, matrix in same]) for width, same in wanted.items()}
    readers = torch.cat([_own(own, part) for part in READERS])
    readers[:, :most] = targets[most]
    made: dict[str, Tensor] = {}
    known: dict[str, int] = {}
    adapters = {widest: torch.eye(widest, dtype=torch.float64)}
    for width in sorted(widths - {widest}):
        part = f"fuse.adapt{width}to{widest}.weight"
        adapters[width] = _own(own, part)
        if width in targets:
            first = (
                torch.eye(most, dtype=torch.float64)
                if width == most
                else torch.linalg.lstsq(targets[most], targets[width], driver="gelsd").solution
            )
            adapters[width] = torch.zeros(widest, width, dtype=torch.float64)
            adapters[width][:most] = first
            made[part] = adapters[width]
            known[part] = adapters[width].numel()
    for part, matrix in zip(READERS, torch.split(readers, [node.channels, node.out_channels])):
        made[part] = matrix
        known[part] = len(matrix) * most
    errors = []
    for width, same in wanted.items():
        for source, matrix in same:
            difference = (readers @ adapters[width] - matrix).norm()
            error = float(difference / matrix.norm().clamp_min(1e-30))
            if error > _EXACT:
                errors.append((source, error))
    return InputReading(
        {part: matrix[..., None, None, None].to(own[part].dtype) for part, matrix in made.items()},
        known,
        tuple(errors),
    )


def _own(own: Mapping[str, Tensor], part: str) -> Tensor:
    return own[part].detach().double().cpu()[:, :, 0, 0, 0].clone()


def _mean(matrices: list[Tensor]) -> Tensor:
    """The mean; of one, exactly that."""
    return matrices[0] if len(matrices) == 1 else torch.stack(matrices).mean(dim=0)
