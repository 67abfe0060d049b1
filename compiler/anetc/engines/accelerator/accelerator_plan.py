"""The operations of a training plan as ordinary operations of PyTorch, with autograd's gradients.

Every CxTxHxW result is a tensor (N*T, C, H, W) in channels-last layout; a temporal convolution is
2D on a view (N, C, T, H*W) of the same memory. Nothing here waits for the device, and nothing
changes a tensor that was given: statistics are returned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from anetc.engines.accelerator.portable import convolve, two_dimensional
from anetc.engines.accelerator.shared_norm import shared_norm
from anetc.engines.inference.operations import frame_batch, run_operation
from anetc.modules.layers import same_padding
from anetc.plan.plan import Op, Plan

Tensors = Mapping[str, Tensor]
KINDS = frozenset(
    {
        *("input", "conv", "norm", "relu", "add", "sum", "pool"),
        *("attend", "mix", "space_mean", "time_mean", "average", "concat", "linear", "time_pool"),
    }
)
"""Kinds of operations that can be run."""


class NormStatistics(NamedTuple):
    """Statistics of a batch for one normalisation (torch.compile cannot make frozen values)."""

    norm: str
    """Name of the normalisation."""
    mean: Tensor
    inverse: Tensor
    """1 / sqrt(variance + epsilon), (C,), with the biased variance."""
    cells: Tensor | int
    """Number of cells; a tensor if they are those of several processes."""


@attrs.frozen
class NodeOps:
    """The operations of one node, or of the sink."""

    node: str
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    """Results of other nodes that the operations read."""
    outputs: tuple[str, ...]
    """Results that other nodes read, or the logits."""


@attrs.frozen
class AcceleratorPlan:
    """A training plan by node, and how to run it."""

    nodes: tuple[NodeOps, ...]
    output: str
    frames: int
    epsilons: Mapping[str, float]
    """Epsilon of each normalisation."""
    batch: frozenset[str]
    """Normalisations that use the statistics of the batch, not the running averages."""
    shared: bool = False
    """True if the statistics are those of all processes."""
    checkpoint: bool = False
    """True to save only the inputs of each node and recompute the rest in the backward pass."""
    deterministic: bool = False
    """True to pool by operations that give the same numbers every time."""

    def run(
        self, inputs: Tensors, stored: Tensors, dtype: torch.dtype
    ) -> tuple[Tensor, list[NormStatistics]]:
        """Return the logits (N, classes) and the statistics of the batch.

        `inputs` are (N, C, T, H, W) by name; `stored` are parameters and running averages.
        """
        clips = len(next(iter(inputs.values())))
        values = {name: frame_batch(x.to(dtype)) for name, x in inputs.items()}
        statistics: list[NormStatistics] = []
        for node in self.nodes:

            def run_node(*given: Tensor, node: NodeOps = node) -> tuple[Tensor, ...]:
                return self._run_node(node, dict(zip(node.inputs, given)), stored)

            given = [values[name] for name in node.inputs]
            if self.checkpoint and node.node:
                found = checkpoint(run_node, *given, use_reentrant=False, preserve_rng_state=False)
            else:
                found = run_node(*given)
            values.update(zip(node.outputs, found))
            rest = iter(found[len(node.outputs) :])
            for op in node.ops:
                if op.kind == "norm" and (name := stored_name(op)) in self.batch:
                    mean, inverse = next(rest), next(rest)
                    cells = next(rest) if self.shared else clips * math.prod(op.shape[1:])
                    statistics.append(NormStatistics(name, mean, inverse, cells))
        return values[self.output], statistics

    def _run_node(
        self, node: NodeOps, values: dict[str, Tensor], stored: Tensors
    ) -> tuple[Tensor, ...]:
        """Return the node's outputs, and after them the statistics of its normalisations."""
        statistics: list[Tensor] = []
        for op in node.ops:
            args = [values[name] for name in op.args]
            if op.kind == "conv":
                result = _convolve(op, args[0], stored, self.frames)
            elif op.kind == "norm":
                result, *found = self._normalise(op, args[0], stored)
                statistics += found
            elif "gates" in op.exprs and op.kind != "linear":
                result = _weighted_sum(op, args, stored)
            elif op.kind == "pool" and self.deterministic:
                result = DeterministicPool.apply(  # type: ignore[no-untyped-call]
                    args[0], op.option("window"), op.option("stride")
                )
            else:
                result = _run_other(op, args, stored, self.frames)
            values[op.name] = result
        return (*(values[name] for name in node.outputs), *statistics)

    def _normalise(self, op: Op, x: Tensor, stored: Tensors) -> tuple[Tensor, ...]:
        """Return the normalised x, and the statistics of the batch if they are used."""
        name = stored_name(op)
        weight, bias = stored[f"{name}.weight"], stored[f"{name}.bias"]
        epsilon = self.epsilons[name]
        found: tuple[Tensor, ...]
        if name not in self.batch:
            average, spread = stored[f"{name}.running_mean"], stored[f"{name}.running_var"]
            found = (functional.batch_norm(x, average, spread, weight, bias, False, 0.0, epsilon),)
        elif self.shared:
            found = shared_norm(x, weight, bias, epsilon)
        else:
            found = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, epsilon)
        result, *statistics = found
        return (torch.relu(result) if op.relu else result, *(x.detach() for x in statistics))


class DeterministicPool(torch.autograd.Function):
    """A "same" max pool whose gradient needs no atomic additions, as those of CUDA's pools do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: int, stride: int) -> Tensor:
        """Return the pool (B, C, H', W') of (B, C, H, W)."""
        padding = tuple(same_padding(size, window, stride) for size in x.shape[2:])
        result, indices = functional.max_pool2d(
            x, window, stride, padding, ceil_mode=True, return_indices=True
        )
        ctx.save_for_backward(indices)
        ctx.pool = (x.shape, window, stride, padding)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Add, for each place of the window, the gradients of the windows with their maximum there.

        The windows of one place do not overlap, so the order of the sum is fixed.
        """
        (indices,) = ctx.saved_tensors
        shape, window, stride, (top, left) = ctx.pool
        (grad,) = grads
        rows, columns = grad.shape[2:]
        height, width = (
            max((count - 1) * stride + window, before + size)
            for count, before, size in zip((rows, columns), (top, left), shape[2:])
        )
        total = grad.new_zeros(*shape[:2], height, width)
        # Place of each window's maximum, relative to the top left corner of the window.
        row = indices // shape[3] + top
        column = indices % shape[3] + left
        row = row - stride * torch.arange(rows, device=grad.device).view(-1, 1)
        column = column - stride * torch.arange(columns, device=grad.device)
        for i in range(window):
            for j in range(window):
                part = total[
                    :, :, i : i + stride * rows : stride, j : j + stride * columns : stride
                ]
                part += grad * ((row == i) & (column == j))
        result = total[:, :, top : top + shape[2], left : left + shape[3]]
        return result.contiguous(memory_format=torch.channels_last), None, None


def accelerator_nodes(plan: Plan) -> tuple[NodeOps, ...]:
    """Return the operations of a training plan by node, in order; those of the sink are last.

    Raise ValueError for an operation that cannot be run.
    """
    groups: dict[str, list[Op]] = {}
    readers: dict[str, set[str]] = {}
    for op in plan.ops:
        if op.kind not in KINDS or (op.kind == "conv" and len(op.args) > 1):
            raise ValueError(f"{op.name}: no operation {op.kind} in the accelerator's plans")
        if op.kind != "input":
            groups.setdefault(op.node, []).append(op)
        for name in op.args:
            readers.setdefault(name, set()).add(op.node)
    found = []
    for node, ops in groups.items():
        own = {op.name for op in ops}
        inputs = dict.fromkeys(name for op in ops for name in op.args if name not in own)
        outputs = (
            op.name for op in ops if readers.get(op.name, set()) - {node} or op.name == plan.output
        )
        found.append(NodeOps(node, tuple(ops), tuple(inputs), tuple(outputs)))
    return tuple(sorted(found, key=lambda group: not group.node))


def stored_name(op: Op) -> str:
    """Return the name of the stored tensor, or the normalisation, of an operation."""
    weight = op.expr("weight")
    assert weight is not None
    return weight.head


def _convolve(op: Op, x: Tensor, stored: Tensors, frames: int) -> Tensor:
    weight = two_dimensional(stored[stored_name(op)].to(x.dtype))
    return convolve(op, x, weight, None, frames)


def _weighted_sum(op: Op, args: Sequence[Tensor], stored: Tensors) -> Tensor:
    """Return the result of an operation `sum`, `mix` or `attend`."""
    factors = _gates(op, stored)
    terms, logits = args[: len(factors)], args[len(factors) :]
    factors = [factor.to(terms[0].dtype) for factor in factors]
    if logits:
        factors = [
            factor * torch.sigmoid(x).flatten(0, 1)[:, :, None, None].to(terms[0].dtype)
            for factor, x in zip(factors, logits)
        ]
    total = terms[0] * factors[0]
    for term, factor in zip(terms[1:], factors[1:]):
        total = torch.addcmul(total, term, factor)
    return total


def _run_other(op: Op, args: Sequence[Tensor], stored: Tensors, frames: int) -> Tensor:
    """Return the result of an operation without gates, or of a linear layer."""
    if op.kind != "linear":
        return run_operation(op, args, frames, (), None)
    x = args[0]
    for gate in _gates(op, stored):
        x = x * gate
    weight, bias = (stored[op.exprs[role][0].head] for role in ("weight", "bias"))
    return functional.linear(x, weight, bias)


def _gates(op: Op, stored: Tensors) -> list[Tensor]:
    """Return the gates of an operation, or the shares of a `mix`, as scalars."""
    gates = op.exprs.get("gates", ())
    if not gates or not gates[0].args:
        return [stored["sink.fc.weight"].new_ones(()) for _ in gates]
    values = stored[gates[0].args[0].head]
    indices = [int(gate.args[-1].head) for gate in gates]
    if gates[0].head == "gate":
        values = torch.sigmoid(values)
    else:
        values = torch.softmax(values[int(gates[0].args[1].head)], dim=0)
    return [values[index] for index in indices]
