"""Build the tensor of a node from the tensors of the parent's nodes that it descends from.

Along an axis that counts the node's filters, a half gets its half, and merged nodes are
concatenated; weights between filters of different nodes are 0. A tensor that all filters share is
copied; for several nodes it is the mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from anetc.weights.inherit.ancestry import FilterRange

Multiple = Literal[0, 1, 4]
"""Size of an axis per filter of the node: 1, 4 (outputs of a block), or 0 if independent."""

MISFIT = "the parent's tensors do not fit its text"
_UNEQUAL = "the merged nodes have tensors of different shapes"
_LAYER = re.compile(r"m(\d+)\.(conv1|tconv|conv2|conv3|proj)(_bn)?\.")
_OUTPUTS: Mapping[str, Multiple] = {"conv1": 1, "tconv": 1, "conv2": 0, "conv3": 4, "proj": 4}


def filter_axes(part: str) -> tuple[Multiple, ...]:
    """Return the multiples of the first axes of a block's tensor; none for stems and adapters.

    >>> filter_axes("m1.tconv.weight"), filter_axes("m1.conv2_bn.bias")
    ((1, 4), (0,))
    """
    match = _LAYER.match(part)
    if match is None:
        return ()
    module, role, norm = match.groups()
    if norm:
        return (_OUTPUTS[role],)
    if role == "conv2":
        return (0, 1)
    reads_own_output = role in ("conv1", "tconv") and module != "0"
    return (_OUTPUTS[role], 4 if reads_own_output else 0)


def merge_tensors(
    part: str,
    ranges: Sequence[FilterRange],
    tensors: Mapping[str, Tensor],
    filters: Mapping[str, int],
) -> Tensor:
    """Return the tensor of a node with these filters, from the parent's tensors by node.

    `part` is the tensor's name within the node, `filters` holds C of the parent's nodes. Raise
    ValueError, with the reason, for tensors that do not fit.
    """
    axes = filter_axes(part)
    counted = [axis for axis, multiple in enumerate(axes) if multiple]
    if not counted:
        return _mean(list(tensors.values()))
    other_sizes = set()
    for node, tensor in tensors.items():
        shape = tensor.shape
        if tensor.ndim < len(axes) or any(shape[i] != axes[i] * filters[node] for i in counted):
            raise ValueError(MISFIT)
        other_sizes.add(tuple(n for axis, n in enumerate(shape) if axis not in counted))
    if len(other_sizes) > 1:
        raise ValueError(_UNEQUAL)
    first = next(iter(tensors.values()))
    size = list(first.shape)
    for axis in counted:
        size[axis] = axes[axis] * sum(part.count for part in ranges)
    merged = first.new_zeros(size)
    starts = _starts(ranges)
    for row, row_start in zip(ranges, starts):
        for column, column_start in zip(ranges, starts):
            if row.node != column.node or (len(counted) == 1 and row is not column):
                continue
            target, source = merged, tensors[row.node]
            for axis, cut, start in zip(counted, (row, column), (row_start, column_start)):
                multiple = axes[axis]
                target = target.narrow(axis, multiple * start, multiple * cut.count)
                source = source.narrow(axis, multiple * cut.start, multiple * cut.count)
            target.copy_(source)
    return merged


def _starts(ranges: Sequence[FilterRange]) -> list[int]:
    """Return the index of the first filter of each range in the merged node."""
    starts = [0]
    for part in ranges:
        starts.append(starts[-1] + part.count)
    return starts[:-1]


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors, without rounding if they are equal."""
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        raise ValueError(_UNEQUAL)
    first = tensors[0]
    if all(torch.equal(tensor, first) for tensor in tensors[1:]):
        return first
    return torch.stack(list(tensors)).mean(dim=0)
