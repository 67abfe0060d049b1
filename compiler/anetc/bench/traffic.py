"""Count the bytes that a plan's operations read and write.

Each operation counts its arguments, its weights and its result once. Caches serve a part of these
bytes, so the memory itself moves fewer. The count shows how much data goes from operation to
operation; fusing operations lowers it.
"""

from __future__ import annotations

import math

from anetc.bench.results import REST
from anetc.plan.plan import Op, Plan


def traffic(plan: Plan, batch: int, number_bytes: int) -> dict[str, int]:
    """Return the bytes by node and for `sink`, for a batch of numbers of `number_bytes` each."""
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
    """Return, for each operation, the nodes it belongs to and the share of each.

    A joined operation is shared by its nodes in proportion to their channels. Operations of no node
    count for `sink`, inputs for the rest.
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
