"""Convolutions of a training step and their gradients.

Tensors are contiguous (B, H, W, C) with B = N*T. In this layout a 1x1 convolution is one matrix
product (GEMM), and every convolution is 2D on a view of the same memory: a spatial one on
(B, C, H, W), a temporal one on (N, C, T, H*W). One over time and space is 3D on (N, C, T, H, W).
Weights are the stored ones, (C', C, T, H, W). If
they have the layout `torch.channels_last_3d`, no weight is copied.

A convolution is computed by a matrix product where that is faster than the library's convolution.
`anetc.engines.matrix_product` chooses the library for products of two matrices in this layout.
The constants below hold the limits, measured in float32 on one thread of an AMD Zen 4.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.inference.operations import same_pads
from anetc.engines.matrix_product import add_product, product
from anetc.modules.layers import exceeds
from anetc.plan.plan import Op

_aten = torch.ops.aten
_GEMM_CELLS = 16
_GEMM_CHANNELS = 128
"""A spatial convolution larger than 1x1 is a matrix product if its output map has at most
`_GEMM_CELLS` cells and its input at least `_GEMM_CHANNELS` channels."""
_POINTWISE_CELLS = 64
"""A 1x1 convolution is a matrix product if its output map has fewer cells. At 8x8 cells the library
takes 0.25 to 1.2 of the product's time (0.7 for most), and at 7x7 or fewer 0.7 to 2.5. The same
holds for the gradient of the input, which is a 1x1 convolution, too."""
_FEW_OUTPUTS = 16
"""The library computes the weight gradient of a 1x1 convolution with fewer output channels, in 0.6
to 1.1 of the time of a matrix product on maps of 8x8 cells or more."""


@attrs.frozen
class Geometry:
    """Size, stride and dilation of a kernel, over time if `temporal`, else over space.

    With `volume` it is over both: `size` is that over space and over time, the dilation that of
    time. With `same` the padding is TensorFlow's "same".
    """

    temporal: bool
    size: int
    stride: int = 1
    dilation: int = 1
    volume: bool = False
    same: bool = False

    @classmethod
    def of(cls, op: Op) -> Geometry:
        """Return the geometry of an operation `conv`. Raise ValueError for unequal sizes."""
        time, height, _ = map(int, str(op.options["kernel"]).split("x"))
        size, volume = max(time, height), time > 1 and height > 1
        if volume and time != height:
            raise ValueError(f"{op.name}: no convolution of {time} x {height} x {height}")
        return cls(
            time > 1 and not volume,
            size,
            op.option("stride"),
            op.option("dilation"),
            volume,
            "same" in op.options,
        )

    @property
    def arguments(self) -> tuple[list[int], list[int], list[int], bool, list[int], int]:
        """Arguments of `aten::convolution` from the stride on."""
        pad = self.size // 2
        if self.volume:
            pads = [pad * self.dilation, pad, pad]
            return [1, 1, 1], pads, [self.dilation, 1, 1], False, [0, 0, 0], 1
        if self.temporal:
            return [1, 1], [pad * self.dilation, 0], [self.dilation, 1], False, [0, 0], 1
        return [self.stride] * 2, [0 if self.same else pad] * 2, [1, 1], False, [0, 0], 1

    def padded(self, x: Tensor) -> Tensor:
        """Return x (B, H, W, C) with the padding that is not in `arguments`."""
        if not self.same:
            return x
        return functional.pad(x, (0, 0, *same_pads(x.shape[1], x.shape[2], self.size, self.stride)))

    def unpadded(self, grad: Tensor, x: Tensor) -> Tensor:
        """Return the part of the gradient of `padded(x)` that is that of x."""
        if not self.same:
            return grad
        left, _, top, _ = same_pads(x.shape[1], x.shape[2], self.size, self.stride)
        return grad[:, top : top + x.shape[1], left : left + x.shape[2]].contiguous()

    def size_of(self, x: Tensor) -> tuple[int, int]:
        """Return the height and width of the result for an x (B, H, W, C)."""
        return -(-x.shape[1] // self.stride), -(-x.shape[2] // self.stride)

    def needs_float32(self, x: Tensor, frames: int) -> bool:
        """Return whether bfloat16 is unsafe for a padded x (B, H, W, C) (`exceeds`)."""
        if x.dtype != torch.bfloat16 or self.temporal:
            return False
        sizes = (frames, *x.shape[1:3]) if self.volume else x.shape[1:3]
        return exceeds([self.size] * len(sizes), sizes)

    def uses_gemm(self, x: Tensor) -> bool:
        """Return whether a matrix product of windows (im2col) and weights computes the result."""
        if self.temporal or self.volume or self.same:
            return False
        height, width = self.size_of(x)
        if self.size == 1:
            return height * width < _POINTWISE_CELLS
        return height * width <= _GEMM_CELLS and x.shape[-1] >= _GEMM_CHANNELS


def rows(x: Tensor) -> Tensor:
    """Return (B, H, W, C) as (B*H*W, C), a view of the same memory."""
    return x.view(-1, x.shape[-1])


def channels_second(x: Tensor) -> Tensor:
    """Return (B, H, W, C) as (B, C, H, W), a view of the same memory."""
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    """Return (B, C, H, W) as contiguous (B, H, W, C): a view if x is channels-last, else a copy.

    It also moves the channels of (N, C, T, H, W).
    """
    return x.movedim(1, -1).contiguous()


def convolve(
    x: Tensor, weight: Tensor, geometry: Geometry, frames: int, summand: Tensor | None = None
) -> Tensor:
    """Return the convolution of x as a new tensor, plus `summand` if there is one."""
    if geometry.uses_gemm(x):
        windows = _windows(x, geometry)
        added = rows(summand) if summand is not None else None
        result = product(windows, _matrix(weight).t(), added)
        return result.view(x.shape[0], *geometry.size_of(x), -1)
    dtype, given = x.dtype, geometry.padded(x)
    if geometry.needs_float32(given, frames):
        given, weight = given.float(), weight.float()
    result = _aten.convolution(
        _view(given, geometry, frames), _kernel(weight, geometry), None, *geometry.arguments
    )
    result = channels_last(result).view(x.shape[0], *geometry.size_of(x), -1).to(dtype)
    return result if summand is None else result.add_(summand)


def input_gradient(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    frames: int,
    total: Tensor | None = None,
) -> Tensor:
    """Return the gradient of x, added in place to `total` if given. Only the shape of x is used."""
    if geometry.size == 1:
        return _pointwise_input_gradient(grad, x, weight, geometry, frames, total)
    if geometry.uses_gemm(x):
        return _add_windows(product(rows(grad), _matrix(weight)), x, geometry, total)
    dtype, given = grad.dtype, geometry.padded(x)
    if geometry.needs_float32(given, frames):
        grad, given, weight = grad.float(), given.float(), weight.float()
    result, _, _ = _aten.convolution_backward(
        _view(grad, geometry, frames),
        _view(given, geometry, frames),
        _kernel(weight, geometry),
        None,
        *geometry.arguments,
        [True, False, False],
    )
    result = geometry.unpadded(channels_last(result).view(given.shape), x).to(dtype)
    return result if total is None else total.add_(result)


def weight_gradient(
    grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, frames: int
) -> Tensor:
    """Return the gradient of the weight. Only the shape of `weight` is used."""
    if geometry.size == 1 and len(weight) >= _FEW_OUTPUTS:
        # The transposed product takes up to six times as long; the copy takes almost no time.
        product = _windows(x, geometry).t() @ rows(grad)
        return product.t().contiguous().view(weight.shape)
    if geometry.size > 1 and geometry.uses_gemm(x):
        result = rows(grad).t() @ _windows(x, geometry)
        out, channels, _, height, width = weight.shape
        return result.view(out, 1, height, width, channels).permute(0, 4, 1, 2, 3)
    if geometry.temporal:
        return _temporal_weight_gradient(grad, x, weight, geometry, frames)
    dtype, given = grad.dtype, geometry.padded(x)
    if geometry.needs_float32(given, frames):
        grad, given, weight = grad.float(), given.float(), weight.float()
    _, kernel, _ = _aten.convolution_backward(
        _view(grad, geometry, frames),
        _view(given, geometry, frames),
        _kernel(weight, geometry),
        None,
        *geometry.arguments,
        [False, True, False],
    )
    gradient: Tensor = kernel if geometry.volume else kernel.unsqueeze(2)
    return gradient.to(dtype)


def _pointwise_input_gradient(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    frames: int,
    total: Tensor | None,
) -> Tensor:
    """Return `input_gradient` of a 1x1 convolution: a 1x1 convolution with the transposed weight.

    With `total` it is computed by a matrix product that adds to `total` without other memory.
    """
    if total is not None and geometry.stride == 1:
        add_product(rows(total), rows(grad), _matrix(weight))
        return total
    dense = convolve(grad, weight.transpose(0, 1), Geometry(temporal=False, size=1), frames)
    return dense if geometry.stride == 1 else _add_windows(rows(dense), x, geometry, total)


def _temporal_weight_gradient(
    grad: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, frames: int
) -> Tensor:
    """Return the weight gradient: for each tap, a matrix product over the frames that it reads.

    The library takes up to ten times as long for dilated convolutions.
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
    """Return a weight (C', C, T, H, W) as a 2D one, (C', C, H, W) or (C', C, T, 1), if it can."""
    if geometry.volume:
        return weight
    return weight[:, :, :, 0] if geometry.temporal else weight[:, :, 0]


def _matrix(weight: Tensor) -> Tensor:
    """Return a spatial weight (C', C, 1, H, W) as (C', H*W*C)."""
    return weight.permute(0, 2, 3, 4, 1).flatten(1)


def _view(x: Tensor, geometry: Geometry, frames: int) -> Tensor:
    """Return (B, H, W, C) as the convolution reads it, a view of the same memory.

    It is (B, C, H, W), (N, C, T, H*W), or for convolutions over time and space (N, C, T, H, W).
    """
    count, height, width, channels = x.shape
    if geometry.volume:
        clips = x.view(count // frames, frames, height, width, channels)
        return clips.permute(0, 4, 1, 2, 3)
    if not geometry.temporal:
        return channels_second(x)
    return channels_second(x.view(count // frames, frames, height * width, channels))


def _windows(x: Tensor, geometry: Geometry) -> Tensor:
    """Return the windows that the kernel reads, one per row: (B*H'*W', size*size*C)."""
    size, stride = geometry.size, geometry.stride
    if size == 1:
        return rows(x[:, ::stride, ::stride].contiguous())
    pad = size // 2
    padded = functional.pad(x, (0, 0, pad, pad, pad, pad))
    windows = padded.unfold(1, size, stride).unfold(2, size, stride)  # (B, H', W', C, size, size)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(windows.shape[:3].numel(), -1)


def _add_windows(grad: Tensor, x: Tensor, geometry: Geometry, total: Tensor | None) -> Tensor:
    """Return the gradient of x from the gradient of its windows, added to `total` if given."""
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
