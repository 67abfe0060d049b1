"""Bytes that a plan's operations read and write, each its arguments, weights and result once.

Caches serve part of that, so the memory itself moves less. What it shows is how much a plan hands
from operation to operation: fusing them is to lower it.
"""

from __future__ import annotations

import math

from anetc.bench.values import REST
from anetc.plan import Op, Plan


def traffic(plan: Plan, batch: int, number_bytes: int) -> dict[str, int]:
    """Bytes by node, with `sink`, for a batch in a type of so many bytes a number."""
    sizes = {op.name: math.prod(op.shape) * batch for op in plan.ops}
    moved: dict[str, int] = {}
    for op in plan.ops:
        if op.kind != "input":
            values = sizes[op.name] + sum(sizes[name] for name in op.args) + _weights(op, plan)
            node = node_of(op)
            moved[node] = moved.get(node, 0) + values * number_bytes
    return moved


def node_of(op: Op) -> str:
    """The node that an operation counts for; the sink's have none of their own."""
    return op.node or (REST if op.kind == "input" else "sink")


def _weights(op: Op, plan: Plan) -> int:
    if op.kind == "conv":
        kernel = math.prod(map(int, str(op.options["kernel"]).split("x")))
        return kernel * op.shape[0] * plan.op(op.args[0]).shape[0]
    if op.kind == "linear":
        return op.shape[0] * plan.op(op.args[0]).shape[0]
    return 0
