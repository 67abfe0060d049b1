"""The operations of a training plan: the forward and the backward step of each."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from anetc.engines.training import convs, norms
from anetc.engines.training.attention_steps import AttendStep, LinearStep, MeanStep, MixStep
from anetc.engines.training.tape import Gradients, Normalisation, Tape, TapeStep
from anetc.plan.plan import Op


def _input_norm(op: Op) -> Normalisation | None:
    """Return the normalisation, followed by a ReLU, of an operation's first argument, if any."""
    norm = op.options.get("input_norm")
    return Normalisation(op.name, op.args[0], str(norm)) if norm is not None else None


@attrs.frozen
class ConvStep:
    """A convolution, with a normalisation and ReLU of its input if it has an `input_norm`."""

    op: Op
    weight: str
    geometry: convs.Geometry
    input_norm: Normalisation | None

    @classmethod
    def of(cls, op: Op) -> ConvStep:
        """Return the step of an operation `conv`."""
        return cls(op, _stored(op), convs.Geometry.of(op), _input_norm(op))

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of its weight, and of the weight and bias of its normalisation."""
        return (self.weight, *(self.input_norm.stored if self.input_norm else ()))

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its input, or of the values that give it, and of the summand if recomputed."""
        own = self.input_norm.keeps if self.input_norm else (self.op.args[0],)
        return (*own, *self.op.args[1:]) if self.op.options.get("recompute") else own

    def measure(self, tape: Tape) -> None:
        """Compute and save the statistics of the input's normalisation."""
        if self.input_norm:
            self.input_norm.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """Return the convolution (B, H', W', C') of (B, H, W, C)."""
        summand = tape.read(self.op.args[1]) if len(self.op.args) > 1 else None
        x = self._input(tape)
        return convs.convolve(x, self._weight(tape, x), self.geometry, tape.frames, summand)

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of weight, input and summand."""
        x = self._input(tape)
        name, geometry, weight = self.op.args[0], self.geometry, self._weight(tape, x)
        if self.weight in grads.wanted:
            grads.add(self.weight, convs.weight_gradient(grad, x, weight, geometry, tape.frames))
        if self.input_norm and not grads.wanted.isdisjoint((name, *self.input_norm.stored)):
            result = convs.input_gradient(grad, x, weight, geometry, tape.frames)
            norms.mask_(result, x)
            self.input_norm.backward(tape, result, grads, owned=True)
        elif name in grads.wanted:
            total = grads.own(name)
            result = convs.input_gradient(grad, x, weight, geometry, tape.frames, total)
            if total is None:
                grads.add(name, result)
        if len(self.op.args) > 1:
            grads.add(self.op.args[1], grad, borrowed=not owned)

    def _input(self, tape: Tape) -> Tensor:
        return self.input_norm.activated(tape) if self.input_norm else tape.read(self.op.args[0])

    def _weight(self, tape: Tape, x: Tensor) -> Tensor:
        return tape.parameters[self.weight].to(x.dtype)


@attrs.frozen
class NormStep:
    """A batch normalisation, followed by a sum and a ReLU if it has them."""

    op: Op
    norm: Normalisation

    @classmethod
    def of(cls, op: Op) -> NormStep:
        """Return the step of an operation `norm`."""
        return cls(op, Normalisation(op.name, op.args[0], _stored(op)))

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of its weight and bias."""
        return self.norm.stored

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its input and statistics, and of its result if the ReLU's gradient needs it."""
        return (*self.norm.keeps, *([self.op.name] if self.op.relu else []))

    def measure(self, tape: Tape) -> None:
        """Compute and save the statistics."""
        self.norm.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """Return the normalised tensor (B, H, W, C)."""
        result = self.norm.result(tape)
        for name in self.op.args[1:]:
            result.add_(tape.read(name))
        return result.relu_() if self.op.relu else result

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of input, weight, bias and summand."""
        if self.op.relu:
            grad = norms.mask_(grad if owned else grad.clone(), tape.values[self.op.name])
            owned = True
        summands = self.op.args[1:]
        self.norm.backward(tape, grad, grads, owned=owned and not summands)
        for name in summands:
            grads.add(name, grad, borrowed=not owned)


@attrs.frozen
class SumStep:
    """The sum of tensors times their gates, sigmoid(w_i), without a tensor for each product."""

    op: Op
    weights: str
    positions: tuple[int, ...]
    """Index in `weights` of each term's edge weight."""

    @classmethod
    def of(cls, op: Op) -> SumStep:
        """Return the step of an operation `sum`."""
        gates = op.exprs["gates"]
        return cls(op, gates[0].args[0].head, tuple(int(gate.args[1].head) for gate in gates))

    @property
    def stored(self) -> tuple[str, ...]:
        """Name of the edge weights before the sigmoid."""
        return (self.weights,)

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its terms."""
        return self.op.args

    def measure(self, tape: Tape) -> None:
        """Do nothing: a sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return the sum of tensors (B, H, W, C)."""
        terms = [tape.read(name) for name in self.op.args]
        gates = self._gates(tape)
        total = terms[0] * gates[0]
        for term, gate in zip(terms[1:], gates[1:]):
            total.addcmul_(term, gate)
        return total

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of terms and edge weights."""
        terms = [tape.read(name) for name in self.op.args]
        gates = self._gates(tape)
        if self.weights in grads.wanted:
            weights = tape.parameters[self.weights]
            products = torch.stack([torch.dot(grad.flatten(), term.flatten()) for term in terms])
            result = torch.zeros_like(weights)
            result[list(self.positions)] = products.to(weights.dtype)
            gate = torch.sigmoid(weights)
            grads.add(self.weights, result.mul_(gate * (1 - gate)))
        wanted = [pair for pair in zip(self.op.args, gates) if pair[0] in grads.wanted]
        for number, (name, gate) in enumerate(wanted, start=1):
            total = grads.own(name)
            if total is not None:
                total.addcmul_(grad, gate)
            else:
                last = owned and number == len(wanted)
                grads.add(name, grad.mul_(gate) if last else grad * gate)

    def _gates(self, tape: Tape) -> list[Tensor]:
        gates = torch.sigmoid(tape.parameters[self.weights])
        gates = gates.to(tape.read(self.op.args[0]).dtype)
        return [gates[position] for position in self.positions]


@attrs.frozen
class AddStep:
    """The sum of two tensors that is fused with no other operation."""

    op: Op
    stored: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()

    def measure(self, tape: Tape) -> None:
        """Do nothing: a sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return the sum of two tensors (B, H, W, C)."""
        left, right = (tape.read(name) for name in self.op.args)
        return left + right

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of both terms."""
        # Both gradients use the same memory, so that neither may be changed in place.
        for name in self.op.args:
            grads.add(name, grad, borrowed=True)


@attrs.frozen
class PoolStep:
    """A max pool. If it has an `input_norm`, it applies the ReLU of that after the pool."""

    op: Op
    window: norms.Window
    input_norm: Normalisation | None

    @classmethod
    def of(cls, op: Op) -> PoolStep:
        """Return the step of an operation `pool`."""
        return cls(op, norms.Window(op.option("window"), op.option("stride")), _input_norm(op))

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the weight and bias of its normalisation."""
        return self.input_norm.stored if self.input_norm else ()

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of the indices of maxima, and of the values that give the input and the ReLU."""
        indices = f"{self.op.name}/indices"
        if self.input_norm is None:
            return (self.op.args[0], indices)
        return (*self.input_norm.keeps, indices, self.op.name)

    def measure(self, tape: Tape) -> None:
        """Compute and save the statistics of the input's normalisation."""
        if self.input_norm:
            self.input_norm.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """Return the pool (B, H', W', C) of (B, H, W, C)."""
        x = self.input_norm.result(tape) if self.input_norm else tape.read(self.op.args[0])
        result, tape.values[f"{self.op.name}/indices"] = self.window.pool(x)
        return result.relu_() if self.input_norm else result

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of the input, or of its normalisation's tensors."""
        x, indices = tape.read(self.op.args[0]), tape.values[f"{self.op.name}/indices"]
        if self.input_norm is None:
            grads.add(self.op.args[0], self.window.backward(grad, x, indices))
            return
        grad = norms.mask_(grad if owned else grad.clone(), tape.values[self.op.name])
        self.input_norm.backward(tape, self.window.backward(grad, x, indices), grads, owned=True)


def norm_of(step: TapeStep) -> Normalisation | None:
    """Return the normalisation of a step, if it has one."""
    if isinstance(step, NormStep):
        return step.norm
    return step.input_norm if isinstance(step, ConvStep | PoolStep) else None


def step_of(op: Op) -> TapeStep:
    """Return the step of an operation. Raise ValueError for one that training plans do not have."""
    match op.kind:
        case "conv":
            return ConvStep.of(op)
        case "norm":
            return NormStep.of(op)
        case "sum":
            return SumStep.of(op)
        case "pool":
            return PoolStep.of(op)
        case "add" if not op.relu:
            return AddStep(op)
        case "attend":
            return AttendStep.of(op)
        case "mix":
            return MixStep.of(op)
        case "linear":
            return LinearStep.of(op)
        case "space_mean":
            return MeanStep(op)
    raise ValueError(f"{op.name}: no operation {op.kind} in the nodes of training plans")


def _stored(op: Op) -> str:
    weight = op.expr("weight")
    assert weight is not None
    return weight.head
