"""Batch normalisation in training: over the clips of several processes, and at the start of a run.

`torch.nn.SyncBatchNorm` works on GPUs alone; the one here needs two collectives a step, on any
backend that takes the tensors' device (gloo for the CPU).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anetc.engines.training.together import are_several, whole_statistics, whole_sums

_DIMENSIONS = (0, 2, 3, 4)
DECAY = 0.99
"""Of running averages (semantics 6)."""
AVERAGED = round(1 / (1 - DECAY))
"""Batches at the start of a run whose statistics are averaged alike."""


class SynchronisedBatchNorm(nn.BatchNorm3d):
    """Normalises (N, C, T, H, W) by the mean and variance of all processes' clips.

    Forward and backward equal those of one process with the whole batch; so do the running
    averages. All processes call it in the same order. In inference mode, and where there is but one
    process, it is `nn.BatchNorm3d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W), both."""
        if not self.training or not are_several():
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        x = input.float()
        own = torch.var_mean(x.detach(), _DIMENSIONS, correction=0)
        mean, variance, count = whole_statistics(own[1], own[0], x.numel() // x.shape[1])
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        inverse = torch.rsqrt(variance + self.eps)
        result: Tensor = _Normalise.apply(x, self.weight, self.bias, mean, inverse)  # type: ignore[no-untyped-call]
        return result.to(input.dtype)


class _Normalise(torch.autograd.Function):
    """y = (x - mean) inverse weight + bias, mean and inverse being functions of all x."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, inverse)
        scale = weight * inverse
        return torch.addcmul(_wide(bias - mean * scale), x, _wide(scale))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        (grad,) = grads
        normal = (x - _wide(mean)) * _wide(inverse)
        # Each process's own: their sum or mean over processes is taken with all other gradients.
        of_bias = grad.sum(_DIMENSIONS)
        of_weight = (grad * normal).sum(_DIMENSIONS)
        sums, count = whole_sums(torch.stack([of_bias, of_weight]), x.numel() // x.shape[1])
        of_x = grad - _wide(sums[0] / count) - normal * _wide(sums[1] / count)
        return of_x * _wide(weight * inverse), of_weight, of_bias, None, None


def _wide(channels: Tensor) -> Tensor:
    """(C,) as (1, C, 1, 1, 1)."""
    return channels.view(1, -1, 1, 1, 1)


def synchronise(model: nn.Module) -> None:
    """Replace every batch normalisation by a synchronised one, with the same parameters."""
    for part in model.modules():
        for name, child in part.named_children():
            if type(child) is nn.BatchNorm3d:
                setattr(part, name, _synchronised(child))


def set_decay(model: nn.Module, batch: int) -> None:
    """Have running averages move as is right for batch number `batch` of a run, from 0.

    The first ones are plain averages of all batches so far, until those decay faster than 0.99. So
    a short run is judged by statistics that it has seen, not by the 0 and 1 that they start from;
    after some hundred batches there is no difference any more.
    """
    momentum = max(1 - DECAY, 1 / (batch + 1))
    for part in model.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.momentum = momentum


def _synchronised(norm: nn.BatchNorm3d) -> SynchronisedBatchNorm:
    new = SynchronisedBatchNorm(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new
