"""The operations of plans except convolutions, and views of their results.

A CxTxHxW result is a tensor (N*T, C, H, W) in channels-last layout. PyTorch can trace all functions
with unknown N and T. The engine and the export of artifacts share this module.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.inference.buffer_pool import BufferPool
from anetc.modules.layers import same_padding
from anetc.plan.plan import Op

Layer = tuple[Tensor, Tensor]
"""Weight (out, in) and bias (out,) of a linear layer."""


def frame_batch(x: Tensor) -> Tensor:
    """Return (N, C, T, H, W) as (N*T, C, H, W), channels last."""
    n, c, t, h, w = x.shape
    return x.permute(0, 2, 3, 4, 1).reshape(n * t, h, w, c).permute(0, 3, 1, 2)


def temporal_view(x: Tensor, frames: int) -> Tensor:
    """Return (N*T, C, H, W) as (N, C, T, H*W), a view of the same memory."""
    count, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(count // frames, frames, h * w, c).permute(0, 3, 1, 2)


def spatial_view(x: Tensor, height: int, width: int) -> Tensor:
    """Return (N, C, T, H*W) as (N*T, C, H, W): the inverse of `temporal_view`."""
    n, c, t = x.shape[:3]
    return x.permute(0, 2, 3, 1).reshape(n * t, height, width, c).permute(0, 3, 1, 2)


def weighted_sum(
    terms: Sequence[Tensor], gates: Sequence[float], out: Tensor | None = None
) -> Tensor:
    """Return the sum of each term times its gate. A first gate of 1 takes no multiplication."""
    if gates[0] != 1.0:
        total = torch.mul(terms[0], gates[0], out=out)
    elif len(terms) > 1:
        total = torch.add(terms[0], terms[1], alpha=gates[1], out=out)
        terms, gates = terms[1:], gates[1:]
    else:
        return terms[0]
    for term, gate in zip(terms[1:], gates[1:]):
        total = total.add_(term, alpha=gate)
    return total


def attended_sum(
    args: Sequence[Tensor], gates: Sequence[float], out: Tensor | None = None
) -> Tensor:
    """Return the sum of each term times its gate and its attention, of each channel and frame.

    `args` are the terms (N*T, C, H, W), and after them as many logits of attention (N, T, C).
    """
    terms, logits = args[: len(gates)], args[len(gates) :]
    factors = [
        (gate * torch.sigmoid(x)).flatten(0, 1)[:, :, None, None].to(terms[0].dtype)
        for gate, x in zip(gates, logits)
    ]
    total = torch.mul(terms[0], factors[0], out=out)
    for term, factor in zip(terms[1:], factors[1:]):
        total = total.addcmul_(term, factor)
    return total


def same_pads(height: int, width: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Return the cells that TensorFlow's "same" pads at the left, right, top and bottom."""
    pads: list[int] = []
    for size in (width, height):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        begin = same_padding(size, kernel, stride)
        pads += [begin, total - begin]
    left, right, top, bottom = pads
    return left, right, top, bottom


def frames_view(x: Tensor, frames: int) -> Tensor:
    """Return (N*T, C, H, W) as (N, C, T, H, W), a view of the same memory."""
    count, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(count // frames, frames, h, w, c).permute(0, 4, 1, 2, 3)


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """Return the "same" max pool of (N*T, C, H, W), as `anetc.modules.layers.max_pool` does."""
    height, width = x.shape[2:]
    padding = (same_padding(height, window, stride), same_padding(width, window, stride))
    return functional.max_pool2d(x, window, stride, padding, ceil_mode=True)


def tile_maximum(x: Tensor, size: int, out: Tensor | None) -> Tensor:
    """Return the maximum of each `size` x `size` tile.

    The pool of the library is slower, because it also stores the indices of the maxima.
    """
    first, *others = (x[:, :, i::size, j::size] for i in range(size) for j in range(size))
    total = torch.maximum(first, others[0], out=out)
    for other in others[1:]:
        torch.maximum(total, other, out=total)
    return total


def head_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type of the means and the classifier: at least single precision."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def run_operation(
    op: Op,
    args: Sequence[Tensor],
    frames: int,
    gates: Sequence[float],
    layer: Layer | None,
    buffers: BufferPool | None = None,
) -> Tensor:
    """Return the result of an operation that is no input, convolution or norm.

    `gates` are the gates of the operation, and `layer` the tensors of a `linear`. Vectors CxT are
    (N, T, C). `buffers` provides memory for results; it must be None if
    PyTorch traces the function. Raise ValueError for an operation that inference plans do not have.
    """
    x = args[0]
    match op.kind:
        case "sum":
            out = buffers.acquire(tuple(x.shape), x.dtype) if buffers is not None else None
            return weighted_sum(args, gates, out)
        case "attend":
            out = buffers.acquire(tuple(x.shape), x.dtype) if buffers is not None else None
            return attended_sum(args, gates, out)
        case "mix":
            return weighted_sum(args, gates)
        case "add":
            total = args[0] + args[1]
            return total.relu_() if op.relu else total
        case "relu":
            return torch.relu(x)
        case "pool":
            window, stride = op.option("window"), op.option("stride")
            count, channels, height, width = x.shape
            tiles = window == stride > 1 and height % window == width % window == 0
            if buffers is None or not tiles:
                return max_pool(x, window, stride)
            shape = (count, channels, height // window, width // window)
            return tile_maximum(x, window, buffers.acquire(shape, x.dtype))
        case "part":
            first = int(op.options["first"])
            part = x[:, first : first + op.shape[0]]
            return part.contiguous(memory_format=torch.channels_last)
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
            assert layer is not None
            return functional.linear(x * gates[0] if gates else x, *layer)
        case "time_pool":
            shares = torch.softmax(x / frames**0.5, dim=1)
            return (shares * x).sum(dim=1)
    raise ValueError(f"{op.name}: no operation {op.kind} in inference plans")
