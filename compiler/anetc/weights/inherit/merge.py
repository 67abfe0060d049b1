"""A node's tensors put together from those of the parent's nodes that it descends from.

By filter where an axis counts filters: a half takes its half, joined nodes stand behind one
another, and between filters of different nodes there is 0. What all filters have in common is taken
as it is; of several nodes it is the mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from anetc.weights.inherit.ancestry import Piece

Axis = Literal[0, 1, 4]
"""How many places an axis of a tensor has for each filter of the node: 1, 4 (outputs), or none."""

NOT_OF_TEXT = "the parent's tensors are not those of its text"
_UNEQUAL = "the nodes that are joined have unequal shapes"
_LAYER = re.compile(r"m(\d+)\.(conv1|tconv|conv2|conv3|proj)(_bn)?\.")
_OUT: Mapping[str, Axis] = {"conv1": 1, "tconv": 1, "conv2": 0, "conv3": 4, "proj": 4}


def filter_axes(part: str) -> tuple[Axis, ...]:
    """What the first axes of a block's tensor count; none of a stem's or an adapter's.

    >>> filter_axes("m1.tconv.weight"), filter_axes("m1.conv2_bn.bias")
    ((1, 4), (0,))
    """
    match = _LAYER.match(part)
    if match is None:  # a stem's or an adapter's
        return ()
    module, role, norm = match.groups()
    if norm:
        return (_OUT[role],)
    if role == "conv2":
        return (0, 1)
    reads_own = role in ("conv1", "tconv") and module != "0"
    return (_OUT[role], 4 if reads_own else 0)


def join(
    part: str, pieces: Sequence[Piece], tensors: Mapping[str, Tensor], filters: Mapping[str, int]
) -> Tensor:
    """The tensor of a node that consists of these pieces, of its parents' tensors by node.

    `filters` is C of the parents. Raises ValueError, with the reason, where they do not fit.
    """
    axes = filter_axes(part)
    counted = [axis for axis, places in enumerate(axes) if places]
    if not counted:
        return _mean(list(tensors.values()))
    rests = set()
    for node, tensor in tensors.items():
        shape = tensor.shape
        if tensor.ndim < len(axes) or any(shape[i] != axes[i] * filters[node] for i in counted):
            raise ValueError(NOT_OF_TEXT)
        rests.add(tuple(n for axis, n in enumerate(tensor.shape) if axis not in counted))
    if len(rests) > 1:
        raise ValueError(_UNEQUAL)
    first = next(iter(tensors.values()))
    whole = list(first.shape)
    for axis in counted:
        whole[axis] = axes[axis] * sum(piece.filters for piece in pieces)
    joined = first.new_zeros(whole)
    starts = _starts(pieces)
    for row, row_start in zip(pieces, starts):
        for column, column_start in zip(pieces, starts):
            if row.node != column.node or (len(counted) == 1 and row is not column):
                continue
            target, source = joined, tensors[row.node]
            for axis, piece, start in zip(counted, (row, column), (row_start, column_start)):
                places = axes[axis]
                target = target.narrow(axis, places * start, places * piece.filters)
                source = source.narrow(axis, places * piece.start, places * piece.filters)
            target.copy_(source)
    return joined


def _starts(pieces: Sequence[Piece]) -> list[int]:
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + piece.filters)
    return starts[:-1]


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """The mean; of one tensor, or of equal ones, exactly that."""
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        raise ValueError(_UNEQUAL)
    first = tensors[0]
    if all(torch.equal(tensor, first) for tensor in tensors[1:]):
        return first
    return torch.stack(list(tensors)).mean(dim=0)
