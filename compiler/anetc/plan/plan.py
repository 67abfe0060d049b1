"""The plan: a network as a list of tensor operations with shapes, in a text form that people read.

`anetc.plan.lower` makes a plan of a network, the passes of `anetc.plan.passes` rewrite it,
`anetc.engines` runs it, and `anetc.export` writes it in other forms. A plan is in static single
assignment form: each operation has a result of its own name and reads those above it. Names start
with the node they come from, so that an error or a profile names `n7.m1.conv2` and not a number.

    plan assemblenet frames=16 size=112x112 mode=inference
    rgb          3x16x112x112  input()
    s0.conv      32x16x56x56   conv(rgb) kernel=1x7x7 stride=2 relu weight=... bias=... @s0[301:356]

A shape is CxTxHxW (the batch N stands before it), of a vector C, and of a vector a frame CxT. What
stands behind `weight`, `bias` and `gates` is computed from the stored tensors once, before anything
runs; see `Expr`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import attrs

from anetdsl.source import NOWHERE, Span

Kind = Literal[
    "input",  # a tensor that the network is given
    "conv",  # a convolution over space or over time; with a second argument, added to that
    "norm",  # batch normalisation
    "relu",
    "add",  # of two equal tensors
    "sum",  # of tensors, each times its gate
    "pool",  # maximum over windows of space
    "part",  # as many channels as the result has, from `first` on
    "space_mean",  # CxTxHxW -> CxT
    "time_mean",  # CxT -> C
    "average",  # of equal vectors
    "concat",  # of vectors, along C
    "linear",  # of vectors, along C
    "time_pool",  # CxT -> C: each frame by its softmax over time (the head `maxpool`)
]
Mode = Literal["inference", "training"]
Option = int | str | bool


@attrs.frozen
class Expr:
    """A tensor computed from stored ones: a function of expressions, or a stored one's name.

    Stored tensors are named as in the state dict (`anetc.modules.names`); a batch normalisation is
    named as a whole.

        fold(w, bn)     w times the scale of bn, along the output channels
        shift(bn)       what bn adds, its mean taken off
        gate(w, i)      sigmoid of element i
        ratio(g, h)     g / h
        scale(w, g)     w times a number
        join(a, b, ..)  one behind the other, along the output channels
    """

    head: str
    args: tuple[Expr, ...] = ()

    def __str__(self) -> str:
        if not self.args:
            return self.head
        return f"{self.head}({', '.join(map(str, self.args))})"


def call(function: str, *args: Expr | str | int) -> Expr:
    """An expression; words and numbers stand for themselves."""
    return Expr(function, tuple(a if isinstance(a, Expr) else Expr(str(a)) for a in args))


@attrs.frozen
class Op:
    """One operation and its result."""

    name: str
    kind: Kind
    args: tuple[str, ...]
    shape: tuple[int, ...]
    options: Mapping[str, Option] = attrs.field(factory=dict)
    """Such as `kernel` (TxHxW), `stride`, `dilation`, `window`, `relu`."""
    exprs: Mapping[str, tuple[Expr, ...]] = attrs.field(factory=dict)
    """`weight`, `bias`, `gates`: what is computed before anything runs."""
    node: str = ""
    span: Span = attrs.field(default=NOWHERE, eq=False)

    @property
    def relu(self) -> bool:
        """Whether the result is cut off at zero."""
        return bool(self.options.get("relu", False))

    def option(self, name: str) -> int:
        """A number among the options; 1 where it is not given."""
        return int(self.options.get(name, 1))

    def expr(self, name: str) -> Expr | None:
        """The one expression of a role, if there is one."""
        found = self.exprs.get(name, ())
        return found[0] if found else None


@attrs.frozen
class Plan:
    """What will run, for clips of `frames` x `height` x `width`. The last result is given."""

    network: str
    frames: int
    height: int
    width: int
    ops: tuple[Op, ...]
    mode: Mode = "inference"

    @property
    def output(self) -> str:
        """The name of the result: the logits."""
        return self.ops[-1].name

    def op(self, name: str) -> Op:
        """The operation of that name. Raises KeyError."""
        for op in self.ops:
            if op.name == name:
                return op
        raise KeyError(name)

    def users(self) -> dict[str, list[Op]]:
        """The operations that read each result, in order."""
        users: dict[str, list[Op]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for name in dict.fromkeys(op.args):
                users[name].append(op)
        return users

    def replace(self, changes: Mapping[str, tuple[Op, ...]]) -> Plan:
        """The plan with each operation named in `changes` replaced by others, perhaps none."""
        ops: list[Op] = []
        for op in self.ops:
            ops.extend(changes.get(op.name, (op,)))
        return attrs.evolve(self, ops=tuple(ops))

    def renamed(self, names: Mapping[str, str]) -> Plan:
        """The plan in which operations read `names[x]` instead of x."""
        ops = (
            attrs.evolve(op, args=tuple(names.get(arg, arg) for arg in op.args)) for op in self.ops
        )
        return attrs.evolve(self, ops=tuple(ops))


def last_uses(plan: Plan) -> dict[str, str]:
    """The operation that reads each result last; results that nothing reads are not among them."""
    last: dict[str, str] = {}
    for op in plan.ops:
        for name in op.args:
            last[name] = op.name
    return last


def check_plan(plan: Plan) -> None:
    """Raise ValueError unless names are unique and every operation reads results above it."""
    known: set[str] = set()
    for op in plan.ops:
        check_op(op, known)
        known.add(op.name)


def check_op(op: Op, known: Collection[str]) -> None:
    """Raise ValueError unless an operation fits below those whose names are `known`."""
    if op.name in known:
        raise ValueError(f"two operations are called {op.name}")
    for name in op.args:
        if name not in known:
            raise ValueError(f"{op.name} reads {name}, which is not above it")
