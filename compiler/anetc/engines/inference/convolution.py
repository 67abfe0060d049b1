"""A plan's convolution, run by oneDNN on the CPU.

Spatial convolutions are 2D ones on (N*T, C, H, W); for a temporal one the same memory is seen as
(N, C, T, H*W), so that nothing is copied. Weights are packed for the size of map they are used on,
and ReLU and residual sum are the convolution's last step.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.constants import State, evaluate
from anetc.engines.inference.operations import in_time, out_of_time
from anetc.plan.plan import Op

GEMM_CELLS = 16
"""Cells of a result's map up to which a convolution may be a product of matrices."""
_ops: Any = torch.ops.mkldnn


def small_maps_multiply() -> bool:
    """Whether convolutions of small maps are faster as products of matrices on this processor.

    On Intel's with AMX they are (Table 4: 17 of 400 ms), in float32 too. Elsewhere the library's
    own are, which skip what lies beyond the edge (AMD Zen 4: 8.0 against 11.1 ms for 3x3 from 512
    to 512 channels on 4x4 cells).
    """
    return bool(torch.cpu._is_amx_tile_supported())


@attrs.define
class Convolution:
    """A convolution with its bias, ReLU and sum. `reuse`: the summand's memory takes the result."""

    temporal: bool
    size: int
    padding: list[int]
    stride: list[int]
    dilation: list[int]
    weight: Tensor
    """(C', C, H, W) or (C', C, T, 1); once packed, as the library wants it for `packed_for`."""
    bias: Tensor | None
    relu: bool
    reuse: bool
    packed_for: tuple[object, ...] | None = None

    @classmethod
    def of(cls, op: Op, state: State, dtype: torch.dtype, *, reuse: bool) -> Convolution:
        """The operation `conv` with its constants computed. ValueError if the kernel is another."""
        weight, bias = op.expr("weight"), op.expr("bias")
        assert weight is not None
        kernel = evaluate(weight, state).to(dtype)
        if "x".join(map(str, kernel.shape[2:])) != op.options["kernel"]:
            raise ValueError(f"{op.name}: the weight is {tuple(kernel.shape)}")
        temporal = str(op.options["kernel"]).partition("x")[0] != "1"
        kernel = kernel[:, :, :, 0] if temporal else kernel[:, :, 0]
        size, dilation, stride = kernel.shape[2], op.option("dilation"), op.option("stride")
        pad = (size - 1) // 2
        return cls(
            temporal,
            size,
            [pad * dilation, 0] if temporal else [pad, pad],
            [1, 1] if temporal else [stride, stride],
            [dilation, 1] if temporal else [1, 1],
            kernel.contiguous(memory_format=torch.channels_last),
            evaluate(bias, state).to(dtype) if bias is not None else None,
            op.relu,
            reuse,
        )

    def out_shape(self, x: Tensor) -> tuple[int, int, int, int]:
        """The shape of the result for an x (N*T, C, H, W)."""
        count, _, height, width = x.shape
        channels, stride = self.weight.shape[0], 1 if self.temporal else self.stride[0]
        return count, channels, -(-height // stride), -(-width // stride)

    def run(
        self, x: Tensor, frames: int, summand: Tensor | None = None, room: Tensor | None = None
    ) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C', H', W'). `room`, of that shape, may take the result."""
        if not self.temporal:
            return self._convolve(x, summand, room)
        height, width = x.shape[2:]
        seen, other, free = (
            in_time(part, frames) if part is not None else None for part in (x, summand, room)
        )
        assert seen is not None
        return out_of_time(self._convolve(seen, other, free), height, width)

    def _convolve(self, x: Tensor, summand: Tensor | None, room: Tensor | None) -> Tensor:
        if self._is_product(x):
            return self._multiply(x, summand)
        self._pack(x)
        place = (self.padding, self.stride, self.dilation, 1)
        result: Tensor
        if summand is None and room is None:
            unary = "relu" if self.relu else "none"
            result = _ops._convolution_pointwise(x, self.weight, self.bias, *place, unary, [], "")
            return result
        step: tuple[Any, ...] = ("add", 1.0, "relu" if self.relu else None, [], None)
        if summand is None or self.reuse:
            # The library writes into a given tensor only what it adds to it.
            total = room.zero_() if summand is None and room is not None else summand
            result = _ops._convolution_pointwise_(total, x, self.weight, self.bias, *place, *step)
        else:
            result = _ops._convolution_pointwise(x, summand, self.weight, self.bias, *place, *step)
        return result

    def _pack(self, x: Tensor) -> None:
        """Put the weight in the library's order for such an x. There is one copy of it."""
        shape = tuple(x.shape)
        if self.packed_for != shape:
            self.weight = _ops._reorder_convolution_weight(
                self._unpacked(), self.padding, self.stride, self.dilation, 1, list(shape)
            )
            self.packed_for = shape

    def _unpacked(self) -> Tensor:
        if self.packed_for is None:
            return self.weight
        weight = self.weight.to_dense()
        if weight.ndim == 2:
            size = self.size
            weight = weight.view(len(weight), size, size, -1).permute(0, 3, 1, 2)
        return weight.contiguous(memory_format=torch.channels_last)

    def _is_product(self, x: Tensor) -> bool:
        cells = x.shape[2] * x.shape[3] // self.stride[0] ** 2
        return not self.temporal and cells <= GEMM_CELLS and small_maps_multiply()

    def _multiply(self, x: Tensor, summand: Tensor | None) -> Tensor:
        """The convolution as one product of matrices, of windows by weights."""
        rows, count, height, width = _windows(x, self.size, self.padding[0], self.stride[0])
        if self.packed_for != ("product", len(rows)):
            matrix = self._unpacked().permute(0, 2, 3, 1).flatten(1).contiguous()
            self.weight = _ops._reorder_linear_weight(matrix, len(rows))
            self.packed_for = ("product", len(rows))
        linear: Any = _ops._linear_pointwise
        result: Tensor
        if summand is None:
            relu = "relu" if self.relu else "none"
            result = linear(rows, self.weight, self.bias, relu, [], "")
        else:
            other = summand.permute(0, 2, 3, 1).reshape(len(rows), -1)
            result = linear.binary(rows, other, self.weight, self.bias, "add")
            if self.relu:
                result.relu_()
        return result.reshape(count, height, width, -1).permute(0, 3, 1, 2)


def _windows(x: Tensor, size: int, padding: int, stride: int) -> tuple[Tensor, int, int, int]:
    """The windows of (B, C, H, W) as rows of (row, column, channel), and B and the map's size."""
    cells = x.permute(0, 2, 3, 1)
    if size == 1:
        cells = cells[:, ::stride, ::stride]
        count, height, width, channels = cells.shape
        return cells.reshape(-1, channels), count, height, width
    padded = functional.pad(cells, (0, 0, padding, padding, padding, padding))
    windows = padded.unfold(1, size, stride).unfold(2, size, stride)  # (B, H', W', C, size, size)
    count, height, width = windows.shape[:3]
    return (
        windows.permute(0, 1, 2, 4, 5, 3).reshape(count * height * width, -1),
        count,
        height,
        width,
    )
