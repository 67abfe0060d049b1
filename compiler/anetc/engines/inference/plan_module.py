"""A plan as a torch module, for inference on a CPU.

Every CxTxHxW result is a tensor (N*T, C, H, W) in channels-last layout.
`anetc.engines.inference.convolution` runs the convolutions. Large results reuse the memory of
results that are no longer needed (`anetc.engines.inference.buffer_pool`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anetc.engines.constants import State, evaluate
from anetc.engines.inference.buffer_pool import BufferPool
from anetc.engines.inference.convolution import Convolution
from anetc.engines.inference.operations import Layer, frame_batch, head_dtype, run_operation
from anetc.plan.plan import Op, Plan, last_uses

Values = dict[str, Tensor]


class PlanModule(nn.Module):
    """A plan with its constants, prepared to run. It is called as the reference module is."""

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
            if "gates" in op.exprs
        }
        self.convs = {
            op.name: Convolution.of(op, state, dtype, in_place=self._may_overwrite(op, last))
            for op in plan.ops
            if op.kind == "conv"
        }
        self.layers = {op.name: _layer(op, state, dtype) for op in plan.ops if op.kind == "linear"}

    def _may_overwrite(self, op: Op, last: Mapping[str, str]) -> bool:
        """Return whether a convolution may write its result to the memory of its summand.

        No later operation may read the summand, it must not be the convolved tensor, and it must
        not be an input, which belongs to the caller. A sum of one term with gate 1 is excluded,
        because its result is the term itself.
        """
        if len(op.args) < 2 or op.args[0] == op.args[1] or last[op.args[1]] != op.name:
            return False
        summand = op.args[1]
        return summand not in self.inputs and self.gates.get(summand) != [1.0]

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes), at least float32, for inputs (N, C, T, H, W) by name."""
        values: Values = {}
        buffers = BufferPool.protecting(inputs.values())
        frames = next(iter(inputs.values())).shape[2]
        for op in self.plan.ops:
            if op.kind == "input":
                values[op.name] = frame_batch(inputs[op.name].to(self.dtype))
            else:
                values[op.name] = self._run(op, values, frames, buffers)
                for name in self.freed[op.name]:
                    buffers.release(values.pop(name), values.values())
        return values[self.plan.output]

    def _run(self, op: Op, values: Values, frames: int, buffers: BufferPool) -> Tensor:
        args = [values[name] for name in op.args]
        if op.kind == "conv":
            conv = self.convs[op.name]
            if len(args) > 1:
                return conv.run(args[0], frames, summand=args[1])
            out = buffers.acquire(conv.out_shape(args[0]), self.dtype)
            return conv.run(args[0], frames, out=out)
        gates, layer = self.gates.get(op.name, ()), self.layers.get(op.name)
        return run_operation(op, args, frames, gates, layer, buffers)


def _layer(op: Op, state: State, dtype: torch.dtype) -> Layer:
    """Return the weight and the bias of an operation `linear`."""
    weight, bias = (
        evaluate(op.exprs[role][0], state).to(head_dtype(dtype)) for role in ("weight", "bias")
    )
    return weight, bias
