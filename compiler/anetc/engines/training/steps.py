"""The operations of a training plan, each a step forward and a step back."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from anetc.engines.training import convs, norms
from anetc.engines.training.tape import Activation, Gradients, Tape, TapeStep
from anetc.plan.plan import Op


def _activation(op: Op) -> Activation | None:
    """The normalisation and ReLU that an operation makes of its first argument, if it does."""
    norm = op.options.get("before")
    return Activation(op.name, op.args[0], str(norm)) if norm is not None else None


@attrs.frozen
class ConvStep:
    """A convolution, of an activated input if it has a normalisation `before`."""

    op: Op
    weight: str
    geometry: convs.Geometry
    before: Activation | None

    @classmethod
    def of(cls, op: Op) -> ConvStep:
        """The step of an operation `conv`."""
        return cls(op, _stored(op), convs.Geometry.of(op), _activation(op))

    @property
    def stored(self) -> tuple[str, ...]:
        """Its weight, and the normalisation's."""
        return (self.weight, *(self.before.stored if self.before else ()))

    @property
    def keeps(self) -> tuple[str, ...]:
        """Its input, or what makes it; and the summand, if it is run again."""
        own = self.before.keeps if self.before else (self.op.args[0],)
        return (*own, *self.op.args[1:]) if self.op.options.get("again") else own

    def measure(self, tape: Tape) -> None:
        """Note the statistics of the normalisation before it."""
        if self.before:
            self.before.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """(B, H, W, C) -> (B, H', W', C')."""
        summand = tape.read(self.op.args[1]) if len(self.op.args) > 1 else None
        x = self._input(tape)
        return convs.convolve(x, self._weight(tape, x), self.geometry, tape.frames, summand)

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of weight, input and summand."""
        x = self._input(tape)
        name, place, weight = self.op.args[0], self.geometry, self._weight(tape, x)
        if self.weight in grads.wanted:
            grads.add(self.weight, convs.weight_gradient(grad, x, weight, place, tape.frames))
        if self.before and not grads.wanted.isdisjoint((name, *self.before.stored)):
            result = convs.input_gradient(grad, x, weight, place, tape.frames)
            norms.mask_(result, x)
            self.before.backward(tape, result, grads, owned=True)
        elif name in grads.wanted:
            total = grads.own(name)
            result = convs.input_gradient(grad, x, weight, place, tape.frames, total)
            if total is None:
                grads.add(name, result)
        if len(self.op.args) > 1:
            grads.add(self.op.args[1], grad, borrowed=not owned)

    def _input(self, tape: Tape) -> Tensor:
        return self.before.active(tape) if self.before else tape.read(self.op.args[0])

    def _weight(self, tape: Tape, x: Tensor) -> Tensor:
        return tape.parameters[self.weight].to(x.dtype)


@attrs.frozen
class Norm:
    """A batch normalisation, with a sum and a ReLU behind it."""

    op: Op
    norm: Activation

    @classmethod
    def of(cls, op: Op) -> Norm:
        """The step of an operation `norm`."""
        return cls(op, Activation(op.name, op.args[0], _stored(op)))

    @property
    def stored(self) -> tuple[str, ...]:
        """Its weight and bias."""
        return self.norm.stored

    @property
    def keeps(self) -> tuple[str, ...]:
        """Its input, and its result, which tells what the ReLU let through."""
        return (*self.norm.keeps, *([self.op.name] if self.op.relu else []))

    def measure(self, tape: Tape) -> None:
        """Note the statistics."""
        self.norm.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
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
class Sum:
    """The sum of tensors times their gates, sigmoid(w_i): no product is a tensor of its own."""

    op: Op
    weights: str
    places: tuple[int, ...]
    """Where in `weights` each term's one is."""

    @classmethod
    def of(cls, op: Op) -> Sum:
        """The step of an operation `sum`."""
        gates = op.exprs["gates"]
        return cls(op, gates[0].args[0].head, tuple(int(gate.args[1].head) for gate in gates))

    @property
    def stored(self) -> tuple[str, ...]:
        """The edge weights, before the sigmoid."""
        return (self.weights,)

    @property
    def keeps(self) -> tuple[str, ...]:
        """Its terms."""
        return self.op.args

    def measure(self, tape: Tape) -> None:
        """A sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Of (B, H, W, C) each."""
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
            found = torch.stack([torch.dot(grad.flatten(), term.flatten()) for term in terms])
            result = torch.zeros_like(weights)
            result[list(self.places)] = found.to(weights.dtype)
            opened = torch.sigmoid(weights)
            grads.add(self.weights, result.mul_(opened * (1 - opened)))
        wanted = [pair for pair in zip(self.op.args, gates) if pair[0] in grads.wanted]
        for place, (name, gate) in enumerate(wanted, start=1):
            total = grads.own(name)
            if total is not None:
                total.addcmul_(grad, gate)
            else:
                last = owned and place == len(wanted)
                grads.add(name, grad.mul_(gate) if last else grad * gate)

    def _gates(self, tape: Tape) -> list[Tensor]:
        gates = torch.sigmoid(tape.parameters[self.weights])
        gates = gates.to(tape.read(self.op.args[0]).dtype)
        return [gates[place] for place in self.places]


@attrs.frozen
class Add:
    """The sum of two tensors, where no other operation could take it as its last step."""

    op: Op
    stored: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()

    def measure(self, tape: Tape) -> None:
        """A sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Of two (B, H, W, C)."""
        left, right = (tape.read(name) for name in self.op.args)
        return left + right

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of both."""
        # Both are given the same memory, so neither may write to it.
        for name in self.op.args:
            grads.add(name, grad, borrowed=True)


@attrs.frozen
class Pool:
    """The maximum over windows; the ReLU of a normalisation `before` comes behind it."""

    op: Op
    window: norms.Window
    before: Activation | None

    @classmethod
    def of(cls, op: Op) -> Pool:
        """The step of an operation `pool`."""
        return cls(op, norms.Window(op.option("window"), op.option("stride")), _activation(op))

    @property
    def stored(self) -> tuple[str, ...]:
        """The normalisation's weight and bias."""
        return self.before.stored if self.before else ()

    @property
    def keeps(self) -> tuple[str, ...]:
        """Where the largest were, and what makes its input."""
        places = f"{self.op.name}/places"
        if self.before is None:
            return (self.op.args[0], places)
        return (*self.before.keeps, places, self.op.name)

    def measure(self, tape: Tape) -> None:
        """Note the statistics of the normalisation before it."""
        if self.before:
            self.before.measure(tape)

    def result(self, tape: Tape) -> Tensor:
        """(B, H, W, C) -> (B, H', W', C)."""
        x = self.before.result(tape) if self.before else tape.read(self.op.args[0])
        result, tape.values[f"{self.op.name}/places"] = self.window.pool(x)
        return result.relu_() if self.before else result

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of the input, or of the normalisation before it."""
        x, places = tape.read(self.op.args[0]), tape.values[f"{self.op.name}/places"]
        if self.before is None:
            grads.add(self.op.args[0], self.window.backward(grad, x, places))
            return
        grad = norms.mask_(grad if owned else grad.clone(), tape.values[self.op.name])
        self.before.backward(tape, self.window.backward(grad, x, places), grads, owned=True)


def step_of(op: Op) -> TapeStep:
    """The step of an operation. Raises ValueError for one that nodes of a training plan lack."""
    match op.kind:
        case "conv":
            return ConvStep.of(op)
        case "norm":
            return Norm.of(op)
        case "sum":
            return Sum.of(op)
        case "pool":
            return Pool.of(op)
        case "add" if not op.relu:
            return Add(op)
    raise ValueError(f"{op.name}: operation {op.kind} does not train")


def _stored(op: Op) -> str:
    weight = op.expr("weight")
    assert weight is not None
    return weight.head
