"""Bytes that a plan's operations read and write, each its arguments, weights and result once.

Caches serve part of that, so the memory itself moves less. What it shows is how much a plan hands
from operation to operation: fusing them is to lower it.
"""

from __future__ import annotations

import math

from anetc.bench.results import REST
from anetc.plan.plan import Op, Plan


def traffic(plan: Plan, batch: int, number_bytes: int) -> dict[str, int]:
    """Bytes by node, with `sink`, for a batch in a type of so many bytes a number."""
    sizes = {op.name: math.prod(op.shape) * batch for op in plan.ops}
    shares = node_shares(plan)
    moved: dict[str, float] = {}
    for op in plan.ops:
        if op.kind != "input":
            values = sizes[op.name] + sum(sizes[name] for name in op.args) + _weights(op, plan)
            for node, share in shares[op.name].items():
                moved[node] = moved.get(node, 0) + share * values * number_bytes
    return {node: round(count) for node, count in moved.items()}


def node_shares(plan: Plan) -> dict[str, dict[str, float]]:
    """The nodes that each operation counts for, and how much for each; the sink's have none.

    What was joined for several nodes counts for each by its channels.
    """
    users = plan.users()
    shares: dict[str, dict[str, float]] = {}
    for op in reversed(plan.ops):
        readers = users[op.name]
        shares[op.name] = {op.node or (REST if op.kind == "input" else "sink"): 1.0}
        if readers and all(reader.kind == "part" for reader in readers):
            shares[op.name] = {}
            for reader in readers:
                before = shares[op.name].get(reader.node, 0.0)
                shares[op.name][reader.node] = before + reader.shape[0] / op.shape[0]
        elif [reader.kind for reader in readers] == ["pool"] and op.kind == "conv":
            shares[op.name] = shares[readers[0].name]
    return shares


def _weights(op: Op, plan: Plan) -> int:
    if op.kind == "conv":
        kernel = math.prod(map(int, str(op.options["kernel"]).split("x")))
        return kernel * op.shape[0] * plan.op(op.args[0]).shape[0]
    if op.kind == "linear":
        return op.shape[0] * plan.op(op.args[0]).shape[0]
    return 0
