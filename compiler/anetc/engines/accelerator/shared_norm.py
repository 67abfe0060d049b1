"""Batch normalisation over the clips of all processes, with one collective in each direction.

The number of cells stays on the device, so that no process waits for its device.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as processes
from torch import Tensor

_CELLS = (0, 2, 3)


def shared_norm(
    x: Tensor, weight: Tensor, bias: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the normalised x (B, C, H, W), and the statistics of all processes' cells.

    These are mean (C,), 1 / sqrt(variance + epsilon) (C,) and the number of cells. All processes
    call the function in the same order. The gradients of weight and bias are those of this
    process's cells; the gradient of x includes its influence on the results of other processes.
    """
    found: tuple[Tensor, Tensor, Tensor, Tensor] = _SharedNorm.apply(x, weight, bias, epsilon)  # type: ignore[no-untyped-call]
    return found


class _SharedNorm(torch.autograd.Function):
    """y = (x - mean) inverse weight + bias, where mean and inverse depend on all x."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        own_variance, own_mean = torch.var_mean(x.to(weight.dtype), _CELLS, correction=0)
        own_mean, own_variance = own_mean.double(), own_variance.double()
        count = x.numel() // x.shape[1]
        # In double precision the square sum loses nothing that the variance needs.
        squares = own_variance + own_mean.square()
        total = _summed(torch.stack([own_mean, squares]) * count, count)
        cells = total[-1]
        mean, squares = (total[:-1] / cells).view(2, -1)
        inverse = torch.rsqrt(squares - mean.square() + epsilon).to(weight.dtype)
        mean = mean.to(weight.dtype)
        scale = weight * inverse
        result = torch.addcmul(_wide(bias - mean * scale), x.to(weight.dtype), _wide(scale))
        ctx.save_for_backward(x, weight, mean, inverse, cells)
        ctx.mark_non_differentiable(mean, inverse, cells)
        return result.to(x.dtype), mean, inverse, cells

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor | None) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, inverse, cells = ctx.saved_tensors
        wide = grad.to(weight.dtype)
        normal = (x.to(weight.dtype) - _wide(mean)) * _wide(inverse)
        of_weight, of_bias = (wide * normal).sum(_CELLS), wide.sum(_CELLS)
        total = _summed(torch.stack([of_weight, of_bias]).double(), 0)
        means = (total[:-1] / cells).to(weight.dtype).view(2, -1)
        result = (wide - _wide(means[1]) - normal * _wide(means[0])) * _wide(weight * inverse)
        return result.to(x.dtype), of_weight, of_bias, None


def _summed(sums: Tensor, count: int) -> Tensor:
    """Return the sums (2, C) as (2 C,), and after them a count, summed over all processes."""
    total = torch.cat([sums.flatten(), sums.new_full((1,), count)])
    processes.all_reduce(total)
    return total


def _wide(channels: Tensor) -> Tensor:
    """Return (C,) as (1, C, 1, 1)."""
    return channels.view(1, -1, 1, 1)
