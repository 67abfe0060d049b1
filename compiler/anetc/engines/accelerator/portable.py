"""A plan as a module of standard PyTorch operations, which exporters can trace.

Plan and memory layout are those of `anetc.engines.inference.plan_module`, but every operation
exists in every build of PyTorch. N and T may be symbolic while the module is traced.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from anetc.engines.constants import evaluate
from anetc.engines.folded import FoldedPlan
from anetc.engines.inference.operations import (
    Layer,
    frame_batch,
    frames_view,
    head_dtype,
    run_operation,
    same_pads,
    spatial_view,
    temporal_view,
)
from anetc.plan.plan import Op, last_uses


class PortableModule(nn.Module):
    """Module that runs a folded plan. Its inputs are positional, in the order of the network."""

    def __init__(self, folded: FoldedPlan, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.plan = folded.plan
        self.dtype = dtype
        self.gates: dict[str, list[float]] = {}
        last = last_uses(folded.plan)
        self.freed = {
            op.name: [name for name in dict.fromkeys(op.args) if last[name] == op.name]
            for op in folded.plan.ops
        }
        for op in folded.plan.ops:
            for role, exprs in op.exprs.items():
                values = [evaluate(expr, folded.constants) for expr in exprs]
                if role == "gates":
                    self.gates[op.name] = [float(value) for value in values]
                    continue
                kind = dtype if op.kind == "conv" else head_dtype(dtype)
                value = values[0].to(kind)
                if op.kind == "conv" and role == "weight":
                    value = _in_kernel_layout(value)
                self.register_buffer(_buffer(op, role), value)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits (N, classes) for inputs (N, C, T, H, W)."""
        remaining = list(inputs)
        values: dict[str, Tensor] = {}
        batch, _, frames = inputs[0].shape[:3]
        if torch.compiler.is_exporting():
            for other in inputs[1:]:  # symbolic sizes of two inputs are equal
                torch._check(other.shape[0] == batch)  # type: ignore[no-untyped-call]
                torch._check(other.shape[2] == frames)  # type: ignore[no-untyped-call]
        for op in self.plan.ops:
            args = [values[name] for name in op.args]
            if op.kind == "input":
                values[op.name] = frame_batch(remaining.pop(0).to(self.dtype))
            elif op.kind == "conv":
                values[op.name] = self._convolve(op, args, frames)
            else:
                gates = self.gates.get(op.name, ())
                values[op.name] = run_operation(op, args, frames, gates, self._layer(op))
            for name in self.freed[op.name]:
                del values[name]
        return values[self.plan.output]

    def _layer(self, op: Op) -> Layer | None:
        if op.kind != "linear":
            return None
        return self.get_buffer(_buffer(op, "weight")), self.get_buffer(_buffer(op, "bias"))

    def _convolve(self, op: Op, args: list[Tensor], frames: int) -> Tensor:
        weight = self.get_buffer(_buffer(op, "weight"))
        bias = self.get_buffer(_buffer(op, "bias")) if "bias" in op.exprs else None
        result = convolve(op, args[0], weight, bias, frames)
        if len(args) > 1:
            result = result + args[1]
        return torch.relu(result) if op.relu else result


def convolve(op: Op, x: Tensor, weight: Tensor, bias: Tensor | None, frames: int) -> Tensor:
    """Return the convolution of (N*T, C, H, W).

    `weight` is (out, in, H, W) over space, (out, in, T, 1) over time, and (out, in, T, H, W) over
    both.
    """
    dilation, stride = op.option("dilation"), op.option("stride")
    if weight.ndim == 5:
        padding = (dilation * (weight.shape[2] // 2), weight.shape[3] // 2, weight.shape[4] // 2)
        dtype = x.dtype
        if dtype == torch.bfloat16 and weight.shape[1] == 1:
            # See `exceeds`. Artifacts may have any number of frames, so also if there are several.
            x, weight, bias = x.float(), weight.float(), None if bias is None else bias.float()
        result = functional.conv3d(
            frames_view(x, frames), weight, bias, padding=padding, dilation=(dilation, 1, 1)
        )
        return frame_batch(result.to(dtype))
    if is_temporal(op):
        seen = functional.conv2d(
            temporal_view(x, frames),
            weight,
            bias,
            padding=(dilation * (weight.shape[2] // 2), 0),
            dilation=(dilation, 1),
        )
        return spatial_view(seen, *x.shape[2:])
    pads = (weight.shape[2] // 2, weight.shape[3] // 2)
    if op.options.get("same"):
        x = functional.pad(x, same_pads(x.shape[2], x.shape[3], weight.shape[2], stride))
        pads = (0, 0)
    return functional.conv2d(x, weight, bias, stride=stride, padding=pads)


def is_temporal(op: Op) -> bool:
    """Return whether a convolution runs over time."""
    return not str(op.options["kernel"]).startswith("1x")


def two_dimensional(weight: Tensor) -> Tensor:
    """Return a weight (out, in, T, 1, 1) or (out, in, 1, H, W) without one axis of size 1.

    A weight over time and space stays as it is.
    """
    if weight.shape[2] == 1:
        return weight[:, :, 0]
    return weight[:, :, :, 0] if weight.shape[3] == 1 else weight


def _in_kernel_layout(weight: Tensor) -> Tensor:
    """Return a weight without an axis of size 1, channels last in memory."""
    kernel = two_dimensional(weight)
    layout = torch.channels_last_3d if kernel.ndim == 5 else torch.channels_last
    return kernel.contiguous(memory_format=layout)


def _buffer(op: Op, role: str) -> str:
    return f"{op.name}.{role}".replace("_", "__").replace(".", "_")
