"""Normalisation, ReLU and pools of a training step, with gradients by hand.

Tensors are (B, H, W, C), contiguous, as in `convs`.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor, nn

from anetc.engines.training import together
from anetc.engines.training.convs import channels_last, channels_second
from anetc.modules.layers import same_padding

_aten = torch.ops.aten
_LANES = 64
"""Numbers in a row with which reductions over rows are vectorised well."""
_FEW_CHANNELS = 16
"""Channels below which the library's statistics are slow."""
_EXACT_BYTES = 4
"""Bytes of a number from which a normalisation's gradient is put together from its terms. In
fewer, these would be rounded one by one; the library computes in float32 in between."""
_ONE_CELL = "batch normalisation cannot train on one cell: give it larger clips"


@attrs.frozen
class Statistics:
    """Mean and variance (biased) of each channel, (C,)."""

    mean: Tensor
    variance: Tensor
    batch: bool
    """Whether they are the batch's own."""
    shared: bool = False
    """Whether that is the batch of all processes (`anetc.engines.training.together`)."""


def statistics(
    x: Tensor, norm: nn.BatchNorm3d, *, batch: bool, update: bool, shared: bool = False
) -> Statistics:
    """What a normalisation takes off and divides by. `update` moves its running averages.

    Without `batch` these are the running averages themselves; with `shared` those of the batch of
    all processes.
    """
    average, spread = norm.running_mean, norm.running_var
    assert average is not None
    assert spread is not None
    if not batch:
        return Statistics(average.clone(), spread.clone(), batch)
    count = x.numel() // x.shape[-1]
    if count == 1 and not shared:
        raise ValueError(_ONE_CELL)
    momentum = _momentum(norm)
    tiles = _tiles(x)
    if tiles == 1 and update and not shared:
        mean, variance = _aten.batch_norm_update_stats(
            channels_second(x), average, spread, momentum
        )
        return Statistics(mean, variance, batch)
    # The library takes the results' type from averages, so it is given some to move.
    others = average.repeat(tiles), spread.repeat(tiles)
    found = _aten.batch_norm_update_stats(_tiled(x, tiles), *others, momentum)
    means, variances = (values.view(tiles, -1) for values in found)
    mean = means.mean(0)
    variance = variances.mean(0) + (means - mean).square_().mean(0)
    if shared:
        mean, variance, count = together.whole_statistics(mean, variance, count)
        if count == 1:
            raise ValueError(_ONE_CELL)
    if update:
        average.lerp_(mean.to(average.dtype), momentum)
        spread.lerp_((variance * (count / (count - 1))).to(spread.dtype), momentum)
    return Statistics(mean, variance, batch, shared)


def _momentum(norm: nn.BatchNorm3d) -> float:
    """How far running averages move; without one they are plain averages over all batches."""
    if norm.momentum is not None:
        return norm.momentum
    assert norm.num_batches_tracked is not None
    return 1 / norm.num_batches_tracked.item()


def _tiles(x: Tensor) -> int:
    """Cells that are taken as one of several times the channels, for the vector units' sake."""
    channels = x.shape[-1]
    tiles, count = 1, x.numel() // channels
    if channels >= _FEW_CHANNELS:
        return tiles
    while tiles * channels < _LANES and count % (2 * tiles) == 0:
        tiles *= 2
    return tiles


def _tiled(x: Tensor, tiles: int) -> Tensor:
    """(B, H, W, C) as (1, tiles * C, B*H*W / tiles, 1), the same memory."""
    return channels_second(x.view(1, -1, 1, tiles * x.shape[-1]))


def _repeated(values: Tensor, tiles: int) -> Tensor:
    """A channel's values for each tile; for one the tensor itself."""
    return values if tiles == 1 else values.repeat(tiles)


def normalise(x: Tensor, weight: Tensor, bias: Tensor, known: Statistics, epsilon: float) -> Tensor:
    """Batch normalisation by known statistics; the result is a new tensor."""
    if x.dtype == weight.dtype:  # half of the library's time, which it takes where types are mixed
        scale = weight * torch.rsqrt(known.variance + epsilon)
        shift = bias - known.mean * scale
        tiles = _tiles(x)
        wide = x.view(-1, tiles * x.shape[-1])
        shift, scale = _repeated(shift, tiles), _repeated(scale, tiles)
        return torch.addcmul(shift, wide, scale).view(x.shape)
    result, _, _ = _aten.native_batch_norm(
        channels_second(x), weight, bias, known.mean, known.variance, False, 0.0, epsilon
    )
    return channels_last(result)


def normalise_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    known: Statistics,
    epsilon: float,
    *,
    owned: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the input, the weight and the bias of a batch normalisation.

    The first takes the memory of `grad` if that is `owned`: the library's own gradient takes twice
    as long for large tensors, most of it for fresh memory. Where statistics are shared, weight and
    bias get what this process's cells give; whoever adds up the processes' gradients adds up these
    too.
    """
    inverse = torch.rsqrt(known.variance + epsilon)
    if x.dtype.itemsize >= _EXACT_BYTES or known.shared:
        return _backward_by_sums(grad, x, weight, known, inverse, owned=owned)
    result, of_weight, of_bias = _aten.native_batch_norm_backward(
        channels_second(grad),
        channels_second(x),
        weight,
        known.mean,
        known.variance,
        known.mean,
        inverse,
        known.batch,
        epsilon,
        [True, True, True],
    )
    return channels_last(result), of_weight, of_bias


def _backward_by_sums(
    grad: Tensor, x: Tensor, weight: Tensor, known: Statistics, inverse: Tensor, *, owned: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, by sums over `_tiles` and a gradient that is a g + b x + c, channel by channel."""
    mean, tiles, count = known.mean, _tiles(x), x.numel() // x.shape[-1]
    _, of_weight, of_bias = _aten.native_batch_norm_backward(
        _tiled(grad, tiles),
        _tiled(x, tiles),
        None,
        None,
        None,
        _repeated(mean, tiles),
        _repeated(inverse, tiles),
        True,
        0.0,
        [False, True, True],
    )
    if tiles > 1:
        of_weight, of_bias = (sums.view(tiles, -1).sum(0) for sums in (of_weight, of_bias))
    a = inverse * weight
    wide = grad.view(-1, tiles * x.shape[-1])
    place = wide if owned and grad.dtype == a.dtype else None
    if not known.batch:
        result = torch.mul(wide, _repeated(a, tiles), out=place)
        return result.view(x.shape).to(x.dtype), of_weight, of_bias
    sums = torch.stack([of_weight, of_bias])
    if known.shared:
        sums, count = together.whole_sums(sums, count)
    b = a * inverse * sums[0] / -count
    c = a * sums[1] / -count - b * mean
    result = torch.addcmul(_repeated(c, tiles), wide, _repeated(a, tiles), out=place)
    result.addcmul_(x.view(wide.shape), _repeated(b, tiles))
    return result.view(x.shape).to(x.dtype), of_weight, of_bias


def mask_(grad: Tensor, result: Tensor) -> Tensor:
    """The gradient through a ReLU that gave `result`, in the gradient's own memory."""
    masked: Tensor = _aten.threshold_backward(grad, result, 0, grad_input=grad)
    return masked


@attrs.frozen
class Window:
    """A "same" maximum over `size` x `size` cells of each frame."""

    size: int
    stride: int

    def arguments(self, x: Tensor) -> tuple[list[int], list[int], list[int], list[int], bool]:
        """Window, stride, padding, dilation and ceil mode on a (B, H, W, C)."""
        padding = [same_padding(size, self.size, self.stride) for size in x.shape[1:3]]
        return [self.size] * 2, [self.stride] * 2, padding, [1, 1], True

    def pool(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, C) -> (B, H', W', C), and which cells won, in as few bytes as they need."""
        result, places = _aten.max_pool2d_with_indices(channels_second(x), *self.arguments(x))
        small = torch.int16 if x.shape[1] * x.shape[2] <= 1 << 15 else torch.int32
        return channels_last(result), channels_last(places.to(small))

    def backward(self, grad: Tensor, x: Tensor, places: Tensor) -> Tensor:
        """The gradient of the input; of `x` only the shape is read."""
        result = _aten.max_pool2d_with_indices_backward(
            channels_second(grad),
            channels_second(x),
            *self.arguments(x),
            channels_second(places).long(),
        )
        return channels_last(result)
