"""The plan: a network as a list of tensor operations with shapes, and its readable text form.

`anetc.plan.lower` lowers a network to a plan, `anetc.plan.passes` optimise the plan,
`anetc.engines` run it, and `anetc.export` writes it in other forms. A plan is in static single
assignment form: the result of an operation has the operation's name, and an operation reads
results above it only. Names begin with the node, as in `n7.m1.conv2`, so that errors and profiles
refer to nodes.

    plan assemblenet frames=16 size=112x112 mode=inference
    rgb          3x16x112x112  input()
    s0.conv      32x16x56x56   conv(rgb) kernel=1x7x7 stride=2 relu weight=... bias=... @s0[301:356]

A shape is CxTxHxW, C for a vector, and CxT for one vector per frame; the batch dimension N is left
out. The values of `weight`, `bias` and `gates` are expressions (`Expr`) of stored tensors. They are
evaluated once, before the plan runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import attrs

from anetdsl.source import NOWHERE, Span

Kind = Literal[
    "input",  # an input of the network
    "conv",  # a convolution over space or time, added to the second argument if there is one
    "norm",  # batch normalisation
    "relu",
    "add",  # the sum of two tensors of equal shape
    "sum",  # the sum of tensors, each multiplied by its gate
    "attend",  # the same, each tensor also multiplied by its attention: sigmoids of logits CxT
    "pool",  # "same" max pool over space
    "part",  # a slice of the channels, from channel `first`
    "space_mean",  # CxTxHxW -> CxT
    "time_mean",  # CxT -> C
    "average",  # the mean of vectors of equal shape
    "concat",  # concatenation of vectors along C
    "mix",  # the sum of vectors CxT, each multiplied by its gate
    "linear",  # linear layer along C; a gate multiplies its argument
    "time_pool",  # CxT -> C, weighted by the softmax over time (the head `maxpool`)
]
Mode = Literal["inference", "training"]
Option = int | str | bool


@attrs.frozen
class Expr:
    """A tensor computed from stored tensors: a function of expressions, or the name of a tensor.

    Stored tensors have their names in the state dict (`anetc.modules.names`). The four tensors of a
    batch normalisation have one common name.

        fold(w, bn)     w times the scale of bn, along the output channels
        shift(bn)       the constant that bn adds: its bias - its mean times its scale
        gate(w, i)      sigmoid(w[i])
        share(h, i, k)  softmax(h[i])[k]
        ratio(g, h)     g / h
        scale(w, g)     w times the number g
        join(a, b, ..)  concatenation along the output channels
    """

    head: str
    args: tuple[Expr, ...] = ()

    def __str__(self) -> str:
        if not self.args:
            return self.head
        return f"{self.head}({', '.join(map(str, self.args))})"


def call(function: str, *args: Expr | str | int) -> Expr:
    """Return an expression; names and numbers become expressions without arguments."""
    return Expr(function, tuple(a if isinstance(a, Expr) else Expr(str(a)) for a in args))


@attrs.frozen
class Op:
    """One operation and its result."""

    name: str
    kind: Kind
    args: tuple[str, ...]
    shape: tuple[int, ...]
    options: Mapping[str, Option] = attrs.field(factory=dict)
    """Options such as `kernel` (TxHxW), `stride`, `dilation`, `window`, `relu`.

    A convolution with `same` pads as TensorFlow's "same"; others pad all sides equally. A kernel
    over space has a stride, one over time a dilation of time."""
    exprs: Mapping[str, tuple[Expr, ...]] = attrs.field(factory=dict)
    """Expressions by role: `weight`, `bias`, `gates`."""
    node: str = ""
    """Node of the operation; empty for inputs and the sink."""
    span: Span = attrs.field(default=NOWHERE, eq=False)
    """Place of the node in the network's text."""

    @property
    def relu(self) -> bool:
        """True if a ReLU is applied to the result."""
        return bool(self.options.get("relu", False))

    def option(self, name: str) -> int:
        """Return the value of a numeric option; 1 if the operation does not have it."""
        return int(self.options.get(name, 1))

    def expr(self, name: str) -> Expr | None:
        """Return the first expression of a role, or None."""
        found = self.exprs.get(name, ())
        return found[0] if found else None


@attrs.frozen
class Plan:
    """The operations of a network for clips of `frames` x `height` x `width`."""

    network: str
    frames: int
    height: int
    width: int
    ops: tuple[Op, ...]
    mode: Mode = "inference"

    @property
    def output(self) -> str:
        """Name of the last operation, which computes the logits."""
        return self.ops[-1].name

    def op(self, name: str) -> Op:
        """Return the operation with this name. Raise KeyError if there is none."""
        for op in self.ops:
            if op.name == name:
                return op
        raise KeyError(name)

    def users(self) -> dict[str, list[Op]]:
        """Return, for each result, the operations that read it, in order."""
        users: dict[str, list[Op]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for name in dict.fromkeys(op.args):
                users[name].append(op)
        return users

    def replace(self, changes: Mapping[str, tuple[Op, ...]]) -> Plan:
        """Return the plan with the operations in `changes` replaced by zero or more others."""
        ops: list[Op] = []
        for op in self.ops:
            ops.extend(changes.get(op.name, (op,)))
        return attrs.evolve(self, ops=tuple(ops))

    def renamed(self, names: Mapping[str, str]) -> Plan:
        """Return the plan in which operations read `names[x]` instead of x."""
        ops = (
            attrs.evolve(op, args=tuple(names.get(arg, arg) for arg in op.args)) for op in self.ops
        )
        return attrs.evolve(self, ops=tuple(ops))


def last_uses(plan: Plan) -> dict[str, str]:
    """Return, for each result that is read, the name of the last operation that reads it."""
    last: dict[str, str] = {}
    for op in plan.ops:
        for name in op.args:
            last[name] = op.name
    return last


def check_plan(plan: Plan) -> None:
    """Raise ValueError unless names are unique and operations read only results above them."""
    known: set[str] = set()
    for op in plan.ops:
        check_op(op, known)
        known.add(op.name)


def check_op(op: Op, known: Collection[str]) -> None:
    """Raise ValueError unless an operation may follow the operations with the names `known`."""
    if op.name in known:
        raise ValueError(f"two operations have the name {op.name}")
    for name in op.args:
        if name not in known:
            raise ValueError(f"{op.name} reads {name}, which is not a result above it")
