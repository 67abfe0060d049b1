"""The nodes of a training plan, each one autograd Function with a way back of its own.

Within a node gradients are added up in place, and what was not kept is made again; to autograd, and
so to hooks, to distributed training and to whoever saves tensors elsewhere, a node is one operation
from the outputs of other nodes and its parameters to its own output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from anetc.engines.training.steps import step_of
from anetc.engines.training.tape import Gradients, Tape, TapeStep
from anetc.plan.plan import Op, Plan


@attrs.frozen
class NodeSteps:
    """The steps of one node: from results of other nodes (`inputs`) to its own `outputs`."""

    node: str
    steps: tuple[TapeStep, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """What others read: the node's output, and pools that several nodes share."""
    stored: tuple[str, ...]
    """The stored tensors that the steps use."""
    norms: tuple[str, ...]
    """The batch normalisations among these."""
    kept: tuple[str, ...]
    """The values that the way back needs and does not make again."""
    again: Mapping[str, TapeStep]
    """The steps whose results are made again."""
    freed: tuple[tuple[str, ...], ...]
    """What each step reads as the last one, and the way back does not need."""
    read_last: tuple[tuple[str, ...], ...]
    """What each step reads as the last one."""

    @classmethod
    def of(cls, node: str, ops: list[Op], readers: Mapping[str, set[str]]) -> NodeSteps:
        """The steps of a node's operations. `readers` are the nodes that read each result."""
        steps = tuple(map(step_of, ops))
        made = {op.name for op in ops}
        inputs = _unique(name for op in ops for name in op.args if name not in made)
        outputs = tuple(op.name for op in ops if readers[op.name] != {node})
        stored = _unique(name for step in steps for name in step.stored)
        again = {step.op.name: step for step in steps if step.op.options.get("again")}
        kept = _unique(name for step in steps for name in step.keeps if name not in again)
        return cls(
            node,
            steps,
            inputs,
            outputs,
            stored,
            tuple(name.removesuffix(".bias") for name in stored if name.endswith(".bias")),
            kept,
            again,
            _last_reads(ops, {*inputs, *outputs, *kept}),
            _last_reads(ops, {*inputs, *outputs}),
        )

    def forward(self, tape: Tape, *, keep: bool) -> None:
        """Run all steps. Outputs stay, and with `keep` what the way back needs."""
        for step, last in zip(self.steps, self.freed if keep else self.read_last):
            step.measure(tape)
            tape.values[step.op.name] = step.result(tape)
            tape.forget(step.op.name, keep=step.keeps if keep else ())
            for name in last:
                del tape.values[name]

    def backward(self, tape: Tape, grads: Gradients) -> None:
        """Run all steps back, from gradients of the outputs to those of inputs and parameters."""
        for step in reversed(self.steps):
            name = step.op.name
            owned = name not in grads.borrowed
            grad = grads.values.pop(name, None)
            if grad is not None:
                step.backward(tape, grad, grads, owned=owned)
            tape.forget(name, keep=step.keeps)
            if name in self.again:
                tape.values.pop(name, None)


def node_steps(plan: Plan) -> tuple[NodeSteps, ...]:
    """The nodes of a training plan, in order. The sink is none."""
    groups: dict[str, list[Op]] = {}
    readers: dict[str, set[str]] = {}
    for op in plan.ops:
        if op.node:
            groups.setdefault(op.node, []).append(op)
        for name in op.args:
            readers.setdefault(name, set()).add(op.node)
    return tuple(NodeSteps.of(node, ops, readers) for node, ops in groups.items())


def _last_reads(ops: list[Op], stay: set[str]) -> tuple[tuple[str, ...], ...]:
    """What each operation is the last to read, of values that need not stay."""
    later = set(stay)
    found = []
    for op in reversed(ops):
        read = [name for name in dict.fromkeys(op.args) if name not in later]
        found.append(tuple(read))
        later.update(read)
    return tuple(found[::-1])


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


@attrs.frozen
class Call:
    """What a node is run with, beside tensors."""

    node: NodeSteps
    frames: int
    norms: Mapping[str, nn.BatchNorm3d]
    batch: Mapping[str, bool]
    """Whether each normalisation uses the batch's statistics."""
    keep: bool
    """Whether to keep what the way back needs; else all is computed again from the inputs."""
    shared: bool = False
    """Whether a batch's statistics are those of all processes together."""

    def run(self, tensors: Iterable[Tensor]) -> dict[str, Tensor]:
        """The outputs; `tensors` are the inputs and the stored ones."""
        if torch.is_grad_enabled():
            outputs = _NodeFunction.apply(self, *tensors)  # type: ignore[no-untyped-call]
            return dict(zip(self.node.outputs, outputs))
        tape = self.tape(tensors, update=True)
        self.node.forward(tape, keep=False)
        return {name: tape.values[name] for name in self.node.outputs}

    def tape(self, tensors: Iterable[Tensor], *, update: bool = False) -> Tape:
        """A tape that begins with the inputs."""
        given = dict(zip((*self.node.inputs, *self.node.stored), tensors))
        values = {name: given[name] for name in self.node.inputs}
        again = self.node.again
        return Tape(self.frames, given, self.norms, self.batch, values, again, update, self.shared)


class _NodeFunction(torch.autograd.Function):
    """A node: inputs and stored tensors to outputs."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
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
        call: Call = ctx.call
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
