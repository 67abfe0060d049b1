"""A plan as a torch module, for inference.

Every CxTxHxW result is a tensor (N*T, C, H, W) whose channels lie together in memory
(`channels_last`). Spatial convolutions are 2D ones on it; for a temporal one the same memory is
seen as (N, C, T, H*W), so that nothing is copied. On a CPU the convolutions are oneDNN's, with
weights packed for them and ReLU and residual sums in their last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anetc.emit.constants import State, evaluate
from anetc.emit.operations import flat, head_dtype, in_time, out_of_time, run_operation
from anetc.modules.names import module_key
from anetc.plan import Op, Plan, last_uses

GEMM_CELLS = 16
"""Cells of a result's map up to which a convolution is a product of matrices."""
Values = dict[str, Tensor]
Step = Callable[[Values, int], Tensor]


class PlanModule(nn.Module):
    """Runs a plan. Called as the plain module is: a dict of (N, C, T, H, W), giving logits."""

    fc_weight: Tensor
    fc_bias: Tensor

    def __init__(self, plan: Plan, state: State, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.plan = plan
        self.dtype = dtype
        last = last_uses(plan)
        self.freed = {
            op.name: [name for name in dict.fromkeys(op.args) if last[name] == op.name]
            for op in plan.ops
        }
        self.inputs = {op.name for op in plan.ops if op.kind == "input"}
        self.gates = {
            op.name: [float(evaluate(gate, state)) for gate in op.exprs["gates"]]
            for op in plan.ops
            if op.kind == "sum"
        }
        self.steps = nn.ModuleDict()
        for op in plan.ops:
            if op.kind == "conv":
                reusable = self._may_overwrite(op, last)
                self.steps[_key(op)] = Conv(op, state, dtype, reuse=reusable)
        linear = next(op for op in plan.ops if op.kind == "linear")
        for name in ("weight", "bias"):
            expr = linear.expr(name)
            assert expr is not None
            self.register_buffer(f"fc_{name}", evaluate(expr, state).to(head_dtype(dtype)))

    def _may_overwrite(self, op: Op, last: Mapping[str, str]) -> bool:
        """Whether a convolution may put its result where its summand is.

        Nothing else may read that memory: neither another operation, nor the convolution as what
        it convolves, nor whoever gave an input; and one term times 1 is the term itself.
        """
        if len(op.args) < 2 or op.args[0] == op.args[1] or last[op.args[1]] != op.name:
            return False
        summand = op.args[1]
        return summand not in self.inputs and self.gates.get(summand) != [1.0]

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The logits (N, classes) for inputs (N, C, T, H, W); never in less than float32."""
        values: Values = {}
        frames = next(iter(inputs.values())).shape[2]
        for op in self.plan.ops:
            if op.kind == "input":
                values[op.name] = flat(inputs[op.name].to(self.dtype))
            else:
                values[op.name] = self._run(op, values, frames)
                for name in self.freed[op.name]:
                    del values[name]
        return values[self.plan.output]

    def _run(self, op: Op, values: Values, frames: int) -> Tensor:
        args = [values[name] for name in op.args]
        if op.kind == "conv":
            result: Tensor = self.steps[_key(op)](args[0], frames, *args[1:])
            return result
        classifier = (self.fc_weight, self.fc_bias)
        return run_operation(op, args, frames, self.gates.get(op.name, ()), classifier)


class Conv(nn.Module):
    """A convolution with its bias, ReLU and sum. `reuse`: the summand's memory takes the result."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, op: Op, state: State, dtype: torch.dtype, *, reuse: bool) -> None:
        super().__init__()
        weight, bias = op.expr("weight"), op.expr("bias")
        assert weight is not None
        kernel = evaluate(weight, state).to(dtype)
        self.temporal = str(op.options["kernel"]).partition("x")[0] != "1"
        dilation, stride = op.option("dilation"), op.option("stride")
        if self.temporal:
            kernel = kernel[:, :, :, 0]
            self.padding = [(kernel.shape[2] - 1) // 2 * dilation, 0]
            self.stride, self.dilation = [1, 1], [dilation, 1]
        else:
            kernel = kernel[:, :, 0]
            self.padding = [(kernel.shape[2] - 1) // 2] * 2
            self.stride, self.dilation = [stride, stride], [1, 1]
        self.register_buffer("weight", kernel.contiguous(memory_format=torch.channels_last))
        value = evaluate(bias, state).to(dtype) if bias is not None else None
        self.register_buffer("bias", value)
        self.relu = op.relu
        self.reuse = reuse
        self.packed: tuple[object, Tensor] | None = None

    def forward(self, x: Tensor, frames: int, summand: Tensor | None = None) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C', H', W')."""
        if self.temporal:
            height, width = x.shape[2:]
            other = in_time(summand, frames) if summand is not None else None
            return out_of_time(self._convolve(in_time(x, frames), other), height, width)
        return self._convolve(x, summand)

    def _convolve(self, x: Tensor, summand: Tensor | None) -> Tensor:
        ops: Any = torch.ops.mkldnn
        result: Tensor
        if not self.temporal and x.shape[2] * x.shape[3] // self.stride[0] ** 2 <= GEMM_CELLS:
            return self._multiply(x, summand)
        weight = self._packed_for(x)
        place = (self.padding, self.stride, self.dilation, 1)
        unary = "relu" if self.relu else "none"
        if summand is None:
            result = ops._convolution_pointwise(x, weight, self.bias, *place, unary, [], "")
            return result
        step: tuple[Any, ...] = ("add", 1.0, "relu" if self.relu else None, [], None)
        if self.reuse:
            result = ops._convolution_pointwise_(summand, x, weight, self.bias, *place, *step)
        else:
            result = ops._convolution_pointwise(x, summand, weight, self.bias, *place, *step)
        return result

    def _multiply(self, x: Tensor, summand: Tensor | None) -> Tensor:
        """The convolution as one product of matrices: better on maps of few cells."""
        out, size = self.weight.shape[0], self.weight.shape[2]
        rows, count, height, width = _windows(x, size, self.padding[0], self.stride[0])
        if self.packed is None or self.packed[0] != rows.shape:
            matrix = self.weight.permute(0, 2, 3, 1).reshape(out, -1).contiguous()
            packed = torch.ops.mkldnn._reorder_linear_weight(matrix, len(rows))
            self.packed = (rows.shape, packed)
        weight = self.packed[1]
        linear: Any = torch.ops.mkldnn._linear_pointwise
        result: Tensor
        if summand is None:
            result = linear(rows, weight, self.bias, "relu" if self.relu else "none", [], "")
        else:
            other = summand.permute(0, 2, 3, 1).reshape(-1, out)
            result = linear.binary(rows, other, weight, self.bias, "add")
            if self.relu:
                result.relu_()
        return result.reshape(count, height, width, out).permute(0, 3, 1, 2)

    def _packed_for(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape)
        if self.packed is None or self.packed[0] != shape:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, 1, list(shape)
            )
            self.packed = (shape, packed)
        return self.packed[1]


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


def _key(op: Op) -> str:
    return module_key(op.name).replace(".", "/")
