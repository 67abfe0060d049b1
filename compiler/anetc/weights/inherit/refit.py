"""Refit the layers that read a node's inputs when the widest input has another width than before.

A node's first convolution and its projection read the sum of its inputs; narrower inputs pass an
adapter first. So the effect of the node on one input is one matrix (`inherit/adapters.py`). If the
widest input changes, the convolutions and the adapters get values that keep these matrices. The
matrices are kept exactly if the widest input is dropped or if a wider one is added. They are
approximated by least squares if inputs share an adapter and did not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import full_name
from anetc.weights.inherit.adapters import (
    READERS,
    adapter_name,
    as_matrix,
    as_weight,
    fit_adapter,
    fit_error,
)

if TYPE_CHECKING:
    from anetc.weights.inherit.ancestry import Ancestry, FilterRanges
    from anetdsl.ir import Network, Node

_ROUNDING = 1e-4
"""Relative error below which a matrix counts as kept, in single precision."""


@attrs.frozen(eq=False)
class RefittedInputs:
    """Tensors with which a node reads its inputs as its parents did."""

    tensors: Mapping[str, Tensor]
    """Tensors by name within the node."""
    inherited: Mapping[str, int]
    """Number of inherited values of each tensor. The other values are the node's initial ones."""
    errors: tuple[tuple[str, float], ...]
    """Inputs whose matrix is approximated, with the relative error."""


def refit_inputs(
    network: Network,
    node: Node,
    parent: Network,
    tensors: Mapping[str, Tensor],
    ancestry: Ancestry,
    initial: Mapping[str, Tensor],
) -> RefittedInputs | None:
    """Return the refitted tensors of a node whose widest input has another width than before.

    `initial` holds the node's initial tensors, by name within the node. Return None if the width is
    the same, if no input was an input of a parent, if an input is the stem of an object input, or
    if the parent's tensors do not fit its text.
    """
    ranges = ancestry.ranges.get(node.name, ())
    is_block = not any(parent.node(part.node).is_stem for part in ranges)
    if not is_block or sum(part.count for part in ranges) != node.channels:
        return None
    if _reads_objects(network, node):
        return None
    channels = network.out_channels()
    origins = {part.node: parent.node(part.node) for part in ranges}
    if any(_reads_objects(parent, origin) for origin in origins.values()):
        return None
    widths = {edge.source: channels[edge.source] for edge in node.inputs}
    widest = max(widths.values())
    if all(_widest_input(parent, origin) == widest for origin in origins.values()):
        return None
    given: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
    for name, origin in origins.items():
        matrices = _input_matrices(parent, origin, tensors)
        if matrices is None:
            return None
        given[name] = matrices
    targets: dict[int, list[tuple[str, Tensor]]] = {}
    for source, width in widths.items():
        matrix = _target_matrix(ranges, given, ancestry.ranges.get(source, ()), parent)
        if matrix is not None and matrix.shape[1] == width:
            targets.setdefault(width, []).append((source, matrix))
    return _refit(node, targets, set(widths.values()), initial) if targets else None


def _reads_objects(network: Network, node: Node) -> bool:
    """Return whether a node reads the stem of an object input, which may be wider than the sum."""
    return any(network.node(edge.source).channels is None for edge in node.inputs)


def _widest_input(network: Network, node: Node) -> int:
    return network.fused_channels()[node.name]


def _input_matrices(
    parent: Network, node: Node, tensors: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]] | None:
    """Return the matrices (C, channels) and (4C, channels) of the node for each of its inputs.

    Return None if the tensors do not fit the node.
    """
    widest = _widest_input(parent, node)
    readers = [_valid_matrix(tensors.get(full_name(node.name, part))) for part in READERS]
    channels = parent.out_channels()
    shapes = [(node.width, widest), (channels[node.name], widest)]
    matrices = {}
    for edge in node.inputs:
        width = channels[edge.source]
        adapter = (
            torch.eye(widest, dtype=torch.float64)
            if width == widest
            else _valid_matrix(tensors.get(full_name(node.name, adapter_name(width, widest))))
        )
        if adapter is None or adapter.shape != (widest, width):
            return None
        products = []
        for reader, shape in zip(readers, shapes):
            if reader is None or reader.shape != shape:
                return None
            products.append(reader @ adapter)
        matrices[edge.source] = (products[0], products[1])
    return matrices


def _valid_matrix(weight: Tensor | None) -> Tensor | None:
    """Return the matrix of a 1x1 convolution; None for a missing or invalid weight."""
    if weight is None or weight.ndim != 5 or not weight.is_floating_point():
        return None
    return as_matrix(weight) if weight.isfinite().all() else None


def _target_matrix(
    ranges: FilterRanges,
    given: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    source: FilterRanges,
    parent: Network,
) -> Tensor | None:
    """Return the matrix (5C, channels) of a node for one input; None if no parent had the input.

    `given` holds the matrices of the parents. If only some of several merged nodes had the input,
    the rows of the others are 0.
    """
    channels = parent.out_channels()
    multiples = [channels[part.node] // parent.node(part.node).width for part in source]
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    was_read = False
    for part in ranges:
        matrices = given[part.node]
        for reader, row_multiple in ((0, 1), (1, 4)):
            columns = []
            for cut, multiple in zip(source, multiples):
                count = row_multiple * part.count
                matrix = matrices.get(cut.node)
                if matrix is None:
                    columns.append(torch.zeros(count, multiple * cut.count, dtype=torch.float64))
                    continue
                was_read = True
                block = matrix[reader][row_multiple * part.start : row_multiple * part.end]
                columns.append(block[:, multiple * cut.start : multiple * cut.end])
            if columns:
                rows[reader].append(torch.cat(columns, dim=1))
    return torch.cat([*rows[0], *rows[1]]) if was_read else None


def _refit(
    node: Node,
    targets: Mapping[int, list[tuple[str, Tensor]]],
    widths: set[int],
    initial: Mapping[str, Tensor],
) -> RefittedInputs:
    """Return convolutions and adapters for the target matrices, which are given by input width.

    The convolutions read the widest input that has a target directly. If there are wider inputs,
    which are new, the input with the target uses the first channels of the convolutions.
    """
    widest, known = max(widths), max(targets)
    means = {width: _mean([matrix for _, matrix in same]) for width, same in targets.items()}
    readers = torch.cat([as_matrix(initial[part]) for part in READERS])
    readers[:, :known] = means[known]
    tensors: dict[str, Tensor] = {}
    inherited: dict[str, int] = {}
    adapters = {widest: torch.eye(widest, dtype=torch.float64)}
    for width in sorted(widths - {widest}):
        part = adapter_name(width, widest)
        adapters[width] = as_matrix(initial[part])
        if width in means:
            adapter = (
                torch.eye(known, dtype=torch.float64)
                if width == known
                else fit_adapter(means[known], means[width])
            )
            adapters[width] = torch.zeros(widest, width, dtype=torch.float64)
            adapters[width][:known] = adapter
            tensors[part] = adapters[width]
            inherited[part] = adapters[width].numel()
    for part, matrix in zip(READERS, torch.split(readers, [node.width, 4 * node.width])):
        tensors[part] = matrix
        inherited[part] = len(matrix) * known
    errors = [
        (source, error)
        for width, same in targets.items()
        for source, matrix in same
        if (error := fit_error(readers, adapters[width], matrix)) > _ROUNDING
    ]
    weights = {part: as_weight(matrix, initial[part].dtype) for part, matrix in tensors.items()}
    return RefittedInputs(weights, inherited, tuple(errors))


def _mean(matrices: list[Tensor]) -> Tensor:
    """Return the mean of matrices, without rounding for a single one."""
    return matrices[0] if len(matrices) == 1 else torch.stack(matrices).mean(dim=0)
