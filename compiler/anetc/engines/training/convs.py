"""Convolutions of a training step, with gradients by hand.

Tensors are (B, H, W, C), contiguous, with B = N*T: the channels of a cell lie together, so that a
1x1 convolution is one product of matrices, and any is 2D on the same memory: a spatial one on
(B, C, H, W), a temporal one on (N, C, T, H*W). Weights are the stored ones, (C', C, T, H, W). Where
their input channels lie together too (`torch.channels_last_3d`), nothing is copied for its layout.

What is a product of matrices and what the library's convolution is a matter of time alone, measured
in float32 on one thread of an AMD Zen 4; each constant says what decides.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from anetc.plan.plan import Op

_aten = torch.ops.aten
_PRODUCT_CELLS = 16
_PRODUCT_CHANNELS = 128
"""A spatial convolution is a product of matrices too if a frame's result has no more cells, and its
input no fewer channels."""
_POINTWISE_CELLS = 64
"""A 1x1 convolution is a product of matrices if a frame's result has fewer cells. With as many the
library's convolution takes 0.25 to 1.2 of a product's time (0.7 for most), and with 7x7 or fewer
0.7 to 2.5. The gradient of the input is such a convolution too."""
_FEW_OUTPUTS = 16
"""Output channels below which the gradient of a 1x1 convolution's weight is the library's, in 0.6
to 1.1 of the time of a product of matrices on maps of 8x8 or more."""


@attrs.frozen
class Geometry:
    """Where a convolution looks: over time if `temporal`, else over space."""

    temporal: bool
    size: int
    stride: int = 1
    dilation: int = 1

    @classmethod
    def of(cls, op: Op) -> Geometry:
        """The geometry of an operation `conv`."""
        time, height, _ = map(int, str(op.options["kernel"]).split("x"))
        size = max(time, height)
        return cls(time > 1, size, op.option("stride"), op.option("dilation"))

    @property
    def arguments(self) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
        """Stride, padding, dilation and the rest, as `aten::convolution` takes them."""
        pad = self.size // 2 * self.dilation
        if self.temporal:
            return [1, 1], [pad, 0], [self.dilation, 1], False, [0, 0], 1
        return [self.stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1

    def size_of(self, x: Tensor) -> tuple[int, int]:
        """The height and width of the result for an x (B, H, W, C)."""
        return -(-x.shape[1] // self.stride), -(-x.shape[2] // self.stride)

    def is_product(self, x: Tensor) -> bool:
        """Whether it is computed as one product of matrices, of windows by weights."""
        if self.temporal:
            return False
        height, width = self.size_of(x)
        if self.size == 1:
            return height * width < _POINTWISE_CELLS
        return height * width <= _PRODUCT_CELLS and x.shape[-1] >= _PRODUCT_CHANNELS


def rows(x: Tensor) -> Tensor:
    """(B, H, W, C) as (B*H*W, C), the same memory."""
    return x.view(-1, x.shape[-1])


def channels_second(x: Tensor) -> Tensor:
    """(B, H, W, C) as (B, C, H, W), the same memory."""
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H, W, C); a copy only if its channels do not lie together."""
    return x.permute(0, 2, 3, 1).contiguous()


def convolve(
    x: Tensor, weight: Tensor, geometry: Geometry, frames: int, summand: Tensor | None = None
) -> Tensor:
    """The convolution of x, added to `summand` if there is one; a new tensor."""
    if geometry.is_product(x):
        windows = _windows(x, geometry)
        matrix = _matrix(weight).t()
        if summand is None:
            result = windows @ matrix
        else:
            result = torch.addmm(rows(summand), windows, matrix)
        return result.view(x.shape[0], *geometry.size_of(x), -1)
    result = _aten.convolution(
        _view(x, geometry, frames), _kernel(weight, geometry), None, *geometry.arguments
    )
    result = channels_last(result).view(x.shape[0], *geometry.size_of(x), -1)
    return result if summand is None else result.add_(summand)


def input_gradient(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    frames: int,
    total: Tensor | None = None,
) -> Tensor:
    """The gradient of x, added to `total` in place if that is given; of x the shape is read."""
    if geometry.size == 1:
        return _pointwise_input_gradient(grad, x, weight, geometry, frames, total)
    if geometry.is_product(x):
        return _add_windows(rows(grad) @ _matrix(weight), x, geometry, total)
    result, _, _ = _aten.convolution_backward(
        _view(grad, geometry, frames),
        _view(x, geometry, frames),
        _kernel(weight, geometry),
        None,
        *geometry.arguments,
        [True, False, False],
    )
    result = channels_last(result).view(x.shape)
    return result if total is None else total.add_(result)


def weight_gradient(
    grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, frames: int
) -> Tensor:
    """The gradient of the weight, its input channels together; of `weight` the shape is read."""
    if geometry.size == 1 and len(weight) >= _FEW_OUTPUTS:
        # The other way round takes up to six times as long, and the copy next to none.
        product = _windows(x, geometry).t() @ rows(grad)
        return product.t().contiguous().view(weight.shape)
    if geometry.size > 1 and geometry.is_product(x):
        result = rows(grad).t() @ _windows(x, geometry)
        out, channels, _, height, width = weight.shape
        return result.view(out, 1, height, width, channels).permute(0, 4, 1, 2, 3)
    if geometry.temporal:
        return _temporal_weight_gradient(grad, x, weight, geometry, frames)
    _, kernel, _ = _aten.convolution_backward(
        channels_second(grad),
        channels_second(x),
        _kernel(weight, geometry),
        None,
        *geometry.arguments,
        [False, True, False],
    )
    found: Tensor = kernel.unsqueeze(2)
    return found


def _pointwise_input_gradient(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    frames: int,
    total: Tensor | None,
) -> Tensor:
    """`input_gradient` of a 1x1 convolution: itself one, of the gradient by the weight transposed.

    With a `total` it is a product of matrices, which needs no memory of its own.
    """
    if total is not None and geometry.stride == 1:
        rows(total).addmm_(rows(grad), _matrix(weight))
        return total
    dense = convolve(grad, weight.transpose(0, 1), Geometry(temporal=False, size=1), frames)
    return dense if geometry.stride == 1 else _add_windows(rows(dense), x, geometry, total)


def _temporal_weight_gradient(
    grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, frames: int
) -> Tensor:
    """Tap by tap a product of matrices over the frames that the tap sees.

    The library's own way takes up to ten times as long where taps stand apart.
    """
    grads, cells = (y.view(-1, frames, *y.shape[1:]) for y in (grad, x))  # (N, T, H, W, C)
    taps = grad.new_zeros(weight.shape[0], geometry.size, weight.shape[1])
    for number in range(geometry.size):
        tap = taps[:, number]
        shift = (number - geometry.size // 2) * geometry.dilation
        if shift == 0:
            torch.mm(rows(grad).t(), rows(x), out=tap)
        elif abs(shift) < frames:
            first, last = max(0, -shift), min(frames, frames - shift)
            g, c = grads[:, first:last].flatten(1, 3), cells[:, first + shift : last + shift]
            torch.sum(g.transpose(1, 2) @ c.flatten(1, 3), dim=0, out=tap)
    return taps.transpose(1, 2)[..., None, None]


def _kernel(weight: Tensor, geometry: Geometry) -> Tensor:
    """A weight (C', C, T, H, W) as a 2D one, (C', C, H, W) or (C', C, T, 1)."""
    return weight[:, :, :, 0] if geometry.temporal else weight[:, :, 0]


def _matrix(weight: Tensor) -> Tensor:
    """A spatial weight (C', C, 1, H, W) as (C', H*W*C)."""
    return weight.permute(0, 2, 3, 4, 1).flatten(1)


def _view(x: Tensor, geometry: Geometry, frames: int) -> Tensor:
    """(B, H, W, C) as (B, C, H, W) or (N, C, T, H*W), the same memory."""
    if not geometry.temporal:
        return channels_second(x)
    count, height, width, channels = x.shape
    return channels_second(x.view(count // frames, frames, height * width, channels))


def _windows(x: Tensor, geometry: Geometry) -> Tensor:
    """What the kernel sees at each place, a row each: (B*H'*W', size*size*C)."""
    size, stride = geometry.size, geometry.stride
    if size == 1:
        return rows(x[:, ::stride, ::stride].contiguous())
    pad = size // 2
    padded = functional.pad(x, (0, 0, pad, pad, pad, pad))
    windows = padded.unfold(1, size, stride).unfold(2, size, stride)  # (B, H', W', C, size, size)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(windows.shape[:3].numel(), -1)


def _add_windows(grad: Tensor, x: Tensor, geometry: Geometry, total: Tensor | None) -> Tensor:
    """The gradient of x from that of its windows, added to `total` if that is given."""
    size, stride, pad = geometry.size, geometry.stride, geometry.size // 2
    count, height, width, channels = x.shape
    high, wide = geometry.size_of(x)
    parts = grad.view(count, high, wide, size, size, channels)
    if size == 1 and total is not None:
        padded = total
    else:
        padded = grad.new_zeros(count, height + 2 * pad, width + 2 * pad, channels)
    for i in range(size):
        for j in range(size):
            seen = padded[:, i : i + stride * high : stride, j : j + stride * wide : stride]
            seen.add_(parts[:, :, :, i, j])
    if size == 1:
        return padded
    result = padded[:, pad : pad + height, pad : pad + width]
    return result.contiguous() if total is None else total.add_(result)
