"""The operations of attention in a training plan: forward and backward (semantics 3).

Tensors are (B, H, W, C) with B = N*T, as in `convs`, and vectors CxT are (B, C), at least in single
precision.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.inference.operations import head_dtype
from anetc.engines.training.tape import Gradients, Tape
from anetc.plan.plan import Op


@attrs.frozen
class Gates:
    """The factors of an operation: sigmoid(w[i]), the shares softmax(h[i]), or 1 without a name."""

    stored: str
    """Name of w or h; empty for the factor 1."""
    row: int | None
    """Row of h; None for w."""
    positions: tuple[int, ...]
    """Index of each factor in w or in the row."""

    @classmethod
    def of(cls, op: Op) -> Gates | None:
        """Return the gates of an operation, or None if it has none."""
        gates = op.exprs.get("gates", ())
        if not gates:
            return None
        if not gates[0].args:
            return cls("", None, (0,) * len(gates))
        row = int(gates[0].args[1].head) if gates[0].head == "share" else None
        return cls(gates[0].args[0].head, row, tuple(int(gate.args[-1].head) for gate in gates))

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the stored tensor, if there is one."""
        return (self.stored,) if self.stored else ()

    def values(self, tape: Tape, like: Tensor) -> list[Tensor]:
        """Return the factors as scalars of the type of `like`."""
        if not self.stored:
            return [like.new_ones(()) for _ in self.positions]
        values = self._all(tape).to(like.dtype)
        return [values[position] for position in self.positions]

    def backward(self, tape: Tape, grads: Gradients, products: list[Tensor]) -> None:
        """Add to the gradient of the stored tensor. `products` are the gradients of the factors."""
        if self.stored not in grads.wanted:
            return
        stored, values = tape.parameters[self.stored], self._all(tape)
        grad = torch.zeros_like(values)
        for position, product in zip(self.positions, products):
            grad[position] += product.to(grad.dtype)
        if self.row is None:
            grads.add(self.stored, grad.mul_(values * (1 - values)))
            return
        result = torch.zeros_like(stored)
        result[self.row] = values * (grad - torch.dot(values, grad))
        grads.add(self.stored, result)

    def _all(self, tape: Tape) -> Tensor:
        stored = tape.parameters[self.stored]
        return torch.sigmoid(stored) if self.row is None else torch.softmax(stored[self.row], dim=0)


@attrs.frozen
class MeanStep:
    """The mean over space."""

    op: Op
    stored: tuple[str, ...] = ()

    @property
    def keeps(self) -> tuple[str, ...]:
        """Name of its argument, of which only the shape is used."""
        return self.op.args

    def measure(self, tape: Tape) -> None:
        """Do nothing: a mean has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return (B, C) for (B, H, W, C)."""
        x = tape.read(self.op.args[0])
        return x.mean((1, 2), dtype=head_dtype(x.dtype))

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradient of the argument."""
        name = self.op.args[0]
        if name not in grads.wanted:
            return
        x = tape.read(name)
        each = (grad / (x.shape[1] * x.shape[2])).to(x.dtype)[:, None, None]
        total = grads.own(name)
        if total is not None:
            total.add_(each)
        else:
            grads.add(name, each.expand(x.shape).contiguous())


@attrs.frozen
class LinearStep:
    """A linear layer of vectors, which are multiplied by a gate if it has one."""

    op: Op
    weight: str
    bias: str
    gates: Gates | None

    @classmethod
    def of(cls, op: Op) -> LinearStep:
        """Return the step of an operation `linear`."""
        weight, bias = (op.exprs[role][0].head for role in ("weight", "bias"))
        return cls(op, weight, bias, Gates.of(op))

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of its weight and bias, and of the edge weights."""
        return (self.weight, self.bias, *(self.gates.names if self.gates else ()))

    @property
    def keeps(self) -> tuple[str, ...]:
        """Name of its argument."""
        return self.op.args

    def measure(self, tape: Tape) -> None:
        """Do nothing: a linear layer has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return (B, C') for (B, C)."""
        x = self._gated(tape)
        weight, bias = (tape.parameters[name].to(x.dtype) for name in (self.weight, self.bias))
        return functional.linear(x, weight, bias)

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of weight, bias, argument and edge weight."""
        weight, bias = tape.parameters[self.weight], tape.parameters[self.bias]
        if self.weight in grads.wanted:
            grads.add(self.weight, (grad.t() @ self._gated(tape)).to(weight.dtype))
        grads.add(self.bias, grad.sum(0).to(bias.dtype))
        result = grad @ weight.to(grad.dtype)
        if self.gates is not None:
            x = tape.read(self.op.args[0])
            self.gates.backward(tape, grads, [(result * x).sum()])
            result = result * self.gates.values(tape, x)[0]
        grads.add(self.op.args[0], result)

    def _gated(self, tape: Tape) -> Tensor:
        x = tape.read(self.op.args[0])
        return x if self.gates is None else x * self.gates.values(tape, x)[0]


@attrs.frozen
class MixStep:
    """The sum of vectors, each multiplied by its share."""

    op: Op
    gates: Gates

    @classmethod
    def of(cls, op: Op) -> MixStep:
        """Return the step of an operation `mix`."""
        gates = Gates.of(op)
        assert gates is not None
        return cls(op, gates)

    @property
    def stored(self) -> tuple[str, ...]:
        """Name of the mixture of the peers."""
        return self.gates.names

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its terms."""
        return self.op.args

    def measure(self, tape: Tape) -> None:
        """Do nothing: a sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return the sum of vectors (B, C)."""
        terms = [tape.read(name) for name in self.op.args]
        shares = self.gates.values(tape, terms[0])
        total = terms[0] * shares[0]
        for term, share in zip(terms[1:], shares[1:]):
            total.addcmul_(term, share)
        return total

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of the terms and the mixture."""
        terms = [tape.read(name) for name in self.op.args]
        self.gates.backward(tape, grads, [(grad * term).sum() for term in terms])
        for name, share in zip(self.op.args, self.gates.values(tape, terms[0])):
            grads.add(name, grad * share)


@attrs.frozen
class AttendStep:
    """The sum of tensors times their gates and their attention, sigmoid(logits).

    The arguments are the terms, and after them the logits of each. There is no tensor for each
    product.
    """

    op: Op
    gates: Gates

    @classmethod
    def of(cls, op: Op) -> AttendStep:
        """Return the step of an operation `attend`."""
        gates = Gates.of(op)
        assert gates is not None
        return cls(op, gates)

    @property
    def stored(self) -> tuple[str, ...]:
        """Name of the edge weights before the sigmoid; none for a sole input."""
        return self.gates.names

    @property
    def keeps(self) -> tuple[str, ...]:
        """Names of its terms and logits."""
        return self.op.args

    @property
    def terms(self) -> tuple[tuple[str, str], ...]:
        """Names of each term and of its logits."""
        count = len(self.op.args) // 2
        return tuple(zip(self.op.args[:count], self.op.args[count:]))

    def measure(self, tape: Tape) -> None:
        """Do nothing: a sum has no statistics."""

    def result(self, tape: Tape) -> Tensor:
        """Return the sum of tensors (B, H, W, C)."""
        total: Tensor | None = None
        gates = self.gates.values(tape, tape.read(self.terms[0][1]))
        for (name, logits), gate in zip(self.terms, gates):
            x = tape.read(name)
            factor = _of_cells(gate * torch.sigmoid(tape.read(logits)), x)
            total = x * factor if total is None else total.addcmul_(x, factor)
        assert total is not None
        return total

    def backward(self, tape: Tape, grad: Tensor, grads: Gradients, *, owned: bool) -> None:
        """Add to the gradients of terms, logits and edge weights."""
        gates = self.gates.values(tape, tape.read(self.terms[0][1]))
        products = []
        for (name, logits), gate in zip(self.terms, gates):
            x = tape.read(name)
            attention = torch.sigmoid(tape.read(logits))
            of_factor = (grad * x).sum((1, 2), dtype=attention.dtype)
            products.append((of_factor * attention).sum())
            grads.add(logits, of_factor * gate * attention * (1 - attention))
            total, factor = grads.own(name), _of_cells(gate * attention, x)
            if total is not None:
                total.addcmul_(grad, factor)
            else:
                grads.add(name, grad * factor)
        self.gates.backward(tape, grads, products)


def _of_cells(factor: Tensor, x: Tensor) -> Tensor:
    """Return factors (B, C) for each cell of x (B, H, W, C)."""
    return factor[:, None, None].to(x.dtype)
