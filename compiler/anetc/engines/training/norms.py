"""Batch normalisation, ReLU and pools of a training step, and their gradients.

Tensors are contiguous (B, H, W, C), as in `convs`.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor, nn

from anetc.engines.training import shared_statistics
from anetc.engines.training.convs import channels_last, channels_second
from anetc.modules.layers import same_padding

_aten = torch.ops.aten
_LANES = 64
"""Row length from which reductions over rows are well vectorised."""
_MOST_LANES = 1024
"""Row length up to which the sums of a reduction stay in the first-level cache."""
_MOST_ROWS = 256
"""Number of rows that the library adds one after another. It adds in single precision, so that the
error of a sum of 50,000 rows would be 1,000 times that of a sum by parts."""
_FEW_CHANNELS = 16
"""Number of channels below which the library computes statistics slowly."""
_EXACT_BYTES = 4
"""Smallest size in bytes of numbers for which the gradient is computed from its terms one by one.
In smaller types each term would be rounded; there the library computes in float32."""
ONE_CELL = "batch normalisation cannot train on one cell; use larger clips or a larger batch"


@attrs.frozen
class Statistics:
    """Mean and biased variance of each channel, (C,)."""

    mean: Tensor
    variance: Tensor
    batch: bool
    """True for statistics of the batch, False for running averages."""
    shared: bool = False
    """True if the batch is that of all processes (`anetc.engines.training.shared_statistics`)."""


def statistics(
    x: Tensor, norm: nn.BatchNorm3d, *, batch: bool, update: bool, shared: bool = False
) -> Statistics:
    """Return the statistics that a normalisation uses: of the batch, or its running averages.

    With `shared` the batch is that of all processes. `update` updates the running averages. Raise
    ValueError if the batch has only one cell.
    """
    average, spread = norm.running_mean, norm.running_var
    assert average is not None
    assert spread is not None
    if not batch:
        return Statistics(average.clone(), spread.clone(), batch)
    count = x.numel() // x.shape[-1]
    if count == 1 and not shared:
        raise ValueError(ONE_CELL)
    momentum = momentum_of(norm)
    tiles = _tiles(x)
    if tiles == 1 and count <= _MOST_ROWS and update and not shared:
        mean, variance = _aten.batch_norm_update_stats(
            channels_second(x), average, spread, momentum
        )
        return Statistics(mean, variance, batch)
    # The library requires running averages: they determine the type of the results.
    copies = average.repeat(tiles), spread.repeat(tiles)
    blocks = _blocks(x, tiles)
    results = [_aten.batch_norm_update_stats(block, *copies, momentum) for block in blocks]
    means, variances = (torch.stack(values).view(-1, *average.shape) for values in zip(*results))
    # Each row of `means` has the mean of this many cells.
    cells = [block.shape[2] for block in blocks for _ in range(tiles)]
    weights = torch.tensor(cells, dtype=means.dtype, device=x.device).div_(count).unsqueeze_(1)
    mean = (means * weights).sum(0)
    variance = ((means - mean).square_().add_(variances) * weights).sum(0)
    if shared:
        mean, variance, count = shared_statistics.global_statistics(mean, variance, count)
        if count == 1:
            raise ValueError(ONE_CELL)
    if update:
        average.lerp_(mean.to(average.dtype), momentum)
        spread.lerp_((variance * (count / (count - 1))).to(spread.dtype), momentum)
    return Statistics(mean, variance, batch, shared)


def momentum_of(norm: nn.BatchNorm3d) -> float:
    """Return the momentum of the running averages; without one, all batches count equally."""
    if norm.momentum is not None:
        return norm.momentum
    assert norm.num_batches_tracked is not None
    return 1 / norm.num_batches_tracked.item()


def _tiles(x: Tensor) -> int:
    """Return the number of cells that are treated as one wide cell, for better vectorisation."""
    channels = x.shape[-1]
    tiles, count = 1, x.numel() // channels
    least = _LANES if channels < _FEW_CHANNELS else 1
    while count % (2 * tiles) == 0 and (
        tiles * channels < least
        or (count > _MOST_ROWS * tiles and 2 * tiles * channels <= _MOST_LANES)
    ):
        tiles *= 2
    return tiles


def _blocks(x: Tensor, tiles: int) -> list[Tensor]:
    """Return (B, H, W, C) in blocks (1, tiles * C, rows, 1), views of the same memory."""
    rows = x.view(1, -1, 1, tiles * x.shape[-1])
    return [channels_second(block) for block in torch.split(rows, _MOST_ROWS, 1)]


def _repeated(values: Tensor, tiles: int) -> Tensor:
    """Return the values of the channels, repeated for each tile; for one tile the tensor itself."""
    return values if tiles == 1 else values.repeat(tiles)


def normalise(x: Tensor, weight: Tensor, bias: Tensor, stats: Statistics, epsilon: float) -> Tensor:
    """Return the batch normalisation of x by these statistics, as a new tensor."""
    if x.dtype == weight.dtype:  # takes half the time of the library, which mixes types
        scale = weight * torch.rsqrt(stats.variance + epsilon)
        shift = bias - stats.mean * scale
        tiles = _tiles(x)
        wide = x.view(-1, tiles * x.shape[-1])
        shift, scale = _repeated(shift, tiles), _repeated(scale, tiles)
        return torch.addcmul(shift, wide, scale).view(x.shape)
    result, _, _ = _aten.native_batch_norm(
        channels_second(x), weight, bias, stats.mean, stats.variance, False, 0.0, epsilon
    )
    return channels_last(result)


def normalise_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stats: Statistics,
    epsilon: float,
    *,
    owned: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the input, the weight and the bias of a batch normalisation.

    With `owned` the input gradient is written to the memory of `grad`: the library takes twice as
    long for large tensors, mostly to allocate memory. With shared statistics, the gradients of
    weight and bias are those of this process's cells only; they are to be summed over the
    processes, as all other gradients are.
    """
    inverse = torch.rsqrt(stats.variance + epsilon)
    if x.dtype.itemsize >= _EXACT_BYTES or stats.shared:
        return _backward_by_sums(grad, x, weight, stats, inverse, owned=owned)
    result, of_weight, of_bias = _aten.native_batch_norm_backward(
        channels_second(grad),
        channels_second(x),
        weight,
        stats.mean,
        stats.variance,
        stats.mean,
        inverse,
        stats.batch,
        epsilon,
        [True, True, True],
    )
    return channels_last(result), of_weight, of_bias


def _backward_by_sums(
    grad: Tensor, x: Tensor, weight: Tensor, stats: Statistics, inverse: Tensor, *, owned: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same gradients; the input gradient is a g + b x + c for each channel."""
    mean, tiles, count = stats.mean, _tiles(x), x.numel() // x.shape[-1]
    # The weight has no effect on these two sums, but without it CUDA's sums are of size 0.
    repeated = [_repeated(values, tiles) for values in (weight, mean, inverse)]
    parts = [
        _aten.native_batch_norm_backward(
            *(block_grad, block, repeated[0], None, None, *repeated[1:]),
            True,
            0.0,
            [False, True, True],
        )[1:]
        for block_grad, block in zip(_blocks(grad, tiles), _blocks(x, tiles))
    ]
    of_weight, of_bias = (torch.stack(sums).view(-1, *mean.shape).sum(0) for sums in zip(*parts))
    a = inverse * weight
    wide = grad.view(-1, tiles * x.shape[-1])
    out = wide if owned and grad.dtype == a.dtype else None
    if not stats.batch:
        result = torch.mul(wide, _repeated(a, tiles), out=out)
        return result.view(x.shape).to(x.dtype), of_weight, of_bias
    sums = torch.stack([of_weight, of_bias])
    if stats.shared:
        sums, count = shared_statistics.global_sums(sums, count)
    b = a * inverse * sums[0] / -count
    c = a * sums[1] / -count - b * mean
    result = torch.addcmul(_repeated(c, tiles), wide, _repeated(a, tiles), out=out)
    result.addcmul_(x.view(wide.shape), _repeated(b, tiles))
    return result.view(x.shape).to(x.dtype), of_weight, of_bias


def mask_(grad: Tensor, result: Tensor) -> Tensor:
    """Return the gradient through a ReLU with this result, in the memory of `grad`."""
    masked: Tensor = _aten.threshold_backward(grad, result, 0, grad_input=grad)
    return masked


@attrs.frozen
class Window:
    """A "same" max pool over `size` x `size` cells of each frame."""

    size: int
    stride: int

    def arguments(self, x: Tensor) -> tuple[list[int], list[int], list[int], list[int], bool]:
        """Return the arguments of `aten::max_pool2d_with_indices` for an x (B, H, W, C)."""
        padding = [same_padding(size, self.size, self.stride) for size in x.shape[1:3]]
        return [self.size] * 2, [self.stride] * 2, padding, [1, 1], True

    def pool(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pool (B, H', W', C) of (B, H, W, C), and the indices of the maxima."""
        result, indices = _aten.max_pool2d_with_indices(channels_second(x), *self.arguments(x))
        small = torch.int16 if x.shape[1] * x.shape[2] <= 1 << 15 else torch.int32
        return channels_last(result), channels_last(indices.to(small))

    def backward(self, grad: Tensor, x: Tensor, indices: Tensor) -> Tensor:
        """Return the gradient of the input. Only the shape of `x` is used."""
        result = _aten.max_pool2d_with_indices_backward(
            channels_second(grad),
            channels_second(x),
            *self.arguments(x),
            channels_second(indices).long(),
        )
        return channels_last(result)
