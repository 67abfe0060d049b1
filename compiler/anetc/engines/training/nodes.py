"""The nodes of a training plan: each is one autograd Function with its own backward pass.

Within a node, gradients are summed in place, and values that were not saved are recomputed. For
autograd, and so for hooks, saved-tensor hooks and distributed training, a node is one operation:
its inputs are the outputs of other nodes and its parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from anetc.engines.training.steps import norm_of, step_of
from anetc.engines.training.tape import Gradients, Tape, TapeStep
from anetc.plan.plan import Op, Plan


@attrs.frozen
class NodeSteps:
    """The steps of one node, in order."""

    node: str
    steps: tuple[TapeStep, ...]
    inputs: tuple[str, ...]
    """Results of other nodes that the node reads."""
    outputs: tuple[str, ...]
    """Results that other nodes read: the node's output, and pools that several nodes share."""
    stored: tuple[str, ...]
    """Names of the stored tensors that the steps use."""
    norms: tuple[str, ...]
    """Names of the batch normalisations."""
    kept: tuple[str, ...]
    """Values that are saved for the backward pass."""
    recomputed: Mapping[str, TapeStep]
    """Steps whose results are recomputed in the backward pass."""
    freed: tuple[tuple[str, ...], ...]
    """For each step, the results that no later step and no backward pass needs."""
    read_last: tuple[tuple[str, ...], ...]
    """For each step, the results that no later step needs."""

    @classmethod
    def of(cls, node: str, ops: list[Op], readers: Mapping[str, set[str]]) -> NodeSteps:
        """Return the steps of a node. `readers` holds the nodes that read each result."""
        steps = tuple(map(step_of, ops))
        made = {op.name for op in ops}
        inputs = _unique(name for op in ops for name in op.args if name not in made)
        outputs = tuple(op.name for op in ops if readers[op.name] != {node})
        stored = _unique(name for step in steps for name in step.stored)
        recomputed = {step.op.name: step for step in steps if step.op.options.get("recompute")}
        kept = _unique(name for step in steps for name in step.keeps if name not in recomputed)
        return cls(
            node,
            steps,
            inputs,
            outputs,
            stored,
            _unique(norm.norm for step in steps if (norm := norm_of(step)) is not None),
            kept,
            recomputed,
            _last_reads(ops, {*inputs, *outputs, *kept}),
            _last_reads(ops, {*inputs, *outputs}),
        )

    def forward(self, tape: Tape, *, keep: bool) -> None:
        """Run all steps. The outputs stay on the tape; with `keep`, so do the `kept` values."""
        for step, last in zip(self.steps, self.freed if keep else self.read_last):
            step.measure(tape)
            tape.values[step.op.name] = step.result(tape)
            tape.drop_auxiliary(step.op.name, keep=step.keeps if keep else ())
            for name in last:
                del tape.values[name]

    def backward(self, tape: Tape, grads: Gradients) -> None:
        """Run all steps backward, from the outputs' gradients to those of inputs and parameters."""
        for step in reversed(self.steps):
            name = step.op.name
            owned = name not in grads.borrowed
            grad = grads.values.pop(name, None)
            if grad is not None:
                step.backward(tape, grad, grads, owned=owned)
            tape.drop_auxiliary(name, keep=step.keeps)
            if name in self.recomputed:
                tape.values.pop(name, None)


def node_steps(plan: Plan) -> tuple[NodeSteps, ...]:
    """Return the nodes of a training plan, in order, without the sink.

    The attention of a node, and the mean of its output, are nodes of their own: the native kernels
    run the others.
    """
    groups: dict[str, list[Op]] = {}
    readers: dict[str, set[str]] = {}
    parts = _parts(plan)
    for op in plan.ops:
        if op.node:
            groups.setdefault(parts[op.name], []).append(op)
        for name in op.args:
            readers.setdefault(name, set()).add(parts[op.name])
    return tuple(NodeSteps.of(node, ops, readers) for node, ops in groups.items())


def sink_inputs(plan: Plan) -> tuple[str, ...]:
    """Return the names of the results that the sink averages, in order.

    They are the outputs of nodes, under the name of one of several equal nodes, or the features of
    a lite sink.
    """
    ops = {op.name: op for op in plan.ops}
    (classified,) = next(op.args for op in reversed(plan.ops) if op.kind == "linear")
    combined = ops[classified].kind in ("average", "concat")
    found = []
    for name in ops[classified].args if combined else (classified,):
        while ops[name].kind in ("space_mean", "time_mean"):
            (name,) = ops[name].args
        found.append(name)
    return tuple(found)


def _parts(plan: Plan) -> dict[str, str]:
    """Return the part of a node that each operation belongs to: NODE, NODE.fuse or NODE.mean.

    NODE.fuse are the operations up to the last `attend`.
    """
    last = {op.node: op.name for op in plan.ops if op.kind == "attend"}
    parts: dict[str, str] = {}
    attended: set[str] = set()
    for op in plan.ops:
        name = op.node
        if name in last and name not in attended:
            parts[op.name] = f"{name}.fuse"
            if last[name] == op.name:
                attended.add(name)
        else:
            parts[op.name] = f"{name}.mean" if op.kind == "space_mean" and name else name
    return parts


def _last_reads(ops: list[Op], stay: set[str]) -> tuple[tuple[str, ...], ...]:
    """Return, for each operation, the results that it is the last to read, without `stay`."""
    later = set(stay)
    last = []
    for op in reversed(ops):
        read = [name for name in dict.fromkeys(op.args) if name not in later]
        last.append(tuple(read))
        later.update(read)
    return tuple(last[::-1])


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


@attrs.frozen
class NodeCall:
    """The arguments of one call of a node, except its tensors."""

    node: NodeSteps
    frames: int
    norms: Mapping[str, nn.BatchNorm3d]
    batch: Mapping[str, bool]
    """True, by name, for normalisations that use the batch's statistics."""
    keep: bool
    """True to save values for the backward pass, False to recompute all of them from the inputs."""
    shared: bool = False
    """True if the statistics are those of all processes' clips."""

    def run(self, tensors: Iterable[Tensor]) -> dict[str, Tensor]:
        """Return the outputs; `tensors` are the inputs and the stored tensors, in order."""
        if torch.is_grad_enabled():
            outputs = _NodeFunction.apply(self, *tensors)  # type: ignore[no-untyped-call]
            return dict(zip(self.node.outputs, outputs))
        tape = self.tape(tensors, update=True)
        self.node.forward(tape, keep=False)
        return {name: tape.values[name] for name in self.node.outputs}

    def tape(self, tensors: Iterable[Tensor], *, update: bool = False) -> Tape:
        """Return a tape that holds the inputs."""
        given = dict(zip((*self.node.inputs, *self.node.stored), tensors))
        values = {name: given[name] for name in self.node.inputs}
        recomputed = self.node.recomputed
        return Tape(
            self.frames, given, self.norms, self.batch, values, recomputed, update, self.shared
        )


class _NodeFunction(torch.autograd.Function):
    """A node as a function from inputs and stored tensors to outputs."""

    @staticmethod
    def forward(ctx: Any, call: NodeCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        tape = call.tape(tensors, update=True)
        call.node.forward(tape, keep=call.keep)
        kept = [tape.values[name] for name in call.node.kept] if call.keep else []
        ctx.call = call
        ctx.save_for_backward(*tensors, *kept)
        ctx.set_materialize_grads(False)
        return tuple(tape.values[name] for name in call.node.outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        call: NodeCall = ctx.call
        node, saved = call.node, ctx.saved_tensors
        names = (*node.inputs, *node.stored)
        tape = call.tape(saved)
        if call.keep:
            tape.values.update(zip(node.kept, saved[len(names) :]))
        else:
            node.forward(tape, keep=True)
        needed = {name for name, need in zip(names, ctx.needs_input_grad[1:]) if need}
        for step in node.steps:
            if not needed.isdisjoint((*step.op.args, *step.stored)):
                needed.add(step.op.name)
        grads = Gradients(frozenset(needed))
        for name, grad in zip(node.outputs, given):
            if grad is not None:
                grads.add(name, grad.contiguous(), borrowed=True)
        node.backward(tape, grads)
        return (None, *(grads.values.get(name) for name in names))
