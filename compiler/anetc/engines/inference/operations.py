"""What the runners of plans share: layouts, and every operation that is not a convolution.

Inside a runner a CxTxHxW result is (N*T, C, H, W), its channels side by side in memory
(`channels_last`). All functions can be traced with N and T unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.inference.buffer_pool import BufferPool
from anetc.modules.layers import same_padding
from anetc.plan.plan import Op

Classifier = tuple[Tensor, Tensor]
"""Weight (classes, C) and bias (classes,) of the linear layer."""


def flat(x: Tensor) -> Tensor:
    """(N, C, T, H, W) as (N*T, C, H, W), channels last."""
    n, c, t, h, w = x.shape
    return x.permute(0, 2, 3, 4, 1).reshape(n * t, h, w, c).permute(0, 3, 1, 2)


def in_time(x: Tensor, frames: int) -> Tensor:
    """(N*T, C, H, W) as (N, C, T, H*W), the same memory."""
    count, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(count // frames, frames, h * w, c).permute(0, 3, 1, 2)


def out_of_time(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, T, H*W) as (N*T, C, H, W), the same memory: undoes `in_time`."""
    n, c, t = x.shape[:3]
    return x.permute(0, 2, 3, 1).reshape(n * t, height, width, c).permute(0, 3, 1, 2)


def weighted_sum(
    terms: Sequence[Tensor], gates: Sequence[float], room: Tensor | None = None
) -> Tensor:
    """The sum of each term times its gate; a first gate of 1 costs nothing."""
    if gates[0] != 1.0:
        total = torch.mul(terms[0], gates[0], out=room)
    elif len(terms) > 1:
        total = torch.add(terms[0], terms[1], alpha=gates[1], out=room)
        terms, gates = terms[1:], gates[1:]
    else:
        return terms[0]
    for term, gate in zip(terms[1:], gates[1:]):
        total = total.add_(term, alpha=gate)
    return total


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """A "same" max pool of (N*T, C, H, W), as `anetc.modules.layers.max_pool`."""
    height, width = x.shape[2:]
    padding = (same_padding(height, window, stride), same_padding(width, window, stride))
    return functional.max_pool2d(x, window, stride, padding, ceil_mode=True)


def tile_maximum(x: Tensor, size: int, room: Tensor | None) -> Tensor:
    """The maximum of each `size` x `size` tile; the library's pool would note places, too."""
    first, *others = (x[:, :, i::size, j::size] for i in range(size) for j in range(size))
    total = torch.maximum(first, others[0], out=room)
    for other in others[1:]:
        torch.maximum(total, other, out=total)
    return total


def head_dtype(dtype: torch.dtype) -> torch.dtype:
    """What the means and the classifier are computed in: never less than single precision."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def run_operation(
    op: Op,
    args: Sequence[Tensor],
    frames: int,
    gates: Sequence[float],
    classifier: Classifier,
    spares: BufferPool | None = None,
) -> Tensor:
    """The result of any operation but inputs, convolutions and norms.

    `gates` are those of a `sum`; `spares` is memory to write to, where the runner has it and need
    not be traced. Raises ValueError for an operation that inference does not have.
    """
    x = args[0]
    match op.kind:
        case "sum":
            room = spares.take(tuple(x.shape), x.dtype) if spares is not None else None
            return weighted_sum(args, gates, room)
        case "add":
            total = args[0] + args[1]
            return total.relu_() if op.relu else total
        case "relu":
            return torch.relu(x)
        case "pool":
            window, stride = op.option("window"), op.option("stride")
            count, channels, height, width = x.shape
            tiles = window == stride > 1 and height % window == width % window == 0
            if spares is None or not tiles:
                return max_pool(x, window, stride)
            shape = (count, channels, height // window, width // window)
            return tile_maximum(x, window, spares.take(shape, x.dtype))
        case "part":
            first = int(op.options["first"])
            taken = x[:, first : first + op.shape[0]]
            return taken.contiguous(memory_format=torch.channels_last)
        case "space_mean":
            mean = x.mean(dim=(2, 3), dtype=head_dtype(x.dtype))
            return mean.reshape(x.shape[0] // frames, frames, x.shape[1])
        case "time_mean":
            return x.mean(dim=1)
        case "average":
            return torch.stack(list(args)).mean(dim=0)
        case "concat":
            return torch.cat(list(args), dim=-1)
        case "linear":
            return functional.linear(x, *classifier)
        case "time_pool":
            shares = torch.softmax(x / frames**0.5, dim=1)
            return (shares * x).sum(dim=1)
    raise ValueError(f"{op.name}: operation {op.kind} does not run here")
