"""Run the convolutions of a plan by oneDNN on the CPU.

Spatial convolutions are 2D on (N*T, C, H, W). Temporal convolutions are 2D on a view
(N, C, T, H*W) of the same memory, so that nothing is copied; convolutions over time and space are
3D on a view (N, C, T, H, W). TensorFlow's "same" padding copies the input. Weights are packed for
the shape of the input. ReLU and residual sum are fused into the convolution.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.constants import State, evaluate
from anetc.engines.inference.operations import (
    frame_batch,
    frames_view,
    same_pads,
    spatial_view,
    temporal_view,
)
from anetc.modules.layers import exceeds
from anetc.plan.plan import Op

GEMM_CELLS = 16
"""Largest output map, in cells, that may be computed by a matrix product (GEMM)."""
_ops: Any = torch.ops.mkldnn


def small_maps_use_gemm() -> bool:
    """Return whether a matrix product is faster for small maps on this processor.

    It is faster on Intel processors with AMX, also in float32 (Table 4: it saves 17 of 400 ms).
    Elsewhere the convolutions of the library are faster, because they skip the padding (AMD Zen 4:
    8.0 against 11.1 ms for 3x3 from 512 to 512 channels on 4x4 cells).
    """
    return bool(torch.cpu._is_amx_tile_supported())


@attrs.define
class Convolution:
    """A convolution with its bias, and a fused ReLU and sum."""

    time: int
    """Size of the kernel over time."""
    size: int
    """Size of the kernel over space, or over time if it has no other size than 1 over space."""
    same: bool
    """True for TensorFlow's "same" padding, False for equal padding on all sides."""
    padding: list[int]
    stride: list[int]
    dilation: list[int]
    weight: Tensor
    """Weight (C', C, H, W), (C', C, T, 1) or (C', C, T, H, W); after packing, in the layout for
    `packed_for`."""
    bias: Tensor | None
    relu: bool
    in_place: bool
    """True if the result is written to the memory of the summand."""
    packed_for: tuple[object, ...] | None = None
    """Shape of the input for which the weight is packed."""

    @classmethod
    def of(cls, op: Op, state: State, dtype: torch.dtype, *, in_place: bool) -> Convolution:
        """Return the convolution of an operation `conv`, with its constants evaluated.

        Raise ValueError if the stored weight does not have the kernel size of the operation.
        """
        weight, bias = op.expr("weight"), op.expr("bias")
        assert weight is not None
        kernel = evaluate(weight, state).to(dtype)
        if "x".join(map(str, kernel.shape[2:])) != op.options["kernel"]:
            raise ValueError(
                f"{op.name}: the weight {tuple(kernel.shape)} has no {op.options['kernel']} kernel"
            )
        time, space = kernel.shape[2:4]
        dilation, stride, same = op.option("dilation"), op.option("stride"), "same" in op.options
        pads = [time // 2 * dilation, 0 if same else space // 2, 0 if same else space // 2]
        axes = slice(1, 3) if time == 1 else slice(0, 2) if space == 1 else slice(0, 3)
        kernel = kernel[:, :, 0] if time == 1 else kernel[:, :, :, 0] if space == 1 else kernel
        return cls(
            time,
            space if time == 1 else time,
            same,
            pads[axes],
            [1, stride, stride][axes],
            [dilation, 1, 1][axes],
            kernel.contiguous(memory_format=_layout(kernel)),
            evaluate(bias, state).to(dtype) if bias is not None else None,
            op.relu,
            in_place,
        )

    def out_shape(self, x: Tensor) -> tuple[int, int, int, int]:
        """Return the shape of the result for an x (N*T, C, H, W)."""
        count, _, height, width = x.shape
        channels, stride = self.weight.shape[0], self.stride[-1]
        return count, channels, -(-height // stride), -(-width // stride)

    def run(
        self, x: Tensor, frames: int, summand: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        """Convolve (N*T, C, H, W) to (N*T, C', H', W') and add `summand`.

        `out` is memory of the result's shape that may be used for the result.
        """
        if self.same:
            x = _padded(x, self.size, self.stride[-1])
        if self.time == 1:
            return self._convolve(x, summand, out)
        height, width = x.shape[2:]
        view = frames_view if len(self.stride) == 3 else temporal_view
        x_view, summand_view, out_view = (
            view(part, frames) if part is not None else None for part in (x, summand, out)
        )
        assert x_view is not None
        result = self._convolve(x_view, summand_view, out_view)
        return frame_batch(result) if result.ndim == 5 else spatial_view(result, height, width)

    def _convolve(self, x: Tensor, summand: Tensor | None, out: Tensor | None) -> Tensor:
        if self._uses_gemm(x):
            return self._gemm(x, summand)
        if x.ndim == 5 and x.dtype == torch.bfloat16 and exceeds([self.size] * 3, x.shape[2:]):
            return self._in_float32(x, summand, out)
        self._pack(x)
        place = (self.padding, self.stride, self.dilation, 1)
        result: Tensor
        if summand is None and out is None:
            unary = "relu" if self.relu else "none"
            result = _ops._convolution_pointwise(x, self.weight, self.bias, *place, unary, [], "")
            return result
        step: tuple[Any, ...] = ("add", 1.0, "relu" if self.relu else None, [], None)
        if summand is None or self.in_place:
            # The library can write to a given tensor only by adding to it.
            total = out.zero_() if summand is None and out is not None else summand
            result = _ops._convolution_pointwise_(total, x, self.weight, self.bias, *place, *step)
        else:
            result = _ops._convolution_pointwise(x, summand, self.weight, self.bias, *place, *step)
        return result

    def _in_float32(self, x: Tensor, summand: Tensor | None, out: Tensor | None) -> Tensor:
        """Compute a convolution over time and space in float32, and round the result."""
        bias = None if self.bias is None else self.bias.float()
        place = self.stride, self.padding, self.dilation
        with torch.autocast("cpu", enabled=False):
            result = functional.conv3d(x.float(), self._unpacked().float(), bias, *place)
        if summand is not None:
            result += summand
        if self.relu:
            result.relu_()
        memory = out if summand is None else summand if self.in_place else None
        if memory is not None:
            return memory.copy_(result)
        return result.to(x.dtype).contiguous(memory_format=torch.channels_last_3d)

    def _pack(self, x: Tensor) -> None:
        """Pack the weight for an input of this shape. Only one copy of the weight exists."""
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
        return weight.contiguous(memory_format=_layout(weight))

    def _uses_gemm(self, x: Tensor) -> bool:
        cells = x.shape[2] * x.shape[3] // self.stride[0] ** 2
        return self.time == 1 and cells <= GEMM_CELLS and small_maps_use_gemm()

    def _gemm(self, x: Tensor, summand: Tensor | None) -> Tensor:
        """Compute the convolution as one matrix product of windows (im2col) and weights."""
        rows, count, height, width = _windows(x, self.size, self.padding[0], self.stride[0])
        if self.packed_for != ("gemm", len(rows)):
            matrix = self._unpacked().permute(0, 2, 3, 1).flatten(1).contiguous()
            self.weight = _ops._reorder_linear_weight(matrix, len(rows))
            self.packed_for = ("gemm", len(rows))
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


def _layout(kernel: Tensor) -> torch.memory_format:
    return torch.channels_last_3d if kernel.ndim == 5 else torch.channels_last


def _padded(x: Tensor, size: int, stride: int) -> Tensor:
    """Return (B, C, H, W) with TensorFlow's "same" padding, channels last in memory."""
    left, right, top, bottom = same_pads(x.shape[2], x.shape[3], size, stride)
    cells = functional.pad(x.permute(0, 2, 3, 1), (0, 0, left, right, top, bottom))
    return cells.permute(0, 3, 1, 2)


def _windows(x: Tensor, size: int, padding: int, stride: int) -> tuple[Tensor, int, int, int]:
    """Return the windows of (B, C, H, W) as rows (row, column, channel), and B and the map size."""
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
